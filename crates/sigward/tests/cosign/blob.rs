//! `sign-blob` and `verify-blob`: files, their bundles, and what a bundle may not do.
use crate::stage::{IGNORE_LOG, NO_LOG, Ran, Stage};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigward_testkit::keys::{Algorithm, KeyPair};

const LEGACY: &str = "--new-bundle-format=false";

impl Stage {
    /// A stage with the files `f` and `g`.
    fn with_files() -> Self {
        let stage = Self::new();
        stage.write("f", "hello\n");
        stage.write("g", "world\n");
        stage
    }

    fn sign_blob(&self, more: &[&str]) -> Ran {
        self.run(&[&["sign-blob", "--key", "k.key", NO_LOG, "-y"], more].concat())
    }

    fn verify_blob(&self, more: &[&str]) -> Ran {
        self.run(&[&["verify-blob", "--key", "k.pub", IGNORE_LOG], more].concat())
    }
}

#[track_caller]
fn verified(ran: Ran) {
    let ran = ran.ok();
    assert_eq!(ran.out, "");
    assert!(ran.err.ends_with("Verified OK\n"), "{}", ran.err);
}

#[test]
fn a_bundle_is_demanded_and_verifies() {
    let mut algorithms = Algorithm::QUICK.to_vec();
    algorithms.push(Algorithm::Rsa2048);
    for algorithm in algorithms {
        let stage = Stage::with_files();
        stage.write_key("k", &KeyPair::shared(algorithm).unwrap());
        stage.sign_blob(&["f"]).fails(1, "must specify --bundle with --new-bundle-format");
        let signed = stage.sign_blob(&["--bundle", "b.json", "f"]).ok();
        assert_eq!(signed.out, "");
        assert!(signed.err.contains("Using payload from: f\n"), "{}", signed.err);
        assert!(signed.err.contains("Wrote bundle to file b.json"), "{}", signed.err);
        verified(stage.verify_blob(&["--bundle", "b.json", "f"]));
        stage.verify_blob(&["--bundle", "b.json", "g"]).fails(1, "");
    }
}

#[test]
fn words_for_a_wrong_file_are_the_peer_s() {
    let stage = Stage::with_files();
    stage.sign_blob(&[LEGACY, "--output-signature", "s", "f"]).ok();
    stage
        .verify_blob(&["--signature", "s", "g"])
        .fails(1, "Error: invalid signature when validating ASN.1 encoded signature");
    stage.verify_blob(&["--bundle", "none", "f"]).fails(1, "reading none: open none: no such file");
    stage
        .sign_blob(&["--bundle", "b", "none"])
        .fails(1, "signing none: getting payload: open none: no such file or directory");
    stage.sign_blob(&["--bundle", "b", "f"]).ok();
    stage.verify_blob(&["--bundle", "b", "none"]).fails(1, "open none: no such file or directory");
    stage.verify_blob(&["f"]).fails(1, "missing flag '--signature'");
    stage
        .verify_blob(&["--signature", "s", "--bundle", "b", "f"])
        .fails(1, "--signature cannot be used with --bundle");
    stage.verify_blob(&["--bundle", "b"]).fails(1, "accepts 1 arg(s), received 0");
    stage.verify_blob(&["--bundle", "b", "f", "g"]).fails(1, "accepts 1 arg(s), received 2");
    stage
        .verify_blob(&["--bundle", "b", "https://x.test/f"])
        .fails(1, "files by URL are not available");
}

