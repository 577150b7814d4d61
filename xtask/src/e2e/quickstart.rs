//! The first minute of a stranger: `sigward quickstart` in an empty folder.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Case;
use super::scratch::Scratch;
use super::world::World;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "quickstart_tells_the_whole_story_and_every_step_comes_out",
            "with no cluster and no network it ends with success, as text without colours when piped",
            quickstart_tells_the_whole_story_and_every_step_comes_out,
        )
        .needs(&["quickstart"]),
        Case::new(
            "quickstart_for_machines_prints_an_object_per_step",
            "--json prints nothing but JSON, one object on each line",
            quickstart_for_machines_prints_an_object_per_step,
        )
        .needs(&["quickstart"]),
    ]
}

fn quickstart_tells_the_whole_story_and_every_step_comes_out(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let program = world.sigward(&["quickstart"])?;
    let ran = scratch.run(scratch.command(program).arg("quickstart"))?.succeeded()?;
    ensure!(!ran.stdout.contains('\u{1b}'), "there are colours in a pipe");
    ran.says(&["denied", "admitted", "no signatures found", "sha256:"])?.says(&[
        "log entry",
        "signed by https://github.com/acme/app/",
        "keyless: subject mismatch",
        "admitted all the same",
    ])?;
    Ok(())
}

fn quickstart_for_machines_prints_an_object_per_step(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let program = world.sigward(&["quickstart"])?;
    let folder = scratch.path("empty");
    fs::create_dir(&folder)?;
    let printed = scratch
        .succeed(scratch.command(program).args(["quickstart", "--json"]).current_dir(&folder))?;
    let mut steps = 0;
    for line in printed.lines() {
        let step: Value =
            serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        ensure!(step.is_object(), "no object: {line}");
        steps += 1;
    }
    ensure!(steps >= 10, "only {steps} steps");
    Ok(())
}
