//! `attest` and `verify-attestation`: statements, their types, and where they are kept.
use crate::stage::{IGNORE_LOG, NO_LOG, REPOSITORY, Ran, Stage};
use sigward_testkit::image::Recipe;

const BOTH: [&str; 2] = ["--new-bundle-format=true", "--new-bundle-format=false"];

/// The statements that `verify-attestation` printed, one a line.
fn statements(ran: &Ran) -> Vec<serde_json::Value> {
    ran.out
        .lines()
        .map(|line| {
            let envelope: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
            decode(envelope["payload"].as_str().unwrap())
        })
        .collect()
}

fn decode(base64: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    serde_json::from_slice(&STANDARD.decode(base64).unwrap()).unwrap()
}

#[test]
fn an_attestation_of_each_type_is_read_back_in_both_formats() {
    let types = [
        ("custom", "https://cosign.sigstore.dev/attestation/v1"),
        ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
        ("spdx", "https://spdx.dev/Document"),
        ("spdxjson", "https://spdx.dev/Document"),
        ("cyclonedx", "https://cyclonedx.org/bom"),
        ("link", "https://in-toto.io/Link/v1"),
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
        ("openvex", "https://openvex.dev/ns"),
        ("https://example.test/mine", "https://example.test/mine"),
    ];
    for format in BOTH {
        let stage = Stage::new();
        for (number, (name, uri)) in types.into_iter().enumerate() {
            let image = stage.image(&format!("v{number}"));
            let typed = ["--type", name];
            stage.attest(&image, &[&typed[..], &[format]].concat()).ok();
            let found = statements(&stage.verify_attestation(&image, &typed).ok());
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0]["predicateType"], uri);
            assert_eq!(found[0]["_type"], "https://in-toto.io/Statement/v0.1");
            assert_eq!(
                found[0]["subject"][0]["name"],
                format!("{}/{REPOSITORY}", stage.registry.host())
            );
        }
    }
}

#[test]
fn the_type_defaults_to_custom_and_wraps_the_text() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.write("p.json", "free text");
    let line = ["attest", "--key", "k.key", NO_LOG, "--predicate", "p.json", &image];
    let attested = stage.run_with(&[("SOURCE_DATE_EPOCH", "0")], &line).ok();
    assert_eq!(attested.out, "");
    assert!(attested.err.contains("Using payload from: p.json"), "{}", attested.err);
    let found = statements(&stage.verify_attestation(&image, &[]).ok());
    let predicate = serde_json::json!({"Data": "free text", "Timestamp": "1970-01-01T00:00:00Z"});
    assert_eq!(found[0]["predicate"], predicate);
}

#[test]
fn the_predicate_can_come_from_standard_input() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let line = ["attest", "--key", "k.key", NO_LOG, "--predicate", "-", &image];
    let attested = stage.run_with_input("from a pipe", &line).ok();
    assert!(attested.err.contains("Using payload from: standard input"), "{}", attested.err);
    let found = statements(&stage.verify_attestation(&image, &[]).ok());
    assert_eq!(found[0]["predicate"]["Data"], "from a pipe");
}

#[test]
fn a_predicate_that_does_not_fit_its_type_is_refused() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &["--type", "bogus"]).fails(1, "invalid predicate type");
    stage.write("p.json", "no json");
    stage.attest(&image, &["--type", "openvex"]).fails(1, "predicate must be a JSON object");
    stage
        .run(&["attest", "--key", "k.key", NO_LOG, "--predicate", "none.json", &image])
        .fails(1, "getting predicate reader: open none.json: no such file or directory");
    stage
        .run(&["attest", "--key", "k.key", NO_LOG, &image])
        .fails(1, "at least one of the flags in the group [predicate statement] is required");
    stage
        .run(&["attest", NO_LOG, "--predicate", "p.json", &image])
        .fails(1, "signing without --key is keyless signing, which needs an identity token");
    assert!(stage.registry.referrers(REPOSITORY, &stage.digest("v1")).is_empty());
}

#[test]
fn a_whole_statement_is_signed_as_it_stands() {
    for format in BOTH {
        let stage = Stage::new();
        let image = stage.image("v1");
        let statement = |digest: &str| {
            format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"n","digest":{{"sha256":"{}"}}}}],"predicateType":"https://example.test/p","predicate":{{"a":1}}}}"#,
                digest.trim_start_matches("sha256:")
            )
        };
        stage.write("s.json", statement(&stage.digest("v1")));
        stage.write("other.json", statement(&"ab".repeat(32)));
        let attest = |file: &str| {
            stage.run(&["attest", "--key", "k.key", NO_LOG, format, "--statement", file, &image])
        };
        attest("other.json").fails(1, "what was signed does not verify");
        attest("k.pub").fails(1, "malformed statement");
        stage
            .attest(&image, &["--statement", "s.json"])
            .fails(1, "if any flags in the group [statement predicate] are set");
        attest("s.json").ok();
        let found = stage.verify_attestation(&image, &["--type", "https://example.test/p"]).ok();
        assert_eq!(statements(&found)[0]["_type"], "https://in-toto.io/Statement/v1");
    }
}

