//! The definitions under `deploy/crds` are those of the types, lose nothing that policies use, and accept what upstream's accept.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test code")]
use serde::Deserialize as _;
use serde_json::Value as Json;
use sigward_api::{
    crd::{Resource, read},
    crds,
    kyverno::{
        v1::{ClusterPolicy, Policy},
        v2::PolicyException,
    },
    schema::check::{Finding, FindingKind},
};
use sigward_document::{Value, parse_json};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of shared test data; says so when there is none.
fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGWARD_SHARED")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let folder = root.join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Every document of a stream that can be read; templates and broken ones are passed over.
fn documents(path: &Path) -> Vec<Json> {
    let text = fs::read_to_string(path).unwrap();
    serde_yaml_ng::Deserializer::from_str(&text)
        .filter_map(|document| Json::deserialize(document).ok())
        .collect()
}

fn tree(document: &Json) -> Value {
    parse_json(document.to_string().as_bytes()).unwrap()
}

/// Block style, members sorted, every string in double quotes where it could be something else.
fn yaml(value: &Json, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Json::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
                let name = if plain { name.clone() } else { Json::from(name.as_str()).to_string() };
                if nests(member) {
                    writeln!(out, "{pad}{name}:").unwrap();
                    yaml(member, indent + if member.is_array() { 0 } else { 2 }, out);
                } else {
                    writeln!(out, "{pad}{name}: {member}").unwrap();
                }
            }
        }
        Json::Array(items) => {
            for item in items {
                if nests(item) {
                    let mut inner = String::new();
                    yaml(item, indent + 2, &mut inner);
                    writeln!(out, "{pad}- {}", inner.trim()).unwrap();
                } else {
                    writeln!(out, "{pad}- {item}").unwrap();
                }
            }
        }
        scalar @ (Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_)
        | Json::Object(_)) => writeln!(out, "{pad}{scalar}").unwrap(),
    }
}

fn nests(value: &Json) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty())
}

#[test]
fn the_definitions_under_deploy_are_those_of_the_types() {
    let folder = workspace().join("deploy/crds");
    let bless = std::env::var_os("SIGWARD_BLESS").is_some();
    let mut names: Vec<String> = Vec::new();
    for definition in crds() {
        let mut text =
            "# Made from the types of crates/api: SIGWARD_BLESS=1 cargo test -p sigward-api.\n"
                .to_owned();
        yaml(&definition, 0, &mut text);
        assert_eq!(
            serde_yaml_ng::from_str::<Json>(&text).unwrap(),
            definition,
            "what is written reads as something else"
        );
        let name = format!("{}.yaml", definition["metadata"]["name"].as_str().unwrap());
        let path = folder.join(&name);
        if bless {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} is stale: SIGWARD_BLESS=1 cargo test -p sigward-api rewrites it",
            path.display()
        );
        names.push(name);
    }
    let mut found: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names, "files that belong to no kind");
}

#[test]
fn a_definition_fits_into_the_annotation_of_client_side_apply() {
    for definition in crds() {
        let bytes = definition.to_string().len();
        println!("{} {bytes}", definition["metadata"]["name"]);
        assert!(bytes < 256 * 1024, "{} has {bytes} bytes", definition["metadata"]["name"]);
    }
}

/// Whether the API server would take the schema: a type everywhere, no keyword that it does not know.
fn structural(schema: &Json, path: &str) {
    let free = schema["x-kubernetes-preserve-unknown-fields"] == true;
    assert!(schema["type"].is_string() || free, "{path} has no type");
    for (keyword, value) in schema.as_object().unwrap() {
        let below = format!("{path}/{keyword}");
        match keyword.as_str() {
            "properties" => value
                .as_object()
                .unwrap()
                .iter()
                .for_each(|(name, schema)| structural(schema, &format!("{below}/{name}"))),
            "items" | "additionalProperties" => structural(value, &below),
            "not"
            | "oneOf"
            | "type"
            | "description"
            | "required"
            | "enum"
            | "default"
            | "format"
            | "minimum"
            | "maxLength"
            | "minLength"
            | "x-kubernetes-preserve-unknown-fields"
            | "x-kubernetes-map-type"
            | "x-kubernetes-list-type" => {}
            other => panic!("{path}: keyword {other}"),
        }
    }
}

