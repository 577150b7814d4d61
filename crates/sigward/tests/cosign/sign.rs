//! `sign`: what it writes, where, and what it refuses.
use crate::stage::{IGNORE_LOG, NO_LOG, REPOSITORY, Ran, Stage};
use sigward_testkit::{artifact::Artifact, image::Recipe};

/// The payloads under the image's `.sig` tag, in order.
fn payloads(stage: &Stage, tag: &str) -> Vec<serde_json::Value> {
    let manifest =
        stage.registry.manifest(REPOSITORY, &stage.attached(tag, "sig")).expect("a .sig");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layers = manifest["layers"].as_array().unwrap().clone();
    layers
        .iter()
        .map(|layer| {
            let blob = stage.registry.blob(REPOSITORY, layer["digest"].as_str().unwrap()).unwrap();
            serde_json::from_slice(&blob).unwrap()
        })
        .collect()
}

fn referrers(stage: &Stage, tag: &str) -> usize {
    stage.registry.referrers(REPOSITORY, &stage.digest(tag)).len()
}

#[test]
fn signs_into_a_bundle_by_default() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let signed = stage.sign(&image, &["--use-signing-config=false"]).ok();
    assert_eq!(signed.out, "");
    let repository = format!("{}/{REPOSITORY}", stage.registry.host());
    assert!(
        signed.err.contains(&format!("Pushing signature to: {repository}\n")),
        "{}",
        signed.err
    );
    let found = stage.registry.referrers(REPOSITORY, &stage.digest("v1"));
    assert_eq!(found.len(), 1);
    let manifest: serde_json::Value = serde_json::from_slice(&found[0].bytes).unwrap();
    assert_eq!(manifest["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert_eq!(
        manifest["annotations"]["dev.sigstore.bundle.predicateType"],
        "https://sigstore.dev/cosign/sign/v1"
    );
    assert!(stage.registry.manifest(REPOSITORY, &stage.attached("v1", "sig")).is_none());
    stage.verify(&image, &[]).ok();
}

#[test]
fn a_registry_without_referrers_gets_the_fallback_tag() {
    let stage = Stage::new();
    stage.registry.set_referrers_api(false);
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    let tag = stage.digest("v1").replace(':', "-");
    assert!(stage.registry.manifest(REPOSITORY, &tag).is_some());
    stage.verify(&image, &[]).ok();
}

#[test]
fn signs_the_legacy_way_when_asked() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &["--new-bundle-format=false"]).ok();
    assert_eq!(referrers(&stage, "v1"), 0);
    let payload = payloads(&stage, "v1").remove(0);
    let repository = format!("{}/{REPOSITORY}", stage.registry.host());
    assert_eq!(payload["critical"]["identity"]["docker-reference"], repository);
    assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], stage.digest("v1"));
    stage.verify(&image, &[]).ok();
}

#[test]
fn a_legacy_signature_is_not_attached_twice() {
    let stage = Stage::new();
    let image = stage.image("v1");
    for _ in 0..2 {
        stage.sign(&image, &["--new-bundle-format=false"]).ok();
    }
    assert_eq!(payloads(&stage, "v1").len(), 1);
    stage.sign(&image, &["--new-bundle-format=false", "-a", "stage=two"]).ok();
    assert_eq!(payloads(&stage, "v1").len(), 2);
}

#[test]
fn a_bundle_is_added_each_time() {
    let stage = Stage::new();
    let image = stage.image("v1");
    for _ in 0..2 {
        stage.sign(&image, &[]).ok();
    }
    assert_eq!(stage.verify(&image, &[]).ok().array().len(), 2);
}

#[test]
fn annotations_are_signed_in_both_formats() {
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.sign(&image, &[format, "-a", "a=1,b=2", "--annotations", "c=3"]).ok();
        let found = stage.verify(&image, &["-a", "b=2"]).ok().array();
        assert_eq!(found[0]["optional"], serde_json::json!({"a": "1", "b": "2", "c": "3"}));
    }
    let stage = Stage::new();
    stage.sign(&stage.image("v1"), &["-a", "none"]).fails(1, "unable to parse annotation: none");
}

#[test]
fn recursive_signs_the_index_and_each_image() {
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        let stage = Stage::new();
        let index = Recipe::new(3).build_index(&["amd64", "arm64"]);
        index.push(&stage.registry, REPOSITORY, "multi");
        let name = stage.name("multi");
        stage.sign(&name, &[format]).ok();
        for image in &index.images {
            let child = format!("{}/{REPOSITORY}@{}", stage.registry.host(), image.digest());
            stage.verify(&child, &[]).fails(10, "no signatures found");
        }
        stage.sign(&name, &[format, "--recursive"]).ok();
        stage.verify(&name, &[]).ok();
        for image in &index.images {
            let child = format!("{}/{REPOSITORY}@{}", stage.registry.host(), image.digest());
            stage.verify(&child, &[]).ok();
        }
    }
}

