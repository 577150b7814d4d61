//! Signing with services: identities, certificates, logs and timestamps, against a private Sigstore in this process.
use crate::stage::{NO_LOG, Ran, Stage};
use sigward_testkit::{
    registry::{Effect, Fault, Tls},
    sigstore::{Checkpoint, Knobs, Promise, Proof, Sct, Service, Services, ServicesOptions, Stamp},
};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};

const EMAIL: &str = "dev@example.test";

/// A stage with a private Sigstore: `root.json`, `v1.json`, `v2.json` (signing configs) and `token`.
struct Scene {
    stage: Stage,
    kit: Services,
}

fn scene() -> Scene {
    let kit = Services::start(ServicesOptions::default()).unwrap();
    let stage = Stage::new();
    let instance = kit.instance();
    stage.write("root.json", instance.trusted_root().to_string());
    stage.write("v1.json", instance.signing_config(1).to_string());
    stage.write("v2.json", instance.signing_config(2).to_string());
    stage.write("token", instance.email_token(EMAIL).unwrap());
    stage.write("f", "hello");
    stage.write("p.json", "{}");
    Scene { stage, kit }
}

impl Scene {
    /// Signs `f` into `b.json` with services of this version.
    fn sign_blob(&self, config: &str, more: &[&str]) -> Ran {
        let line = ["sign-blob", "-y", "--bundle", "b.json", "--trusted-root", "root.json"];
        let with = ["--signing-config", config, "f"];
        self.stage.run(&[&line[..], more, &with].concat())
    }

    fn keyless(&self, config: &str) -> Ran {
        self.sign_blob(config, &["--identity-token", "token"])
    }

    fn who(&self) -> [String; 4] {
        let issuer = self.kit.url(Service::Issuer);
        ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", &issuer].map(str::to_owned)
    }

    fn verify(&self, command: &[&str], more: &[&str]) -> Ran {
        let who = self.who();
        let who: Vec<&str> = who.iter().map(String::as_str).collect();
        self.stage.run(&[command, &["--trusted-root", "root.json"], &who, more].concat())
    }

    /// `--fulcio-url` and its kin, as cosign 2 has them.
    fn urls(&self) -> Vec<String> {
        let pairs = [
            ("--fulcio-url", self.kit.url(Service::Fulcio)),
            ("--rekor-url", self.kit.url(Service::Rekor)),
            ("--oidc-issuer", self.kit.url(Service::Issuer)),
        ];
        pairs.into_iter().flat_map(|(flag, url)| [flag.to_owned(), url]).collect()
    }

    fn by_urls(&self, command: &[&str], more: &[&str]) -> Ran {
        let urls = self.urls();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let line = ["-y", "--identity-token", "token", "--trusted-root", "root.json"];
        self.stage.run(&[command, &line, &urls, more].concat())
    }
}

#[test]
fn the_holder_of_an_identity_signs_and_attests_everything() {
    let scene = scene();
    let stage = &scene.stage;
    for config in ["v1.json", "v2.json"] {
        let image = stage.image(config.trim_end_matches(".json"));
        let line = ["-y", "--identity-token", "token", "--signing-config", config];
        let run = |command: &[&str], more: &[&str]| {
            let root = ["--trusted-root", "root.json"];
            stage.run(&[command, &line[..], &root, more].concat()).ok()
        };
        run(&["sign"], &[&image]);
        run(&["attest", "--predicate", "p.json"], &[&image]);
        run(&["sign-blob", "--bundle", "fs.json"], &["f"]);
        run(&["attest-blob", "--predicate", "p.json", "--bundle", "fa.json"], &["f"]);
        scene.verify(&["verify"], &[&image]).ok();
        scene.verify(&["verify-attestation"], &[&image]).ok();
        scene.verify(&["verify-blob", "--bundle", "fs.json"], &["f"]).ok();
        scene.verify(&["verify-blob-attestation", "--bundle", "fa.json"], &["f"]).ok();
    }
    assert_eq!(scene.kit.count(Service::Rekor), 4);
    assert_eq!(scene.kit.count(Service::RekorV2), 4);
    assert_eq!(scene.kit.count(Service::Timestamps), 8);
}

#[test]
fn addresses_of_services_can_be_typed_and_the_older_format_holds_what_they_say() {
    let scene = scene();
    let stage = &scene.stage;
    for (format, tag) in [("--new-bundle-format=true", "new"), ("--new-bundle-format=false", "old")]
    {
        let image = stage.image(tag);
        scene.by_urls(&["sign", format], &[&image]).ok();
        scene.by_urls(&["attest", format, "--predicate", "p.json"], &[&image]).ok();
        scene.by_urls(&["sign-blob", format, "--bundle", "fs.json"], &["f"]).ok();
        let attest = ["attest-blob", format, "--predicate", "p.json", "--bundle", "fa.json"];
        scene.by_urls(&attest, &["f"]).ok();
        scene.verify(&["verify"], &[&image]).ok();
        scene.verify(&["verify-attestation"], &[&image]).ok();
        scene.verify(&["verify-blob", "--bundle", "fs.json"], &["f"]).ok();
        scene.verify(&["verify-blob-attestation", "--bundle", "fa.json"], &["f"]).ok();
    }
}

