//! Two answers side by side: what they differ in, one finding each.
use super::play::{Answer, End, Key, Row};
use sigward_document::Value;
use std::collections::BTreeSet;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What kind of thing differs.
    pub(super) kind: &'static str,
    /// Which row, as far as there is one.
    pub(super) about: Option<Key>,
    /// What Kyverno says.
    pub(super) there: String,
    /// What we say.
    pub(super) here: String,
}

/// What came of comparing two answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// Rows of either side.
    pub(super) rows: usize,
    /// Those that are the same in both.
    pub(super) same: usize,
    /// Printed objects that are the same.
    pub(super) objects: usize,
    /// Policies that some side does not evaluate.
    pub(super) unusable: usize,
    /// Everything that differs.
    pub(super) findings: Vec<Finding>,
}

/// Compares everything. Of an input that both refuse nothing more is asked than the exit code.
pub(super) fn compare(there: &Answer, here: &Answer, originals: &[Value]) -> Compared {
    let mut compared = Compared::default();
    let mut add = |kind, about: Option<&Key>, there: String, here: String| {
        compared.findings.push(Finding { kind, about: about.cloned(), there, here });
    };
    let end = |answer: &Answer| match answer.end {
        End::Code(code) => code.to_string(),
        End::Panic => format!("panic: {}", panic_in(&answer.stderr)),
        End::Hung => "no end".to_owned(),
    };
    if !matches!((there.end, here.end), (End::Code(_), End::Code(_))) {
        add("crash", None, end(there), end(here));
        return compared;
    }
    match (&there.refused, &here.refused) {
        (Some(_), Some(_)) => {}
        (Some(why), None) => {
            add("refused there only", None, why.clone(), format!("{} rows", here.rows.len()));
        }
        (None, Some(why)) => {
            add("refused here only", None, format!("{} rows", there.rows.len()), why.clone());
        }
        (None, None) => {
            let unusable = unusable(there, here, &mut compared.findings);
            compared.unusable = unusable.len();
            let keys: BTreeSet<&Key> = there.rows.keys().chain(here.rows.keys()).collect();
            for key in keys {
                if unusable.contains(key.policy.as_str()) {
                    continue;
                }
                let of = |answer: &'_ Answer| answer.rows.get(key).cloned().unwrap_or_default();
                let (there, here) = (of(there), of(here));
                compared.rows += 1;
                match difference(&there, &here) {
                    None => compared.same += 1,
                    Some((kind, there, here)) => {
                        let about = Some(key.clone());
                        compared.findings.push(Finding { kind, about, there, here });
                    }
                }
            }
            compare_objects(there, here, originals, &mut compared);
        }
    }
    if compared.findings.is_empty() && there.end != here.end {
        compared.findings.push(Finding {
            kind: "exit code",
            about: None,
            there: end(there),
            here: end(here),
        });
    }
    compared
}

/// The policies that one side does not evaluate; when only one of them does not, that is the finding.
fn unusable<'a>(
    there: &'a Answer,
    here: &'a Answer,
    findings: &mut Vec<Finding>,
) -> BTreeSet<&'a str> {
    let all: BTreeSet<&str> =
        there.skipped.keys().chain(here.skipped.keys()).map(String::as_str).collect();
    for policy in &all {
        let (there, here) = (there.skipped.get(*policy), here.skipped.get(*policy));
        let kind = match (there, here) {
            (Some(_), None) => "policy refused there only",
            (None, Some(_)) => "policy refused here only",
            _ => continue,
        };
        let about =
            Key { policy: (*policy).to_owned(), rule: String::new(), resource: String::new() };
        let said = |reason: Option<&String>| reason.cloned().unwrap_or_default();
        findings.push(Finding { kind, about: Some(about), there: said(there), here: said(here) });
    }
    all
}

/// One thing that a row says.
type Part = fn(&Row) -> &str;

