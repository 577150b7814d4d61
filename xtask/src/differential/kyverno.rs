//! `cargo xtask differential kyverno`: each test folder of Kyverno, as it is and changed a little, to Kyverno's command line and
//! to ours; rows, messages, printed objects and exit codes are compared.
//!
//! What differs has to be known: an entry of `conformance/differential-kyverno.yaml` names the row of COMPAT.md. The rest is a failure. A round of a seed is
//! the same input for ever, so that what was found can be looked at again.
mod case;
mod compare;
mod generator;
mod known;
mod place;
mod play;
mod rng;
mod shrink;
mod summary;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{e2e::world, peers::Peers, workspace};
use case::Case;
use compare::{Compared, Finding};
use generator::Pool;
use known::Known;
use play::Program;
use rng::Rng;
use summary::{Group, Summary};

/// Which peers have to be there.
pub const PEERS: &[&str] = &["kyverno"];
/// What is known to differ.
const LEDGER: &str = "conformance/differential-kyverno.yaml";
/// What `--write` writes.
const PAGE: &str = "docs/differential-kyverno.md";
/// Changed resources of one run: starting Kyverno costs more than evaluating them.
const RESOURCES: usize = 16;
/// Changed policies of one run.
const POLICIES: usize = 4;
/// Groups of findings whose inputs are made small; the rest are kept as they are.
const SHRUNK: usize = 40;
/// Flags that change verdicts or exit codes.
const FLAGS: &[&[&str]] = &[
    &[],
    &["--audit-warn"],
    &["--warn-exit-code", "3"],
    &["--warn-exit-code", "3", "--warn-no-pass"],
    &["--audit-warn", "--warn-exit-code", "4"],
    &["--continue-on-fail"],
];

/// What a run does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only cases whose paths contain one of these.
    pub filters: Vec<String>,
    /// What the changes are drawn from.
    pub seed: u64,
    /// The first round.
    pub first: u64,
    /// Rounds of changed inputs.
    pub count: u64,
    /// End after so many minutes, whatever is left.
    pub minutes: Option<u64>,
    /// Leave out the cases as they are.
    pub only_changed: bool,
    /// Write the counts to docs/differential-kyverno.md.
    pub write: bool,
    /// Our binary, built before.
    pub sigward: Option<PathBuf>,
}

/// Both programs, and what was found so far.
struct Differential {
    there: Program,
    here: Program,
    work: PathBuf,
    findings: PathBuf,
    known: Vec<Known>,
    summary: Summary,
}

/// One input, and how it is put to both.
#[derive(Clone, Copy)]
struct Ask<'a> {
    /// The kind of input, as the table names it.
    input: &'static str,
    /// How many documents of it were changed.
    inputs: usize,
    case: &'a Case,
    how: How<'a>,
}

/// The command.
#[derive(Clone, Copy)]
enum How<'a> {
    Test,
    Apply(&'a [&'a str]),
}

/// Runs everything; true when each difference is known.
///
/// # Errors
/// A program cannot be started, or a folder cannot be read or written.
pub fn run(peers: &Peers, options: &Options) -> Result<bool> {
    let started = Instant::now();
    let Some(shared) = workspace::shared().map(|folder| folder.join("conformance")) else {
        println!("skipped: no conformance data beside the clone, and SIGWARD_SHARED is not set");
        return Ok(true);
    };
    let mut cases = case::find(&shared)?;
    cases.retain(|case| {
        options.filters.is_empty()
            || options.filters.iter().any(|filter| case.name.contains(filter.as_str()))
    });
    let mut differential = Differential::new(peers, options)?;
    if !options.only_changed {
        for case in &cases {
            for how in [How::Test, How::Apply(&[])] {
                let input = if matches!(how, How::Test) { "cases, test" } else { "cases, apply" };
                differential.put(Ask { input, inputs: 1, case, how })?;
            }
        }
    }
    let limit = options.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let mut rounds = 0;
    while rounds < options.count && !cases.is_empty() {
        if limit.is_some_and(|limit| started.elapsed() > limit) {
            break;
        }
        differential.round(options.seed, options.first + rounds, &cases)?;
        rounds += 1;
        if rounds % 100 == 0 {
            let total = differential.summary.total();
            println!(
                "round {rounds}: {} rows, {} different, {} known",
                total.rows, total.different, total.known
            );
        }
    }
    let summary = &differential.summary;
    println!("{}\n{}", summary.unexplained(), summary.table());
    let page = summary.page(cases.len(), options.seed, rounds, started.elapsed());
    let file = if options.write {
        workspace::root().join(PAGE)
    } else {
        differential.findings.join("page.md")
    };
    std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {}", file.display());
    Ok(summary.total().different == 0)
}

