//! The layer test: who may name whom, as data, held against what cargo really links.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::workspace::{self, Package, SourceFile};

/// What one crate may reach.
#[derive(Debug, Clone, Copy)]
pub struct Wall {
    /// The crate, by the name of its folder.
    pub name: &'static str,
    /// Which of our crates its `[dependencies]` may name.
    pub may_name: &'static [&'static str],
    /// Which of our crates must not be reached, not even through another.
    pub never_reach: &'static [&'static str],
    /// Which foreign crates must not be reached, not even through another. A trailing `*` stands for any ending.
    pub never_link: &'static [&'static [&'static str]],
    /// Whether the sources may not touch files, environment, sockets, clock or randomness, and may not log.
    pub pure: bool,
}

/// Runtimes, sockets and whatever carries HTTP.
const NETWORK: &[&str] = &[
    "tokio*",
    "mio",
    "async-std",
    "smol",
    "hyper*",
    "h2",
    "h3",
    "http-body*",
    "reqwest*",
    "tower*",
    "axum*",
    "ureq*",
    "isahc",
    "curl*",
    "attohttpc",
    "actix*",
    "warp",
    "tonic*",
    "socket2",
    "rustls",
    "rustls-platform-verifier",
    "hickory-*",
    "trust-dns-*",
];
/// Clients of the Kubernetes API.
const KUBERNETES: &[&str] = &["kube", "kube-*", "k8s-openapi"];
/// Crates whose only use is the world outside: files, randomness, logs, counters.
const WORLD: &[&str] = &[
    "getrandom",
    "rand",
    "fastrand",
    "tempfile",
    "walkdir",
    "notify",
    "dirs",
    "home",
    "log",
    "tracing*",
    "prometheus*",
    "opentelemetry*",
    "env_logger",
];

/// The table of the design, section 3.
pub const WALLS: &[Wall] = &[
    pure("document", &[], &[]),
    pure("oci", &[], &[]),
    pure("jmespath", &["document"], &["oci", "api", "policy", "sigstore"]),
    pure("api", &["document"], &["oci", "policy", "sigstore", "jmespath"]),
    pure("sigstore", &["oci", "document"], &["api", "policy", "jmespath"]),
    pure("policy", &["api", "jmespath", "sigstore", "oci", "document"], &[]),
    Wall {
        name: "remote",
        may_name: &["sigstore", "oci", "document"],
        never_reach: &["policy", "api", "jmespath", "server", "controller", "sigward", "testkit"],
        never_link: &[KUBERNETES],
        pure: false,
    },
    Wall {
        name: "server",
        may_name: &["policy", "document"],
        never_reach: &["controller", "remote", "sigward", "testkit"],
        never_link: &[KUBERNETES, &["reqwest*"]],
        pure: false,
    },
    Wall {
        name: "controller",
        may_name: &["api", "policy", "document"],
        never_reach: &["server", "remote", "sigward", "testkit"],
        never_link: &[&["reqwest*"]],
        pure: false,
    },
    Wall {
        name: "sigward",
        may_name: &[
            "api",
            "controller",
            "document",
            "jmespath",
            "oci",
            "policy",
            "remote",
            "server",
            "sigstore",
            "testkit",
        ],
        never_reach: &["xtask"],
        never_link: &[],
        pure: false,
    },
    Wall {
        name: "testkit",
        may_name: &[],
        never_reach: &[],
        never_link: &[KUBERNETES, &["reqwest*"]],
        pure: false,
    },
    Wall {
        name: "xtask",
        may_name: &["document", "testkit"],
        never_reach: &[],
        never_link: &[KUBERNETES, &["reqwest*"]],
        pure: false,
    },
];

const fn pure(
    name: &'static str,
    may_name: &'static [&'static str],
    never_reach: &'static [&'static str],
) -> Wall {
    Wall { name, may_name, never_reach, never_link: &[NETWORK, KUBERNETES, WORLD], pure: true }
}

