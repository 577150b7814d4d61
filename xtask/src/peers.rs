//! Real peers: the programs we are compared with and run against, built from their Go modules or taken from Debian.
//!
//! The module files under `xtask/peers/` pin every version; the programs go to the cache folder, so that a fresh
//! clone finds them. Nothing here is needed by `cargo test` or by the product.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};

use crate::workspace;

/// A set of programs built from one Go module file.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// The folder under `xtask/peers/`.
    pub name: &'static str,
    /// Go package and the program's file name.
    programs: &'static [(&'static str, &'static str)],
}

/// What can be built.
pub const RECIPES: &[Recipe] = &[
    Recipe {
        name: "kubernetes",
        programs: &[
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
            ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
        ],
    },
    Recipe {
        name: "cosign3",
        programs: &[("github.com/sigstore/cosign/v3/cmd/cosign", "cosign3")],
    },
    Recipe {
        name: "cosign2",
        programs: &[("github.com/sigstore/cosign/v2/cmd/cosign", "cosign2")],
    },
    Recipe {
        name: "sigstore",
        programs: &[
            ("github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix", "rekor-tiles-posix"),
            ("github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server", "timestamp-server"),
            ("github.com/google/go-containerregistry/cmd/crane", "crane"),
        ],
    },
    Recipe { name: "fulcio", programs: &[("github.com/sigstore/fulcio", "fulcio")] },
    Recipe { name: "helm", programs: &[("helm.sh/helm/v3/cmd/helm", "helm")] },
    Recipe {
        name: "kyverno",
        programs: &[
            ("github.com/kyverno/kyverno/cmd/kyverno", "kyverno-admission"),
            ("github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno", "kubectl-kyverno"),
        ],
    },
];

/// The sets that end-to-end runs need.
pub const END_TO_END: &[&str] = &["kubernetes", "cosign3", "cosign2", "sigstore", "fulcio", "helm"];

/// Programs that come from Debian, with their packages.
const DEBIAN: &[(&str, &str)] = &[("etcd", "etcd-server"), ("docker-registry", "docker-registry")];

/// Where all programs of the peers are.
#[derive(Debug, Clone)]
pub struct Peers {
    folder: PathBuf,
}

/// Whether the peers can be used.
#[derive(Debug)]
pub enum Readiness {
    /// All that was asked for is there.
    Ready(Peers),
    /// What is missing and how to get it, one line each.
    Missing(Vec<String>),
}

impl Peers {
    /// The folder of the programs that were built.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one program, by its file name.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let built = self.folder.join(name);
        if built.is_file() {
            return Ok(built);
        }
        workspace::find_program(name)
            .with_context(|| format!("there is no program `{name}`: run `cargo xtask peers`"))
    }
}

/// Builds the named sets, for work that needs nothing of the distribution.
///
/// A set that is built already (by the hash of its module files) costs nothing.
pub fn prepare_built(names: &[&str]) -> Result<Readiness> {
    let (folder, missing) = built(names)?;
    Ok(if missing.is_empty() {
        Readiness::Ready(Peers { folder })
    } else {
        Readiness::Missing(missing)
    })
}

/// The folder of the programs, and what could not be built.
fn built(names: &[&str]) -> Result<(PathBuf, Vec<String>)> {
    let folder = workspace::cache()?.join("peers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut missing = Vec::new();
    for name in names {
        let recipe = RECIPES.iter().find(|recipe| recipe.name == *name).with_context(|| {
            let known: Vec<&str> = RECIPES.iter().map(|recipe| recipe.name).collect();
            format!("there is no recipe `{name}`; there are {}", known.join(", "))
        })?;
        if is_built(recipe, &folder)? {
            continue;
        }
        match workspace::find_program("go") {
            Some(go) => build(recipe, &folder, &go)?,
            None => {
                missing.push(format!("`{name}` needs Go 1.26 or later on the PATH to be built"));
            }
        }
    }
    Ok((folder, missing))
}

/// Builds and finds the named sets and the Debian programs; `install` lets it call `apt-get`.
///
/// A set that is built already (by the hash of its module files) costs nothing.
pub fn prepare(names: &[&str], install: bool) -> Result<Readiness> {
    let (folder, mut missing) = built(names)?;
    let wanted: Vec<&(&str, &str)> =
        DEBIAN.iter().filter(|(program, _)| workspace::find_program(program).is_none()).collect();
    if !wanted.is_empty() && install {
        let packages: Vec<&str> = wanted.iter().map(|(_, package)| *package).collect();
        apt_install(&packages)?;
    }
    for (program, package) in DEBIAN {
        if workspace::find_program(program).is_none() {
            missing.push(format!("`{program}` is in Debian's package `{package}`; `cargo xtask peers --install` gets it"));
        }
    }
    Ok(if missing.is_empty() {
        Readiness::Ready(Peers { folder })
    } else {
        Readiness::Missing(missing)
    })
}

/// Installs packages of the distribution.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    eprintln!("installing {}", packages.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    workspace::output(apt().arg("update"))?;
    workspace::output(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))?;
    Ok(())
}

