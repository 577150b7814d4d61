//! Key pairs: made, imported, shown, opened with a password, and logins.
use crate::stage::{IGNORE_LOG, NO_LOG, Stage};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigward_testkit::keys::{Algorithm, KeyPair};
use std::os::unix::fs::PermissionsExt as _;

const PASSWORD: [(&str, &str); 1] = [("COSIGN_PASSWORD", "pw")];

#[test]
fn a_new_key_pair_signs_and_verifies() {
    let stage = Stage::new();
    let made = stage.run_with(&PASSWORD, &["generate-key-pair"]).ok();
    assert_eq!(made.out, "");
    assert!(made.err.contains("Private key written to cosign.key"), "{}", made.err);
    assert!(made.err.contains("Public key written to cosign.pub"), "{}", made.err);
    let mode = |name: &str| {
        std::fs::metadata(stage.folder.join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("cosign.key"), mode("cosign.pub")), (0o600, 0o644));
    assert!(stage.read("cosign.key").starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    let image = stage.image("v1");
    let line = ["sign", "--key", "cosign.key", NO_LOG, &image];
    stage.run_with(&PASSWORD, &line).ok();
    stage.run(&["verify", "--key", "cosign.pub", IGNORE_LOG, &image]).ok();
    stage
        .run_with(&[("COSIGN_PASSWORD", "wrong")], &line)
        .fails(1, "reading key: ")
        .fails(1, "decrypt");
    // The password may come through a pipe.
    stage.run_with_input("pw", &line).ok();
    stage.run_with_input("wrong", &line).fails(1, "reading key: ");
}

#[test]
fn the_files_can_have_another_name_and_are_not_lost() {
    let stage = Stage::new();
    let line = ["generate-key-pair", "--output-key-prefix", "mine"];
    stage.run_with(&PASSWORD, &line).ok();
    let before = stage.read("mine.key");
    stage
        .run_with(&PASSWORD, &line)
        .fails(1, "user declined the prompt")
        .fails(1, "WARNING: File mine.key already exists. Overwrite?");
    assert_eq!(stage.read("mine.key"), before);
}

#[test]
fn a_foreign_key_is_imported() {
    let mut algorithms = Algorithm::QUICK.to_vec();
    algorithms.push(Algorithm::Rsa2048);
    for algorithm in algorithms {
        let stage = Stage::new();
        let key = KeyPair::shared(algorithm).unwrap();
        stage.write("foreign.pem", key.private_pem());
        stage.run_with(&PASSWORD, &["import-key-pair", "--key", "foreign.pem"]).ok();
        assert_eq!(stage.read("import-cosign.pub"), key.public_pem());
        let line = ["import-key-pair", "-k", "foreign.pem", "-o", "mine"];
        stage.run_with(&PASSWORD, &line).ok();
        stage.run_with(&PASSWORD, &line).fails(1, "user declined the prompt");
        stage.run_with(&PASSWORD, &[&line[..], &["-y"]].concat()).ok();
        let long =
            ["import-key-pair", "--key", "foreign.pem", "--output-key-prefix", "mine", "--yes"];
        stage.run_with(&PASSWORD, &long).ok();
        let shown = stage.run_with(&PASSWORD, &["public-key", "--key", "mine.key"]).ok();
        assert_eq!(shown.out, key.public_pem());
    }
    let stage = Stage::new();
    stage.run_with(&PASSWORD, &["import-key-pair"]).fails(1, "required flag(s) \"key\" not set");
    stage
        .run_with(&PASSWORD, &["import-key-pair", "-k", "none"])
        .fails(1, "open none: no such file");
    stage.run_with(&PASSWORD, &["import-key-pair", "-k", "k.pub"]).fails(1, "PUBLIC KEY");
}

#[test]
fn the_public_half_can_go_to_a_file() {
    let stage = Stage::new();
    let shown = stage.run(&["public-key", "--key", "k.key"]).ok();
    assert_eq!(shown.out, stage.key.public_pem());
    let written = stage.run(&["public-key", "--key", "k.key", "--outfile", "o.pub"]).ok();
    assert_eq!(written.out, "");
    assert_eq!(stage.read("o.pub"), stage.key.public_pem());
    assert_eq!(stage.run(&["public-key"]).code, 1);
}

#[test]
fn keys_are_found_by_reference() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let signing = [("MY_KEY", stage.key.private_pem()), ("MY_PUB", stage.key.public_pem())];
    let signing: Vec<(&str, &str)> =
        signing.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stage.run_with(&signing, &["sign", "--key", "env://MY_KEY", NO_LOG, &image]).ok();
    stage.run_with(&signing, &["verify", "--key", "env://MY_PUB", IGNORE_LOG, &image]).ok();
    let verify = |key: &str| stage.run(&["verify", "--key", key, IGNORE_LOG, &image]);
    verify("env://NONE").fails(1, "the environment variable NONE is not set");
    verify("none.pub").fails(
        1,
        "loading verifier from key opts: loading public key: open none.pub: no such file or directory",
    );
    for reference in
        ["k8s://ns/name", "awskms:///alias/x", "https://x.test/k.pub", "pkcs11:x", "gitlab://1"]
    {
        verify(reference).fails(1, "not available in this build");
        stage
            .run(&["sign", "--key", reference, NO_LOG, &image])
            .fails(1, "not available in this build");
    }
    stage.run(&["generate-key-pair", "k8s://ns/name"]).fails(1, "not available in this build");
    stage.write("junk", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    verify("junk").fails(1, "loading public key: ");
    // Several keys in one file: any of them may have signed.
    let other = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    stage.write("both.pub", other.public_pem() + &stage.key.public_pem());
    verify("both.pub").ok();
    // A private key will do, too.
    verify("k.key").ok();
}

#[test]
fn a_login_is_kept_as_docker_keeps_it() {
    let stage = Stage::new();
    let config = || {
        let text = stage.read(".docker/config.json");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    stage.run(&["login", "--username", "me", "--password", "pw", "one.test"]).ok();
    stage.run_with_input("secret\n", &["login", "-u", "me", "--password-stdin", "two.test"]).ok();
    assert_eq!(config()["auths"]["one.test"]["auth"], STANDARD.encode("me:pw"));
    assert_eq!(config()["auths"]["two.test"]["auth"], STANDARD.encode("me:secret"));
    let mode = std::fs::metadata(stage.folder.join(".docker/config.json")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    stage.run(&["login", "-u", "me", "one.test"]).fails(1, "username and password required");
    stage
        .run(&["login", "-u", "me", "-p", "x", "--password-stdin", "one.test"])
        .fails(1, "mutually exclusive");
    stage.run(&["login", "-u", "me", "-p", "x"]).fails(1, "accepts 1 arg(s), received 0");
}
