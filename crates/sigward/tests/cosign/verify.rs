//! `verify`: outputs that scripts read, exit codes, and what is checked.
use crate::stage::{IGNORE_LOG, REPOSITORY, Stage};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    signing::{Knobs, Place},
};

const BOTH: [&str; 2] = ["--new-bundle-format=true", "--new-bundle-format=false"];

#[test]
fn prints_the_array_scripts_read() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let digest = stage.digest("v1");
    stage.sign(&image, &[]).ok();
    let array = |name: &str, kind: &str, optional: &str| {
        format!(
            "\n[{{\"critical\":{{\"identity\":{{\"docker-reference\":\"{name}\"}},\"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\"type\":\"{kind}\"}},\"optional\":{optional}}}]\n"
        )
    };
    let sign = "https://sigstore.dev/cosign/sign/v1";
    assert_eq!(stage.verify(&image, &[]).ok().out, array(&image, sign, "{}"));
    let by_digest = stage.by_digest("v1");
    assert_eq!(stage.verify(&by_digest, &[]).ok().out, array(&by_digest, sign, "{}"));
    let text = stage.verify(&image, &["-o", "text"]).ok().out;
    let alone = array(&image, sign, "{}");
    let alone = alone.strip_prefix("\n[").and_then(|rest| rest.strip_suffix("]\n")).unwrap();
    assert_eq!(text, format!("{alone}\n"));
    stage.verify(&image, &["--output", "yaml"]).fails(1, "invalid output format");

    let image = stage.image("v2");
    let digest = stage.digest("v2");
    stage.sign(&image, &["--new-bundle-format=false"]).ok();
    let repository = format!("{}/{REPOSITORY}", stage.registry.host());
    assert_eq!(
        stage.verify(&image, &[]).ok().out,
        format!(
            "\n[{{\"critical\":{{\"identity\":{{\"docker-reference\":\"{repository}\"}},\"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\"type\":\"cosign container image signature\"}},\"optional\":null}}]\n"
        )
    );
}

#[test]
fn says_only_what_was_checked() {
    for format in BOTH {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.sign(&image, &[format, "-a", "a=b"]).ok();
        let header = format!(
            "WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the signature.\n\n\
             Verification for {image} --\nThe following checks were performed on each of these signatures:\n"
        );
        let key = "  - The signatures were verified against the specified public key\n";
        let claims = "  - The cosign claims were validated\n";
        let annotations = "  - The specified annotations were verified.\n";
        assert_eq!(stage.verify(&image, &[]).ok().err, format!("{header}{claims}{key}"));
        assert_eq!(
            stage.verify(&image, &["-a", "a=b"]).ok().err,
            format!("{header}{annotations}{claims}{key}")
        );
        assert_eq!(
            stage.verify(&image, &["--check-claims=false"]).ok().err,
            format!("{header}{key}")
        );
    }
}

#[test]
fn private_infrastructure_is_not_warned_about() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    let verified =
        stage.run(&["verify", "--key", "k.pub", "--private-infrastructure", &image]).ok();
    assert!(!verified.err.contains("WARNING"), "{}", verified.err);
    stage.attest(&image, &[]).ok();
    let line = ["verify-attestation", "--key", "k.pub", "--private-infrastructure", &image];
    assert!(!stage.run(&line).ok().err.contains("WARNING"));
}

#[test]
fn a_log_entry_is_demanded_unless_told_otherwise() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    stage.attest(&image, &[]).ok();
    for command in ["verify", "verify-attestation"] {
        let missing = "not enough verified log entries from transparency log: 0 < 1";
        stage.run(&[command, "--key", "k.pub", &image]).fails(1, missing);
        stage
            .run(&[command, "--key", "k.pub", "--insecure-ignore-tlog=false", &image])
            .fails(1, missing);
        stage
            .run(&[command, IGNORE_LOG, &image])
            .fails(1, "--certificate-identity or --certificate-identity-regexp is required");
    }
}

#[test]
fn exit_codes_are_the_peer_s() {
    let other = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    for (format, wrong_key, message, wrong_annotation) in [
        (
            BOTH[0],
            1,
            "no matching attestations: failed to verify signature: could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1",
            1,
        ),
        (
            BOTH[1],
            12,
            "no matching signatures: invalid signature when validating ASN.1 encoded signature",
            12,
        ),
    ] {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.verify(&image, &[]).fails(10, "no signatures found");
        stage.sign(&image, &[format]).ok();
        stage.verify(&image, &[]).ok();
        stage
            .verify(&image, &["-a", "a=b"])
            .fails(wrong_annotation, "missing or incorrect annotation");
        stage.verify(&image, &["-a", "ab"]).fails(1, "unable to parse annotation: ab");
        stage.write_key("other", &other);
        stage.run(&["verify", "--key", "other.pub", IGNORE_LOG, &image]).fails(wrong_key, message);
    }
}