#[test]
fn recursive_output_files_carry_the_digest() {
    let stage = Stage::new();
    let index = Recipe::new(3).build_index(&["amd64", "arm64"]);
    index.push(&stage.registry, REPOSITORY, "multi");
    let name = stage.name("multi");
    let legacy = ["--new-bundle-format=false", "--output-signature", "s", "--output-payload", "p"];
    stage.sign(&name, &[&legacy[..], &["--upload=false", "-r"]].concat()).ok();
    stage.sign(&name, &["--upload=false", "-r", "--bundle", "b"]).ok();
    let mut digests: Vec<String> = index.images.iter().map(Artifact::digest).collect();
    digests.push(stage.digest("multi"));
    for digest in digests {
        let end = digest.replace(':', "-");
        for file in ["s", "p", "b"] {
            assert!(stage.has(&format!("{file}-{end}")), "{file}-{end}");
        }
        assert!(stage.read(&format!("p-{end}")).contains(&digest));
    }
}

#[test]
fn signs_several_images() {
    let stage = Stage::new();
    let (one, two) = (stage.image("v1"), stage.image("v2"));
    stage.run(&["sign", "--key", "k.key", NO_LOG, &one, &two]).ok();
    stage.run(&["verify", "--key", "k.pub", IGNORE_LOG, &one, &two]).ok();
}

#[test]
fn warns_about_a_tag_and_not_about_a_digest() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let warned =
        |ran: &Ran| ran.err.contains("uses a tag, not a digest, to identify the image to sign");
    assert!(warned(&stage.sign(&image, &[]).ok()));
    assert!(!warned(&stage.sign(&stage.by_digest("v1"), &[]).ok()));
}

#[test]
fn signing_without_saying_no_log_is_refused_with_the_way_out() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.write("p.json", "{}");
    for command in
        [&["sign"][..], &["attest", "--predicate", "p.json"], &["sign-blob", "--bundle", "b.json"]]
    {
        let name = if command[0] == "sign-blob" { "p.json" } else { &image };
        let ways = [&[][..], &["--tlog-upload=true"], &["--tlog-upload"]];
        for way in ways {
            let line = [command, &["--key", "k.key", "-y"], way, &[name]].concat();
            stage.run(&line).fails(
                1,
                "signing needs a transparency log, and none is named: --signing-config FILE or --rekor-url URL name one",
            );
        }
        let line = [command, &["--key", "k.key", "--use-signing-config", name]].concat();
        stage.run(&line).fails(1, "--use-signing-config needs the TUF repository's signing config, and none is kept on this machine");
        let line = [command, &["--key", "k.key", "--use-signing-config", NO_LOG, name]].concat();
        stage.run(&line).fails(1, "--tlog-upload=false is not supported with --signing-config");
    }
    assert_eq!(referrers(&stage, "v1"), 0);
}