#[test]
fn a_key_s_signature_is_logged_and_dated() {
    let scene = scene();
    let stage = &scene.stage;
    let verify = |more: &[&str]| {
        let line = ["verify-blob", "--key", "k.pub", "--trusted-root", "root.json"];
        stage.run(&[&line[..], more, &["--bundle", "b.json", "f"]].concat())
    };
    for config in ["v1.json", "v2.json"] {
        scene.sign_blob(config, &["--key", "k.key"]).ok();
        verify(&["--use-signed-timestamps"]).ok();
    }
    assert_eq!(scene.kit.count(Service::Fulcio), 0);
    let rekor = scene.kit.url(Service::Rekor);
    let line = ["sign-blob", "-y", "--key", "k.key", "--bundle", "b.json", "--rekor-url", &rekor];
    stage.run(&[&line[..], &["f"]].concat()).ok();
    verify(&[]).ok();
    // The same key and the same file once more: the log has it already, or has one more.
    let image = stage.image("v1");
    let sign = ["sign", "-y", "--key", "k.key", "--rekor-url", &rekor, "-r", &image];
    stage.run(&sign).ok();
    stage.run(&["verify", "--key", "k.pub", "--trusted-root", "root.json", &image]).ok();
}

#[test]
fn a_key_gets_a_certificate_when_asked() {
    let scene = scene();
    let more = ["--key", "k.key", "--issue-certificate", "--identity-token", "token"];
    scene.sign_blob("v1.json", &more).ok();
    scene.verify(&["verify-blob", "--bundle", "b.json"], &["f"]).ok();
}

#[test]
fn the_certificate_can_be_kept_in_a_file() {
    let scene = scene();
    let token = ["--identity-token", "token"];
    scene.sign_blob("v1.json", &[&token[..], &["--output-certificate", "c"]].concat()).ok();
    assert!(scene.stage.read("c").starts_with("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"));
    scene
        .by_urls(
            &["sign-blob", "--new-bundle-format=false"],
            &["--output-certificate", "d", "--b64=false", "--output-signature", "s", "f"],
        )
        .ok();
    assert!(scene.stage.read("d").starts_with("-----BEGIN CERTIFICATE-----"));
    scene
        .sign_blob("v1.json", &["--key", "k.key", "--output-certificate", "c"])
        .fails(1, "--output-certificate: the key signs without a certificate");
}

#[test]
fn what_does_not_verify_is_not_stored() {
    let cases = [
        ("v1.json", Knobs { sct: Sct::BadSignature, ..Knobs::default() }, "SCT"),
        ("v1.json", Knobs { sct: Sct::UnknownLog, ..Knobs::default() }, "SCT"),
        ("v1.json", Knobs { other_leaf_key: true, ..Knobs::default() }, "another key's"),
        ("v1.json", Knobs { other_issuer_key: true, ..Knobs::default() }, "does not verify"),
        ("v1.json", Knobs { promise: Promise::OtherKey, ..Knobs::default() }, "does not verify"),
        ("v1.json", Knobs { proof: Proof::BadHash, ..Knobs::default() }, "inclusion proof"),
        ("v2.json", Knobs { proof: Proof::BadRoot, ..Knobs::default() }, ""),
        (
            "v2.json",
            Knobs { checkpoint: Checkpoint::BadSignature, ..Knobs::default() },
            "checkpoint",
        ),
        ("v2.json", Knobs { stamp: Stamp::BadSignature, ..Knobs::default() }, "does not verify"),
        ("v2.json", Knobs { stamp: Stamp::OtherNonce, ..Knobs::default() }, "another request"),
    ];
    let scene = scene();
    for (config, knobs, message) in cases {
        scene.kit.instance().set_knobs(knobs.clone());
        let ran = scene.keyless(config).fails(1, message);
        assert!(!scene.stage.has("b.json"), "{knobs:?}: {ran:?}");
    }
    scene.kit.instance().set_knobs(Knobs { sct: Sct::BadSignature, ..Knobs::default() });
    scene.sign_blob("v1.json", &["--identity-token", "token", "--insecure-skip-verify"]).ok();
}

