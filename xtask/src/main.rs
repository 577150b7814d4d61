//! The command line of the chores: `cargo xtask --help` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "chores speak to the person who runs them"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use sigward_xtask::cluster::{self, Cluster};
use sigward_xtask::peers::{self, Readiness};
use sigward_xtask::{
    bench, chart, ci, conformance, deny, differential, e2e, fuzz, image, layers, merge_keys,
    process, tidy, workspace,
};

/// Chores of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run everything that a change must pass
    Ci,
    /// Check that no crate sees what is behind its walls
    Layers,
    /// Check files, documents and dependencies against the rules of the house
    Tidy,
    /// Check bans, licences, sources and, where reachable, advisories
    Deny,
    /// Build the real peers from their Go modules into the cache folder
    Peers {
        /// Which sets: kubernetes, cosign3, cosign2, sigstore, fulcio, helm, kyverno [default: all but the last]
        names: Vec<String>,
        /// Let it install etcd and docker-registry from Debian
        #[arg(long)]
        install: bool,
    },
    /// Run the fuzz targets from their seeds
    Fuzz {
        /// Only these targets
        targets: Vec<String>,
        /// How long each of them runs
        #[arg(long, default_value_t = fuzz::BRIEFLY)]
        seconds: u64,
    },
    /// Run the end-to-end cases with real peers
    E2e {
        /// Only cases whose names contain one of these
        filters: Vec<String>,
        /// Use the release build of sigward
        #[arg(long)]
        release: bool,
        /// Print names and claims, run nothing
        #[arg(long)]
        list: bool,
        /// Keep the folders of cases that passed
        #[arg(long)]
        keep: bool,
    },
    /// Run test files of other projects and hold them against the ledger
    Conformance {
        /// Which of them
        suite: Suite,
        /// Our binary, built before [default: a debug build]
        #[arg(long, value_name = "PROGRAM")]
        sigward: Option<PathBuf>,
        /// Rewrite the ledger to what the run shows
        #[arg(long)]
        write: bool,
        /// Print why each case does not pass
        #[arg(long)]
        verbose: bool,
    },
    /// Put the same command lines to ours and to the peers, and compare
    Differential {
        /// Whose command lines
        #[command(subcommand)]
        of: DifferentialOf,
    },
    /// Make the Helm chart from the manifests
    Chart,
    /// Build the container image as an OCI layout; prints its digest
    Image {
        /// The folder of the layout; an older layout in it goes first [default: target/image/layout]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Write the layout as a tar archive too
        #[arg(long, value_name = "FILE")]
        tar: Option<PathBuf>,
        /// A static program that was built before
        #[arg(long, value_name = "PROGRAM")]
        program: Option<PathBuf>,
        /// PEM file of the authorities to trust [default: this machine's]
        #[arg(long, value_name = "FILE")]
        authorities: Option<PathBuf>,
        /// Build without optimisation: to try the image, not to ship it
        #[arg(long)]
        debug: bool,
    },
    /// Measure ours and the peers side by side
    Bench {
        /// Runs of each command that count
        #[arg(long, default_value_t = 15)]
        runs: usize,
        /// Write the table to docs/benchmarks.md
        #[arg(long)]
        write: bool,
        /// Leave our own binary out, which saves its release build
        #[arg(long)]
        peers_only: bool,
        /// Our binary, built before [default: a release build]
        #[arg(long, value_name = "PROGRAM")]
        sigward: Option<PathBuf>,
        /// Only these parts, several with commas
        #[arg(long, value_delimiter = ',')]
        only: Vec<bench::Part>,
        /// Seconds that each load on the webhook lasts
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Distinct images that our webhook is asked about
        #[arg(long, default_value_t = 10_000)]
        distinct: usize,
    },
    /// Take the merge keys of the built-in kinds from an OpenAPI document into the table of the engine
    MergeKeys {
        /// `api/openapi-spec/swagger.json` of Kubernetes
        swagger: PathBuf,
        /// Its release, such as v1.36.3
        release: String,
    },
    /// Run one program and write down what it cost
    #[command(hide = true)]
    Measure {
        /// The file to write to
        #[arg(long)]
        to: PathBuf,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        words: Vec<String>,
    },
    /// Start, stop or enter a control plane on loopback
    Cluster {
        /// What to do
        #[command(subcommand)]
        verb: ClusterVerb,
        /// Where its state lives [default: target/cluster]
        #[arg(long, global = true)]
        dir: Option<PathBuf>,
    },
}

