//! Upstream's own policies with `verifyImages`: each compiles, or is refused for a reason that is known.
use crate::articles::shared_root;
use sigward_document::Value;
use sigward_policy::{
    compile::{Severity, compile_policy},
    snapshot::Settings,
};
use std::{fs, path::Path};

/// Why a policy of upstream's tests may be refused.
const KNOWN: [&str; 1] = [
    // Notary, OCI 1.1 lookups, key management services: later builds.
    "is not supported in this build",
];

fn policies(folder: &Path, found: &mut Vec<(String, Value)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            policies(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if !text.contains("verifyImages") {
                continue;
            }
            for written in sigward_document::parse_yaml_stream(&text).into_iter().flatten() {
                let kind = written.value.str_at(&["kind"]);
                if matches!(kind, Some("ClusterPolicy" | "Policy")) {
                    found.push((path.display().to_string(), written.value));
                }
            }
        }
    }
}

#[test]
fn upstreams_policies_compile_or_are_refused_for_a_known_reason() {
    let Some(root) = shared_root() else { return };
    let mut found = Vec::new();
    policies(&root.join("conformance/kyverno"), &mut found);
    policies(&root.join("conformance/kyverno-policies"), &mut found);
    assert!(found.len() > 30, "only {} policies", found.len());
    let settings = Settings { insecure_ignore_tlog_for_keys: true, ..Settings::default() };
    let mut compiled_count = 0;
    let mut unexpected = Vec::new();
    for (path, policy) in &found {
        let compiled = compile_policy(policy, &settings);
        if path.contains("/block-") {
            // Upstream's test says that this one is refused.
            assert!(compiled.value.is_none(), "{path}");
            continue;
        }
        compiled_count += usize::from(compiled.value.is_some());
        for diagnostic in compiled.diagnostics {
            let known = KNOWN.iter().any(|known| diagnostic.message.contains(known));
            if diagnostic.severity == Severity::Error && !known {
                unexpected.push(format!("{path}: {diagnostic:#?}"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(compiled_count * 3 > found.len() * 2, "{compiled_count} of {}", found.len());
}
