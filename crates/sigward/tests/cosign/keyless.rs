//! Certificates, logs and timestamps: verification without a key.
use crate::stage::{IGNORE_LOG, NO_LOG, Ran, Stage};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use sigward_testkit::sigstore::{Service, Services, ServicesOptions, tuf::Attack};
use std::path::{Path, PathBuf};

const SUBJECT: &str = "https://github.test/shop/web/.github/workflows/release.yml@refs/heads/main";
const ISSUER: &str = "https://issuer.test";
const NO_SCT: &str = "--insecure-ignore-sct";
const WHO: [&str; 4] = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER];

/// The extensions of Fulcio that stand in the certificate: number and text.
const EXTENSIONS: [(u64, &str); 6] = [
    (1, ISSUER),
    (2, "push"),
    (3, "0123abcd"),
    (4, "Release"),
    (5, "shop/web"),
    (6, "refs/heads/main"),
];

/// A certificate authority of one's own: `root.pem`, `above.pem` (an intermediate), `chain.pem` (both), and a signer
/// with `leaf.key` and `leaf.pem`.
fn stage() -> Stage {
    let stage = Stage::new();
    let authority = |name: &str| {
        let mut it = CertificateParams::new(Vec::new()).unwrap();
        it.distinguished_name = DistinguishedName::new();
        it.distinguished_name.push(DnType::CommonName, name);
        it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        it.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        it
    };
    let root =
        CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    let above = CertifiedIssuer::signed_by(authority("above"), KeyPair::generate().unwrap(), &root)
        .unwrap();
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.distinguished_name = DistinguishedName::new();
    leaf.subject_alt_names = vec![SanType::URI(SUBJECT.try_into().unwrap())];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    leaf.custom_extensions = EXTENSIONS
        .iter()
        .map(|(arc, text)| {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, *arc];
            CustomExtension::from_oid_content(&oid, text.as_bytes().to_vec())
        })
        .collect();
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &above).unwrap();
    stage.write("leaf.key", key.serialize_pem());
    stage.write("leaf.pem", certificate.pem());
    stage.write("root.pem", root.pem());
    stage.write("above.pem", above.pem());
    stage.write("chain.pem", format!("{}{}", above.pem(), root.pem()));
    stage.write("f", "hello");
    stage.write("p.json", "{}");
    stage
}