impl Differential {
    fn new(peers: &Peers, options: &Options) -> Result<Self> {
        let ours = match &options.sigward {
            Some(program) => program.clone(),
            None => world::build(false)?,
        };
        // Runs of several seeds can stand side by side.
        let folder =
            workspace::root().join(format!("target/differential/kyverno-{}", options.seed));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let findings = folder.join("findings");
        std::fs::create_dir_all(&findings)?;
        // A link of the peer's name, so that we answer to it.
        let link = folder.join("kyverno");
        std::os::unix::fs::symlink(std::path::absolute(&ours)?, &link)
            .context("cannot link our binary")?;
        Ok(Self {
            there: Program {
                path: peers.program("kubectl-kyverno")?,
                streams: folder.join("there"),
            },
            here: Program { path: link, streams: folder.join("here") },
            work: folder.join("work"),
            findings,
            known: known::read(&workspace::root().join(LEDGER))?,
            summary: Summary::default(),
        })
    }

    /// Both programs on one input.
    fn compare(&self, case: &Case, how: How<'_>) -> Result<Compared> {
        case.write(&self.work)?;
        let words = case.words();
        let answer = |program: &Program| match how {
            How::Test => program.test(&self.work),
            How::Apply(flags) => program.apply(&self.work, &words, flags),
        };
        Ok(compare::compare(&answer(&self.there)?, &answer(&self.here)?, &case.resources))
    }

    /// Puts an input to both and takes down what came of it.
    fn put(&mut self, ask: Ask<'_>) -> Result<()> {
        let compared = self.compare(ask.case, ask.how)?;
        self.summary.add(ask.input, ask.inputs, &compared);
        for finding in compared.findings {
            self.note(&ask, finding)?;
        }
        Ok(())
    }

    /// Takes down one finding; the first of its kind is made small and kept.
    fn note(&mut self, ask: &Ask<'_>, finding: Finding) -> Result<()> {
        let reason = self
            .known
            .iter()
            .find(|known| known.explains(&finding))
            .map(|known| known.reason.clone());
        let counts = self.summary.counts.entry(ask.input).or_default();
        match (finding.kind, &reason) {
            ("crash", _) => counts.crashes += 1,
            (_, Some(_)) => counts.known += 1,
            (_, None) => counts.different += 1,
        }
        let skeleton = reason.clone().unwrap_or_else(|| compare::skeleton(&finding));
        if let Some(group) = self.summary.groups.get_mut(&skeleton) {
            group.count += 1;
            return Ok(());
        }
        let number = self.summary.groups.len();
        let (case, finding) = if reason.is_none() && number < SHRUNK {
            self.shrink(ask, &finding)?
        } else {
            (ask.case.clone(), finding)
        };
        let kept = self.findings.join(format!("{number:03}"));
        if reason.is_none() {
            case.write(&kept)?;
            let said =
                format!("there: {}\nhere: {}\n{:?}\n", finding.there, finding.here, finding.about);
            std::fs::write(kept.join("finding.txt"), format!("{}\n{said}", finding.kind))?;
        }
        let group = Group {
            count: 1,
            reason,
            example: finding,
            case: ask.case.name.clone(),
            kept: Some(kept.display().to_string()),
        };
        self.summary.groups.insert(skeleton, group);
        Ok(())
    }