#[test]
fn a_service_that_fails_is_named_with_its_words() {
    let scene = scene();
    scene.stage.write("token", "a.e30.c");
    scene.keyless("v1.json").fails(1, "the identity token has no subject");
    scene.stage.write("token", scene.kit.instance().email_token(EMAIL).unwrap());
    let refused = |code| Fault::new(Effect::Status { code, retry_after: None });
    for (service, name) in [
        (Service::Fulcio, "Fulcio"),
        (Service::Rekor, "Rekor"),
        (Service::Timestamps, "timestamp authority"),
    ] {
        scene.kit.fault(service, refused(400));
        let url = scene.kit.url(service);
        scene.keyless("v1.json").fails(1, &format!("{name} {url}"));
        scene.kit.clear_faults();
        scene.kit.go_down(service);
        scene
            .keyless("v1.json")
            .fails(1, &format!("asking {name}: {}", url.replace("http://", "")));
        scene.kit.come_back(service).unwrap();
    }
    assert!(!scene.stage.has("b.json"));
    scene.keyless("v1.json").ok();
}

#[test]
fn a_token_comes_from_wherever_the_program_runs() {
    let scene = scene();
    let issuer = scene.kit.url(Service::Issuer);
    let token = scene.kit.instance().email_token(EMAIL).unwrap();
    let line = ["sign-blob", "-y", "--bundle", "b.json", "--signing-config", "v1.json", "f"];
    let with = |environment: &[(&str, &str)], more: &[&str]| {
        scene.stage.run_with(environment, &[&line[..], more].concat())
    };
    with(&[("SIGSTORE_ID_TOKEN", &token)], &[]).ok();
    let url = format!("{issuer}/github/token?v=1");
    let github = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner-secret"),
    ];
    with(&github, &[]).ok();
    with(&github, &["--oidc-provider", "github-actions"]).ok();
    with(&github, &["--oidc-disable-ambient-providers"]).fails(1, "needs an identity token");
    let endpoint = format!("{issuer}/buildkite");
    let buildkite = [
        ("BUILDKITE_AGENT_ACCESS_TOKEN", "runner-secret"),
        ("BUILDKITE_JOB_ID", "job-1"),
        ("BUILDKITE_AGENT_ENDPOINT", endpoint.as_str()),
    ];
    with(&buildkite, &[]).ok();
    let host = issuer.replace("http://", "");
    with(&[("GCE_METADATA_HOST", &host)], &["--oidc-provider", "google"]).ok();
    with(&[], &["--oidc-provider", "spiffe"]).fails(1, "needs the SPIFFE workload API");
    with(&[], &["--oidc-provider", "moon"]).fails(1, "unknown --oidc-provider \"moon\"");
}

#[test]
fn without_a_terminal_nobody_is_asked_to_log_in() {
    let scene = scene();
    scene.sign_blob("v1.json", &[]).fails(1, "--fulcio-auth-flow=device logs in on another device");
    assert_eq!(scene.kit.count(Service::Issuer), 0);
}

