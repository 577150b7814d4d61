//! A keyless blob verified offline, and a hundred images: in one process of ours, in a hundred of cosign's.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sigward_testkit::image;
use sigward_testkit::keys::{Algorithm, KeyPair};
use sigward_testkit::registry::{Options as RegistryOptions, Registry};
use sigward_testkit::signing::{Knobs, Place};
use sigward_testkit::sigstore::{Identity, Instance, Keyless, Options as InstanceOptions};

use super::figures::Measured;
use super::measure::{self, Cost};
use super::{Bench, names};
use crate::e2e::tools::Tool;

/// So many images are verified.
const IMAGES: u32 = 100;
/// A hundred processes take a while: fewer runs tell as much.
const RUNS_OF_MANY: usize = 5;
const SIGNER: &str = "https://example.com/release";
const ISSUER: &str = "https://issuer.example.com";
const BLOB: &[u8] = b"what was built\n";

/// Both works, on ours and on cosign 3.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Measured> {
    let mut measured = Measured::default();
    writeln!(
        measured.tables,
        "| work | program | wall | CPU | peak memory of a process | wall, of cosign 3's | memory, of cosign 3's |\n|---|---|---|---|---|---|---|"
    )?;
    blob(bench, &mut measured)?;
    many(bench, &mut measured)?;
    Ok(measured)
}

/// A bundle with certificate, log entry and timestamp, and the trusted root beside it: no socket is needed.
fn blob(bench: &Bench<'_>, measured: &mut Measured) -> Result<()> {
    let scratch = bench.scratch;
    let instance = Instance::new(InstanceOptions::default())?;
    let mut signer = Keyless::new(&instance, Identity::uri(SIGNER, ISSUER));
    signer.stamped = true;
    let bundle = scratch.path("blob.sigstore.json");
    fs::write(&bundle, signer.message(BLOB)?)?;
    let blob = scratch.path("blob");
    fs::write(&blob, BLOB)?;
    let other = scratch.write("other", "something else\n")?;
    let root = scratch.write("trusted-root.json", &instance.trusted_root().to_string())?;
    let command = |tool: Tool, blob: &Path| -> Result<Command> {
        let mut command = scratch.command(tool.program(bench.world, &["verify-blob"])?);
        command
            .args(["verify-blob", "--certificate-identity", SIGNER])
            .args(["--certificate-oidc-issuer", ISSUER, "--bundle"])
            .arg(&bundle)
            .arg("--trusted-root")
            .arg(&root)
            .arg(blob);
        Ok(command)
    };
    turns(bench, measured, names::BLOB, bench.options.runs, &|tool| command(tool, &blob), &|tool| {
        command(tool, &other)
    })
}

fn many(bench: &Bench<'_>, measured: &mut Measured) -> Result<()> {
    let scratch = bench.scratch;
    let registry = Registry::start(RegistryOptions::default())?;
    let (key, other) =
        (KeyPair::generate(Algorithm::EcdsaP256)?, KeyPair::generate(Algorithm::EcdsaP256)?);
    let mut references = String::new();
    for serial in 0..IMAGES {
        let digest = image::build(u64::from(serial)).push(&registry, "bench/many", "latest");
        Place::of(&registry, "bench/many", &digest)?.sign_bundle(&key, &Knobs::default())?;
        writeln!(references, "{}/bench/many@{digest}", registry.host())?;
    }
    let list = scratch.write("images.txt", &references)?;
    let public = scratch.write("many.pub", &key.public_pem())?;
    let wrong = scratch.write("other.pub", &other.public_pem())?;
    let command = |tool: Tool, key: &Path| -> Result<Command> {
        let program = tool.program(bench.world, &["verify"])?;
        if tool == Tool::Sigward {
            let mut command = scratch.command(program);
            command.args(["verify", "--insecure-ignore-tlog", "--key"]).arg(key);
            command.arg("-r").arg(&list);
            return Ok(command);
        }
        let each = scratch.write(
            &format!("each-{}.sh", tool.name()),
            "while read -r image; do \"$1\" verify --insecure-ignore-tlog --key \"$2\" \"$image\" || exit 1; done < \"$3\"\n",
        )?;
        let mut command = scratch.command("sh");
        command.arg(each).arg(program).arg(key).arg(&list);
        Ok(command)
    };
    let runs = bench.options.runs.min(RUNS_OF_MANY);
    turns(bench, measured, names::MANY, runs, &|tool| command(tool, &public), &|tool| {
        command(tool, &wrong)
    })
}

type Make<'a> = &'a dyn Fn(Tool) -> Result<Command>;

/// Ours and cosign 3's, in turns, after each has told the right from the wrong; and once more afterwards.
fn turns(
    bench: &Bench<'_>,
    measured: &mut Measured,
    work: &str,
    runs: usize,
    right: Make<'_>,
    wrong: Make<'_>,
) -> Result<()> {
    let tools: &[Tool] =
        if bench.options.peers_only { &[Tool::Cosign3] } else { &[Tool::Cosign3, Tool::Sigward] };
    let judge = || -> Result<()> {
        for &tool in tools {
            bench.scratch.run(&mut right(tool)?)?.succeeded()?;
            let refused = bench.scratch.run(&mut wrong(tool)?)?;
            anyhow::ensure!(refused.code != 0, "{} accepts anything: {refused}", tool.name());
        }
        Ok(())
    };
    judge()?;
    let mut costs: Vec<Vec<Cost>> = tools.iter().map(|_| Vec::new()).collect();
    for turn in 0..=runs {
        for (tool, costs) in tools.iter().zip(&mut costs) {
            let cost = measure::measure(&right(*tool)?, &bench.scratch.path("cost.json"))?;
            // The first turn warms the page cache and is not counted.
            if turn > 0 {
                costs.push(cost);
            }
        }
    }
    judge()?;
    let costs: Vec<Cost> = costs.iter().map(|costs| measure::median(costs)).collect();
    let base = costs.first().context("no program was measured")?;
    for (tool, cost) in tools.iter().zip(&costs) {
        cost.put(&mut measured.figures, work, tool.name());
        writeln!(
            measured.tables,
            "| {work} | {} | {} | {} | {:.1} MiB | 1/{:.1} | 1/{:.1} |",
            tool.name(),
            measure::time(cost.wall),
            measure::time(cost.cpu),
            cost.memory / 1_048_576.0,
            base.wall / cost.wall,
            base.memory / cost.memory,
        )?;
    }
    eprintln!("{work}: done");
    Ok(())
}
