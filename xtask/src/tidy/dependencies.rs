//! Checks on manifests and on what is linked: one TLS stack, one HTTP stack, one JSON.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::workspace::{self, Package, SourceFile};

/// Crates that would be a second stack, and the one that we have.
const SECOND_STACKS: &[(&str, &str)] = &[
    ("ring", "aws-lc-rs"),
    ("openssl", "rustls"),
    ("openssl-sys", "rustls"),
    ("native-tls", "rustls"),
    ("boring", "rustls"),
    ("mbedtls", "rustls"),
    ("gnutls", "rustls"),
    ("schannel", "rustls"),
    ("ureq", "reqwest"),
    ("isahc", "reqwest"),
    ("curl", "reqwest"),
    ("attohttpc", "reqwest"),
    ("surf", "reqwest"),
    ("actix-web", "hyper"),
    ("async-std", "tokio"),
    ("smol", "tokio"),
    ("serde_yaml", "the YAML reader of `document`"),
];

/// Crates of which two versions would be two stacks.
const SINGLE: &[&str] = &[
    "aws-lc-rs",
    "rustls",
    "rustls-webpki",
    "tokio-rustls",
    "hyper",
    "hyper-util",
    "hyper-rustls",
    "h2",
    "http",
    "http-body",
    "reqwest",
    "tokio",
    "kube",
    "kube-client",
    "kube-core",
    "k8s-openapi",
    "serde_json",
    "rcgen",
];

/// Features that change what JSON means for everyone who is linked with it.
const TREACHEROUS: &[(&str, &[&str])] =
    &[("serde_json", &["preserve_order", "arbitrary_precision", "unbounded_depth"])];

/// What our manifests owe: lints, versions and licences come from the workspace, once.
pub(super) fn manifests(files: &[SourceFile], packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let path = format!("{}/Cargo.toml", package.folder);
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        if !file.text.contains("[lints]\nworkspace = true") {
            found.push(format!("{path}: `[lints]` does not say `workspace = true`"));
        }
        let mut section = "";
        for (index, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]")
                && line.contains('=')
                && !line.starts_with('#')
                && !line.contains("workspace = true")
            {
                found.push(format!(
                    "{path}:{}: a version of its own: use the workspace's",
                    index + 1
                ));
            }
        }
    }
    for file in files {
        let is_lock = file.path.rsplit('/').next() == Some("Cargo.lock");
        if is_lock && file.path != "Cargo.lock" && !file.path.starts_with("fuzz/") {
            found.push(format!("{}: there is one lock file", file.path));
        }
    }
    found
}

/// What the whole workspace links, judged.
pub(super) fn linked() -> Result<Vec<String>> {
    let listed = workspace::output(
        workspace::cargo()
            .args([
                "tree",
                "--quiet",
                "--locked",
                "--workspace",
                "--all-features",
                "--edges",
                "normal,build",
            ])
            .args(["--prefix", "none", "--format", "{p}|{f}"]),
    )?;
    Ok(judge(&listed))
}

fn judge(listed: &str) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    let mut lines: Vec<&str> = listed.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let mut words = package.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let known = versions.entry(name).or_default();
        if !known.contains(&version) {
            known.push(version);
        }
        let features = features.trim_end_matches(" (*)");
        for (_, banned) in TREACHEROUS.iter().filter(|(crate_name, _)| *crate_name == name) {
            for feature in features.split(',').filter(|feature| banned.contains(feature)) {
                found.push(format!(
                    "`{name}` is built with `{feature}`, which changes what JSON means"
                ));
            }
        }
    }
    for (name, ours) in SECOND_STACKS.iter().filter(|(name, _)| versions.contains_key(name)) {
        found.push(format!("`{name}` is linked: we have {ours}"));
    }
    for name in SINGLE {
        if let Some(several) = versions.get(name).filter(|several| several.len() > 1) {
            found.push(format!("`{name}` is linked in several versions: {}", several.join(", ")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tls_stack_is_found() {
        assert_eq!(
            judge("ring v0.17.0|default\nserde v1.0.0|\n"),
            ["`ring` is linked: we have aws-lc-rs"]
        );
    }

    #[test]
    fn two_versions_of_one_stack_are_found() {
        let found = judge("hyper v1.0.0|\nhyper v0.14.0|\nhyper v1.0.0| (*)\n");
        assert_eq!(found, ["`hyper` is linked in several versions: v0.14.0, v1.0.0"]);
    }

    #[test]
    fn a_feature_that_changes_json_is_found() {
        assert_eq!(judge("serde_json v1.0.0|default,preserve_order,std (*)\n").len(), 1);
        assert_eq!(judge("serde_json v1.0.0|default,std\n").len(), 0);
    }

    #[test]
    fn a_crate_with_a_version_of_its_own_is_found() {
        let package = Package { folder: "crates/a".to_owned(), name: "sigward-a".to_owned() };
        let file = SourceFile {
            path: "crates/a/Cargo.toml".to_owned(),
            text: "[lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\nhex = \"0.4\"\n".to_owned(),
        };
        let found = manifests(&[file], &[package]);
        assert_eq!(found, ["crates/a/Cargo.toml:6: a version of its own: use the workspace's"]);
    }
}