#[test]
fn a_browser_logs_in_and_comes_back() {
    let scene = scene();
    let line = ["sign-blob", "-y", "--bundle", "b.json", "--signing-config", "v1.json"];
    let flow = ["--fulcio-auth-flow", "normal", "--trusted-root", "root.json", "f"];
    let mut child = scene.stage.command(&[&line[..], &flow].concat()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut url = String::new();
    while !url.starts_with("http://") {
        url.clear();
        assert_ne!(said.read_line(&mut url).unwrap(), 0, "no address was printed");
    }
    let back = get(url.trim());
    let location = back.lines().find_map(|line| {
        line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location"))
    });
    let (_, location) = location.expect("a redirect");
    let forged = location.split("state=").next().unwrap();
    assert!(get(&format!("{forged}state=guessed")).starts_with("HTTP/1.1 400"));
    assert!(get(location).starts_with("HTTP/1.1 200"));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    scene.verify(&["verify-blob", "--bundle", "b.json"], &["f"]).ok();
}

/// The answer to a GET, with its headers.
fn get(url: &str) -> String {
    let rest = url.trim().strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_device_and_a_client_without_a_user_log_in() {
    let scene = scene();
    scene
        .kit
        .set_user(Some(serde_json::json!({ "sub": "1", "email": EMAIL, "email_verified": true })));
    scene.stage.write("secret", "x\n");
    let client = ["--oidc-client-id", "sigstore", "--oidc-client-secret-file", "secret"];
    let flow = ["--fulcio-auth-flow", "client_credentials"];
    scene.sign_blob("v1.json", &[&client[..], &flow].concat()).ok();
    scene.sign_blob("v1.json", &["--fulcio-auth-flow", "x"]).fails(1, "unknown --fulcio-auth-flow");
    scene
        .sign_blob(
            "v1.json",
            &["--fulcio-auth-flow", "normal", "--oidc-redirect-url", "https://evil.test/"],
        )
        .fails(1, "--oidc-redirect-url https://evil.test/: needs http://localhost:PORT");
    scene.kit.set_user(None);
    scene.sign_blob("v1.json", &flow).fails(1, "access_denied");
}

#[test]
fn a_timestamp_authority_may_want_to_know_who_asks() {
    let options = ServicesOptions { timestamps_tls: Tls::Mutual, ..ServicesOptions::default() };
    let kit = Services::start(options).unwrap();
    let stage = Stage::new();
    let own = kit.timestamps_client("signer").unwrap().unwrap();
    stage.write("ca.pem", kit.timestamps_ca_pem().unwrap());
    stage.write("c.pem", own.certificate_pem);
    stage.write("c.key", own.key_pem);
    stage.write("root.json", kit.instance().trusted_root().to_string());
    stage.write("f", "hello");
    let url = kit.instance().urls().timestamps;
    let line =
        ["sign-blob", "--key", "k.key", NO_LOG, "--bundle", "b", "--trusted-root", "root.json"];
    let server = ["--timestamp-server-url", &url, "--timestamp-client-cacert", "ca.pem"];
    let client = ["--timestamp-client-cert", "c.pem", "--timestamp-client-key", "c.key"];
    let run = |more: &[&str]| stage.run(&[&line[..], &server, more, &["f"]].concat());
    run(&client).ok();
    run(&[]).fails(1, "asking timestamp authority");
    run(&client[..2]).fails(1, "must be given together");
    let other = [&client[..], &["--timestamp-server-name", "other.test"]].concat();
    run(&other).fails(1, "asking timestamp authority");
    run(&[&client[..], &["--timestamp-server-name", "localhost"]].concat()).ok();
    let verify =
        ["verify-blob", "--key", "k.pub", "--insecure-ignore-tlog", "--use-signed-timestamps"];
    stage.run(&[&verify[..], &["--trusted-root", "root.json", "--bundle", "b", "f"]].concat()).ok();
}

#[test]
fn a_log_entry_is_asked_for_unless_the_user_says_no() {
    let scene = scene();
    let line = ["sign-blob", "--key", "k.key", "--bundle", "b", "--signing-config", "v1.json", "f"];
    scene.stage.run_with_input("n\n", &line).fails(1, "user declined the prompt");
    assert_eq!(scene.kit.count(Service::Rekor), 0);
    scene.stage.run_with_input("y\n", &line).ok();
    let rekor = scene.kit.url(Service::Rekor);
    let both = [&line[..], &["--rekor-url", &rekor]].concat();
    scene.stage.run(&both).fails(1, "--rekor-url cannot be used with one");
}

#[test]
fn a_log_is_searched_for_what_a_signature_does_not_bring() {
    let scene = scene();
    let stage = &scene.stage;
    let (rekor, image) = (scene.kit.url(Service::Rekor), stage.image("v1"));
    let sign = ["sign", "--key", "k.key", "--new-bundle-format=false", "--output-signature", "sig"];
    let payload = ["--output-payload", "payload", NO_LOG, &image];
    stage.run(&[&sign[..], &payload].concat()).ok();
    let verify = |more: &[&str]| {
        let line = ["verify", "--key", "k.pub", "--trusted-root", "root.json", &image];
        stage.run(&[&line[..], more].concat())
    };
    verify(&[]).fails(12, "not enough verified log entries");
    verify(&["--rekor-url", &rekor]).fails(12, "not enough verified log entries");
    assert!(scene.kit.requests(Service::Rekor).iter().any(|one| one.path.ends_with("/retrieve")));
    scene.kit.go_down(Service::Rekor);
    verify(&["--rekor-url", &rekor]).fails(1, &rekor.replace("http://", ""));
}

#[test]
fn the_conformance_suite_s_client_signs() {
    let scene = scene();
    let token = scene.kit.instance().email_token(EMAIL).unwrap();
    let line =
        ["conformance-client", "sign-bundle", "--identity-token", &token, "--bundle", "b.json"];
    let with = ["--trusted-root", "root.json", "--signing-config", "v2.json"];
    let run = |more: &[&str]| scene.stage.run(&[&line[..], &with, more].concat());
    run(&["f"]).ok();
    let verify = ["conformance-client", "verify-bundle", "--bundle", "b.json"];
    scene.verify(&verify, &["f"]).ok();
    let statement = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"f","digest":{"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}],"predicateType":"https://example.test/p","predicate":{}}"#;
    scene.stage.write("statement", statement);
    run(&["--in-toto", "statement"]).ok();
    scene.verify(&verify, &["f"]).ok();
}
