//! `manifest verify` and `dockerfile verify`: the images that files name.
use crate::stage::{IGNORE_LOG, Stage};

#[test]
fn every_image_of_a_manifest_is_verified() {
    let stage = Stage::new();
    let names: Vec<String> = ["a", "b", "c", "d"].iter().map(|tag| stage.image(tag)).collect();
    let [a, b, c, d] = names.as_slice() else { panic!("four") };
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  initContainers: [{{image: \"{a}\"}}]\n  containers: [{{image: \"{b}\"}}]\n"
    );
    let cron = format!(
        "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n            - image: \"{c}\"\n          volumes:\n            - image: {{reference: \"{d}\"}}\n"
    );
    stage.write("all.yaml", format!("{pod}---\n{cron}"));
    let run = |flags: &[&str]| {
        let line = ["manifest", "verify", "--key", "k.pub", IGNORE_LOG];
        stage.run(&[&line[..], flags].concat())
    };
    for (verified, name) in names.iter().enumerate() {
        // It stops at the first image that is not signed.
        let ran = run(&["all.yaml"]);
        assert_eq!(
            (ran.code, ran.out.matches("docker-manifest").count()),
            (10, verified),
            "{ran:#?}"
        );
        stage.sign(name, &[]).ok();
    }
    let ran = run(&["all.yaml"]).ok();
    assert!(ran.err.contains(&format!("Extracted image(s): {a}, {b}, {c}, {d}\n")), "{}", ran.err);
    assert_eq!(ran.out.matches("docker-manifest-digest").count(), 4, "{}", ran.out);
    // The flags are those of `verify`.
    run(&["-a", "x=y", "all.yaml"]).fails(1, "missing or incorrect annotation");
    stage.write("all.txt", "");
    run(&["all.txt"]).fails(1, "only [.yaml .yml] manifests are supported at this time");
    stage.write("none.yml", "kind: ConfigMap\n");
    run(&["none.yml"]).fails(1, "no images found in manifest");
    stage.write("bad.yaml", "a: [\n");
    run(&["bad.yaml"]).fails(1, "unable to extract the container image references in the manifest");
    run(&[]).fails(1, "accepts 1 arg(s), received 0");
}

#[test]
fn every_image_of_a_dockerfile_is_verified() {
    let stage = Stage::new();
    let (base, tool, last) = (stage.image("base"), stage.image("tool"), stage.image("last"));
    let repository = base.strip_suffix(":base").unwrap();
    stage.write(
        "Dockerfile",
        format!(
            "# the story\nARG REPO={repository}\nFROM --platform=linux/amd64 $REPO:base AS build\nFROM build as again\nRUN --mount=type=bind,from={tool},target=/t make\nFROM scratch\nCOPY --from=build /a /a\nfrom \\\n  ${{REPO}}:${{TAG:-last}}\n"
        ),
    );
    let run = |flags: &[&str]| {
        let line = ["dockerfile", "verify", "--key", "k.pub", IGNORE_LOG];
        stage.run(&[&line[..], flags, &["Dockerfile"]].concat())
    };
    run(&["--base-image-only"]).fails(10, "no signatures found");
    stage.sign(&last, &[]).ok();
    let only = run(&["--base-image-only"]).ok();
    assert!(only.err.contains(&format!("Extracted image(s): {last}\n")), "{}", only.err);
    assert!(only.err.contains("- scratch image ignored"), "{}", only.err);
    assert!(only.err.contains("- stage reference ignored: build"), "{}", only.err);
    run(&[]).fails(10, "no signatures found");
    stage.sign(&base, &[]).ok();
    stage.sign(&tool, &[]).ok();
    let all = run(&[]).ok();
    let extracted = format!("Extracted image(s): {base}, {tool}, {last}\n");
    assert!(all.err.contains(&extracted), "{}", all.err);
    let other = stage.run_with(
        &[("TAG", "base")],
        &["dockerfile", "verify", "--key", "k.pub", IGNORE_LOG, "--base-image-only", "Dockerfile"],
    );
    assert!(other.ok().err.contains(&format!("Extracted image(s): {base}\n")));
    stage.write("Dockerfile", "FROM $NOTHING\n");
    run(&[]).fails(1, "failed extracting images from Dockerfile: no image found in line");
    stage.write("Dockerfile", "FROM a AS\n");
    run(&[]).fails(1, "expected stage name after \"AS\"");
    stage.write("Dockerfile", "RUN x\n");
    run(&[]).fails(1, "no images found in Dockerfile");
}
