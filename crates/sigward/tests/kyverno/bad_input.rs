//! Bad input: one clear error with its place, the rest still works, and an exit code.
use crate::stage::{PODS, POLICY, Stage};

fn apply(stage: &Stage) -> crate::stage::Ran {
    stage.run(&["apply", "policy.yaml", "-r", "pods.yaml"])
}

#[test]
fn one_broken_document_does_not_lose_the_others() {
    let stage = Stage::sample();
    stage.write("pods.yaml", &format!("{PODS}---\na: [\n---\n{PODS}"));
    apply(&stage)
        .code(1)
        .complains(&["pods.yaml:"])
        .says(&["to 4 resource(s)", "pass: 2, fail: 2, warn: 0, error: 1, skip: 0 "]);
}

#[test]
fn a_diagnostic_draws_the_line_and_offers_the_nearest_name() {
    let stage = Stage::sample();
    stage.write("policy.yaml", &POLICY.replace("pattern:", "patern:"));
    apply(&stage).code(1).complains(&[
        "policy.yaml:",
        " | ",
        "      patern:",
        "did you mean `pattern`?",
    ]);
}

#[test]
fn a_resource_without_kind_is_an_error_with_its_place() {
    let stage = Stage::sample();
    stage.write("pods.yaml", &format!("{PODS}---\nmetadata: {{name: x}}\n"));
    apply(&stage)
        .code(1)
        .complains(&["pods.yaml:13:1: error: kind: a resource needs a `kind`"])
        .says(&["to 2 resource(s)"]);
}

#[test]
fn a_kind_that_is_no_policy_is_passed_over_with_a_warning() {
    let stage = Stage::sample();
    stage.write("policy.yaml", &format!("{POLICY}---\n{PODS}"));
    apply(&stage)
        .complains(&["warning: kind: `Pod` of `v1` is no policy"])
        .says(&["pass: 1, fail: 1"]);
    stage.write("policy.yaml", PODS);
    apply(&stage).code(1).complains(&["no policies found"]);
}

#[test]
fn a_kind_that_this_build_has_not_is_named_and_is_an_error() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\nmetadata: {name: cel}\nspec: {}\n",
    );
    apply(&stage)
        .code(1)
        .says(&["Policies Skipped:\n1. ValidatingPolicy cel: this kind is not supported in this build\n", "error: 1,"])
        .complains(&["exit as there are policy errors"]);
}

#[test]
fn a_policy_that_does_not_compile_is_listed_and_the_others_are_applied() {
    let stage = Stage::sample();
    let broken = POLICY.replace("kinds: [Pod]", "kinds: []").replace("require-app", "broken");
    stage.write("policy.yaml", &format!("{POLICY}---\n{broken}"));
    apply(&stage)
        .code(1)
        .says(&["Invalid Policies:\n1. broken: ", "pass: 1, fail: 1, warn: 0, error: 1"]);
}

#[test]
fn files_that_are_not_there_are_named() {
    let stage = Stage::sample();
    for arguments in [
        &["apply", "missing.yaml", "-r", "pods.yaml"][..],
        &["apply", "policy.yaml", "-r", "missing.yaml"],
        &["apply", "policy.yaml", "-r", "pods.yaml", "-f", "missing.yaml"],
        &["apply", "policy.yaml", "-r", "pods.yaml", "-u", "missing.yaml"],
        &["test", "missing.yaml"],
    ] {
        stage.run(arguments).code(1).complains(&["missing.yaml"]);
    }
}

#[test]
fn a_test_that_names_a_missing_file_is_not_run_and_says_so() {
    let stage = Stage::sample();
    stage.test_file("- {policy: p, rule: r, result: pass}\n");
    let test = stage.read("kyverno-test.yaml").replace("policy.yaml", "gone.yaml");
    stage.write("kyverno-test.yaml", &test);
    stage
        .run(&["test", "."])
        .code(1)
        .says(&["  Error: failed to load policies (cannot read ./gone.yaml"]);
}

#[test]
fn a_test_file_with_an_unknown_field_names_line_and_field() {
    let stage = Stage::sample();
    stage.test_file("- {policy: p, rule: r, result: pass, resorces: [a]}\n");
    stage.run(&["test", "."]).code(1).says(&[
        "Test errors:\n  Path: ./kyverno-test.yaml\n    Error: line 8",
        "unknown field \"results[0].resorces\" (did you mean `resources`?)",
    ]);
    stage.write("kyverno-test.yaml", "name: x\npolicies: []\n");
    stage.run(&["test", "."]).code(1).says(&["\"name\" is deprecated: use `metadata.name`"]);
}

#[test]
fn no_test_is_an_error_only_when_tests_are_required() {
    let stage = Stage::sample();
    stage.run(&["test", "."]).code(0).says(&["\nNo test yamls available\n"]);
    stage.run(&["test", ".", "--require-tests"]).code(1).complains(&["no tests found"]);
}

#[test]
fn a_command_line_that_lacks_something_says_what() {
    let stage = Stage::sample();
    stage.run(&["apply"]).code(1).complains(&["Error: require policy"]);
    stage
        .run(&["apply", "policy.yaml"])
        .code(1)
        .complains(&["Error: resource file(s) or cluster required"]);
    stage
        .run(&["apply", "policy.yaml", "-r", "pods.yaml", "--set", "x"])
        .code(1)
        .complains(&["--set takes NAME=VALUE"]);
}

#[test]
fn an_address_that_is_no_repository_is_refused() {
    let stage = Stage::sample();
    stage
        .run(&["apply", "https://example.invalid/p.yaml", "-r", "pods.yaml"])
        .code(1)
        .complains(&["https://example.invalid/p.yaml is not a repository"]);
    stage
        .run(&["apply", "file:///nonexistent/r.git", "-r", "pods.yaml"])
        .code(1)
        .complains(&["cannot clone file:///nonexistent/r.git"]);
}

#[test]
fn the_bare_name_helps() {
    Stage::new().run(&[]).code(0).says(&["apply", "test", "Usage: kyverno"]);
}

#[test]
fn a_flag_that_only_cel_can_use_is_refused_by_name() {
    let stage = Stage::sample();
    for flag in
        ["--json", "--http-payload", "--envoy-payload", "--parameter-resource", "--context-file"]
    {
        stage
            .run(&["apply", "policy.yaml", "-r", "pods.yaml", flag, "x"])
            .code(1)
            .complains(&[flag, "need CEL"]);
    }
}
