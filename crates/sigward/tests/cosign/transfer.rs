//! `copy`, `save`, `load` and `clean`: what belongs to an image goes where it goes.
use crate::stage::{IGNORE_LOG, REPOSITORY, Stage};
use sigward_testkit::image::Recipe;

/// An image with two platforms, the index and each platform signed in both formats and attested.
fn signed_index(stage: &Stage) -> String {
    let index = Recipe::new(11).build_index(&["amd64", "arm64"]);
    index.push(&stage.registry, REPOSITORY, "v1");
    let name = stage.name("v1");
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        stage.sign(&name, &["--recursive", format]).ok();
        stage.attest(&name, &[format]).ok();
    }
    name
}

fn verifies_in_both_formats(stage: &Stage, name: &str) {
    stage.verify(name, &[]).ok();
    stage.verify(name, &["--new-bundle-format=false"]).ok();
    stage.verify_attestation(name, &[]).ok();
    stage.verify_attestation(name, &["--new-bundle-format=false"]).ok();
}

fn elsewhere(stage: &Stage, rest: &str) -> String {
    format!("{}/{rest}", stage.registry.host())
}

/// The platforms' digests.
fn children(stage: &Stage, repository: &str, tag: &str) -> Vec<String> {
    let bytes = stage.registry.manifest(repository, tag).unwrap().bytes;
    let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_copy_verifies_like_the_original() {
    let stage = Stage::new();
    let name = signed_index(&stage);
    let copy = elsewhere(&stage, "other/place:v2");
    let ran = stage.run(&["copy", &name, &copy]).ok();
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("Copying ") && ran.err.contains(&copy), "{}", ran.err);
    verifies_in_both_formats(&stage, &copy);
    for child in children(&stage, "other/place", "v2") {
        let child = elsewhere(&stage, &format!("other/place@{child}"));
        stage.verify(&child, &[]).ok();
        stage.verify(&child, &["--new-bundle-format=false"]).ok();
    }
    assert_eq!(children(&stage, "other/place", "v2"), children(&stage, REPOSITORY, "v1"));
    // The same once more changes nothing and is no conflict.
    stage.run(&["copy", &name, &copy]).ok();
    stage.run(&["copy", &name]).fails(1, "accepts 2 arg(s), received 1");
    stage.run(&["copy", &stage.name("none"), &copy]).fails(1, "MANIFEST_UNKNOWN");
}

#[test]
fn a_copy_does_not_overwrite() {
    let stage = Stage::new();
    let (one, two) = (stage.image("one"), stage.image("two"));
    let copy = elsewhere(&stage, "other/place:v2");
    stage.run(&["copy", &one, &copy]).ok();
    stage.run(&["copy", &two, &copy]).fails(1, "already exists");
    stage.run(&["copy", "--force", &two, &copy]).ok();
    let found = stage.registry.manifest("other/place", "v2").unwrap();
    assert_eq!(found.bytes, stage.registry.manifest(REPOSITORY, "two").unwrap().bytes);
}

#[test]
fn only_what_is_asked_for_is_copied() {
    let stage = Stage::new();
    let name = signed_index(&stage);
    let check = |flags: &[&str], place: &str, signed: bool, attested: bool| {
        let copy = elsewhere(&stage, place);
        stage.run(&[&["copy"], flags, &[&name, &copy]].concat()).ok();
        for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
            assert_eq!(stage.verify(&copy, &[format]).code == 0, signed, "{flags:?} {format}");
            let attestation = stage.verify_attestation(&copy, &[format]);
            assert_eq!(attestation.code == 0, attested, "{flags:?} {format}");
        }
    };
    check(&["--only=sig"], "a/sig:1", true, false);
    check(&["--sig-only"], "a/sig-only:1", true, false);
    check(&["--only=att"], "a/att:1", false, true);
    check(&["--only=sig,att,sbom"], "a/all:1", true, true);
    stage.run(&["copy", "--only=x", &name, &name]).fails(1, "--only takes sig, att and sbom");
}

#[test]
fn one_platform_can_be_copied() {
    let stage = Stage::new();
    let name = signed_index(&stage);
    let copy = elsewhere(&stage, "other/place:arm");
    stage.run(&["copy", "--platform", "linux/arm64", &name, &copy]).ok();
    let found = stage.registry.manifest("other/place", "arm").unwrap();
    let arm = children(&stage, REPOSITORY, "v1").remove(1);
    assert_eq!(sigward_testkit::digest::sha256(&found.bytes), arm);
    stage.verify(&copy, &[]).ok();
    stage
        .run(&["copy", "--platform", "plan9/mips", &name, &copy])
        .fails(1, "the index has linux/amd64, linux/arm64");
}