    /// The smallest input on which the same difference shows.
    fn shrink(&self, ask: &Ask<'_>, finding: &Finding) -> Result<(Case, Finding)> {
        let wanted = compare::skeleton(finding);
        let mut best = finding.clone();
        let case = shrink::shrink(ask.case, finding, |candidate| {
            let compared = self.compare(candidate, ask.how)?;
            let found =
                compared.findings.into_iter().find(|other| compare::skeleton(other) == wanted);
            Ok(found.map(|found| best = found).is_some())
        })?;
        Ok((case, best))
    }

    /// One round: an input that the seed and the number choose.
    fn round(&mut self, seed: u64, round: u64, cases: &[Case]) -> Result<()> {
        let mut rng = Rng::new(seed, round);
        let Some(case) = rng.pick(cases) else { return Ok(()) };
        let pool = Pool::of(case);
        let flags = if rng.chance(30) { rng.pick(FLAGS).copied().unwrap_or_default() } else { &[] };
        let mut changed = case.clone();
        match rng.below(10) {
            0..=4 => {
                changed.resources = generator::resources(&mut rng, case, &pool, RESOURCES);
                self.put(Ask {
                    input: "resources",
                    inputs: RESOURCES,
                    case: &changed,
                    how: How::Apply(flags),
                })
            }
            5..=7 => self.policies(&mut rng, case, &pool, flags),
            8 => {
                let inputs = beside(&mut rng, &mut changed, &pool);
                self.put(Ask {
                    input: "values, exceptions, users",
                    inputs,
                    case: &changed,
                    how: How::Apply(flags),
                })
            }
            _ => {
                changed.resources = case
                    .resources
                    .iter()
                    .map(|it| generator::resource(&mut rng, it, &pool))
                    .collect();
                let inputs = changed.resources.len();
                self.put(Ask { input: "test folders", inputs, case: &changed, how: How::Test })
            }
        }
    }

    /// Changed policies, together; when one of them is refused, each alone.
    fn policies(&mut self, rng: &mut Rng, case: &Case, pool: &Pool, flags: &[&str]) -> Result<()> {
        let mut together = case.clone();
        together.policies.clear();
        together.resources.truncate(RESOURCES);
        for at in 0..POLICIES {
            let Some(original) = rng.pick(&case.policies) else { break };
            let mutant = generator::policy(rng, original, pool);
            let name = format!("{}-{at}", case::name_of(original));
            let is_taken = together
                .policies
                .iter()
                .any(|other| case::name_of(other) == case::name_of(original));
            together.policies.push(if is_taken { case::renamed(&mutant, &name) } else { mutant });
        }
        let how = How::Apply(flags);
        let compared = self.compare(&together, how)?;
        // Kyverno reads no policy of a folder when one of them cannot be read.
        let is_refused = |finding: &Finding| finding.kind.contains("refused");
        if compared.unusable == 0 && !compared.findings.iter().any(is_refused) {
            let inputs = together.policies.len();
            let ask = Ask { input: "policies", inputs, case: &together, how };
            return self.put_compared(&ask, compared);
        }
        for policy in &together.policies {
            let alone = Case { policies: vec![policy.clone()], ..together.clone() };
            self.put(Ask { input: "policies", inputs: 1, case: &alone, how })?;
        }
        Ok(())
    }

    fn put_compared(&mut self, ask: &Ask<'_>, compared: Compared) -> Result<()> {
        self.summary.add(ask.input, ask.inputs, &compared);
        compared.findings.into_iter().try_for_each(|finding| self.note(ask, finding))
    }
}

/// Changes what stands beside policies and resources; a case that has none of it gets changed resources.
fn beside(rng: &mut Rng, case: &mut Case, pool: &Pool) -> usize {
    let mut inputs = 0;
    for document in [&mut case.values, &mut case.userinfo].into_iter().flatten() {
        *document = generator::document(rng, document, pool);
        inputs += 1;
    }
    for exception in &mut case.exceptions {
        *exception = generator::document(rng, exception, pool);
        inputs += 1;
    }
    if inputs == 0 {
        case.resources = generator::resources(rng, case, pool, RESOURCES);
        inputs = RESOURCES;
    }
    inputs
}