#[test]
fn a_signing_config_counts_when_it_lists_no_service() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let config = |services: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[{{"url":"https://ca.test"}}]{services},"rekorTlogConfig":{{}},"tsaConfig":{{}}}}"#
        )
    };
    stage.write("empty.json", config(""));
    stage.write("log.json", config(r#","rekorTlogUrls":[{"url":"https://log.test"}]"#));
    stage.write("tsa.json", config(r#","tsaUrls":[{"url":"https://tsa.test"}]"#));
    stage.write("other.json", r#"{"mediaType":"x"}"#);
    stage.write("broken.json", "{");
    stage.write("p.json", "{}");
    for command in
        [&["sign"][..], &["attest", "--predicate", "p.json"], &["sign-blob", "--bundle", "b.json"]]
    {
        let name = if command[0] == "sign-blob" { "p.json" } else { &image };
        let with = |config: &str, more: &[&str]| {
            let line = [command, &["--key", "k.key", "--signing-config", config], more, &[name]];
            stage.run(&line.concat())
        };
        with("empty.json", &[]).ok();
        with("log.json", &["-y"]).fails(1, "beside its services");
        with("tsa.json", &[]).fails(1, "beside its services");
        with("other.json", &[]).fails(1, "media type \"x\"");
        with("broken.json", &[]).fails(1, "error reading signing config: broken.json");
        with("none.json", &[]).fails(1, "open none.json: no such file or directory");
        with("empty.json", &[NO_LOG])
            .fails(1, "--tlog-upload=false is not supported with --signing-config");
        with("empty.json", &["--use-signing-config=false"]).fails(
            1,
            "if any flags in the group [use-signing-config signing-config] are set none of the others can be",
        );
        with("empty.json", &["--new-bundle-format=false"])
            .fails(1, "must provide --new-bundle-format or --bundle where applicable");
    }
}

#[test]
fn a_trusted_root_must_be_one() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.write(
        "root.json",
        r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
    );
    stage.write("other.json", r#"{"mediaType":"x"}"#);
    stage.write("f", "hello");
    stage.sign(&image, &["--trusted-root", "root.json"]).ok();
    stage
        .sign(&image, &["--trusted-root", "other.json"])
        .fails(1, "unsupported trusted root media type \"x\"");
    stage.attest(&image, &["--trusted-root", "root.json"]).ok();
    stage.attest(&image, &["--trusted-root", "none"]).fails(1, "loading trusted root: open none");
    let blob = |root: &str| {
        stage.run(&[
            "sign-blob",
            "--key",
            "k.key",
            NO_LOG,
            "--bundle",
            "b",
            "--trusted-root",
            root,
            "f",
        ])
    };
    blob("root.json").ok();
    blob("other.json").fails(1, "loading trusted root");
    stage.verify(&image, &["--trusted-root", "root.json"]).ok();
    stage.verify(&image, &["--trusted-root", "other.json"]).fails(1, "loading trusted root");
    stage.verify_attestation(&image, &["--trusted-root", "root.json"]).ok();
    stage.verify_attestation(&image, &["--trusted-root", "k.pub"]).fails(1, "loading trusted root");
    let line = ["verify-blob", "--key", "k.pub", IGNORE_LOG, "--bundle", "b", "--trusted-root"];
    stage.run(&[&line[..], &["root.json", "f"]].concat()).ok();
    stage.run(&[&line[..], &["other.json", "f"]].concat()).fails(1, "loading trusted root");
}

#[test]
fn without_upload_the_bundle_goes_to_a_file() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &["--upload=false"]).fails(1, "must enable upload to the OCI registry");
    let signed = stage.sign(&image, &["--upload=false", "--bundle", "b.json"]).ok();
    assert!(signed.err.contains("Wrote bundle to file b.json"), "{}", signed.err);
    assert_eq!(referrers(&stage, "v1"), 0);
    let bundle: serde_json::Value = serde_json::from_str(&stage.read("b.json")).unwrap();
    assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], stage.key.hint());
    stage.sign(&image, &["--bundle", "c.json"]).ok();
    assert_eq!(referrers(&stage, "v1"), 1);
    stage
        .sign(&image, &["--bundle", "d.json", "--new-bundle-format=false"])
        .fails(1, "--bundle holds a bundle: it needs --new-bundle-format");
}

#[test]
fn signature_and_payload_can_be_kept_in_files() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let files = ["--output-signature", "s.sig", "--output-payload", "p.json"];
    stage
        .sign(&image, &[&files[..], &["--new-bundle-format=false", "--upload=false"]].concat())
        .ok();
    assert!(stage.read("p.json").contains(&stage.digest("v1")));
    stage
        .run(&["verify-blob", "--key", "k.pub", IGNORE_LOG, "--signature", "s.sig", "p.json"])
        .ok();
    assert!(stage.registry.manifest(REPOSITORY, &stage.attached("v1", "sig")).is_none());
    for file in ["--output-signature", "--output-payload"] {
        stage.sign(&image, &[file, "x"]).fails(1, "has no meaning in a bundle");
    }
}

#[test]
fn a_payload_of_one_s_own_is_signed_as_it_is() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"elsewhere"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        stage.digest("v1")
    );
    stage.write("payload.json", &payload);
    let signed =
        stage.sign(&image, &["--payload", "payload.json", "--new-bundle-format=false"]).ok();
    assert!(signed.err.contains("Using payload from: payload.json"));
    let found = stage.verify(&image, &[]).ok().array();
    assert_eq!(found[0]["critical"]["identity"]["docker-reference"], "elsewhere");
    // In a bundle the payload is a statement, and one that no reader would accept is not pushed.
    stage.sign(&image, &["--payload", "payload.json"]).fails(1, "what was signed does not verify");
    stage
        .sign(&image, &["--payload", "none.json"])
        .fails(1, "open none.json: no such file or directory");
    stage
        .sign(&image, &["--payload", "payload.json", "-a", "a=b", "--new-bundle-format=false"])
        .fails(1, "--annotations are written into the payload");
    assert_eq!(referrers(&stage, "v1"), 0);
}