/// What the standard library offers and a pure crate may not take, with what to do instead.
const IMPURE_STD: &[(&str, &str)] = &[
    ("std::fs", "files are read at the edges; take the bytes"),
    ("std::env", "settings come with the snapshot"),
    ("TcpStream", "ask for a fact; the edges fetch it"),
    ("TcpListener", "ask for a fact; the edges fetch it"),
    ("UdpSocket", "ask for a fact; the edges fetch it"),
    ("ToSocketAddrs", "ask for a fact; the edges fetch it"),
    ("std::os", "ask for a fact; the edges fetch it"),
    ("std::process", "helpers are run by `remote`"),
    ("std::io::std", "outcomes are data; the binary prints them"),
    ("SystemTime::now", "`now` comes with the request"),
    ("Instant::now", "the edge times rules through a probe"),
    ("Timestamp::now", "`now` comes with the request"),
    ("Zoned::now", "`now` comes with the request"),
    ("SystemRandom::new", "a seed comes with the request; signing alone draws, and says so"),
    ("std::thread", "the edges own the threads"),
    ("HashMap", "its order differs from run to run: use a BTreeMap or a sorted vector"),
    ("HashSet", "its order differs from run to run: use a BTreeSet or a sorted vector"),
    ("RandomState", "a seed comes with the request"),
    ("tracing::", "what would be a log line is data in the outcome"),
    ("log::", "what would be a log line is data in the outcome"),
];

/// Everything in the workspace that breaks a wall, one line each; empty when all stand.
pub fn check() -> Result<Vec<String>> {
    let packages = workspace::packages()?;
    let mut broken = uncovered(&packages);
    for wall in WALLS {
        let Some(package) = packages.iter().find(|package| package.short() == wall.name) else {
            broken.push(format!("the table has a wall for `{}`, which is no crate", wall.name));
            continue;
        };
        let direct = tree(package, &["--depth", "1"])?;
        let reached = tree(package, &[])?;
        broken.extend(judge(wall, &packages, &direct, &reached));
    }
    let files = workspace::files()?;
    for package in &packages {
        if WALLS.iter().any(|wall| wall.pure && wall.name == package.short()) {
            let prefix = format!("{}/src/", package.folder);
            for file in files.iter().filter(|f| f.path.starts_with(&prefix) && f.is_rust()) {
                broken.extend(impurities(file));
            }
        }
    }
    Ok(broken)
}

fn uncovered(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter(|package| !WALLS.iter().any(|wall| wall.name == package.short()))
        .map(|package| format!("`{}` has no row in the table of walls", package.folder))
        .collect()
}

/// The names of all packages that cargo links into one crate, itself left out.
///
/// `cargo tree` per crate, not `cargo metadata`: the latter unifies features over the workspace and accuses the innocent.
fn tree(package: &Package, more: &[&str]) -> Result<BTreeSet<String>> {
    let listed = workspace::output(
        workspace::cargo()
            .args([
                "tree",
                "--quiet",
                "--locked",
                "--package",
                &package.name,
                "--edges",
                "normal",
                "--all-features",
            ])
            .args(["--prefix", "none", "--format", "{p}"])
            .args(more),
    )
    .with_context(|| format!("cannot list what {} links", package.name))?;
    Ok(listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != package.name)
        .map(str::to_owned)
        .collect())
}

