//! `attach`, `download`, `generate` and `upload`: things made elsewhere, put beside images and read back.
use crate::stage::{IGNORE_LOG, NO_LOG, REPOSITORY, Stage};
use sigward_testkit::image::Recipe;

/// One JSON document a line.
fn documents(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_signature_made_elsewhere_is_attached_and_verifies() {
    let stage = Stage::new();
    let image = stage.image("v1");
    for annotations in [&[][..], &["-a", "team=shop", "-a", "html=<b>"]] {
        let payload = stage.run(&[&["generate"], annotations, &[&image]].concat()).ok().out;
        assert!(!payload.ends_with('\n') && payload.contains(&stage.digest("v1")), "{payload}");
        stage.write("payload.json", &payload);
        let sign = ["sign-blob", "--key", "k.key", NO_LOG, "--new-bundle-format=false"];
        let signature = stage.run(&[&sign[..], &["payload.json"]].concat()).ok().out;
        stage.write("sig", signature);
        let attach = ["attach", "signature", "--signature", "sig", "--payload", "payload.json"];
        let ran = stage.run(&[&attach[..], &[&image]].concat()).ok();
        assert_eq!(ran.out, "");
        assert!(ran.err.contains("Command \"attach\" is deprecated"), "{}", ran.err);
        let flags = if annotations.is_empty() { &[][..] } else { &["-a", "html=<b>"] };
        stage.verify(&image, flags).ok();
    }
    // The payload that `generate` prints is the one that is taken when none is given.
    let other = stage.image("v2");
    let payload = stage.run(&["generate", &other]).ok().out;
    stage.write("payload.json", payload);
    let sign = ["sign-blob", "--key", "k.key", NO_LOG, "--new-bundle-format=false"];
    let signature = stage.run(&[&sign[..], &["payload.json"]].concat()).ok().out;
    let attached =
        stage.run_with_input(&signature, &["attach", "signature", "--signature=-", &other]);
    attached.ok();
    stage.verify(&other, &[]).ok();
    stage.run(&["attach", "signature", &other]).fails(1, "empty signature");
    stage.write("wrong.json", "{}");
    let line =
        ["attach", "signature", "--signature", "sig", "--rekor-response", "wrong.json", &other];
    stage.run(&line).fails(1, "no rekorBundle");
}

#[test]
fn a_bundle_is_attached_as_a_referrer() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &["--upload=false", "--bundle", "b.json"]).ok();
    stage.verify(&image, &[]).fails(10, "no signatures found");
    stage.run(&["attach", "signature", "--bundle", "b.json", &image]).ok();
    stage.verify(&image, &[]).ok();
    stage.write("sig", "MEUC");
    stage
        .run(&["attach", "signature", "--bundle", "b.json", "--signature", "sig", &image])
        .fails(1, "--signature has no meaning beside a Sigstore bundle");
    stage.run(&["attach", "signature", "--bundle", "sig", &image]).fails(1, "no Sigstore bundle");
}

#[test]
fn all_that_came_with_a_signature_is_attached_and_downloaded() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let pem = stage.key.certificate_pem("dev@example.test").unwrap();
    stage.write("cert.pem", &pem);
    stage.write("chain.pem", format!("{pem}{pem}"));
    stage.write("sig", "MEUCIQ==");
    stage.write("tsr", [1, 2, 3]);
    let entry = serde_json::json!({ "SignedEntryTimestamp": "AAAA", "Payload": { "logIndex": 7 } });
    stage.write("old.json", serde_json::json!({ "rekorBundle": entry }).to_string());
    let line = [
        "attach",
        "signature",
        "--signature",
        "sig",
        "--certificate",
        "cert.pem",
        "--certificate-chain",
        "chain.pem",
        "--tsr",
        "tsr",
        "--rekor-response",
        "old.json",
        &image,
    ];
    stage.run(&line).ok();
    let found = documents(&stage.run(&["download", "signature", &image]).ok().out);
    assert_eq!(found.len(), 1);
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(found[0]["Base64Signature"], "MEUCIQ==");
    assert_eq!(found[0]["Cert"]["Raw"], body.as_str());
    assert_eq!(found[0]["Chain"].as_array().unwrap().len(), 2);
    assert_eq!(found[0]["Bundle"], entry);
    assert_eq!(found[0]["RFC3161Timestamp"]["SignedRFC3161Timestamp"], "AQID");
}