/// Suites of test files.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Suite {
    /// `kyverno-test.yaml`, for `sigward test`
    Cli,
}

#[derive(Debug, Subcommand)]
enum DifferentialOf {
    /// cosign 2 and 3
    Cosign {
        /// Only scenarios whose names contain one of these
        filters: Vec<String>,
        /// Write the table to docs/differential-cosign.md
        #[arg(long)]
        write: bool,
        /// Our binary, built before [default: a debug build]
        #[arg(long, value_name = "PROGRAM")]
        sigward: Option<PathBuf>,
    },
    /// Kyverno's command line, on its test folders as they are and changed a little
    Kyverno {
        /// Only cases whose paths contain one of these
        filters: Vec<String>,
        /// What the changes are drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The first round, to see one again
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Rounds of changed inputs
        #[arg(long, default_value_t = 200)]
        count: u64,
        /// End after so many minutes
        #[arg(long)]
        minutes: Option<u64>,
        /// Leave out the cases as they are
        #[arg(long)]
        only_changed: bool,
        /// Write the counts to docs/differential-kyverno.md
        #[arg(long)]
        write: bool,
        /// Our binary, built before [default: a debug build]
        #[arg(long, value_name = "PROGRAM")]
        sigward: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ClusterVerb {
    /// Start it and leave it running
    Up,
    /// Stop it
    Down,
    /// Print the shell lines that enter it: eval "$(cargo xtask cluster env)"
    Env,
}

fn main() -> ExitCode {
    let chore = Arguments::parse().chore;
    match process::stop_services_on_signals().and_then(|()| run(&chore)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<ExitCode> {
    match chore {
        Chore::Ci => Ok(if ci::run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Chore::Layers => Ok(report("layers", &layers::check()?)),
        Chore::Tidy => Ok(report("tidy", &tidy::check()?)),
        Chore::Deny => deny::check().map(|()| ExitCode::SUCCESS),
        Chore::Peers { names, install } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let names = if names.is_empty() { peers::END_TO_END } else { &names };
            match peers::prepare(names, *install || workspace::in_ci())? {
                Readiness::Ready(peers) => println!("peers ok: {}", peers.folder().display()),
                Readiness::Missing(missing) => return Ok(peers::skip("peers", &missing)?.into()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Chore::Fuzz { targets, seconds } => {
            fuzz::run(*seconds, targets).map(|()| ExitCode::SUCCESS)
        }
        Chore::E2e { filters, release, list, keep } => {
            let options = e2e::Options {
                filters: filters.clone(),
                release: *release,
                list: *list,
                keep: *keep,
            };
            match peers::prepare(peers::END_TO_END, workspace::in_ci())? {
                Readiness::Ready(peers) => {
                    let summary = e2e::run(peers, &options)?;
                    Ok(if summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
                }
                Readiness::Missing(missing) => Ok(peers::skip("e2e", &missing)?.into()),
            }
        }
        Chore::Conformance { suite: Suite::Cli, sigward, write, verbose } => {
            conformance::command_line(sigward.as_deref(), *write, *verbose)
                .map(|()| ExitCode::SUCCESS)
        }
        Chore::Differential { of: DifferentialOf::Cosign { filters, write, sigward } } => {
            match peers::prepare_built(differential::cosign::PEERS)? {
                Readiness::Ready(peers) => {
                    let options = differential::cosign::Options {
                        filters: filters.clone(),
                        write: *write,
                        sigward: sigward.clone(),
                    };
                    let same = differential::cosign::run(&peers, &options)?;
                    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
                }
                Readiness::Missing(missing) => Ok(peers::skip("differential", &missing)?.into()),
            }
        }
        Chore::Differential {
            of:
                DifferentialOf::Kyverno {
                    filters,
                    seed,
                    first,
                    count,
                    minutes,
                    only_changed,
                    write,
                    sigward,
                },
        } => match peers::prepare_built(differential::kyverno::PEERS)? {
            Readiness::Ready(peers) => {
                let options = differential::kyverno::Options {
                    filters: filters.clone(),
                    seed: *seed,
                    first: *first,
                    count: *count,
                    minutes: *minutes,
                    only_changed: *only_changed,
                    write: *write,
                    sigward: sigward.clone(),
                };
                let same = differential::kyverno::run(&peers, &options)?;
                Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Readiness::Missing(missing) => Ok(peers::skip("differential", &missing)?.into()),
        },
        Chore::Bench { runs, write, peers_only, sigward, only, seconds, distinct } => {
            match peers::prepare(bench::PEERS, workspace::in_ci())? {
                Readiness::Ready(peers) => {
                    let options = bench::Options {
                        runs: *runs,
                        write: *write,
                        peers_only: *peers_only,
                        sigward: sigward.clone(),
                        only: only.clone(),
                        seconds: *seconds,
                        distinct: *distinct,
                    };
                    bench::run(peers, &options)?;
                    Ok(ExitCode::SUCCESS)
                }
                Readiness::Missing(missing) => Ok(peers::skip("bench", &missing)?.into()),
            }
        }
        Chore::Chart => {
            println!("written: {}", chart::write()?.display());
            Ok(ExitCode::SUCCESS)
        }
        Chore::Image { out, tar, program, authorities, debug } => {
            let defaults = image::Options::default();
            let options = image::Options {
                out: out.clone().unwrap_or(defaults.out),
                tar: tar.clone(),
                program: program.clone(),
                authorities: authorities.clone().unwrap_or(defaults.authorities),
                debug: *debug,
            };
            let digest = image::run(&options)?;
            println!("{}@{digest}", options.out.display());
            Ok(ExitCode::SUCCESS)
        }
        Chore::MergeKeys { swagger, release } => {
            let file = workspace::root().join(merge_keys::TABLE);
            std::fs::write(&file, merge_keys::table(swagger, release)?)
                .with_context(|| format!("cannot write {}", file.display()))?;
            println!("written: {}", merge_keys::TABLE);
            Ok(ExitCode::SUCCESS)
        }
        Chore::Measure { to, words } => {
            bench::run_only_child(to, words).map(|()| ExitCode::SUCCESS)
        }
        Chore::Cluster { verb, dir } => {
            let dir = dir.clone().unwrap_or_else(|| workspace::root().join("target/cluster"));
            cluster(verb, &dir)
        }
    }
}

fn cluster(verb: &ClusterVerb, dir: &Path) -> Result<ExitCode> {
    match verb {
        ClusterVerb::Up => {
            cluster::down(dir)?;
            let peers = match peers::prepare(&["kubernetes"], workspace::in_ci())? {
                Readiness::Ready(peers) => peers,
                Readiness::Missing(missing) => return Ok(peers::skip("cluster", &missing)?.into()),
            };
            let cluster = Cluster::start(&peers, dir)?;
            println!("cluster up: {}", cluster.server());
            println!("enter it:   eval \"$(cargo xtask cluster env)\"");
            cluster.detach()?;
        }
        ClusterVerb::Down => println!("cluster down: {} servers stopped", cluster::down(dir)?),
        ClusterVerb::Env => print!("{}", cluster::environment(dir)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a check found; finding something is a failure.
fn report(check: &str, found: &[String]) -> ExitCode {
    for line in found {
        println!("{line}");
    }
    if found.is_empty() {
        println!("{check} ok");
        return ExitCode::SUCCESS;
    }
    println!("{check}: {} out of order", found.len());
    ExitCode::FAILURE
}