/// What differs in rows of one name, the more telling first.
fn difference(there: &[Row], here: &[Row]) -> Option<(&'static str, String, String)> {
    let all = |rows: &[Row], part: fn(&Row) -> &str| {
        rows.iter().map(part).collect::<Vec<_>>().join(" + ")
    };
    let both = |part: fn(&Row) -> &str| {
        let (there, here) = (all(there, part), all(here, part));
        (there != here).then_some((there, here))
    };
    let whole = |rows: &[Row]| {
        rows.iter()
            .map(|row| format!("{}: {}", row.verdict, row.message))
            .collect::<Vec<_>>()
            .join(" + ")
    };
    let kinds: [(&'static str, Part); 3] = [
        ("verdict", |row| &row.verdict),
        ("message", |row| &row.message),
        ("properties", |row| &row.rest),
    ];
    if there.is_empty() || here.is_empty() {
        let kind = if here.is_empty() { "row there only" } else { "row here only" };
        return Some((kind, whole(there), whole(here)));
    }
    kinds.into_iter().find_map(|(kind, part)| {
        let (there_part, here_part) = both(part)?;
        Some(if kind == "verdict" {
            (kind, whole(there), whole(here))
        } else {
            (kind, there_part, here_part)
        })
    })
}

/// Mutated objects. One that a policy left alone is printed by Kyverno only, which is known.
fn compare_objects(there: &Answer, here: &Answer, originals: &[Value], compared: &mut Compared) {
    let keys: BTreeSet<&(String, String)> =
        there.objects.keys().chain(here.objects.keys()).collect();
    for key in keys {
        let of = |answer: &'_ Answer| answer.objects.get(key).cloned().unwrap_or_default();
        let (mut there, here) = (of(there), of(here));
        if there.len() > here.len() {
            let is_untouched = |value: &Option<Value>| {
                value
                    .as_ref()
                    .is_some_and(|value| originals.iter().any(|original| is_alike(original, value)))
            };
            there.retain(|object| !is_untouched(&object.value));
        }
        let values = |objects: &[super::play::Object]| -> Vec<Option<Value>> {
            objects.iter().map(|object| object.value.clone()).collect()
        };
        let text = |objects: &[super::play::Object]| {
            objects.iter().map(|object| object.text.clone()).collect::<Vec<_>>().join("\n---\n")
        };
        let kind = if values(&there) != values(&here) {
            "object"
        } else if text(&there) != text(&here) {
            "text of an object"
        } else {
            compared.objects += 1;
            continue;
        };
        compared.findings.push(Finding {
            kind,
            about: Some(Key {
                policy: key.0.clone(),
                rule: String::new(),
                resource: key.1.clone(),
            }),
            there: text(&there),
            here: text(&here),
        });
    }
}

/// Equal but for the namespace, which the command line adds.
fn is_alike(original: &Value, printed: &Value) -> bool {
    let bare = |value: &Value| {
        let metadata = value.get("metadata")?.without_member("namespace")?;
        value.with_member("metadata", metadata)
    };
    original == printed || (bare(original).is_some() && bare(original) == bare(printed))
}

fn panic_in(stderr: &str) -> String {
    let line = stderr.lines().find(|line| line.contains("panic")).or_else(|| stderr.lines().next());
    line.unwrap_or_default().to_owned()
}

/// A finding without what is particular: where both differ, with numbers and names taken out.
pub(super) fn skeleton(finding: &Finding) -> String {
    let (there, here) = middle(&finding.there, &finding.here);
    format!("{}: {} ~ {}", finding.kind, plain(there), plain(here))
}

/// The parts of two texts that differ, from word to word.
fn middle<'a>(there: &'a str, here: &'a str) -> (&'a str, &'a str) {
    let common = there.bytes().zip(here.bytes()).take_while(|(a, b)| a == b).count();
    let start =
        there.get(..common).and_then(|text| text.rfind([' ', '\n', '/'])).map_or(0, |at| at + 1);
    let (there, here) = (there.get(start..).unwrap_or(there), here.get(start..).unwrap_or(here));
    let common = there.bytes().rev().zip(here.bytes().rev()).take_while(|(a, b)| a == b).count();
    let end = there.len() - common;
    let back =
        there.get(end..).and_then(|text| text.find([' ', '\n', '/'])).unwrap_or(there.len() - end);
    let cut = |text: &'a str| {
        text.len()
            .checked_sub(common.saturating_sub(back))
            .and_then(|end| text.get(..end))
            .unwrap_or(text)
    };
    (cut(there), cut(here))
}

fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    for sign in text.chars() {
        match quote {
            Some(end) if sign == end => quote = None,
            Some(_) => {}
            None if ['"', '`', '\''].contains(&sign) => {
                quote = Some(sign);
                plain.push('Q');
            }
            None if sign.is_ascii_digit() => {
                if !plain.ends_with('N') {
                    plain.push('N');
                }
            }
            None => plain.push(if sign == '\n' { ' ' } else { sign }),
        }
    }
    plain.chars().take(90).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn answer(code: i32, rows: &[(&str, &str, &str)]) -> Answer {
        let mut all: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
        for (rule, verdict, message) in rows {
            let key =
                Key { policy: "p".to_owned(), rule: (*rule).to_owned(), resource: "r".to_owned() };
            all.entry(key).or_default().push(Row {
                verdict: (*verdict).to_owned(),
                message: (*message).to_owned(),
                rest: String::new(),
            });
        }
        Answer {
            end: End::Code(code),
            refused: None,
            skipped: BTreeMap::new(),
            rows: all,
            objects: BTreeMap::new(),
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    fn kinds(there: &Answer, here: &Answer) -> Vec<&'static str> {
        compare(there, here, &[]).findings.iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn each_kind_of_difference_is_a_finding() {
        let one = answer(0, &[("a", "pass", "m")]);
        assert!(kinds(&one, &one).is_empty());
        assert_eq!(kinds(&one, &answer(1, &[("a", "fail", "m")])), ["verdict"]);
        assert_eq!(kinds(&one, &answer(1, &[("a", "pass", "n")])), ["message"]);
        assert_eq!(kinds(&one, &answer(1, &[("a", "pass", "m")])), ["exit code"]);
        assert_eq!(kinds(&one, &answer(0, &[])), ["row there only"]);
        assert_eq!(kinds(&answer(0, &[]), &one), ["row here only"]);
        let panic = Answer { end: End::Panic, ..one.clone() };
        assert_eq!(kinds(&panic, &one), ["crash"]);
        let refused = Answer { refused: Some("no".to_owned()), ..answer(1, &[]) };
        assert_eq!(kinds(&one, &refused), ["refused here only"]);
        assert_eq!(kinds(&refused, &one), ["refused there only"]);
        let skipped = BTreeMap::from([("p".to_owned(), "no".to_owned())]);
        let skips = Answer { skipped, ..answer(0, &[]) };
        assert_eq!(kinds(&skips, &one), ["policy refused there only"]);
        assert_eq!(kinds(&one, &skips), ["policy refused here only"]);
        assert!(kinds(&skips, &skips).is_empty());
    }

    #[test]
    fn findings_of_one_cause_have_one_skeleton() {
        let of = |there: &str, here: &str| {
            skeleton(&Finding {
                kind: "message",
                about: None,
                there: there.to_owned(),
                here: here.to_owned(),
            })
        };
        assert_eq!(
            of("pod a1 is bad at 'x'", "pod a1 is worse at 'x'"),
            of("pod zz is bad at 'y'", "pod zz is worse at 'y'")
        );
        assert_ne!(of("a b", "a c"), of("a b", "a d"));
    }
}