#[test]
fn the_legacy_form_prints_the_signature() {
    let stage = Stage::with_files();
    let signed = stage.sign_blob(&[LEGACY, "f"]).ok();
    let text = signed.out.strip_suffix('\n').unwrap().to_owned();
    assert!(STANDARD.decode(&text).is_ok(), "{text}");
    verified(stage.verify_blob(&["--signature", &text, "f"]));
    stage.sign_blob(&[LEGACY, "--output-signature", "s", "f"]).ok();
    assert!(STANDARD.decode(stage.read("s")).is_ok());
    verified(stage.verify_blob(&["--signature", "s", "f"]));
    let signed = stage.sign_blob(&[LEGACY, "--output", "o", "f"]).ok();
    assert!(signed.err.contains("'--output' flag is deprecated"), "{}", signed.err);
    verified(stage.verify_blob(&["--signature", "o", "f"]));
    stage
        .sign_blob(&[LEGACY, "--output", "o", "--output-signature", "s", "f"])
        .fails(1, "are the same");
}

#[test]
fn base64_can_be_left_out() {
    let stage = Stage::with_files();
    stage.sign_blob(&[LEGACY, "--b64=false", "--output-signature", "raw", "f"]).ok();
    let raw = std::fs::read(stage.folder.join("raw")).unwrap();
    assert_eq!(raw[0], 0x30, "a DER signature");
    verified(stage.verify_blob(&["--signature", "raw", "f"]));
    stage
        .sign_blob(&["--b64=false", "--bundle", "b", "f"])
        .fails(1, "--b64=false is about a bare signature");
    stage.sign_blob(&["--b64", "--bundle", "b", "f"]).ok();
}

#[test]
fn the_bare_signature_of_a_bundle_can_be_kept_too() {
    let stage = Stage::with_files();
    stage.sign_blob(&["--bundle", "b", "--output-signature", "s", "f"]).ok();
    verified(stage.verify_blob(&["--signature", "s", "f"]));
    verified(stage.verify_blob(&["--bundle", "b", "f"]));
}

#[test]
fn an_old_bundle_is_written_and_read() {
    let stage = Stage::with_files();
    let signed = stage.sign_blob(&[LEGACY, "--bundle", "b", "f"]).ok();
    let bundle: serde_json::Value = serde_json::from_str(&stage.read("b")).unwrap();
    assert_eq!(bundle["base64Signature"], signed.out.trim_end());
    verified(stage.verify_blob(&["--bundle", "b", "f"]));
    verified(stage.verify_blob(&[LEGACY, "--bundle", "b", "f"]));
    stage.verify_blob(&["--bundle", "b", "g"]).fails(1, "invalid signature when validating");
    stage.sign_blob(&["--bundle", "new", "f"]).ok();
    stage.verify_blob(&[LEGACY, "--bundle", "new", "f"]).fails(1, "malformed bundle");
}

/// GHSA-fx35-mq7g-6g98: a key or certificate that a bundle brings must not take the place of `--key`.
#[test]
fn a_bundle_cannot_bring_its_own_key() {
    let stage = Stage::with_files();
    let attacker = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let signature = STANDARD.encode(attacker.sign(b"hello\n").unwrap());
    for cert in [attacker.public_pem(), attacker.certificate_pem("attacker").unwrap()] {
        for cert in [STANDARD.encode(&cert), cert] {
            let bundle = serde_json::json!({ "base64Signature": signature, "cert": cert });
            stage.write("evil", bundle.to_string());
            for format in [LEGACY, "--new-bundle-format=true"] {
                stage
                    .verify_blob(&[format, "--bundle", "evil", "f"])
                    .fails(1, "bundle's certificate or key is not the key that was given");
            }
            // Without a key it is keyless verification, whatever the bundle says.
            stage
                .run(&["verify-blob", IGNORE_LOG, "--bundle", "evil", "f"])
                .fails(1, "--certificate-identity or --certificate-identity-regexp is required");
            let identity = [
                "--certificate-identity",
                "a@b.test",
                "--certificate-oidc-issuer",
                "https://i.test",
            ];
            let line = [&["verify-blob", IGNORE_LOG, "--bundle", "evil"], &identity[..], &["f"]];
            assert_eq!(stage.run(&line.concat()).code, 1);
        }
    }
    // The right key inside the bundle does no harm.
    let signature = STANDARD.encode(stage.key.sign(b"hello\n").unwrap());
    let cert = STANDARD.encode(stage.key.public_pem());
    let bundle = serde_json::json!({ "base64Signature": signature, "cert": cert });
    stage.write("good", bundle.to_string());
    verified(stage.verify_blob(&["--bundle", "good", "f"]));
}

