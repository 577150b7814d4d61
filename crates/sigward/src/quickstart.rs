//! `quickstart`: the whole story on this machine, on real parts: keys, identities, a registry, policies, refusals and admissions.
mod keyless;
mod policies;
mod screen;
mod story;
mod world;

use crate::{cli::cosign::Failure, exit_code};
use clap::Args;
use screen::Screen;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// Left in the folder of a story, so that only folders of stories are ever emptied.
const MARK: &str = ".made-by-sigward-quickstart";

/// Watch the whole story on this machine: no cluster, no network beyond loopback.
#[derive(Args, Clone, Debug)]
pub(crate) struct Quickstart {
    /// leave the registry and the webhook running, and print how to talk to them
    #[arg(long)]
    keep: bool,
    /// one JSON object a step
    #[arg(long)]
    json: bool,
    /// where keys, policies and manifests are written
    #[arg(long, value_name = "FOLDER", default_value = "sigward-quickstart")]
    folder: PathBuf,
}

impl Quickstart {
    /// Exit code 1 when any step did not do what it says.
    pub(crate) fn run(&self) -> ExitCode {
        let mut screen = Screen::new(self.json);
        let told = prepare(&self.folder).and_then(|folder| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            let told = runtime.block_on(self.tell(&folder, &mut screen));
            runtime.shutdown_background();
            told
        });
        match told {
            Ok(true) => ExitCode::from(exit_code::SUCCESS),
            Ok(false) => ExitCode::from(exit_code::FAILURE),
            Err(Failure { message, .. }) => {
                let _closed = writeln!(std::io::stderr(), "Error: {message}");
                ExitCode::from(exit_code::FAILURE)
            }
        }
    }

    async fn tell(&self, folder: &Path, screen: &mut Screen) -> Result<bool, Failure> {
        screen.text(&format!(
            "sigward {} · quickstart        no cluster, no network: a registry, a webhook and keys of its own, on 127.0.0.1\n",
            env!("CARGO_PKG_VERSION")
        ));
        let started = Instant::now();
        let world = tokio::select! {
            told = story::tell(folder, screen) => told?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(false);
            }
        };
        let (steps, expected) = screen.counts();
        screen.text(&format!(
            "\n{steps} steps, {expected} as expected, {:.1} s.   Everything is in {} (keys, policies, manifests).",
            started.elapsed().as_secs_f64(),
            self.folder.display()
        ));
        if self.keep {
            keep(&world, screen).await?;
        } else {
            screen.text("\nNext   sigward quickstart --keep                       leave it running and talk to it with curl");
            screen.text("       sigward serve --kubeconfig ~/.kube/config       the same in front of your cluster");
            screen.text(
                "       sigward apply POLICY -r RESOURCE                try your own policies",
            );
        }
        world.stop().await;
        Ok(steps == expected)
    }
}

/// Leaves it running until Ctrl-C, with a line to try.
async fn keep(world: &world::World, screen: &Screen) -> Result<(), Failure> {
    let folder = world.folder.display();
    let review = world.folder.join("review.json");
    std::fs::write(&review, story::sample_review(&world.registry.host()).to_string())?;
    screen.text(&format!(
        "\nRunning: registry http://{}, webhook https://{}\n\nTry    curl --cacert {folder}/webhook-ca.pem -H 'Content-Type: application/json' --data @{} https://{}/mutate/fail",
        world.registry.host(),
        world.webhook(),
        review.display(),
        world.webhook(),
    ));
    screen.text(&format!(
        "       kubectl create deployment rushed --image={}/shop/web:rushed --dry-run=client -o yaml | sigward apply {folder}/policies/check-image.yaml -r - --insecure-ignore-tlog-for-keys\n\nCtrl-C ends it.",
        world.registry.host()
    ));
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// Makes the folder, or empties one that an earlier story made; any other is left alone.
fn prepare(folder: &Path) -> Result<PathBuf, Failure> {
    let mark = folder.join(MARK);
    if folder.exists() {
        let empty = std::fs::read_dir(folder)?.next().is_none();
        if !empty && !mark.exists() {
            return Err(Failure::new(format!(
                "{} exists and was not made by quickstart: name another with --folder",
                folder.display()
            )));
        }
        if !empty {
            std::fs::remove_dir_all(folder)?;
        }
    }
    std::fs::create_dir_all(folder.join("policies"))?;
    std::fs::create_dir_all(folder.join("cluster"))?;
    std::fs::write(&mark, b"")?;
    Ok(folder.canonicalize()?)
}