fn judge(
    wall: &Wall,
    packages: &[Package],
    direct: &BTreeSet<String>,
    reached: &BTreeSet<String>,
) -> Vec<String> {
    let mut broken = Vec::new();
    for package in packages.iter().filter(|package| package.short() != wall.name) {
        if direct.contains(&package.name) && !wall.may_name.contains(&package.short()) {
            broken.push(format!(
                "`{}` names `{}`, which it may not see",
                wall.name,
                package.short()
            ));
        } else if reached.contains(&package.name) && wall.never_reach.contains(&package.short()) {
            broken.push(format!(
                "`{}` reaches `{}` through another crate",
                wall.name,
                package.short()
            ));
        }
    }
    for pattern in wall.never_link.iter().copied().flatten() {
        for name in reached.iter().filter(|name| matches(pattern, name)) {
            broken.push(format!(
                "`{}` links `{name}`, which its side of the wall does without",
                wall.name
            ));
        }
    }
    broken
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn impurities(file: &SourceFile) -> Vec<String> {
    let mut broken = Vec::new();
    let mut excused = false;
    for (number, line) in file.shipped_lines() {
        let code = line.trim_start();
        if code.starts_with("//") {
            // A sentence that says why nothing leaks excuses the line below it.
            excused |= code.contains("INVARIANT:");
            continue;
        }
        for (word, instead) in IMPURE_STD {
            if !excused && names(code, word) {
                broken.push(format!("{}:{number}: `{word}` in a pure crate: {instead}", file.path));
            }
        }
        excused = false;
    }
    broken
}

/// Whether the code contains the word, also as one of several (`use std::{fs, env}`), not as the tail of a longer one (`catalog::` is not `log::`) and not in a
/// trailing comment.
fn names(code: &str, word: &str) -> bool {
    let code = code.split(" //").next().unwrap_or(code);
    if let (Some(listed), Some(item)) =
        (code.strip_prefix("use std::{"), word.strip_prefix("std::"))
    {
        return listed
            .split([',', '}', ' ', '{', ';'])
            .any(|one| one == item || one.starts_with(&format!("{item}::")));
    }
    code.match_indices(word).any(|(at, _)| {
        code.get(..at)
            .and_then(|before| before.chars().next_back())
            .is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn check(name: &str, direct: &[&str], reached: &[&str]) -> Vec<String> {
        let packages: Vec<Package> = WALLS
            .iter()
            .map(|wall| Package {
                folder: format!("crates/{}", wall.name),
                name: format!("sigward-{}", wall.name),
            })
            .collect();
        let wall = WALLS.iter().find(|wall| wall.name == name).unwrap();
        judge(wall, &packages, &set(direct), &set(reached))
    }

    #[test]
    fn a_pure_crate_that_links_a_runtime_is_named() {
        assert_eq!(check("policy", &[], &["serde", "tokio-util"]).len(), 1);
        assert_eq!(check("policy", &[], &["serde"]), Vec::<String>::new());
    }

    #[test]
    fn edges_do_not_see_one_another() {
        assert_eq!(check("server", &["sigward-remote"], &["sigward-remote"]).len(), 1);
        assert_eq!(
            check("controller", &["sigward-policy"], &["sigward-policy", "sigward-server"]).len(),
            1
        );
        assert_eq!(check("remote", &["sigward-policy"], &["sigward-policy"]).len(), 1);
    }

    #[test]
    fn reaching_the_languages_through_the_engine_is_allowed() {
        assert_eq!(
            check("server", &["sigward-policy"], &["sigward-policy", "sigward-jmespath"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_clock_in_a_pure_source_is_named_with_its_line() {
        let file = SourceFile {
            path: "crates/policy/src/a.rs".to_owned(),
            text: "fn a() {\n    let now = SystemTime::now();\n}\n".to_owned(),
        };
        let found = impurities(&file);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/policy/src/a.rs:2: `SystemTime::now`"), "{found:?}");
    }

    #[test]
    fn an_invariant_excuses_the_next_line_only() {
        let file = SourceFile {
            path: "crates/policy/src/a.rs".to_owned(),
            text: "// INVARIANT: never iterated.\nlet a: HashMap<A, B>;\nlet b: HashMap<A, B>;\n"
                .to_owned(),
        };
        assert_eq!(impurities(&file).len(), 1);
    }

    #[test]
    fn words_inside_longer_words_and_comments_are_innocent() {
        assert!(!names("catalog::read()", "log::"));
        assert!(!names("let a = 1; // like std::fs", "std::fs"));
        assert!(names("use std::fs;", "std::fs"));
        assert!(names("use std::{env, fs};", "std::fs"));
        assert!(!names("use std::{fmt, str};", "std::fs"));
    }
}
