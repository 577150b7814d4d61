//! The commands, ours beside cosign's: registry requests, wall clock, CPU, peak memory, size.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;
use sigward_testkit::registry::{Options as RegistryOptions, Registry};

use super::figures::Measured;
use super::measure::{self, Cost};
use super::names;
use super::{Bench, Options};
use crate::e2e::registry::{self, Image};
use crate::e2e::scratch::Scratch;
use crate::e2e::tools::{self, Algorithm, Format, Keys, Signing, Statement, Tool, Verifying};
use crate::e2e::world::{NotYet, World};

/// One line of the table.
struct Row {
    work: &'static str,
    verb: Verb,
    format: Format,
    by_tag: bool,
    referrers: bool,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Verify,
    Sign,
}

/// What one program needs for one row.
struct Shown {
    requests: u64,
    cost: Cost,
}

const ROWS: &[Row] = &[
    row(names::VERIFY_BUNDLE_TAG, Verb::Verify, Format::Bundle, true, true),
    row(names::VERIFY_BUNDLE_DIGEST, Verb::Verify, Format::Bundle, false, true),
    row(names::VERIFY_FALLBACK_TAG, Verb::Verify, Format::Bundle, true, false),
    row(names::VERIFY_FALLBACK_DIGEST, Verb::Verify, Format::Bundle, false, false),
    row(names::VERIFY_LEGACY_TAG, Verb::Verify, Format::Legacy, true, false),
    row(names::VERIFY_LEGACY_DIGEST, Verb::Verify, Format::Legacy, false, false),
    row(names::SIGN_BUNDLE, Verb::Sign, Format::Bundle, false, true),
    row(names::SIGN_LEGACY, Verb::Sign, Format::Legacy, false, true),
];

const fn row(work: &'static str, verb: Verb, format: Format, by_tag: bool, referrers: bool) -> Row {
    Row { work, verb, format, by_tag, referrers }
}

/// Every row on every program.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Measured> {
    let Bench { world, scratch, options } = *bench;
    let with = Registry::start(RegistryOptions::default())?;
    let without =
        Registry::start(RegistryOptions { referrers_api: false, ..RegistryOptions::default() })?;
    let keys = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "k")?;
    let mut measured = Measured::default();
    let table = &mut measured.tables;
    writeln!(
        table,
        "| work | program | registry requests | wall | CPU | peak memory | wall, of cosign 3's | memory, of cosign 3's |"
    )?;
    writeln!(table, "|---|---|---|---|---|---|---|---|")?;
    for row in ROWS {
        let registry = if row.referrers { &with } else { &without };
        let figures = measure_row(world, scratch, registry, &keys, row, options)?;
        let base =
            figures.first().and_then(|(_, figures)| figures.as_ref()).map(|figures| figures.cost);
        for (tool, found) in &figures {
            writeln!(table, "{}", line(row.work, *tool, found.as_ref(), base))?;
            if let Some(Shown { requests, cost }) = found {
                let requests = u32::try_from(*requests)?;
                measured.figures.put(row.work, tool.name(), "requests", f64::from(requests));
                cost.put(&mut measured.figures, row.work, tool.name());
            }
        }
        eprintln!("{}: done", row.work);
    }
    sizes(world, options, &mut measured)?;
    Ok(measured)
}

/// All programs on one row, taking turns, so that a busy moment of the machine meets all of them.
fn measure_row(
    world: &World,
    scratch: &Scratch,
    registry: &Registry,
    keys: &Keys,
    row: &Row,
    options: &Options,
) -> Result<Vec<(Tool, Option<Shown>)>> {
    let name = format!("bench/{}-{}", row.format.name(), if row.by_tag { "tag" } else { "digest" });
    let fresh = || registry::push(&registry.host(), &name, "v1", None);
    let image = fresh()?;
    // What is verified was signed by cosign 3, whoever verifies it.
    let by_digest = image.by_digest();
    let made = signing(row, Tool::Cosign3, keys, &by_digest);
    tools::sign(world, scratch, &made)?.succeeded()?;
    let columns = options.columns();
    let mut costs: Vec<Vec<Cost>> = columns.iter().map(|_| Vec::new()).collect();
    let mut requests = vec![0; columns.len()];
    // The first turn warms the page cache and is not counted.
    for turn in 0..=options.runs {
        for (column, tool) in columns.iter().enumerate() {
            let target = if row.verb == Verb::Sign { fresh()? } else { image.clone() };
            let command = match command(world, scratch, row, *tool, keys, &target) {
                Ok(command) => command,
                Err(error) if error.downcast_ref::<NotYet>().is_some() => continue,
                Err(error) => return Err(error),
            };
            registry.reset_log();
            let before = registry.request_count();
            let cost = measure::measure(&command, &scratch.path("cost.json"))?;
            if turn == 0 {
                continue;
            }
            if let (Some(costs), Some(requests)) = (costs.get_mut(column), requests.get_mut(column))
            {
                costs.push(cost);
                *requests = registry.request_count().saturating_sub(before);
            }
        }
    }
    Ok(columns
        .iter()
        .zip(costs.iter().zip(requests))
        .map(|(tool, (costs, requests))| {
            (*tool, (!costs.is_empty()).then(|| Shown { requests, cost: measure::median(costs) }))
        })
        .collect())
}

fn signing<'a>(row: &Row, tool: Tool, keys: &'a Keys, image: &'a str) -> Signing<'a> {
    Signing {
        tool,
        key: &keys.private,
        format: row.format,
        statement: Statement::Signature,
        predicate: None,
        image,
    }
}

fn command(
    world: &World,
    scratch: &Scratch,
    row: &Row,
    tool: Tool,
    keys: &Keys,
    image: &Image,
) -> Result<Command> {
    let reference = if row.by_tag { image.by_tag() } else { image.by_digest() };
    match row.verb {
        Verb::Verify => {
            let job = Verifying {
                tool,
                key: &keys.public,
                format: row.format,
                attestation: None,
                image: &reference,
            };
            tools::verification(world, scratch, &job)
        }
        Verb::Sign => tools::signature(world, scratch, &signing(row, tool, keys, &reference)),
    }
}

fn line(work: &str, tool: Tool, figures: Option<&Shown>, base: Option<Cost>) -> String {
    let Some(Shown { requests, cost }) = figures else {
        return format!("| {work} | {} | – | – | – | – | – | – |", tool.name());
    };
    let ratio = |ours: f64, theirs: Option<f64>| match theirs {
        Some(theirs) if theirs > 0.0 => format!("1/{:.1}", theirs / ours),
        _ => "–".to_owned(),
    };
    format!(
        "| {work} | {} | {requests} | {:.1} ms | {:.1} ms | {:.1} MiB | {} | {} |",
        tool.name(),
        cost.wall * 1e3,
        cost.cpu * 1e3,
        cost.memory / 1_048_576.0,
        ratio(cost.wall, base.map(|base| base.wall)),
        ratio(cost.memory, base.map(|base| base.memory)),
    )
}

fn sizes(world: &World, options: &Options, measured: &mut Measured) -> Result<()> {
    measured.tables.push_str("\n| program | size |\n|---|---|\n");
    for &tool in options.columns() {
        let Ok(program) = tool.program(world, &["verify"]) else { continue };
        let size = measure::size(&program)?;
        writeln!(measured.tables, "| {} | {:.1} MB |", tool.name(), size / 1e6)?;
        measured.figures.put(names::PROGRAM, tool.name(), "size", size);
    }
    Ok(())
}