#[test]
fn every_schema_is_structural() {
    for definition in crds() {
        for version in definition["spec"]["versions"].as_array().unwrap() {
            structural(&version["schema"]["openAPIV3Schema"], &version["name"].to_string());
        }
    }
}

/// What `theirs` accepts and `ours` would refuse or drop.
fn refused(theirs: &Json, ours: &Json, path: &str, out: &mut Vec<String>) {
    if ours["x-kubernetes-preserve-unknown-fields"] == true && ours["type"].is_null() {
        return;
    }
    let free = |schema: &Json| schema["x-kubernetes-preserve-unknown-fields"] == true;
    if free(theirs) && !free(ours) {
        out.push(format!("{path}: free there, closed here"));
    }
    if theirs["type"] != ours["type"] {
        out.push(format!("{path}: type {} there, {} here", theirs["type"], ours["type"]));
    }
    let words = |schema: &Json, keyword: &str| schema[keyword].as_array().cloned();
    match (words(theirs, "enum"), words(ours, "enum")) {
        (Some(theirs), Some(ours)) => {
            for word in theirs.iter().filter(|word| !ours.contains(word)) {
                out.push(format!("{path}: {word} is not allowed here"));
            }
        }
        (None, Some(_)) => out.push(format!("{path}: only some words are allowed here")),
        (_, None) => {}
    }
    for name in words(ours, "required").unwrap_or_default() {
        if !words(theirs, "required").unwrap_or_default().contains(&name) {
            out.push(format!("{path}: {name} is required here"));
        }
    }
    for keyword in ["maxLength", "minLength", "minimum", "pattern", "not", "oneOf"] {
        if !ours[keyword].is_null() && theirs[keyword] != ours[keyword] {
            out.push(format!(
                "{path}: {keyword} is {} here, {} there",
                ours[keyword], theirs[keyword]
            ));
        }
    }
    if theirs["default"] != ours["default"] {
        out.push(format!(
            "{path}: default is {} there, {} here",
            theirs["default"], ours["default"]
        ));
    }
    for (name, theirs) in theirs["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match ours["properties"].get(name) {
            Some(ours) => refused(theirs, ours, &path, out),
            None if free(ours) => {}
            None => out.push(format!("{path}: not known here")),
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if theirs[keyword].is_object() {
            refused(&theirs[keyword], &ours[keyword], &format!("{path}[]"), out);
        }
    }
}

#[test]
fn what_upstream_accepts_is_accepted() {
    let Some(folder) = shared("conformance/crds") else { return };
    let upstream: Vec<Json> =
        files_under(&folder).iter().flat_map(|path| documents(path)).collect();
    for ours in crds() {
        let name = &ours["metadata"]["name"];
        let theirs = upstream
            .iter()
            .find(|theirs| theirs["metadata"]["name"] == *name)
            .unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(theirs["spec"]["names"], ours["spec"]["names"]);
        assert_eq!(theirs["spec"]["scope"], ours["spec"]["scope"]);
        for theirs in theirs["spec"]["versions"].as_array().unwrap() {
            let ours = ours["spec"]["versions"]
                .as_array()
                .unwrap()
                .iter()
                .find(|ours| ours["name"] == theirs["name"]);
            let ours = ours.unwrap_or_else(|| panic!("{name} has no version {}", theirs["name"]));
            for member in ["served", "storage", "additionalPrinterColumns", "deprecated"] {
                assert_eq!(theirs[member], ours[member], "{name} {} {member}", theirs["name"]);
            }
            let mut out = Vec::new();
            refused(
                &theirs["schema"]["openAPIV3Schema"],
                &ours["schema"]["openAPIV3Schema"],
                "",
                &mut out,
            );
            assert!(out.is_empty(), "{name} {}:\n{}", theirs["name"], out.join("\n"));
        }
    }
}