#[test]
fn a_missing_tag_ends_with_code_11() {
    let stage = Stage::new();
    stage.image("v1");
    let message = format!(
        "image tag not found: GET https://{}/v2/{REPOSITORY}/manifests/none: MANIFEST_UNKNOWN: manifest unknown; map[Tag:none]",
        stage.registry.host()
    );
    stage.verify(&stage.name("none"), &[]).fails(11, &message);
    stage.verify_attestation(&stage.name("none"), &[]).fails(1, "MANIFEST_UNKNOWN");
    let elsewhere = format!("{}/no/such:v1", stage.registry.host());
    stage.verify(&elsewhere, &[]).fails(11, "image tag not found: GET");
}

#[test]
fn a_signature_of_another_image_counts_only_without_claims() {
    let stage = Stage::new();
    let (one, two) = (stage.image("v1"), stage.image("v2"));
    stage.sign(&one, &["--new-bundle-format=false"]).ok();
    let moved = stage.registry.manifest(REPOSITORY, &stage.attached("v1", "sig")).unwrap();
    let tag = stage.attached("v2", "sig");
    stage.registry.put_manifest(REPOSITORY, &tag, &moved.media_type, moved.bytes);
    let message = format!("invalid or missing digest in claim: {}", stage.digest("v1"));
    stage.verify(&two, &[]).fails(12, &message);
    stage.verify(&two, &["--check-claims=false"]).ok();
    stage.verify(&two, &["--check-claims=true"]).fails(12, &message);
}

#[test]
fn an_attestation_is_not_a_signature() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &[]).ok();
    stage.verify(&image, &[]).fails(10, "no signatures found");
}

#[test]
fn both_stores_are_looked_at_and_each_image_decides_for_itself() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let other = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let place = Place::of(&stage.registry, REPOSITORY, "v1").unwrap();
    place.sign_bundle(&other, &Knobs::default()).unwrap();
    place.sign_legacy(&stage.key, &Knobs::default()).unwrap();
    stage.write_key("other", &other);
    stage.verify(&image, &[]).ok();
    stage.run(&["verify", "--key", "other.pub", IGNORE_LOG, &image]).ok();
    let bundle = stage.image("v2");
    stage.sign(&bundle, &[]).ok();
    let legacy = stage.image("v3");
    stage.sign(&legacy, &["--new-bundle-format=false"]).ok();
    let verified =
        stage.run(&["verify", "--key", "k.pub", IGNORE_LOG, &bundle, &legacy, &image]).ok();
    for name in [&bundle, &legacy, &image] {
        assert!(verified.err.contains(&format!("Verification for {name} --")), "{}", verified.err);
    }
    let unsigned = stage.image("v4");
    let stopped = stage.run(&["verify", "--key", "k.pub", IGNORE_LOG, &bundle, &unsigned, &legacy]);
    assert_eq!(stopped.code, 10);
    assert_eq!(stopped.out.matches("critical").count(), 1, "{}", stopped.out);
}

#[test]
fn the_bundle_format_can_be_left_out() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    stage.attest(&image, &[]).ok();
    stage.verify(&image, &["--new-bundle-format=false"]).fails(10, "no signatures found");
    stage
        .verify_attestation(&image, &["--new-bundle-format=false"])
        .fails(1, "no matching attestations");
    stage.verify(&image, &["--new-bundle-format"]).ok();
}

