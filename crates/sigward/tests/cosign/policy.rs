//! `verify-attestation --policy`: what a statement must say.
use crate::stage::{Ran, Stage};

fn stage(predicate: &str) -> (Stage, String) {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.write("p.json", predicate);
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        stage.attest(&image, &["--type", "https://example.test/scan", format]).ok();
    }
    (stage, image)
}

fn run(stage: &Stage, image: &str, policy: &str) -> Ran {
    let flags = ["--type", "https://example.test/scan", "--policy", policy];
    stage.verify_attestation(image, &flags)
}

#[test]
fn a_policy_in_rego_decides() {
    let (stage, image) = stage(r#"{"critical":0,"tool":"scan"}"#);
    // The syntax before Rego 1, as cosign takes it.
    stage.write(
        "good.rego",
        "package signature\ndefault allow = false\nallow {\n  input.predicate.critical == 0\n  input.predicateType == \"https://example.test/scan\"\n}\n",
    );
    stage.write("bad.rego", "package signature\nallow = false\n");
    stage.write("undefined.rego", "package signature\nallow { input.predicate.critical > 0 }\n");
    stage.write("broken.rego", "package signature\nallow {");
    let good = run(&stage, &image, "good.rego").ok();
    assert!(good.err.contains("will be validating against Rego policies: [good.rego]"), "{good:?}");
    assert_eq!(good.out.lines().count(), 2, "{}", good.out);
    let bad = run(&stage, &image, "bad.rego").fails(1, "Error: 2 validation errors occurred");
    assert!(bad.err.contains("- expression value, false, is not true"), "{}", bad.err);
    let undefined = run(&stage, &image, "undefined.rego").fails(1, "2 validation errors occurred");
    let words = "- result is undefined for query 'data.signature.allow'";
    assert!(undefined.err.contains(words), "{}", undefined.err);
    run(&stage, &image, "broken.rego").fails(1, "broken.rego");
    run(&stage, &image, "none.rego").fails(1, "open none.rego: no such file or directory");
    run(&stage, &image, "policy.json").fails(1, "invalid policy format");
    // One statement that does not satisfy is enough.
    stage.write("p.json", r#"{"critical":1,"tool":"scan"}"#);
    stage.attest(&image, &["--type", "https://example.test/scan"]).ok();
    run(&stage, &image, "good.rego").fails(1, "1 validation errors occurred");
}

#[test]
fn a_policy_of_conditions_decides() {
    let (stage, image) = stage(r#"{"critical":0,"tool":"scan","at":"2024-01-01T00:00:00Z"}"#);
    let conditions = |text: &str| {
        stage.write("c.yaml", format!("conditions:\n{text}"));
        run(&stage, &image, "c.yaml")
    };
    conditions("- expression: predicate.critical == `0`\n- expression: contains(['scan'], predicate.tool)\n").ok();
    // The functions of policies are there, with the present time.
    conditions("- expression: time_before('2024-01-01T00:00:00Z', time_now_utc())\n").ok();
    let failed =
        conditions("- expression: predicate.tool == 'other'\n  message: an unknown tool\n")
            .fails(1, "2 validation errors occurred");
    let words =
        "- c.yaml: conditions[0]: an unknown tool (predicate.tool == 'other' is false, not true)";
    assert!(failed.err.contains(words), "{}", failed.err);
    conditions("- expression: predicate.missing == 'x'\n").fails(1, "validation errors");
    conditions("- expression: predicate.tool\n").fails(1, "validation errors");
    conditions("- expression: predicate.[\n").fails(1, "c.yaml: conditions[0].expression: ");
    conditions("- expresion: x\n").fails(1, "c.yaml: ");
    stage.write("c.yaml", "conditions: []\n");
    run(&stage, &image, "c.yaml").fails(1, "between 1 and 1000 are needed");
}

#[test]
fn policies_in_cue_are_refused_with_the_way_out() {
    let (stage, image) = stage("{}");
    stage.write("p.cue", "predicate: {}");
    stage.registry.reset_log();
    run(&stage, &image, "p.cue")
        .fails(1, "write it in Rego (.rego), or as JMESPath conditions (.yaml");
    assert_eq!(stage.registry.request_count(), 0);
}