#[test]
fn without_upload_the_attestation_goes_to_a_file() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &["--no-upload"]).fails(1, "must enable upload to the OCI registry");
    stage.attest(&image, &["--no-upload", "--bundle", "b.json"]).ok();
    assert!(stage.read("b.json").contains("application/vnd.dev.sigstore.bundle.v0.3+json"));
    assert!(stage.registry.referrers(REPOSITORY, &stage.digest("v1")).is_empty());
    stage.attest(&image, &["--no-upload", "--new-bundle-format=false"]).ok();
    assert_eq!(stage.registry.tags(REPOSITORY), ["v1"]);
}

#[test]
fn a_legacy_attestation_bundle_holds_the_envelope() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &["--no-upload", "--new-bundle-format=false", "--bundle", "b.json"]).ok();
    let bundle: serde_json::Value = serde_json::from_str(&stage.read("b.json")).unwrap();
    let envelope = decode(bundle["base64Signature"].as_str().unwrap());
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
}

#[test]
fn replace_is_for_the_legacy_format() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &["--replace"]).fails(1, "--replace has no meaning for bundles");
    let legacy = "--new-bundle-format=false";
    let attest = |data: &str, more: &[&str]| {
        stage.write("p.json", format!(r#"{{"n":"{data}"}}"#));
        stage.attest(&image, &[&[legacy, "--type", "https://example.test/p"], more].concat()).ok();
    };
    let count = || {
        let found = stage.verify_attestation(&image, &["--type", "https://example.test/p"]).ok();
        statements(&found).len()
    };
    attest("one", &[]);
    stage.attest(&image, &[legacy, "--type", "https://example.test/other"]).ok();
    attest("two", &[]);
    assert_eq!(count(), 2);
    attest("three", &["--replace"]);
    assert_eq!(count(), 1);
    stage.verify_attestation(&image, &["--type", "https://example.test/other"]).ok();
}

#[test]
fn recursive_attests_each_image_of_an_index() {
    let stage = Stage::new();
    let index = Recipe::new(3).build_index(&["amd64", "arm64"]);
    index.push(&stage.registry, REPOSITORY, "multi");
    stage.attest(&stage.name("multi"), &["-r"]).ok();
    for image in &index.images {
        let child = format!("{}/{REPOSITORY}@{}", stage.registry.host(), image.digest());
        stage.verify_attestation(&child, &[]).ok();
    }
}

#[test]
fn attests_several_images() {
    let stage = Stage::new();
    let (one, two) = (stage.image("v1"), stage.image("v2"));
    stage.write("p.json", "{}");
    stage.run(&["attest", "--key", "k.key", NO_LOG, "--predicate", "p.json", &one, &two]).ok();
    stage.run(&["verify-attestation", "--key", "k.pub", IGNORE_LOG, &one, &two]).ok();
}

#[test]
fn an_attestation_of_another_type_is_named() {
    for format in BOTH {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.verify_attestation(&image, &[]).fails(1, "no matching attestations: ");
        stage.attest(&image, &[format, "--type", "https://example.test/p"]).ok();
        stage
            .verify_attestation(&image, &["--type", "vuln"])
            .fails(1, "none of the attestations matched the predicate type: ")
            .fails(1, "found: https://example.test/p");
    }
}

#[test]
fn an_attestation_by_another_key_is_refused_with_code_1() {
    for format in BOTH {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.attest(&image, &[format]).ok();
        stage.write_key(
            "k",
            &sigward_testkit::keys::KeyPair::generate(sigward_testkit::keys::Algorithm::EcdsaP256)
                .unwrap(),
        );
        stage
            .verify_attestation(&image, &[])
            .fails(1, "accepted signatures do not match threshold, Found: 0, Expected 1");
    }
}

#[test]
fn an_attestation_about_another_image_counts_only_without_claims() {
    let stage = Stage::new();
    let (one, two) = (stage.image("v1"), stage.image("v2"));
    stage.attest(&one, &["--new-bundle-format=false"]).ok();
    let moved = stage.registry.manifest(REPOSITORY, &stage.attached("v1", "att")).unwrap();
    let tag = stage.attached("v2", "att");
    stage.registry.put_manifest(REPOSITORY, &tag, &moved.media_type, moved.bytes);
    stage.verify_attestation(&two, &[]).fails(1, "no matching attestations: ");
    let without = stage.verify_attestation(&two, &["--check-claims=false"]).ok();
    assert!(!without.err.contains("claims were validated"), "{}", without.err);
}

#[test]
fn the_output_of_verify_attestation_is_one_envelope_a_line_whatever_was_asked_for() {
    let stage = Stage::new();
    let image = stage.image("v1");
    for format in BOTH {
        stage.attest(&image, &[format]).ok();
    }
    for form in ["json", "text"] {
        let found = stage.verify_attestation(&image, &["-o", form]).ok();
        assert_eq!(statements(&found).len(), 2, "both stores are read: {}", found.out);
    }
    stage.verify_attestation(&image, &["-o", "yaml"]).fails(1, "invalid output format");
}

#[test]
fn prints_the_envelope_of_a_bundle_in_go_s_order() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &[]).ok();
    let line = stage.verify_attestation(&image, &[]).ok().out;
    let envelope: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        line,
        format!(
            "{{\"payload\":{},\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{{\"sig\":{}}}]}}\n",
            envelope["payload"], envelope["signatures"][0]["sig"]
        )
    );
}