#[test]
fn standard_input_is_a_file_too() {
    let stage = Stage::with_files();
    let line = ["sign-blob", "--key", "k.key", NO_LOG, "--bundle", "b", "-"];
    stage.run_with_input("hello\n", &line).ok();
    verified(stage.verify_blob(&["--bundle", "b", "f"]));
    let line = ["verify-blob", "--key", "k.pub", IGNORE_LOG, "--bundle", "b", "-"];
    verified(stage.run_with_input("hello\n", &line));
    stage.run_with_input("other\n", &line).fails(1, "");
}

#[test]
fn a_digest_can_stand_for_the_file_beside_a_bundle() {
    let stage = Stage::with_files();
    stage.sign_blob(&["--bundle", "b", "f"]).ok();
    let (right, wrong) =
        (sigward_testkit::digest::sha256(b"hello\n"), sigward_testkit::digest::sha256(b"world\n"));
    verified(stage.verify_blob(&["--bundle", "b", &right]));
    stage.verify_blob(&["--bundle", "b", &wrong]).fails(1, "digest does not match");
    let signed = stage.sign_blob(&[LEGACY, "f"]).ok();
    stage
        .verify_blob(&["--signature", signed.out.trim_end(), &right])
        .fails(1, "a digest can stand for a file only beside a Sigstore bundle");
}

#[test]
fn an_attestation_about_a_file_is_not_a_signature() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.attest(&image, &["--no-upload", "--bundle", "b"]).ok();
    let digest = stage.digest("v1");
    stage.verify_blob(&["--bundle", "b", &digest]).fails(
        1,
        "the bundle holds an attestation of type https://cosign.sigstore.dev/attestation/v1",
    );
    stage.sign(&image, &["--upload=false", "--bundle", "s"]).ok();
    verified(stage.verify_blob(&["--bundle", "s", &digest]));
}

#[test]
fn the_signing_algorithm_must_be_the_key_s() {
    let names = [
        ("ecdsa-sha2-256-nistp256", Algorithm::EcdsaP256),
        ("ecdsa-sha2-384-nistp384", Algorithm::EcdsaP384),
        ("ecdsa-sha2-512-nistp521", Algorithm::EcdsaP521),
        ("rsa-sign-pkcs1-2048-sha256", Algorithm::Rsa2048),
    ];
    for (name, algorithm) in names {
        let stage = Stage::with_files();
        stage.write_key("k", &KeyPair::shared(algorithm).unwrap());
        stage.sign_blob(&["--bundle", "b", "--signing-algorithm", name, "f"]).ok();
        stage
            .sign_blob(&["--bundle", "b", "--signing-algorithm", "rsa-sign-pkcs1-4096-sha256", "f"])
            .fails(1, "does not fit the key");
        stage.sign_blob(&["--bundle", "b", "--signing-algorithm", "md5", "f"]).fails(
            1,
            "invalid signing algorithm: md5. Supported algorithms are: ecdsa-sha2-256-nistp256, ",
        );
    }
}

#[test]
fn one_bundle_file_holds_one_bundle() {
    let stage = Stage::with_files();
    stage
        .sign_blob(&["--bundle", "b", "f", "g"])
        .fails(1, "an output file holds what belongs to one blob");
    let signed = stage.sign_blob(&[LEGACY, "f", "g"]).ok();
    assert_eq!(signed.out.lines().count(), 2);
}