#[test]
fn what_was_saved_is_loaded_with_its_bundles() {
    let stage = Stage::new();
    let name = signed_index(&stage);
    stage.run(&["save", "--dir", "d", &name]).ok();
    let other = Stage::new();
    let folder = stage.folder.join("d");
    let loaded = format!("{}/new/home:v3", other.registry.host());
    other.write_key("k", &stage.key);
    other.run(&["load", "--dir", folder.to_str().unwrap(), &loaded]).ok();
    verifies_in_both_formats(&other, &loaded);
    for child in children(&other, "new/home", "v3") {
        other.verify(&format!("{}/new/home@{child}", other.registry.host()), &[]).ok();
    }
    // Without a name it goes where it came from.
    stage.registry.reset_log();
    stage.run(&["load", "--dir", "d"]).ok();
    stage.run(&["save", &name]).fails(1, "required flag(s) \"dir\" not set");
    stage.run(&["load", "--dir", "none", &name]).fails(1, "none/index.json: no such file");
}

#[test]
fn the_folder_is_the_one_cosign_writes() {
    let stage = Stage::new();
    let name = stage.image("v1");
    stage.sign(&name, &["--new-bundle-format=false"]).ok();
    stage.attest(&name, &["--new-bundle-format=false"]).ok();
    stage.sign(&name, &[]).ok();
    stage.run(&["save", "--dir", "d", &name]).ok();
    assert_eq!(stage.read("d/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: serde_json::Value = serde_json::from_str(&stage.read("d/index.json")).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let kind = |kind: &str| {
        let kind = format!("dev.cosignproject.cosign/{kind}");
        entries.iter().find(|entry| entry["annotations"]["kind"] == kind.as_str()).cloned()
    };
    assert_eq!(kind("image").unwrap()["digest"], stage.digest("v1").as_str());
    assert_eq!(
        kind("image").unwrap()["annotations"]["org.opencontainers.image.ref.name"],
        name.as_str()
    );
    assert!(kind("sigs").is_some() && kind("atts").is_some() && kind("imageIndex").is_none());
    assert_eq!(entries.len(), 3, "{index:#}");
}

#[test]
fn a_saved_image_is_verified_where_it_lies() {
    let stage = Stage::new();
    let name = signed_index(&stage);
    stage.run(&["save", "--dir", "d", &name]).ok();
    stage.registry.reset_log();
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        let verified = stage.verify("d", &["--local-image", format]).ok();
        assert!(verified.err.contains("Verification for d --"), "{}", verified.err);
        let payloads = verified.array();
        let digest = &payloads[0]["critical"]["image"]["docker-manifest-digest"];
        assert_eq!(digest, stage.digest("v1").as_str());
        stage.verify_attestation("d", &["--local-image", format]).ok();
    }
    assert_eq!(stage.registry.request_count(), 0);
    let other =
        sigward_testkit::keys::KeyPair::generate(sigward_testkit::keys::Algorithm::EcdsaP256);
    stage.write_key("other", &other.unwrap());
    stage
        .run(&["verify", "--key", "other.pub", IGNORE_LOG, "--local-image", "d"])
        .fails(1, "no matching");
    // A folder that was tampered with proves nothing.
    let digest = stage.digest("v1");
    let path = format!("d/blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap());
    stage.write(&path, stage.read(&path).replace("amd64", "arm64"));
    stage.run(&["load", "--dir", "d"]).fails(1, "does not hash to its name");
}

#[test]
fn what_is_attached_is_removed_and_the_image_stays() {
    let stage = Stage::new();
    let name = signed_index(&stage);
    stage.run(&["clean", &name]).fails(1, "user declined the prompt");
    verifies_in_both_formats(&stage, &name);
    let asked = stage.run_with_input("y\n", &["clean", &name]).ok();
    assert!(
        asked.err.starts_with("WARNING: this will remove all signatures, SBOMs and attestations from the image\nAre you sure you would like to continue? [y/N] "),
        "{}",
        asked.err
    );
    assert!(asked.err.contains("Removed "), "{}", asked.err);
    stage.verify(&name, &[]).fails(10, "no signatures found");
    assert!(stage.registry.manifest(REPOSITORY, "v1").is_some());
    // Signatures of its platforms are theirs.
    let child = children(&stage, REPOSITORY, "v1").remove(0);
    stage.verify(&elsewhere(&stage, &format!("{REPOSITORY}@{child}")), &[]).ok();
    // Nothing left: nothing to say, and no error.
    assert!(!stage.run(&["clean", "--force", &name]).ok().err.contains("Removed"));
}

#[test]
fn each_kind_is_removed_from_both_stores() {
    let check = |kind: &str, signed: bool, attested: bool| {
        let stage = Stage::new();
        let name = signed_index(&stage);
        stage.run(&["clean", "-f", "--type", kind, &name]).ok();
        for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
            assert_eq!(stage.verify(&name, &[format]).code == 0, signed, "{kind} {format}");
            let attestation = stage.verify_attestation(&name, &[format]);
            assert_eq!(attestation.code == 0, attested, "{kind} {format}");
        }
    };
    check("signature", false, true);
    check("attestation", true, false);
    check("sbom", true, true);
    let stage = Stage::new();
    let name = signed_index(&stage);
    stage.run(&["clean", "-f", "--type=referrer", &name]).ok();
    stage.verify(&name, &["--new-bundle-format=false"]).ok();
    stage.run(&["download", "signature", &name]).ok();
    stage.run(&["clean", "-f", "--type=x", &name]).fails(1, "invalid argument \"x\"");
}