fn sources(recipe: &Recipe) -> PathBuf {
    workspace::root().join("xtask/peers").join(recipe.name)
}

/// The file whose presence says that exactly these module files have been built here.
fn stamp(recipe: &Recipe, folder: &Path) -> Result<PathBuf> {
    let mut text = Vec::new();
    for file in ["go.mod", "go.sum"] {
        let path = sources(recipe).join(file);
        text.extend(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    let hash = digest(&SHA256, &text);
    let short = hash.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes);
    Ok(folder.join(format!(".{}.{short:016x}", recipe.name)))
}

fn is_built(recipe: &Recipe, folder: &Path) -> Result<bool> {
    Ok(stamp(recipe, folder)?.is_file()
        && recipe.programs.iter().all(|(_, program)| folder.join(program).is_file()))
}

fn build(recipe: &Recipe, folder: &Path, go: &Path) -> Result<()> {
    let started = Instant::now();
    let here = sources(recipe);
    let command = || {
        let mut command = Command::new(go);
        // `go.sum` is complete, so no checksum database is asked.
        command
            .current_dir(&here)
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .env("GOSUMDB", "off")
            .env("GOTOOLCHAIN", "local");
        command
    };
    let mut flags = "-s -w".to_owned();
    if recipe.name == "kubernetes" {
        // The API server refuses to start without a version.
        let version = workspace::output(command().args([
            "list",
            "-m",
            "-f",
            "{{.Version}}",
            "k8s.io/kubernetes",
        ]))?;
        let version = version.trim();
        let minor =
            version.split('.').nth(1).context("the version of Kubernetes has no minor number")?;
        let at = "k8s.io/component-base/version";
        flags = format!(
            "{flags} -X {at}.gitVersion={version} -X {at}.gitMajor=1 -X {at}.gitMinor={minor}"
        );
    }
    eprintln!("building {} (minutes, the first time)", recipe.name);
    for (package, program) in recipe.programs {
        // Built beside its place and moved there whole: a run that is cut off leaves nothing that looks finished.
        let unfinished = folder.join(format!(".{program}.unfinished"));
        workspace::output(
            command().args(["build", "-ldflags", &flags, "-o"]).arg(&unfinished).arg(package),
        )?;
        fs::rename(&unfinished, folder.join(program))
            .with_context(|| format!("cannot put {program} into {}", folder.display()))?;
    }
    forget_older_stamps(recipe, folder)?;
    fs::write(stamp(recipe, folder)?, "")?;
    eprintln!("built {} in {:.0} s", recipe.name, started.elapsed().as_secs_f64());
    Ok(())
}

fn forget_older_stamps(recipe: &Recipe, folder: &Path) -> Result<()> {
    let start = format!(".{}.", recipe.name);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&start) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The exit code that says "did not run", which is neither success nor failure.
pub const SKIPPED: u8 = 77;

/// Says loudly what was skipped and why; where nothing may be skipped this is an error.
pub fn skip(what: &str, missing: &[String]) -> Result<u8> {
    if workspace::in_ci() {
        bail!("{what} may not be skipped here, but {}", missing.join("; "));
    }
    for line in missing {
        println!("skipped: {what}: {line}");
    }
    Ok(SKIPPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_lists_its_programs_as_tools_of_its_module() {
        for recipe in RECIPES {
            let text = fs::read_to_string(sources(recipe).join("go.mod")).unwrap();
            for (package, program) in recipe.programs {
                assert!(text.contains(package), "{}: {package} ({program})", recipe.name);
            }
        }
    }

    #[test]
    fn a_stamp_without_its_programs_is_not_built() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = &RECIPES[1];
        assert!(!is_built(recipe, folder.path()).unwrap());
        fs::write(stamp(recipe, folder.path()).unwrap(), "").unwrap();
        assert!(!is_built(recipe, folder.path()).unwrap());
        fs::write(folder.path().join("cosign3"), "").unwrap();
        assert!(is_built(recipe, folder.path()).unwrap());
    }
}
