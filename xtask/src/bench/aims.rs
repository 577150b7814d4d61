//! The aims, and whether what was measured meets them: the table is computed, never typed.

use std::fmt::Write as _;

use super::figures::Figures;
use super::names::{self, KYVERNO, SIGWARD};

/// One aim.
struct Aim {
    words: &'static str,
    /// All of these works have to meet it.
    works: &'static [&'static str],
    /// What was measured of them.
    what: &'static str,
    goal: Goal,
    /// The note below the table that explains a miss.
    note: u8,
}

/// When an aim is met.
#[derive(Clone, Copy)]
enum Goal {
    /// Ours is at most so much; shown divided by `scale` with the unit.
    AtMost { most: f64, scale: f64, unit: &'static str },
    /// The peer needs at least so many times what ours does.
    Times { peer: &'static str, least: f64 },
    /// Ours needs at most so many times what it does for another work.
    Of { base: &'static str, most: f64 },
}

const MIB: f64 = 1_048_576.0;

const fn count(most: f64) -> Goal {
    Goal::AtMost { most, scale: 1.0, unit: "" }
}

const fn at_most(most: f64, scale: f64, unit: &'static str) -> Goal {
    Goal::AtMost { most: most * scale, scale, unit }
}

const fn cosign(least: f64) -> Goal {
    Goal::Times { peer: names::COSIGN3, least }
}

const fn kyverno(least: f64) -> Goal {
    Goal::Times { peer: KYVERNO, least }
}

const fn aim(
    words: &'static str,
    works: &'static [&'static str],
    what: &'static str,
    goal: Goal,
    note: u8,
) -> Aim {
    Aim { words, works, what, goal, note }
}

const VERIFY: &[&str] = &[
    names::VERIFY_BUNDLE_TAG,
    names::VERIFY_BUNDLE_DIGEST,
    names::VERIFY_FALLBACK_TAG,
    names::VERIFY_FALLBACK_DIGEST,
    names::VERIFY_LEGACY_TAG,
    names::VERIFY_LEGACY_DIGEST,
];
const SIGN: &[&str] = &[names::SIGN_BUNDLE, names::SIGN_LEGACY];

const COMMANDS: &[Aim] = &[
    aim(
        "`verify --key` by tag: at most 4 registry requests with the referrers API",
        &[names::VERIFY_BUNDLE_TAG],
        "requests",
        count(4.0),
        0,
    ),
    aim(
        "… at most 5 with the fallback tag",
        &[names::VERIFY_FALLBACK_TAG],
        "requests",
        count(5.0),
        0,
    ),
    aim("`verify --key`: at least 5 times faster than cosign 3", VERIFY, "wall", cosign(5.0), 1),
    aim("… with at least 4 times less memory", VERIFY, "memory", cosign(4.0), 2),
    aim("`sign --key`: at least 2 times faster", SIGN, "wall", cosign(2.0), 3),
    aim("… with at least 3 times less memory", SIGN, "memory", cosign(3.0), 3),
    aim(
        "`verify-blob`, keyless and offline: at least 8 times faster",
        &[names::BLOB],
        "wall",
        cosign(8.0),
        1,
    ),
    aim("… with at least 4 times less memory", &[names::BLOB], "memory", cosign(4.0), 2),
    aim(
        "`verify` of 100 images: at least 20 times faster",
        &[names::MANY],
        "wall",
        cosign(20.0),
        1,
    ),
    aim("stripped binary: at most 40 MB", &[names::PROGRAM], "size", at_most(40.0, 1e6, " MB"), 0),
];

const LANGUAGE: &[Aim] = &[
    aim(
        "`test` on the policy library: at least 20 times faster than Kyverno's command line",
        &[names::LIBRARY],
        "wall",
        kyverno(20.0),
        4,
    ),
    aim("… with at least 20 times less CPU", &[names::LIBRARY], "cpu", kyverno(20.0), 4),
    aim(
        "`apply` of 18 policies to 1,000 Pods: at least 20 times faster",
        &[names::APPLY],
        "wall",
        kyverno(20.0),
        4,
    ),
    aim(
        "webhook, 18 Pod Security policies: at least 40 times less CPU than Kyverno, 1 connection",
        &[names::POD_SECURITY],
        "cpu 1",
        kyverno(40.0),
        5,
    ),
    aim("… the same at 16 connections", &[names::POD_SECURITY], "cpu 16", kyverno(40.0), 5),
    aim(
        "… p99 at most 1 ms at one connection",
        &[names::POD_SECURITY],
        "p99 1",
        at_most(1.0, 1e-3, " ms"),
        5,
    ),
    aim(
        "200 policies of which none matches: at most 2 times the CPU of TLS and parsing, 1 connection",
        &[names::NONE_OF_MANY],
        "cpu 1",
        Goal::Of { base: names::FLOOR, most: 2.0 },
        6,
    ),
    aim(
        "… the same at 16 connections",
        &[names::NONE_OF_MANY],
        "cpu 16",
        Goal::Of { base: names::FLOOR, most: 2.0 },
        6,
    ),
    aim(
        "memory for each loaded policy: at most 50 KiB",
        &[names::EACH_POLICY],
        "memory",
        at_most(50.0, 1024.0, " KiB"),
        7,
    ),
];

const WEBHOOK: &[Aim] = &[
    aim(
        "signed Pod, warm: at least 20 times less CPU than Kyverno, 1 connection",
        &[names::WARM_TAG, names::WARM_DIGEST],
        "cpu 1",
        kyverno(20.0),
        8,
    ),
    aim(
        "… the same at 16 connections",
        &[names::WARM_TAG, names::WARM_DIGEST],
        "cpu 16",
        kyverno(20.0),
        8,
    ),
    aim("… at most 1 registry request by tag", &[names::WARM_TAG], "requests 1", count(1.01), 0),
    aim("… none by digest", &[names::WARM_DIGEST], "requests 1", count(0.01), 0),
    aim(
        "cold: at least 5 times less CPU, 1 connection",
        &[names::COLD_TAG, names::DISTINCT],
        "cpu 1",
        kyverno(5.0),
        9,
    ),
    aim(
        "… at most 4 registry requests",
        &[names::COLD_TAG, names::DISTINCT],
        "requests 1",
        count(4.01),
        0,
    ),
    aim("resident, idle: at most 30 MiB", &[names::STATE], "idle", at_most(30.0, MIB, " MiB"), 10),
    aim(
        "… after 10,000 digests: at most 60 MiB",
        &[names::STATE],
        "after distinct",
        at_most(60.0, MIB, " MiB"),
        11,
    ),
    aim("ready in at most 0.4 s", &[names::STATE], "ready", at_most(0.4, 1.0, " s"), 0),
    aim(
        "a Pod that no policy matches: at most 2 times the CPU of TLS and parsing, 1 connection",
        &[names::NO_MATCH],
        "cpu 1",
        Goal::Of { base: names::FLOOR, most: 2.0 },
        6,
    ),
    aim(
        "… the same at 16 connections",
        &[names::NO_MATCH],
        "cpu 16",
        Goal::Of { base: names::FLOOR, most: 2.0 },
        6,
    ),
];

const KEYLESS: &[Aim] = &[
    aim(
        "keyless with a timestamp, warm: at least 20 times less CPU than Kyverno, 1 connection",
        &[names::KEYLESS_WARM],
        "cpu 1",
        kyverno(20.0),
        8,
    ),
    aim("… at most 1 registry request", &[names::KEYLESS_WARM], "requests 1", count(1.01), 0),
    aim(
        "… cold: at least 5 times less CPU, 1 connection",
        &[names::KEYLESS_COLD],
        "cpu 1",
        kyverno(5.0),
        9,
    ),
    aim("… at most 4 registry requests", &[names::KEYLESS_COLD], "requests 1", count(4.01), 0),
];

/// The table of all aims.
pub(super) fn table(figures: &Figures) -> String {
    let mut text = "| aim | this run | |\n|---|---|---|\n".to_owned();
    for aim in COMMANDS.iter().chain(LANGUAGE).chain(WEBHOOK).chain(KEYLESS) {
        let (shown, verdict) = judge(aim, figures);
        // Writing to a string cannot fail.
        let _written = writeln!(text, "| {} | {shown} | {verdict} |", aim.words);
    }
    text
}

fn judge(aim: &Aim, figures: &Figures) -> (String, String) {
    let values: Option<Vec<f64>> =
        aim.works.iter().map(|work| value(aim.goal, work, aim.what, figures)).collect();
    let Some(values) = values.filter(|values| !values.is_empty()) else {
        return ("–".to_owned(), "not measured".to_owned());
    };
    let met = values.iter().all(|value| match aim.goal {
        Goal::AtMost { most, .. } | Goal::Of { most, .. } => *value <= most,
        Goal::Times { least, .. } => *value >= least,
    });
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = (show(aim.goal, low), show(aim.goal, high));
    let unit = match aim.goal {
        Goal::AtMost { unit, .. } => unit.to_owned(),
        Goal::Times { .. } | Goal::Of { .. } => " times".to_owned(),
    };
    let shown = if low == high { low + &unit } else { format!("{low} to {high}{unit}") };
    let verdict = match (met, aim.note) {
        (true, _) => "met".to_owned(),
        (false, 0) => "**missed**".to_owned(),
        (false, note) => format!("**missed** ({note})"),
    };
    (shown, verdict)
}

fn value(goal: Goal, work: &str, what: &str, figures: &Figures) -> Option<f64> {
    let ours = figures.get(work, SIGWARD, what)?;
    Some(match goal {
        Goal::AtMost { .. } => ours,
        Goal::Times { peer, .. } => figures.get(work, peer, what)? / ours,
        Goal::Of { base, .. } => ours / figures.get(base, SIGWARD, what)?,
    })
}

fn show(goal: Goal, value: f64) -> String {
    let value = match goal {
        Goal::AtMost { scale, .. } => value / scale,
        Goal::Times { .. } | Goal::Of { .. } => value,
    };
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(goal: Goal, figures: &Figures) -> (String, String) {
        judge(&aim("words", &["a", "b"], "wall", goal, 3), figures)
    }

    #[test]
    fn an_aim_is_met_when_every_work_meets_it() {
        let mut figures = Figures::default();
        assert_eq!(verdict(kyverno(20.0), &figures).1, "not measured");
        for (work, ours, theirs) in [("a", 1.0, 40.0), ("b", 2.0, 50.0)] {
            figures.put(work, SIGWARD, "wall", ours);
            figures.put(work, KYVERNO, "wall", theirs);
        }
        assert_eq!(
            verdict(kyverno(20.0), &figures),
            ("25 to 40 times".to_owned(), "met".to_owned())
        );
        assert_eq!(verdict(kyverno(26.0), &figures).1, "**missed** (3)");
        assert_eq!(verdict(count(2.0), &figures), ("1 to 2".to_owned(), "met".to_owned()));
        assert_eq!(verdict(count(1.5), &figures).1, "**missed** (3)");
        let of = |most| verdict(Goal::Of { base: "a", most }, &figures);
        assert_eq!(of(2.0), ("1 to 2 times".to_owned(), "met".to_owned()));
        assert_eq!(of(1.9).1, "**missed** (3)");
    }

    #[test]
    fn bytes_and_seconds_are_shown_in_the_unit_of_the_aim() {
        let mut figures = Figures::default();
        for work in ["a", "b"] {
            figures.put(work, SIGWARD, "wall", 31.0 * MIB);
        }
        let (shown, verdict) = verdict(at_most(30.0, MIB, " MiB"), &figures);
        assert_eq!((shown.as_str(), verdict.as_str()), ("31 MiB", "**missed** (3)"));
    }
}