#[test]
fn signatures_are_downloaded_as_they_are_stored() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.run(&["download", "signature", &image]).fails(1, "no signatures associated with");
    stage.sign(&image, &["--new-bundle-format=false"]).ok();
    let legacy = documents(&stage.run(&["download", "signature", &image]).ok().out);
    let fields: Vec<&str> = legacy[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        ["Base64Signature", "Payload", "Cert", "Chain", "Bundle", "RFC3161Timestamp"];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert!(legacy[0]["Cert"].is_null() && legacy[0]["Bundle"].is_null());
    stage.sign(&image, &[]).ok();
    let bundles = documents(&stage.run(&["download", "signature", &image]).ok().out);
    assert_eq!(bundles.len(), 1);
    assert_eq!(bundles[0]["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
}

#[test]
fn attestations_are_downloaded_by_type() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.run(&["download", "attestation", &image]).fails(1, "no attestations associated with");
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        stage.attest(&image, &[format, "--type", "custom"]).ok();
        stage.attest(&image, &[format, "--type", "https://example.test/t"]).ok();
    }
    let get = |flags: &[&str]| {
        let ran = stage.run(&[&["download", "attestation"], flags, &[&image]].concat()).ok();
        documents(&ran.out)
    };
    let all = get(&[]);
    assert_eq!(all.len(), 4);
    assert_eq!(all.iter().filter(|it| it["mediaType"].is_string()).count(), 2);
    let some = get(&["--predicate-type", "https://example.test/t"]);
    assert_eq!(some.len(), 2, "{some:?}");
    stage
        .run(&["download", "attestation", "--predicate-type=vuln", &image])
        .fails(1, "no attestations with predicate type 'https://cosign.sigstore.dev/attestation/vuln/v1' found");
    stage.run(&["download", "attestation", "--predicate-type=bogus", &image]).fails(1, "bogus");
}

#[test]
fn one_platform_s_are_downloaded() {
    let stage = Stage::new();
    Recipe::new(3).build_index(&["amd64", "arm64"]).push(&stage.registry, REPOSITORY, "v1");
    let index = stage.name("v1");
    let bytes = stage.registry.manifest(REPOSITORY, "v1").unwrap().bytes;
    let parsed: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let arm = parsed["manifests"][1]["digest"].as_str().unwrap();
    let arm = format!("{}/{REPOSITORY}@{arm}", stage.registry.host());
    stage.attest(&arm, &[]).ok();
    stage.write("sbom", "SPDXVersion: SPDX-2.3\n");
    stage.run(&["attach", "sbom", "--sbom", "sbom", &arm]).ok();
    for what in ["attestation", "sbom"] {
        let platform = |name: &str| stage.run(&["download", what, "--platform", name, &index]);
        assert!(!platform("linux/arm64").ok().out.is_empty());
        platform("linux/amd64").fails(1, "no ");
        platform("linux").fails(1, "matches more than one");
        stage.run(&["download", what, &index]).fails(1, "no ");
    }
}

#[test]
fn what_is_attached_to_a_missing_image_is_found() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &["--new-bundle-format=false"]).ok();
    let by_digest = stage.by_digest("v1");
    stage.registry.remove_manifest(REPOSITORY, &stage.digest("v1"));
    assert_eq!(documents(&stage.run(&["download", "signature", &by_digest]).ok().out).len(), 1);
}

#[test]
fn no_more_than_a_hundred_are_downloaded() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let layer = serde_json::json!({
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
        "digest": stage.registry.put_blob(REPOSITORY, "{}"), "size": 2,
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layer, "layers": vec![layer.clone(); 101],
    });
    let tag = stage.attached("v1", "sig");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    stage.registry.put_manifest(REPOSITORY, &tag, kind, manifest.to_string());
    stage.run(&["download", "signature", &image]).fails(1, "no more than 100 are downloaded");
}

#[test]
fn an_envelope_from_a_file_is_attached_and_verifies() {
    let stage = Stage::new();
    let (one, two) = (stage.image("one"), stage.image("two"));
    stage.attest(&one, &["--new-bundle-format=false"]).ok();
    let envelope = stage.run(&["download", "attestation", &one]).ok().out;
    stage.write("envelope", &envelope);
    stage.run(&["attach", "attestation", "--attestation", "envelope", &two]).ok();
    // It is there, and it speaks of another image.
    stage.verify_attestation(&two, &[]).fails(1, "no matching attestations");
    stage.verify_attestation(&two, &["--check-claims=false"]).ok();
    let by_type = ["download", "attestation", "--predicate-type=custom", &two];
    assert_eq!(stage.run(&by_type).ok().out, envelope);
}

#[test]
fn every_file_is_attached() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let no_upload = ["--no-upload", "--bundle"];
    stage.attest(&image, &[&no_upload[..], &["one.json", "--type=https://a.test/1"]].concat()).ok();
    stage.attest(&image, &[&no_upload[..], &["two.json", "--type=https://a.test/2"]].concat()).ok();
    let attach =
        ["attach", "attestation", "--attestation", "one.json", "--attestation", "two.json"];
    stage.run(&[&attach[..], &[&image]].concat()).ok();
    for kind in ["https://a.test/1", "https://a.test/2"] {
        stage.verify_attestation(&image, &["--type", kind]).ok();
    }
    stage.write("none", "");
    stage
        .run(&["attach", "attestation", "--attestation=none", &image])
        .fails(1, "attaching payload from none: the file holds no envelope");
    stage
        .run(&["attach", "attestation", &image])
        .fails(1, "required flag(s) \"attestation\" not set");
}