#[test]
fn other_identities_can_be_signed() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let given = ["--sign-container-identity", "a.test/x,b.test/y"];
    stage.sign(&image, &given).fails(1, "--sign-container-identity has no meaning in a bundle");
    stage.sign(&image, &[&given[..], &["--new-bundle-format=false"]].concat()).ok();
    let names: Vec<String> = payloads(&stage, "v1")
        .iter()
        .map(|payload| payload["critical"]["identity"]["docker-reference"].to_string())
        .collect();
    assert_eq!(names, [r#""a.test/x""#, r#""b.test/y""#]);
}

/// The creation time in the configuration under an attached tag.
fn created(stage: &Stage, suffix: &str) -> String {
    let manifest = stage.registry.manifest(REPOSITORY, &stage.attached("v1", suffix)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap();
    let config = stage.registry.blob(REPOSITORY, config).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config["created"].as_str().unwrap().to_owned()
}

#[test]
fn the_time_of_creation_is_recorded_when_asked() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let epoch = [("SOURCE_DATE_EPOCH", "86400")];
    let sign = |flags: &[&str]| {
        let line = [&["sign", "--key", "k.key", NO_LOG], flags, &[&*image]].concat();
        stage.run_with(&epoch, &line).ok()
    };
    sign(&["--new-bundle-format=false"]);
    assert_eq!(created(&stage, "sig"), "0001-01-01T00:00:00Z");
    sign(&["--new-bundle-format=false", "-a", "n=2", "--record-creation-timestamp"]);
    assert_eq!(created(&stage, "sig"), "1970-01-02T00:00:00Z");
    sign(&[]);
    let found = stage.registry.referrers(REPOSITORY, &stage.digest("v1"));
    let manifest: serde_json::Value = serde_json::from_slice(&found[0].bytes).unwrap();
    assert_eq!(manifest["annotations"]["org.opencontainers.image.created"], "1970-01-02T00:00:00Z");
    let line = ["sign", "--key", "k.key", NO_LOG, &image];
    stage.run_with(&[("SOURCE_DATE_EPOCH", "soon")], &line).fails(1, "SOURCE_DATE_EPOCH is not");
    stage.write("p.json", "{}");
    let line = [
        "attest",
        "--key",
        "k.key",
        NO_LOG,
        "--predicate",
        "p.json",
        "--new-bundle-format=false",
        "--record-creation-timestamp",
        &image,
    ];
    stage.run_with(&epoch, &line).ok();
    assert_eq!(created(&stage, "att"), "1970-01-02T00:00:00Z");
}

#[test]
fn docker_media_types_are_written_when_asked() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let line = ["sign", "--key", "k.key", NO_LOG, "--new-bundle-format=false", &image];
    stage.run_with(&[("COSIGN_DOCKER_MEDIA_TYPES", "1")], &line).ok();
    let manifest = stage.registry.manifest(REPOSITORY, &stage.attached("v1", "sig")).unwrap();
    assert_eq!(manifest.media_type, "application/vnd.docker.distribution.manifest.v2+json");
    stage.verify(&image, &[]).ok();
    stage
        .run_with(&[("COSIGN_DOCKER_MEDIA_TYPES", "x")], &line)
        .fails(1, "COSIGN_DOCKER_MEDIA_TYPES");
}

#[test]
fn signatures_can_lie_in_another_repository() {
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        let stage = Stage::new();
        let image = stage.image("v1");
        let store = format!("{}/sigs/here", stage.registry.host());
        let elsewhere = [("COSIGN_REPOSITORY", store.as_str())];
        let line = ["sign", "--key", "k.key", NO_LOG, format, &image];
        let signed = stage.run_with(&elsewhere, &line).ok();
        assert!(signed.err.contains(&format!("Pushing signature to: {store}")), "{}", signed.err);
        assert_eq!(stage.registry.tags(REPOSITORY), ["v1"]);
        stage.verify(&image, &[]).fails(10, "no signatures found");
        let line = ["verify", "--key", "k.pub", IGNORE_LOG, &image];
        stage.run_with(&elsewhere, &line).ok();
    }
}

