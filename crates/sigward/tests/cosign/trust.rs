//! Trust material as files: `trusted-root create`, `signing-config create`, `trust show`, `diff` and `export`.
use crate::stage::Stage;
use serde_json::Value;

const START: &str = "2024-01-02T03:04:05Z";

fn stage() -> Stage {
    let stage = Stage::new();
    let pem = stage.key.certificate_pem("ca.example.test").unwrap();
    stage.write("ca.pem", &pem);
    stage.write("chain.pem", format!("{pem}{pem}"));
    stage
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_trusted_root_is_put_together_from_flags() {
    let stage = stage();
    let empty = json(&stage.run(&["trusted-root", "create"]).ok().out);
    assert_eq!(empty["mediaType"], "application/vnd.dev.sigstore.trustedroot+json;version=0.1");
    let log = format!("url=https://log.test,public-key=k.pub,start-time={START}");
    let line = [
        "trusted-root",
        "create",
        "--fulcio=url=https://ca.test,certificate-chain=ca.pem,end-time=2030-01-01T00:00:00Z",
        "--tsa=url=https://tsa.test,certificate-chain=chain.pem",
        &format!("--rekor={log}"),
        &format!("--rekor={log},origin=log.test"),
        &format!("--ctfe={log}"),
        "--out=tr.json",
    ];
    let ran = stage.run(&line).ok();
    assert_eq!(ran.out, "");
    let root = json(&stage.read("tr.json"));
    assert_eq!(root["certificateAuthorities"][0]["uri"], "https://ca.test");
    assert_eq!(root["certificateAuthorities"][0]["validFor"]["end"], "2030-01-01T00:00:00Z");
    assert!(root["certificateAuthorities"][0]["validFor"]["start"].is_string());
    assert_eq!(
        root["timestampAuthorities"][0]["certChain"]["certificates"].as_array().unwrap().len(),
        2
    );
    assert_eq!(root["tlogs"][0]["publicKey"]["validFor"]["start"], START);
    assert_ne!(root["tlogs"][0]["logId"]["keyId"], root["tlogs"][1]["logId"]["keyId"]);
    assert_eq!(root["ctlogs"].as_array().unwrap().len(), 1);
    let wrong = |flag: &str, words: &str| {
        drop(stage.run(&["trusted-root", "create", flag]).fails(1, words));
    };
    wrong("--fulcio=url=x", "missing or empty required key 'certificate-chain' in fulcio spec");
    wrong("--fulcio=url", "parsing fulcio spec: invalid key-value pair: url");
    wrong("--tsa=url=x,certificate-chain=ca.pem", "at least two certificates");
    wrong(
        "--rekor=url=x,public-key=none,start-time=y",
        "parsing public-key: open none: no such file",
    );
    wrong("--ctfe=url=x,public-key=k.pub,start-time=today", "\"today\" is not RFC 3339");
    wrong("--ctfe=url=x,public-key=k.pub,start-time=y,bogus=z", "unknown key 'bogus'");
    wrong("--with-default-services", "needs the TUF repository");
    for flag in
        ["--no-default-fulcio", "--no-default-ctfe", "--no-default-rekor", "--no-default-tsa"]
    {
        wrong(flag, "it needs --with-default-services");
    }
}

#[test]
fn a_signing_config_is_put_together_from_flags() {
    let stage = stage();
    let empty = json(&stage.run(&["signing-config", "create"]).ok().out);
    assert_eq!(empty["mediaType"], "application/vnd.dev.sigstore.signingconfig.v0.2+json");
    let service = |host: &str| {
        format!("url=https://{host}.test,api-version=1,start-time={START},operator=example.test")
    };
    let create = ["signing-config", "create"];
    let line = [
        &format!("--fulcio={}", service("ca")),
        &format!("--rekor={},end-time=2030-01-01T00:00:00Z", service("log")),
        "--rekor-config=any",
        &format!("--oidc-provider={}", service("oidc")),
        &format!("--tsa={}", service("tsa")),
        "--tsa-config=EXACT:1",
        "--out=sc.json",
    ];
    stage.run(&[&create[..], &line].concat()).ok();
    let config = json(&stage.read("sc.json"));
    assert_eq!(config["caUrls"][0]["url"], "https://ca.test");
    assert_eq!(config["oidcUrls"][0]["operator"], "example.test");
    assert_eq!(config["rekorTlogConfig"]["selector"], "ANY");
    assert_eq!(config["rekorTlogUrls"][0]["validFor"]["end"], "2030-01-01T00:00:00Z");
    assert_eq!(config["tsaConfig"]["count"], 1);
    // Another config is where it starts from, and what is given stands in its place.
    let more = [
        "--base-config=sc.json",
        "--no-default-rekor",
        "--no-default-tsa",
        "--no-default-oidc",
        &format!("--fulcio={}", service("other")),
    ];
    let based = json(&stage.run(&[&create[..], &more].concat()).ok().out);
    assert_eq!(based["caUrls"][0]["url"], "https://other.test");
    for gone in ["rekorTlogUrls", "tsaUrls", "oidcUrls"] {
        assert!(based[gone].as_array().is_none_or(Vec::is_empty), "{gone}");
    }
    let without =
        stage.run(&[&create[..], &["--base-config=sc.json", "--no-default-fulcio"]].concat());
    assert!(json(&without.ok().out)["caUrls"].as_array().is_none_or(Vec::is_empty));
    let wrong = |flags: &[&str], words: &str| {
        drop(stage.run(&[&create[..], flags].concat()).fails(1, words));
    };
    let rekor = format!("--rekor={}", service("log"));
    wrong(&[&rekor], "--rekor-config is required with --rekor");
    wrong(&[&rekor, "--rekor-config=EXACT"], "requires a count");
    wrong(&[&rekor, "--rekor-config=ANY:2"], "mode ANY does not accept a count");
    wrong(&[&rekor, "--rekor-config=SOME"], "invalid service config mode: SOME");
    wrong(&["--tsa-config=EXACT:x"], "invalid count for EXACT mode");
    wrong(&["--fulcio=url=x,api-version=one,start-time=y,operator=z"], "\"one\" is no number");
    wrong(&["--with-default-services"], "need the TUF repository");
    wrong(&["--with-default-rekor-v2"], "need the TUF repository");
    wrong(&["--no-default-oidc"], "it needs --base-config");
    wrong(&["--base-config=ca.pem"], "loading base config from ca.pem");
}

#[test]
fn trusted_roots_are_shown_compared_and_put_together() {
    let stage = stage();
    let log = |host: &str| {
        format!("--rekor=url=https://{host}.test,public-key=k.pub,start-time={START},origin={host}")
    };
    let ca = "--fulcio=url=https://ca.test,certificate-chain=ca.pem";
    let create = |flags: &[&str], out: &str| {
        stage.run(&[&["trusted-root", "create", "--out", out], flags].concat()).ok();
    };
    create(&[ca, &log("one")], "a.json");
    create(&[ca, &log("two")], "b.json");
    let shown = stage.run(&["trust", "show", "a.json"]).ok().out;
    assert!(shown.contains("certificate authority: https://ca.test"), "{shown}");
    assert!(shown.contains("transparency log: https://one.test (PKIX_ECDSA_P256_SHA_256), id "));
    assert!(shown.contains(&format!("{START} to …")), "{shown}");
    let shown = json(&stage.run(&["trust", "show", "-o", "json", "a.json"]).ok().out);
    assert_eq!(shown["transparencyLogs"][0]["url"], "https://one.test");
    stage.run(&["trust", "show", "--output=yaml", "a.json"]).fails(1, "text or json");
    stage.run(&["trust", "show", "k.pub"]).fails(1, "loading trusted root: k.pub: ");
    assert_eq!(stage.run(&["trust", "diff", "a.json", "a.json"]).ok().out, "");
    let differ = stage.run(&["trust", "diff", "a.json", "b.json"]);
    assert_eq!(differ.code, 1);
    assert!(differ.out.contains("\n- transparency log: https://one.test"), "{}", differ.out);
    assert!(differ.out.contains("\n+ transparency log: https://two.test"), "{}", differ.out);
    assert!(!differ.out.contains("ca.test"), "{}", differ.out);
    stage.run(&["trust", "export", "--from=a.json", "--from=b.json", "--out=both.json"]).ok();
    let both = json(&stage.read("both.json"));
    assert_eq!(both["tlogs"].as_array().unwrap().len(), 2);
    assert_eq!(both["certificateAuthorities"].as_array().unwrap().len(), 1);
    stage.run(&["trust", "export", "--from=a.json", "--pem-dir=pem"]).ok();
    assert_eq!(stage.read("pem/rekor-0.pub"), stage.read("k.pub"));
    assert!(stage.read("pem/fulcio-0.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    stage.run(&["trust", "export"]).fails(1, "required flag(s) \"from\" not set");
}

#[test]
fn the_public_instances_trusted_roots_are_shown() {
    let Some(shared) = std::env::var_os("SIGWARD_SHARED") else {
        eprintln!("skipped: SIGWARD_SHARED is not set");
        return;
    };
    let folder = std::path::Path::new(&shared).join("reference/trust");
    let stage = Stage::new();
    for name in ["trusted_root.json", "trusted_root_staging.json", "trusted_root_github.json"] {
        let path = folder.join(name);
        if !path.exists() {
            eprintln!("skipped: {name} is not there");
            continue;
        }
        let path = path.to_str().unwrap();
        let shown = stage.run(&["trust", "show", path]).ok().out;
        assert!(shown.contains("certificate authority: "), "{shown}");
        // What is written again holds the same.
        stage.run(&["trust", "export", "--from", path, "--out", name]).ok();
        stage.run(&["trust", "diff", path, name]).ok();
    }
}

#[test]
fn the_split_flags_of_a_trusted_root_mean_the_same() {
    let stage = stage();
    let create = |flags: &[&str]| stage.run(&[&["trusted-root", "create"], flags].concat());
    let end = "2030-01-01T00:00:00Z";
    let old = [
        "--certificate-chain=ca.pem",
        "--fulcio-uri=https://ca.test",
        "--ctfe-key=k.pub",
        "--ctfe-url=https://ct.test",
        "--ctfe-start-time",
        START,
        "--ctfe-end-time",
        end,
        "--rekor-key=k.pub",
        "--rekor-key=k.pub,log.test",
        "--rekor-url=https://one.test",
        "--rekor-url=https://log.test",
        "--rekor-start-time",
        START,
        "--rekor-start-time",
        START,
        "--rekor-end-time",
        end,
        "--timestamp-certificate-chain=chain.pem",
        "--timestamp-uri=https://tsa.test",
    ];
    let new = [
        "--fulcio=url=https://ca.test,certificate-chain=ca.pem".to_owned(),
        format!("--ctfe=url=https://ct.test,public-key=k.pub,start-time={START},end-time={end}"),
        format!("--rekor=url=https://one.test,public-key=k.pub,start-time={START},end-time={end}"),
        format!("--rekor=url=https://log.test,public-key=k.pub,start-time={START},origin=log.test"),
        "--tsa=url=https://tsa.test,certificate-chain=chain.pem".to_owned(),
    ];
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    assert_eq!(json(&create(&old).ok().out), json(&create(&new).ok().out));
    let since = json(&create(&["--rekor-key=k.pub"]).ok().out);
    assert_eq!(since["tlogs"][0]["publicKey"]["validFor"]["start"], "1970-01-01T00:00:00Z");
    create(&[new[0], old[0]]).fails(1, "cannot use --fulcio and old fulcio flags at the same time");
    create(&[new[2], old[8]]).fails(1, "cannot use --rekor and old rekor flags at the same time");
    create(&["--ctfe-url=https://ct.test"])
        .fails(1, "--ctfe-url is given 1 times, and there are 0");
    create(&["--timestamp-uri=x"]).fails(1, "--timestamp-uri is given 1 times");
    create(&["--ctfe-key=k.pub", "--ctfe-start-time=x"]).fails(1, "\"x\" is not RFC 3339");
    create(&["--rekor-key=none.pub"]).fails(1, "open none.pub");
}