#[test]
fn flags_of_verify_blob_mean_what_they_mean_for_images() {
    let stage = Stage::with_files();
    stage.sign_blob(&["--bundle", "b", "f"]).ok();
    let blob = |more: &[&str]| {
        stage.run(&[&["verify-blob", "--key", "k.pub", "--bundle", "b"], more, &["f"]].concat())
    };
    blob(&[]).fails(1, "not enough verified log entries from transparency log: 0 < 1");
    verified(blob(&["--private-infrastructure"]));
    verified(blob(&[IGNORE_LOG, "--offline"]));
    verified(blob(&[IGNORE_LOG, "--max-workers", "1"]));
    blob(&[IGNORE_LOG, "--max-workers", "0"]).fails(1, "please set the --max-worker flag");
    verified(blob(&[IGNORE_LOG, "--signature-digest-algorithm", "sha512"]));
    blob(&[IGNORE_LOG, "--signature-digest-algorithm", "md5"])
        .fails(1, "unknown digest algorithm: md5");
    let warned = blob(&[IGNORE_LOG]).ok();
    assert!(warned.err.contains("verification for the blob."), "{}", warned.err);
}

#[test]
fn a_bundle_is_made_of_older_forms() {
    let stage = Stage::with_files();
    let signature = stage.sign_blob(&[LEGACY, "f"]).ok().out;
    stage.write("sig", &signature);
    stage.sign_blob(&[LEGACY, "--bundle", "old", "f"]).ok();
    stage.write("p.json", "{}");
    let attest = ["attest-blob", "--key", "k.key", NO_LOG, LEGACY, "--predicate", "p.json", "f"];
    stage.write("env", stage.run(&attest).ok().out);
    let create =
        |more: &[&str]| stage.run(&[&["bundle", "create", "--ignore-tlog"], more].concat());
    let key = ["--key", "k.pub", "--artifact", "f"];
    for from in [["--signature", "sig"], ["--bundle", "old"]] {
        let made = create(&[&from[..], &key, &["--out", "new"]].concat()).ok();
        assert_eq!(made.out, "");
        verified(stage.verify_blob(&["--bundle", "new", "f"]));
    }
    let printed = create(&["--attestation", "env", "--key", "k.pub"]).ok().out;
    stage.write("new", printed);
    let line = ["verify-blob-attestation", "--key", "k.pub", IGNORE_LOG, "--bundle", "new", "f"];
    stage.run(&line).ok();
    // The certificate of the key, and a timestamp that nobody has judged yet.
    stage.write("cert.pem", stage.key.certificate_pem("dev").unwrap());
    stage.write("tsr", [1, 2, 3]);
    let certified =
        ["--signature=sig", "--artifact=f", "--certificate=cert.pem", "--rfc3161-timestamp=tsr"];
    let bundle: serde_json::Value = serde_json::from_str(&create(&certified).ok().out).unwrap();
    let material = &bundle["verificationMaterial"];
    assert!(material["certificate"]["rawBytes"].is_string(), "{bundle:#}");
    let stamps = &material["timestampVerificationData"]["rfc3161Timestamps"];
    assert_eq!(stamps[0]["signedTimestamp"], "AQID");
    // What does not belong together is not put together.
    stage.write_key("other", &KeyPair::generate(Algorithm::EcdsaP256).unwrap());
    create(&["--signature=sig", "--artifact=f", "--key=other.pub"])
        .fails(1, "was not made with the key");
    create(&["--signature=sig", "--artifact=g", "--key=k.pub"])
        .fails(1, "was not made with the key");
    create(&["--signature=sig", "--key=k.pub"]).fails(1, "must supply --artifact");
    create(&["--signature=sig", "--artifact=f"]).fails(1, "must supply --key, or --certificate");
    create(&key).fails(1, "must at least supply signature via");
    create(&[&certified[..], &["--key=k.pub"]].concat()).fails(1, "and both were given");
    stage.write("logged", r#"{"base64Signature":"AAAA","rekorBundle":{}}"#);
    create(&[&["--bundle=logged"], &key[..]].concat())
        .fails(1, "contains a Signed Entry Timestamp");
    stage
        .run(&["bundle", "create", "--signature=sig"])
        .fails(1, "with --ignore-tlog the bundle is made");
}