#[test]
fn attached_tags_can_have_a_prefix() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let prefix = ["--attachment-tag-prefix", "dev-"];
    let legacy = [&prefix[..], &["--new-bundle-format=false"]].concat();
    stage.sign(&image, &prefix).fails(1, "--attachment-tag-prefix has no meaning");
    stage.attest(&image, &prefix).fails(1, "--attachment-tag-prefix has no meaning");
    stage.sign(&image, &legacy).ok();
    stage.attest(&image, &legacy).ok();
    let tags = stage.registry.tags(REPOSITORY);
    let expected: Vec<String> =
        ["att", "sig"].iter().map(|end| format!("dev-{}", stage.attached("v1", end))).collect();
    assert_eq!(tags[..2], expected[..]);
    stage.verify(&image, &[]).fails(10, "no signatures found");
    stage.verify(&image, &prefix).ok();
    stage.verify_attestation(&image, &prefix).ok();
    let tree = stage.run(&["tree", "--attachment-tag-prefix", "dev-", &image]).ok();
    assert!(tree.out.contains(&expected[0]), "{}", tree.out);
    let found = stage.run(&["triangulate", "--attachment-tag-prefix", "dev-", &image]).ok();
    assert!(found.out.contains(&expected[1]), "{}", found.out);
}

#[test]
fn no_question_is_asked_where_no_log_is_told() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let asked = stage.run_with_input("", &["sign", "--key", "k.key", NO_LOG, &image]).ok();
    assert!(!asked.err.contains("[y/N]"), "{}", asked.err);
    for yes in ["-y", "--yes", "--yes=false"] {
        stage.run(&["sign", "--key", "k.key", NO_LOG, yes, &image]).ok();
        stage.write("p.json", "{}");
        stage.run(&["attest", "--key", "k.key", NO_LOG, yes, "--predicate", "p.json", &image]).ok();
        stage.run(&["sign-blob", "--key", "k.key", NO_LOG, yes, "--bundle", "b", "p.json"]).ok();
    }
}

#[test]
fn signing_a_missing_image_says_which() {
    let stage = Stage::new();
    let message = format!(
        "signing [{}]: accessing entity: entity not found in registry, error: GET",
        stage.name("none")
    );
    stage.sign(&stage.name("none"), &[]).fails(1, &message).fails(1, "MANIFEST_UNKNOWN");
}

#[test]
fn signing_without_a_key_needs_an_identity() {
    let stage = Stage::new();
    stage
        .run(&["sign", NO_LOG, &stage.image("v1")])
        .fails(1, "signing without --key is keyless signing, which needs an identity token");
    let line = ["sign", "--key", "k.pub", NO_LOG, &stage.name("v1")];
    stage.run(&line).fails(1, "reading key");
}

#[test]
fn signatures_of_the_older_format_can_be_referrers() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let sign = |environment: &[(&str, &str)], more: &[&str]| {
        let line = ["sign", "--key", "k.key", NO_LOG, "--registry-referrers-mode"];
        stage.run_with(environment, &[&line[..], more, &[&image]].concat())
    };
    let allowed = [("COSIGN_EXPERIMENTAL", "1")];
    let old = "--new-bundle-format=false";
    sign(&allowed, &["oci-1-1"]).fails(1, "it needs --new-bundle-format=false");
    sign(&[], &["oci-1-1", old]).fails(1, "you must set COSIGN_EXPERIMENTAL=1");
    sign(&allowed, &["x", old]).fails(1, "legacy or oci-1-1");
    sign(&allowed, &["oci-1-1", old, "--attachment-tag-prefix=p"])
        .fails(1, "no meaning for a referrer");
    sign(&allowed, &["oci-1-1", old, "-a", "team=shop"]).ok();
    assert!(stage.registry.manifest(REPOSITORY, &stage.attached("v1", "sig")).is_none());
    let referrers = stage.registry.referrers(REPOSITORY, &stage.digest("v1"));
    let manifest: serde_json::Value = serde_json::from_slice(&referrers[0].bytes).unwrap();
    let kind = "application/vnd.dev.cosign.artifact.sig.v1+json";
    assert_eq!(manifest["artifactType"], kind);
    assert_eq!(manifest["config"]["mediaType"], kind);
    // They are found whether they are asked for or not.
    for flag in ["--experimental-oci11=true", "--experimental-oci11=false"] {
        stage.verify(&image, &[flag, "-a", "team=shop"]).ok();
    }
    stage.attest(&image, &[]).ok();
    stage.verify_attestation(&image, &["--experimental-oci11"]).ok();
    sign(&[], &["legacy", old]).ok();
    assert!(stage.registry.manifest(REPOSITORY, &stage.attached("v1", "sig")).is_some());
}