/// Reads a document as the kind it says it is; `None` for kinds that are not ours.
fn findings_of(document: &Json) -> Option<(bool, Vec<Finding>)> {
    fn read_as<T: Resource>(document: &Json) -> (bool, Vec<Finding>) {
        let read = read::<T>(&tree(document));
        (read.value.is_some(), read.findings)
    }
    let of = |group: &str| {
        document["apiVersion"].as_str().is_some_and(|version| version.starts_with(group))
    };
    match document["kind"].as_str()? {
        // Assertions of the suites name a part of the object only.
        _ if document["spec"].is_null() => None,
        "ClusterPolicy" if of("kyverno.io/") => Some(read_as::<ClusterPolicy>(document)),
        "Policy" if of("kyverno.io/") => Some(read_as::<Policy>(document)),
        "PolicyException" if of("kyverno.io/") => Some(read_as::<PolicyException>(document)),
        _ => None,
    }
}

#[test]
fn every_policy_of_the_open_suites_is_valid_and_loses_no_field() {
    let Some(folder) = shared("conformance") else { return };
    let mut count = 0;
    let mut wrong = Vec::new();
    for path in files_under(&folder) {
        for document in documents(&path) {
            let Some((read, findings)) = findings_of(&document) else { continue };
            count += 1;
            // `Unknown` is what the API server would prune.
            wrong.extend(findings.iter().map(|finding| format!("{}: {finding:?}", path.display())));
            if !read {
                wrong.push(format!("{}: not read", path.display()));
            }
        }
    }
    println!("{count} documents");
    assert!(count > 800, "only {count} documents were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_misspelt_field_is_named_with_its_place() {
    let rule = serde_json::json!({
        "name": "r", "match": { "any": [] }, "verifyImages": [{ "imageReferences": ["*"], "mutateDigests": false, "required": "no" }]
    });
    let document = serde_json::json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": { "name": "p" }, "spec": { "rules": [rule] }
    });
    let (read, findings) = findings_of(&document).unwrap();
    assert!(!read);
    let found: Vec<_> =
        findings.iter().map(|finding| (finding.path.as_str(), finding.kind)).collect();
    let entry = "spec.rules[0].verifyImages[0]";
    let expected = [
        (format!("{entry}.mutateDigests"), FindingKind::Unknown),
        (format!("{entry}.required"), FindingKind::Type),
    ];
    assert_eq!(
        found,
        expected.iter().map(|(path, kind)| (path.as_str(), *kind)).collect::<Vec<_>>()
    );
}

#[test]
fn each_definition_stores_the_version_that_the_peer_stores() {
    let stored = |plural: &str| {
        let all = crds();
        let one = all.iter().find(|one| one["metadata"]["name"] == plural).unwrap();
        let versions = one["spec"]["versions"].as_array().unwrap().clone();
        assert!(versions.iter().all(|version| version["served"] == true), "{plural}");
        let (stored, older): (Vec<Json>, Vec<Json>) =
            versions.into_iter().partition(|version| version["storage"] == true);
        let names = |versions: Vec<Json>| -> Vec<String> {
            versions.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        (names(stored), names(older))
    };
    for (plural, version, older) in [
        ("clusterpolicies.kyverno.io", "v1", Some("v2beta1")),
        ("policies.kyverno.io", "v1", Some("v2beta1")),
        ("policyexceptions.kyverno.io", "v2", Some("v2beta1")),
        ("policyreports.wgpolicyk8s.io", "v1alpha2", None),
        ("clusterpolicyreports.wgpolicyk8s.io", "v1alpha2", None),
    ] {
        let expected: Vec<String> = older.into_iter().map(str::to_owned).collect();
        assert_eq!(stored(plural), (vec![version.to_owned()], expected), "{plural}");
    }
}