#[test]
fn an_sbom_is_attached_and_read_back() {
    let stage = Stage::new();
    for (at, (flags, content, kind)) in [
        (&["--type=spdx"][..], "SPDXVersion: SPDX-2.3\n", "text/spdx"),
        (&[], "{\"spdxVersion\":\"SPDX-2.3\"}", "text/spdx+json"),
        (&["--type=cyclonedx"], "<bom/>", "application/vnd.cyclonedx+xml"),
        (&["--type=cyclonedx", "--input-format=json"], "{}", "application/vnd.cyclonedx+json"),
        (&["--type=syft"], "{}", "application/vnd.syft+json"),
        (&["--registry-referrers-mode=legacy"], "{}", "text/spdx+json"),
        (&["--registry-referrers-mode=oci-1-1"], "{}", "text/spdx+json"),
    ]
    .into_iter()
    .enumerate()
    {
        let image = stage.image(&format!("v{at}"));
        stage.write("sbom", content);
        let attached =
            stage.run(&[&["attach", "sbom", "--sbom", "sbom"], flags, &[&image]].concat());
        assert!(attached.ok().err.contains(kind), "{flags:?}");
        let found = stage.run(&["download", "sbom", &image]).ok();
        assert_eq!(found.out, content, "{flags:?}");
        assert!(found.err.contains(&format!("Found SBOM of media type: {kind}")), "{}", found.err);
    }
    let image = stage.image("none");
    stage.run(&["download", "sbom", &image]).fails(1, "no sbom attached to reference");
    let wrong = |flag: &str, words: &str| {
        drop(stage.run(&["attach", "sbom", "--sbom", "sbom", flag, &image]).fails(1, words));
    };
    wrong("--type=x", "unknown SBOM type \"x\"");
    wrong("--input-format=xml", "invalid SBOM input format \"xml\" for spdx");
    wrong("--registry-referrers-mode=x", "legacy or oci-1-1");
}

#[test]
fn a_file_is_uploaded_and_can_be_signed() {
    let stage = Stage::new();
    stage.write("f.txt", "hello");
    let name = stage.name("file");
    let flags = ["upload", "blob", "-f", "f.txt", "--ct", "text/x-mine", "-a", "team=shop"];
    let ran = stage.run(&[&flags[..], &[&name]].concat()).ok();
    assert_eq!(ran.out, format!("{}\n", stage.by_digest("file")));
    assert!(ran.err.contains("Uploading file from [f.txt] to ["), "{}", ran.err);
    let manifest = stage.registry.manifest(REPOSITORY, "file").unwrap().bytes;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["layers"][0]["mediaType"], "text/x-mine");
    assert_eq!(manifest["annotations"]["team"], "shop");
    stage.sign(&name, &[]).ok();
    stage.verify(&name, &[]).ok();
    // The digest that cosign 3.1.3 gives this file.
    let plain = stage.run(&["upload", "blob", "-f", "f.txt", &stage.name("plain")]).ok().out;
    let digest = "sha256:1946ea132603a0d55b230fdce4652521df9347ff23aaafeeecd712002197f183";
    assert!(plain.ends_with(&format!("@{digest}\n")), "{plain}");
    stage.run(&["upload", "blob", &name]).fails(1, "no files uploaded?");
}

#[test]
fn several_files_become_an_index() {
    let stage = Stage::new();
    stage.write("a", "1");
    stage.write("b", "2");
    let name = stage.name("files");
    let ran =
        stage.run(&["upload", "blob", "--files", "a:linux/amd64", "-f", "b:darwin", &name]).ok();
    assert_eq!(ran.out, "");
    let index = stage.registry.manifest(REPOSITORY, "files").unwrap().bytes;
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    assert_eq!(index["manifests"][1]["platform"]["os"], "darwin");
    stage
        .run(&["upload", "blob", "-f", "a:linux", "-f", "b", &name])
        .fails(1, "each needs a platform");
}

#[test]
fn a_module_is_uploaded() {
    let stage = Stage::new();
    stage.write("m.wasm", b"\0asm\x01\0\0\0");
    let name = stage.name("wasm");
    stage.run(&["upload", "wasm", "--file", "m.wasm", &name]).ok();
    let manifest = stage.registry.manifest(REPOSITORY, "wasm").unwrap().bytes;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.wasm.content.layer.v1+wasm");
    stage.run(&["upload", "wasm", &name]).fails(1, "required flag(s) \"file\" not set");
    stage.run(&["verify", "--key", "k.pub", IGNORE_LOG, &name]).fails(10, "no signatures found");
}