/// The bundle of a key becomes one of the certificate of that key.
fn with_certificate(stage: &Stage, name: &str) {
    let mut bundle: serde_json::Value = serde_json::from_str(&stage.read(name)).unwrap();
    let pem = stage.read("leaf.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    bundle["verificationMaterial"] = serde_json::json!({ "certificate": { "rawBytes": body } });
    stage.write(name, bundle.to_string());
}

/// Signs an image and attests it, both by the holder of the certificate.
fn signed(stage: &Stage, legacy: bool) -> String {
    let image = stage.image("v1");
    let line = ["--key", "leaf.key", NO_LOG, "-y"];
    if legacy {
        let payload = stage.run(&["generate", &image]).ok().out;
        stage.write("payload", payload);
        let sign = ["sign-blob", "--new-bundle-format=false", "--output-signature", "sig"];
        stage.run(&[&sign[..], &line, &["payload"]].concat()).ok();
        let attach = ["attach", "signature", "--payload", "payload", "--signature", "sig"];
        let certificate = ["--certificate", "leaf.pem", "--certificate-chain", "chain.pem"];
        stage.run(&[&attach[..], &certificate, &[&image]].concat()).ok();
        return image;
    }
    stage
        .run(&[&["sign", "--upload=false", "--bundle", "s.json"], &line[..], &[&image]].concat())
        .ok();
    let attest = ["attest", "--no-upload", "--bundle", "a.json", "--predicate", "p.json"];
    stage.run(&[&attest[..], &line, &[&image]].concat()).ok();
    for (bundle, what) in [("s.json", "signature"), ("a.json", "attestation")] {
        with_certificate(stage, bundle);
        let flag = if what == "signature" { "--bundle" } else { "--attestation" };
        stage.run(&["attach", what, flag, bundle, &image]).ok();
    }
    image
}

/// A signature and an attestation of `f`, as bundles.
fn signed_file(stage: &Stage) {
    let line = ["--key", "leaf.key", NO_LOG, "-y"];
    stage.run(&[&["sign-blob", "--bundle", "fs.json"], &line[..], &["f"]].concat()).ok();
    let attest = ["attest-blob", "--bundle", "fa.json", "--predicate", "p.json"];
    stage.run(&[&attest[..], &line, &["f"]].concat()).ok();
    with_certificate(stage, "fs.json");
    with_certificate(stage, "fa.json");
}

/// Every command that verifies, with what it verifies.
fn commands(image: &str) -> [Vec<&str>; 4] {
    [
        vec!["verify", image],
        vec!["verify-attestation", image],
        vec!["verify-blob", "--bundle", "fs.json", "f"],
        vec!["verify-blob-attestation", "--bundle", "fa.json", "f"],
    ]
}

fn each(stage: &Stage, image: &str, flags: &[&str], check: impl Fn(Ran)) {
    for command in commands(image) {
        check(stage.run(&[&command[..], flags].concat()));
    }
}

/// The flags without log and SCT, which nobody here runs.
fn own(who: &[&'static str]) -> Vec<&'static str> {
    [who, &[IGNORE_LOG, NO_SCT, "--certificate-chain", "chain.pem"]].concat()
}

#[test]
fn an_image_is_verified_by_identity() {
    let stage = stage();
    let image = signed(&stage, false);
    signed_file(&stage);
    each(&stage, &image, &own(&WHO), |ran| drop(ran.ok()));
    let verified = stage.run(&[&["verify"], &own(&WHO)[..], &[&image]].concat()).ok();
    let words = "  - The code-signing certificate was verified using trusted certificate authority certificates\n";
    assert!(verified.err.contains(words), "{}", verified.err);
    assert!(!verified.err.contains("specified public key"), "{}", verified.err);
    assert_eq!(verified.array().len(), 1);
    // Somebody else, another issuer, another authority, and no certificate log.
    let other = ["--certificate-identity", "x@y.test", "--certificate-oidc-issuer", ISSUER];
    each(&stage, &image, &own(&other), |ran| {
        drop(ran.fails(1, "expected SAN value \"x@y.test\", got "));
    });
    let other = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", "https://i.test"];
    each(&stage, &image, &own(&other), |ran| {
        drop(ran.fails(1, "expected issuer value \"https://i.test\", got "));
    });
    stage.write("other.pem", stage.key.certificate_pem("other").unwrap());
    let foreign = [&WHO[..], &[IGNORE_LOG, NO_SCT, "--ca-roots", "other.pem"]].concat();
    each(&stage, &image, &foreign, |ran| drop(ran.fails(1, "failed to verify leaf certificate")));
    let sct = [&WHO[..], &[IGNORE_LOG, "--certificate-chain", "chain.pem"]].concat();
    each(&stage, &image, &sct, |ran| drop(ran.fails(1, "SCT")));
    // The public instance knows none of them.
    let public = [&WHO[..], &[IGNORE_LOG, NO_SCT]].concat();
    each(&stage, &image, &public, |ran| drop(ran.fails(1, "failed to verify leaf certificate")));
    // A key is not a certificate, and both at once is no demand.
    each(&stage, &image, &["--key", "k.pub", IGNORE_LOG], |ran| {
        drop(ran.fails(1, "expected key signature, not certificate"));
    });
    let both = [&WHO[..], &["--key", "k.pub", IGNORE_LOG]].concat();
    each(&stage, &image, &both, |ran| drop(ran.fails(1, "exactly one of: key reference (--key)")));
    each(&stage, &image, &["--key=k.pub", NO_SCT], |ran| {
        drop(ran.fails(1, "--insecure-ignore-sct is about certificates"));
    });
    let half = ["--certificate-identity", SUBJECT, IGNORE_LOG];
    each(&stage, &image, &half, |ran| drop(ran.fails(1, "--certificate-oidc-issuer or ")));
}

#[test]
fn an_identity_may_be_an_expression() {
    let stage = stage();
    let image = signed(&stage, false);
    signed_file(&stage);
    let good = own(&[
        "--certificate-identity-regexp",
        "shop/web/.*release",
        "--certificate-oidc-issuer-regexp",
        "^https://issuer",
    ]);
    each(&stage, &image, &good, |ran| drop(ran.ok()));
    let bad = own(&["--certificate-identity-regexp=^shop", "--certificate-oidc-issuer-regexp=."]);
    each(&stage, &image, &bad, |ran| drop(ran.fails(1, "expected SAN value \"^shop\"")));
    let both = own(&[
        "--certificate-identity-regexp=^shop",
        "--certificate-identity",
        SUBJECT,
        "--certificate-oidc-issuer",
        ISSUER,
    ]);
    each(&stage, &image, &both, |ran| drop(ran.fails(1, "expected SAN value ")));
    let none = own(&["--certificate-identity-regexp=(", "--certificate-oidc-issuer-regexp=."]);
    each(&stage, &image, &none, |ran| drop(ran.fails(1, "bad regular expression \"(\"")));
}

#[test]
fn what_github_says_is_compared() {
    let stage = stage();
    let image = signed(&stage, false);
    signed_file(&stage);
    for (flag, value) in [
        ("--certificate-github-workflow-trigger", "push"),
        ("--certificate-github-workflow-sha", "0123abcd"),
        ("--certificate-github-workflow-name", "Release"),
        ("--certificate-github-workflow-repository", "shop/web"),
        ("--certificate-github-workflow-ref", "refs/heads/main"),
    ] {
        each(&stage, &image, &[&own(&WHO)[..], &[flag, value]].concat(), |ran| drop(ran.ok()));
        each(&stage, &image, &[&own(&WHO)[..], &[flag, "other"]].concat(), |ran| {
            drop(ran.fails(1, &format!("to be \"other\", got \"{value}\"")));
        });
    }
}

#[test]
fn keys_of_one_s_own_stand_in_for_a_trusted_root() {
    let stage = stage();
    let image = signed(&stage, false);
    signed_file(&stage);
    let base = [&WHO[..], &[IGNORE_LOG, NO_SCT]].concat();
    let with = |flags: &[&'static str]| [&base[..], flags].concat();
    let roots = ["--ca-roots", "root.pem", "--ca-intermediates", "above.pem"];
    each(&stage, &image, &with(&roots), |ran| drop(ran.ok()));
    // The intermediate lies nowhere else: bundles hold the leaf alone.
    each(&stage, &image, &with(&["--ca-roots", "root.pem"]), |ran| {
        drop(ran.fails(1, "failed to verify leaf certificate"));
    });
    each(&stage, &image, &with(&["--ca-intermediates", "above.pem"]), |ran| {
        drop(ran.fails(1, "--ca-intermediates lie below --ca-roots"));
    });
    each(&stage, &image, &with(&["--ca-roots=root.pem", "--certificate-chain=chain.pem"]), |ran| {
        drop(ran.fails(1, "none of the others can be"));
    });
    each(&stage, &image, &with(&["--trusted-root=t", "--ca-roots=root.pem"]), |ran| {
        drop(
            ran.fails(1, "--trusted-root names every authority: --ca-roots cannot be used with it"),
        );
    });
    for command in commands(&image) {
        let line = [&command[..], &base].concat();
        stage.run_with(&[("SIGSTORE_ROOT_FILE", "chain.pem")], &line).ok();
        stage.run_with(&[("SIGSTORE_ROOT_FILE", "none.pem")], &line).fails(1, "open none.pem");
        let logged: Vec<&str> = line.iter().filter(|it| **it != IGNORE_LOG).copied().collect();
        let keys = [("SIGSTORE_ROOT_FILE", "chain.pem"), ("SIGSTORE_REKOR_PUBLIC_KEY", "k.pub")];
        stage.run_with(&keys, &logged).fails(1, "not enough verified log entries");
    }
    // The same as a file.
    let create = ["trusted-root", "create", "--out", "tr.json"];
    let fulcio =
        "--fulcio=url=https://ca.test,certificate-chain=chain.pem,start-time=2000-01-01T00:00:00Z";
    stage.run(&[&create[..], &[fulcio]].concat()).ok();
    each(&stage, &image, &with(&["--trusted-root", "tr.json"]), |ran| drop(ran.ok()));
}

#[test]
fn the_cache_of_initialize_is_used() {
    let stage = stage();
    let image = signed(&stage, false);
    let create = ["trusted-root", "create", "--out", "tr.json"];
    let fulcio =
        "--fulcio=url=https://ca.test,certificate-chain=chain.pem,start-time=2000-01-01T00:00:00Z";
    stage.run(&[&create[..], &[fulcio]].concat()).ok();
    let services = Services::start(ServicesOptions::default()).unwrap();
    services.repository().put("trusted_root.json", stage.read("tr.json"), None);
    services.repository().publish(&Attack::None).unwrap();
    stage.write("root.json", services.repository().root());
    let url = services.url(Service::Mirror);
    let line = [&["verify"], &WHO[..], &[IGNORE_LOG, NO_SCT, &image]].concat();
    stage.run(&line).fails(1, "failed to verify leaf certificate");
    let mirror = [("TUF_MIRROR", url.as_str())];
    stage
        .run_with(&mirror, &line)
        .fails(1, &format!("no trusted root of the TUF repository {url} is kept"));
    // A root of the environment is enough to begin with.
    let rooted = [mirror[0], ("TUF_ROOT_JSON", "root.json"), ("TUF_ROOT", "other")];
    stage.run_with(&rooted, &line).ok();
    stage.run(&["initialize", "--mirror", &url, "--root", "root.json"]).ok();
    stage.run(&line).ok();
    // A mirror of the environment goes first.
    let other = [("TUF_MIRROR", "http://other.test/tuf")];
    stage.run_with(&other, &line).fails(1, "TUF repository http://other.test/tuf");
}

#[test]
fn a_keyless_signature_of_a_tag_says_who_signed() {
    let stage = stage();
    let image = signed(&stage, true);
    let verify = [&["verify"], &own(&WHO)[..]].concat();
    let verified = stage.run(&[&verify[..], &[&image]].concat()).ok();
    let optional = &verified.array()[0]["optional"];
    for (name, value) in [
        ("Subject", SUBJECT),
        ("Issuer", ISSUER),
        ("1.3.6.1.4.1.57264.1.1", ISSUER),
        ("1.3.6.1.4.1.57264.1.2", "push"),
        ("githubWorkflowTrigger", "push"),
        ("githubWorkflowSha", "0123abcd"),
        ("githubWorkflowName", "Release"),
        ("githubWorkflowRepository", "shop/web"),
        ("githubWorkflowRef", "refs/heads/main"),
    ] {
        assert_eq!(optional[name], value, "{optional:#}");
    }
    let text = stage.run(&[&verify[..], &["-o", "text", &image]].concat()).ok();
    for line in [
        format!("Certificate subject: {SUBJECT}\n"),
        format!("Certificate issuer URL: {ISSUER}\n"),
        "GitHub Workflow Trigger: push\n".to_owned(),
    ] {
        assert!(text.err.contains(&line), "{}", text.err);
    }
    let other = own(&["--certificate-identity=x", "--certificate-oidc-issuer-regexp=."]);
    stage.run(&[&["verify"], &other[..], &[&image]].concat()).fails(
        12,
        "none of the expected identities matched what was in the certificate, got subjects [",
    );
    stage
        .run(&["verify", "--key", "k.pub", IGNORE_LOG, &image])
        .fails(12, "no matching signatures");
    // A key's signature has no certificate.
    let plain = stage.image("plain");
    stage.sign(&plain, &["--new-bundle-format=false"]).ok();
    stage.run(&[&verify[..], &[&plain]].concat()).fails(12, "no certificate found on signature");
}

#[test]
fn the_present_counts_only_where_the_log_is_ignored() {
    let stage = stage();
    let image = signed(&stage, false);
    signed_file(&stage);
    let logged = [&WHO[..], &[NO_SCT, "--certificate-chain", "chain.pem"]].concat();
    // `--insecure-ignore-tlog` is missing here.
    each(&stage, &image, &logged, |ran| drop(ran.fails(1, "not enough verified log entries")));
    each(&stage, &image, &own(&WHO), |ran| drop(ran.ok()));
}

#[test]
fn a_timestamp_is_demanded_when_asked() {
    let stage = stage();
    let image = signed(&stage, false);
    signed_file(&stage);
    let missing = "threshold not met for verified signed timestamps: 0 < 1";
    each(&stage, &image, &[&own(&WHO)[..], &["--use-signed-timestamps"]].concat(), |ran| {
        drop(ran.fails(1, missing));
    });
    let chain = ["--timestamp-certificate-chain", "chain.pem"];
    each(&stage, &image, &[&own(&WHO)[..], &chain].concat(), |ran| drop(ran.fails(1, missing)));
    // For a key as well.
    stage.sign(&image, &[]).ok();
    let key = ["--key", "k.pub", IGNORE_LOG, "--use-signed-timestamps"];
    stage.run(&[&["verify"], &key[..], &[&image]].concat()).fails(1, missing);
    // A timestamp that is none, beside a bare signature.
    let sign = ["sign-blob", "--key", "k.key", NO_LOG, "--new-bundle-format=false"];
    let signature = stage.run(&[&sign[..], &["f"]].concat()).ok().out;
    stage.write("sig", signature);
    stage.write("tsr", "nonsense");
    let bare =
        ["verify-blob", "--key=k.pub", IGNORE_LOG, "--signature=sig", "--rfc3161-timestamp=tsr"];
    stage
        .run(&[&bare[..], &["f"]].concat())
        .fails(1, "you must also specify --use-signed-timestamps");
    stage
        .run(&[&bare[..], &["--use-signed-timestamps", "f"]].concat())
        .fails(1, "threshold not met for verified signed timestamps: 0 < 1: ");
    for command in ["verify-blob", "verify-blob-attestation"] {
        let bundle = if command == "verify-blob" { "fs.json" } else { "fa.json" };
        let line = [command, "--bundle", bundle, "--rfc3161-timestamp=tsr", "f"];
        stage
            .run(&[&line[..], &own(&WHO)].concat())
            .fails(1, "--rfc3161-timestamp has no meaning beside a Sigstore bundle");
    }
}

#[test]
fn a_bare_signature_is_verified_with_its_certificate() {
    let stage = stage();
    let line = ["--key", "leaf.key", NO_LOG, "--new-bundle-format=false"];
    let signature = stage.run(&[&["sign-blob"], &line[..], &["f"]].concat()).ok().out;
    stage.write("sig", signature);
    let attest = ["attest-blob", "--predicate", "p.json"];
    let envelope = stage.run(&[&attest[..], &line, &["f"]].concat()).ok().out;
    stage.write("env", envelope.trim_end());
    stage.write("leaf.b64", STANDARD.encode(stage.read("leaf.pem")));
    for (command, signature) in [("verify-blob", "sig"), ("verify-blob-attestation", "env")] {
        let verify = |more: &[&str]| {
            stage
                .run(&[&[command, "--signature", signature], &own(&WHO)[..], more, &["f"]].concat())
        };
        verify(&["--certificate", "leaf.pem"]).ok();
        verify(&["--certificate", "leaf.b64"]).ok();
        verify(&[]).fails(1, "no certificate found on signature");
        verify(&["--certificate", "root.pem"]).fails(1, "");
        stage.write("sct", "{");
        verify(&["--certificate", "leaf.pem", "--sct", "sct"]).fails(1, "malformed SCT");
    }
}

fn suite() -> Option<(PathBuf, PathBuf)> {
    let shared = PathBuf::from(std::env::var_os("SIGWARD_SHARED")?);
    let cases = shared.join("conformance/sigstore/bundle-verify");
    cases.is_dir().then(|| (cases, shared.join("reference/trust/trusted_root.json")))
}

const CONFORMANCE_SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const CONFORMANCE_ISSUER: &str = "https://token.actions.githubusercontent.com";

#[test]
fn the_public_conformance_suite_is_judged_by_the_command_line() {
    let Some((cases, root)) = suite() else {
        eprintln!("skipped: the conformance cases are not there (SIGWARD_SHARED)");
        return;
    };
    let stage = Stage::new();
    let mut wrong = Vec::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&cases)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let there = |file: &str| Some(folder.join(file)).filter(|path| path.exists());
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut line = vec!["verify-blob".to_owned(), "--bundle".to_owned()];
        line.push(text(&folder.join("bundle.sigstore.json")));
        if let Some(key) = there("key.pub") {
            line.extend(["--key".to_owned(), text(&key)]);
        } else {
            let read = |file: &str, otherwise: &str| {
                there(file).map_or_else(
                    || otherwise.to_owned(),
                    |path| std::fs::read_to_string(path).unwrap().trim().to_owned(),
                )
            };
            line.extend([
                "--certificate-identity".to_owned(),
                read("identity", CONFORMANCE_SUBJECT),
            ]);
            line.extend([
                "--certificate-oidc-issuer".to_owned(),
                read("issuer", CONFORMANCE_ISSUER),
            ]);
        }
        let root = there("trusted_root.json").unwrap_or_else(|| root.clone());
        line.extend(["--trusted-root".to_owned(), text(&root)]);
        let artifact = there("artifact").unwrap_or_else(|| cases.join("a.txt"));
        line.push(text(&artifact));
        // For `verify-blob` an attestation about the file is no signature; the suite takes either.
        let client: Vec<&str> = ["conformance-client", "verify-bundle"]
            .into_iter()
            .chain(line.iter().skip(1).map(String::as_str))
            .collect();
        let blob: Vec<&str> = line.iter().map(String::as_str).collect();
        for words in [blob, client] {
            let ran = stage.run(&words);
            let verified = ran.code == 0 || ran.err.contains("holds an attestation of type ");
            if verified == name.ends_with("_fail") {
                wrong.push(format!("{} {name}: {}", words[0], ran.err));
            }
        }
    }
    assert!(folders.len() > 40, "{}", folders.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_public_instance_is_known_without_a_file() {
    let Some((cases, _)) = suite() else {
        eprintln!("skipped: the conformance cases are not there (SIGWARD_SHARED)");
        return;
    };
    let stage = Stage::new();
    for case in ["happy-path-v0.3", "rekor2-happy-path"] {
        let bundle = cases.join(case).join("bundle.sigstore.json");
        let line = [
            "verify-blob",
            "--offline",
            "--bundle",
            bundle.to_str().unwrap(),
            "--certificate-identity",
            CONFORMANCE_SUBJECT,
            "--certificate-oidc-issuer",
            CONFORMANCE_ISSUER,
            cases.join("a.txt").to_str().unwrap(),
        ]
        .map(str::to_owned);
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        if cases.join(case).join("trusted_root.json").exists() {
            continue;
        }
        stage.run(&words).ok();
    }
}

#[test]
fn the_conformance_suite_s_client_asks_for_all_it_needs() {
    let stage = stage();
    signed_file(&stage);
    let client = |words: &[&str]| stage.run(&[&["conformance-client"], words].concat());
    let verify = |words: &[&str]| client(&[&["verify-bundle"], words].concat());
    verify(&["f"]).fails(1, "required flag(s) \"bundle\" not set");
    verify(&["--bundle", "fs.json", "f"]).fails(1, "either --key, or --certificate-identity");
    for root in [&[][..], &["--staging"]] {
        let line = [&["--bundle", "fs.json"], &WHO[..], root, &["f"]].concat();
        verify(&line).fails(1, "not enough verified log entries");
    }
    let line = ["sign-bundle", "--staging", "--identity-token=t", "--bundle=b", "--in-toto"];
    let roots = ["--trusted-root=t", "--signing-config=s", "f"];
    client(&[&line[..], &roots].concat())
        .fails(1, "error reading signing config: open s: no such file");
}

#[test]
fn a_certificate_of_one_s_own_goes_with_the_signature() {
    let stage = stage();
    let line = [
        "--key",
        "leaf.key",
        NO_LOG,
        "-y",
        "--certificate",
        "leaf.pem",
        "--certificate-chain",
        "chain.pem",
    ];
    let run = |words: &[&str], more: &[&str]| stage.run(&[words, &line[..], more].concat());
    for (format, tag) in [("--new-bundle-format=true", "new"), ("--new-bundle-format=false", "old")]
    {
        let image = stage.image(tag);
        run(&["sign", format], &[&image]).ok();
        run(&["attest", format, "--predicate", "p.json"], &[&image]).ok();
        run(&["sign-blob", format, "--bundle", "fs.json"], &["f"]).ok();
        run(&["attest-blob", format, "--predicate", "p.json", "--bundle", "fa.json"], &["f"]).ok();
        each(&stage, &image, &own(&WHO), |ran| drop(ran.ok()));
        let other = ["--certificate-identity=x", "--certificate-oidc-issuer", ISSUER];
        each(&stage, &image, &own(&other), |ran| assert_ne!(ran.code, 0));
    }
    let image = stage.image("none");
    for words in [
        &["sign", &image][..],
        &["attest", "--predicate", "p.json", &image],
        &["sign-blob", "--bundle", "b", "f"],
        &["attest-blob", "--predicate", "p.json", "--bundle", "b", "f"],
    ] {
        let with =
            |flags: &[&str]| stage.run(&[words, &["--key", "k.key", NO_LOG], flags].concat());
        with(&["--certificate", "leaf.pem"]).fails(1, "does not match the provided public key");
        with(&["--certificate-chain", "chain.pem"]).fails(1, "it needs one");
        with(&["--certificate", "leaf.pem", "--certificate-chain", "leaf.pem"])
            .fails(1, "unable to validate certificate chain");
        with(&["--certificate", "k.pub"]).fails(1, "loading certificate");
    }
    assert!(!stage.has("b"));
}
