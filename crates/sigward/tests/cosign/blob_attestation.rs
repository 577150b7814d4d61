//! `attest-blob` and `verify-blob-attestation`: statements about files.
use crate::stage::{IGNORE_LOG, NO_LOG, Stage};

const KINDS: [&str; 3] = ["custom", "https://example.test/t", "slsaprovenance"];

fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("f", "hello");
    stage.write("p", r#"{"builder":{"id":"https://b.test"}}"#);
    stage
}

fn attest(stage: &Stage, more: &[&str]) -> crate::stage::Ran {
    stage.run(&[&["attest-blob", "--key", "k.key", NO_LOG, "-y"], more].concat())
}

fn verify(stage: &Stage, more: &[&str]) -> crate::stage::Ran {
    stage.run(&[&["verify-blob-attestation", "--key", "k.pub", IGNORE_LOG], more].concat())
}

/// SHA-256 of `hello`.
const HASH: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn a_statement_about_a_file_is_signed_and_verified() {
    let stage = stage();
    for kind in KINDS {
        let said = attest(&stage, &["--predicate", "p", "--type", kind, "--bundle", "b", "f"]).ok();
        assert_eq!(said.out, "");
        assert!(said.err.contains("Wrote bundle to file b"), "{}", said.err);
        let verified = verify(&stage, &["--bundle", "b", "--type", kind, "f"]).ok();
        assert_eq!(verified.out, "");
        assert!(verified.err.ends_with("Verified OK\n"), "{}", verified.err);
        verify(&stage, &["--bundle", "b", "--type", "vuln", "f"])
            .fails(1, "invalid predicate type, expected vuln got ");
    }
    let other =
        sigward_testkit::keys::KeyPair::generate(sigward_testkit::keys::Algorithm::EcdsaP256);
    stage.write_key("other", &other.unwrap());
    stage
        .run(&["verify-blob-attestation", "--key", "other.pub", IGNORE_LOG, "--bundle", "b", "f"])
        .fails(1, "failed to verify signature: could not verify envelope");
    attest(&stage, &["--predicate", "p", "f"]).fails(1, "must specify --bundle");
    attest(&stage, &["--bundle", "b", "f"])
        .fails(1, "one of --predicate or --statement must be set");
    stage.run(&["attest-blob", NO_LOG, "--predicate", "p", "--bundle", "b", "f"]).fails(1, "key");
}

#[test]
fn an_attestation_about_another_file_counts_only_without_claims() {
    let stage = stage();
    stage.write("g", "other");
    attest(&stage, &["--predicate", "p", "--bundle", "b", "f"]).ok();
    verify(&stage, &["--bundle", "b", "g"]).fails(1, "does not match any digest in statement");
    verify(&stage, &["--bundle", "b", "--check-claims=false", "g"]).ok();
    verify(&stage, &["--bundle", "b", "--check-claims=false"]).ok();
    verify(&stage, &["--bundle", "b"]).fails(1, "set --digest and --digestAlg");
}

#[test]
fn a_file_that_is_elsewhere_is_attested_by_its_hash() {
    let stage = stage();
    attest(&stage, &["--predicate", "p", "--bundle", "b", "--hash", HASH, "name"]).ok();
    verify(&stage, &["--bundle", "b", "f"]).ok();
    verify(&stage, &["--bundle", "b", "--digest", HASH, "--digestAlg", "sha256"]).ok();
    let zeros = "0".repeat(64);
    verify(&stage, &["--bundle", "b", "--digest", &zeros, "--digestAlg=sha256"])
        .fails(1, "does not match any digest in statement");
    verify(&stage, &["--bundle", "b", "--digest", "12", "--digestAlg=sha256"])
        .fails(1, "unable to decode provided digest");
    verify(&stage, &["--bundle", "b", "--digest", HASH, "--digestAlg=md5"])
        .fails(1, "unknown digest algorithm \"md5\"");
    let both = verify(&stage, &["--bundle", "b", "--digest", &zeros, "f"]).ok();
    assert!(both.err.contains("Ignoring provided --digest"), "{}", both.err);
    attest(&stage, &["--predicate", "p", "--bundle", "b", "--hash", "xyz", "f"])
        .fails(1, "--hash xyz is not a SHA-256");
}

#[test]
fn a_whole_statement_is_signed_as_it_stands() {
    let stage = stage();
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"f","digest":{{"sha256":"{HASH}"}}}}],"predicateType":"https://example.test/t","predicate":{{}}}}"#
    );
    stage.write("s", &statement);
    let said = attest(&stage, &["--statement", "s", "--bundle", "b"]).ok();
    assert!(said.err.contains("Using statement from: s"), "{}", said.err);
    verify(&stage, &["--bundle", "b", "--type=https://example.test/t", "f"]).ok();
    stage.write("g", "other");
    attest(&stage, &["--statement", "s", "--bundle", "c", "g"])
        .fails(1, "what was signed does not verify");
    assert!(!stage.has("c"));
    attest(&stage, &["--statement", "s", "--hash", HASH, "--bundle", "c"]).fails(1, "--hash");
    stage.write("s", "{}");
    attest(&stage, &["--statement", "s", "--bundle", "c"]).fails(1, "invalid statement");
}

#[test]
fn the_old_forms_are_written_and_read() {
    let stage = stage();
    let old = ["--new-bundle-format=false", "--predicate", "p"];
    let printed = attest(&stage, &[&old[..], &["--bundle", "b", "f"]].concat()).ok().out;
    let envelope: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    verify(&stage, &["--bundle", "b", "f"]).ok();
    let files = ["--output-signature", "sig", "--output-attestation", "att", "f"];
    assert_eq!(attest(&stage, &[&old[..], &files].concat()).ok().out, "");
    verify(&stage, &["--signature", "sig", "f"]).ok();
    assert!(stage.read("att").contains(HASH));
    attest(&stage, &["--predicate", "p", "--bundle", "b", "--output-signature", "s", "f"])
        .fails(1, "--output-signature has no meaning for a bundle");
    verify(&stage, &["--signature", "sig", "--bundle", "b", "f"]).fails(1, "cannot be used with");
    verify(&stage, &["f"]).fails(1, "missing flag '--signature' or '--bundle'");
}

#[test]
fn flags_of_verify_blob_attestation_mean_what_they_mean_for_files() {
    let stage = stage();
    attest(&stage, &["--predicate", "p", "--bundle", "b", "f"]).ok();
    let run = |flags: &[&str]| {
        let line = ["verify-blob-attestation", "--key", "k.pub", "--bundle", "b", "f"];
        stage.run(&[&line[..], flags].concat())
    };
    run(&[]).fails(1, "not enough verified log entries from transparency log: 0 < 1");
    let warned = run(&["--insecure-ignore-tlog"]).ok();
    assert!(warned.err.contains("WARNING: Skipping tlog verification"), "{}", warned.err);
    assert!(!run(&["--private-infrastructure"]).ok().err.contains("WARNING: Skipping"));
    run(&[IGNORE_LOG, "--max-workers=0"]).fails(1, "greater than 0");
    run(&[IGNORE_LOG, "--offline"]).ok();
    run(&[IGNORE_LOG, "--new-bundle-format=false"]).ok();
    run(&[IGNORE_LOG, "--signature-digest-algorithm=md5"]).fails(1, "unknown digest algorithm");
}