#[test]
fn a_detached_signature_verifies() {
    let stage = Stage::new();
    let (image, other) = (stage.image("v1"), stage.image("v2"));
    let files = ["--output-signature", "s.sig", "--output-payload", "p.json", "--upload=false"];
    stage.sign(&image, &[&files[..], &["--new-bundle-format=false"]].concat()).ok();
    let text = stage.read("s.sig");
    for signature in ["s.sig", &text] {
        let verified = stage.verify(&image, &["--signature", signature]).ok();
        assert_eq!(
            verified.array()[0]["critical"]["image"]["docker-manifest-digest"],
            stage.digest("v1")
        );
        stage.verify(&image, &["--signature", signature, "--payload", "p.json"]).ok();
        stage
            .verify(&other, &["--signature", signature])
            .fails(12, "no matching signatures: invalid signature");
        stage
            .verify(&other, &["--signature", signature, "--payload", "p.json"])
            .fails(12, "no matching signatures: invalid or missing digest in claim");
    }
    let both = ["--signature", "s.sig", "--payload", "p.json"];
    stage.verify(&other, &[&both[..], &["--check-claims=false"]].concat()).ok();
    stage
        .verify(&image, &[&both[..], &["-a", "a=b"]].concat())
        .fails(12, "missing or incorrect annotation");
    stage
        .verify(&image, &["--payload", "p.json"])
        .fails(1, "--payload is what --signature is over");
    stage.verify(&image, &["--signature", "none.sig"]).fails(1, "open none.sig: no such file");
    stage.verify(&image, &["--signature", "https://x.test/s"]).fails(1, "by URL are not available");
    stage
        .verify(&image, &["--signature", "s.sig", "--payload", "none"])
        .fails(1, "open none: no such file or directory");
}

#[test]
fn each_kind_of_key_signs_and_verifies() {
    let mut algorithms = Algorithm::QUICK.to_vec();
    algorithms.push(Algorithm::Rsa2048);
    for algorithm in algorithms {
        let stage = Stage::new();
        stage.write_key("k", &KeyPair::shared(algorithm).unwrap());
        for (format, tag) in BOTH.into_iter().zip(["v1", "v2"]) {
            let image = stage.image(tag);
            stage.sign(&image, &[format]).ok();
            stage.verify(&image, &[]).ok();
            stage.attest(&image, &[format]).ok();
            stage.verify_attestation(&image, &[]).ok();
        }
    }
}

#[test]
fn the_digest_algorithm_has_to_exist() {
    let stage = Stage::new();
    stage.write_key("k", &KeyPair::generate(Algorithm::EcdsaP384).unwrap());
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    stage.attest(&image, &[]).ok();
    for algorithm in ["sha256", "sha384"] {
        stage.verify(&image, &["--signature-digest-algorithm", algorithm]).ok();
        stage.verify_attestation(&image, &["--signature-digest-algorithm", algorithm]).ok();
    }
    let unknown = ["--signature-digest-algorithm", "md5"];
    stage.verify(&image, &unknown).fails(1, "unknown digest algorithm: md5");
    stage.verify_attestation(&image, &unknown).fails(1, "unknown digest algorithm: md5");
}

#[test]
fn at_least_one_worker_is_needed() {
    let stage = Stage::new();
    let image = stage.image("v1");
    for _ in 0..3 {
        stage.sign(&image, &[]).ok();
        stage.attest(&image, &[]).ok();
    }
    for command in ["verify", "verify-attestation"] {
        let run = |workers: &str| {
            stage.run(&[command, "--key", "k.pub", IGNORE_LOG, "--max-workers", workers, &image])
        };
        run("0").fails(1, "please set the --max-worker flag to a value that is greater than 0");
        run("-1").fails(1, "please set the --max-worker flag to a value that is greater than 0");
        run("x").fails(1, "invalid argument \"x\" for \"--max-workers\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
        stage.registry.reset_log();
        run("1").ok();
        assert_eq!(stage.registry.peak_in_flight(), 1);
    }
}

#[test]
fn offline_verification_asks_only_the_registry() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    stage.attest(&image, &[]).ok();
    for switch in ["--offline", "--offline=false"] {
        stage.verify(&image, &[switch]).ok();
        stage.verify_attestation(&image, &[switch]).ok();
    }
}

#[test]
fn a_verification_by_tag_takes_few_requests() {
    let stage = Stage::new();
    let count = |image: &str, limit: u64, what: &str| {
        stage.registry.reset_log();
        stage.verify(image, &[]).ok();
        let asked = stage.registry.request_count();
        assert!(asked <= limit, "{what}: {asked} requests: {:#?}", stage.registry.requests());
    };
    let bundle = stage.image("v1");
    stage.sign(&bundle, &[]).ok();
    count(&bundle, 4, "bundle, referrers API");
    let legacy = stage.image("v2");
    stage.sign(&legacy, &["--new-bundle-format=false"]).ok();
    count(&legacy, 4, "legacy, referrers API");
    stage.registry.set_referrers_api(false);
    let fallback = stage.image("v3");
    stage.sign(&fallback, &[]).ok();
    count(&fallback, 5, "bundle, fallback tag");
    count(&legacy, 5, "legacy, no referrers API");
    count(&stage.by_digest("v3"), 4, "bundle, fallback tag, by digest");
}
