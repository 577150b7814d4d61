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

#[test]
fn what_is_no_yaml_is_named_with_its_line_and_the_way_out() {
    let stage = Stage::sample();
    for (pods, complaint) in [
        ("a: [\n", "pods.yaml:2:1: did not find expected node content\n"),
        (
            "just words\n",
            "pods.yaml:1:1: error: kind: a resource needs a `kind`\n 1 | just words\n   | ^\n",
        ),
        (
            "kind: Pod\nmetadata:\n\tname: x\n",
            "pods.yaml:3:1: found character that cannot start any token (a line is indented with spaces, not with tabs)\n 3 | \tname: x\n",
        ),
        (
            "kind: Pod\nmetadata:\n  name: x\n  name: y\n",
            "pods.yaml:4:3: key \"name\" already set in map (keep one of the two)\n 4 |   name: y\n   |   ^\n",
        ),
    ] {
        stage.write("pods.yaml", pods);
        apply(&stage).code(1).complains(&[complaint, "exit as there are policy errors"]);
    }
    for policy in
        [POLICY.replace("  rules:", "\trules:"), POLICY.replace("metadata:", "kind: x\nmetadata:")]
    {
        stage.write("pods.yaml", PODS);
        stage.write("policy.yaml", &policy);
        apply(&stage).code(1).complains(&["policy.yaml:"]);
    }
}

#[test]
fn anchors_that_explode_are_stopped_and_the_line_is_named() {
    let lines = ('a'..'i').zip('b'..).map(|(from, to)| {
        let items = vec![format!("*{from}"); 9].join(", ");
        format!("{to}: &{to} [{items}]\n")
    });
    let lines: Vec<String> = lines.collect();
    let bomb = format!("a: &a [x, x, x, x, x, x, x, x, x]\n{}", lines.concat());
    let stage = Stage::sample();
    stage.write("pods.yaml", &format!("kind: ConfigMap\n{bomb}"));
    apply(&stage).code(1).complains(&["pods.yaml:7:", "document contains excessive aliasing"]);
    let stage = Stage::sample();
    stage.write("policy.yaml", &format!("{bomb}{POLICY}"));
    apply(&stage).code(1).complains(&["policy.yaml:6:", "document contains excessive aliasing"]);
}

#[test]
fn a_version_of_policies_that_there_is_not_is_an_error_with_its_place() {
    let stage = Stage::sample();
    stage.write("policy.yaml", &POLICY.replace("kyverno.io/v1\n", "kyverno.io/v7\n"));
    apply(&stage).code(1).complains(&[
        "policy.yaml:1:1: error: apiVersion: there is no version `kyverno.io/v7` of policies: write kyverno.io/v1\n 1 | ",
    ]);
}

#[test]
fn variables_that_lead_to_themselves_are_an_error() {
    let stage = Stage::sample();
    let context = |entries: &str| {
        let with =
            POLICY.replace("    validate:", &format!("    context:\n{entries}    validate:"));
        with.replace("app: '?*'", "app: '{{ a }}'")
    };
    let own = "    - {name: a, variable: {value: '{{ a }}'}}\n";
    stage.write("policy.yaml", &context(own));
    apply(&stage)
        .code(1)
        .complains(&["policy.yaml:16:", "variable `a`: nothing is called `a` here"]);
    let each_other =
        "    - {name: a, variable: {jmesPath: b}}\n    - {name: b, variable: {jmesPath: a}}\n";
    stage.write("policy.yaml", &context(each_other));
    apply(&stage)
        .code(1)
        .complains(&["policy.yaml:16:", "variable `b`: nothing is called `b` here"]);
    // What a resource says of itself is a text that is told once, and never again.
    let wanted = POLICY.replace("app: '?*'", "app: '{{ request.object.metadata.annotations.a }}'");
    stage.write("policy.yaml", &wanted);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations: {a: 'x{{ request.object.metadata.annotations.a }}'}\n";
    stage.write("pods.yaml", pod);
    apply(&stage).code(1);
}

#[test]
fn an_expression_that_does_not_parse_is_shown_with_its_place() {
    let stage = Stage::sample();
    stage.write("policy.yaml", &POLICY.replace("app: '?*'", "app: '{{ request..name }}'"));
    apply(&stage).code(1).complains(&[
        "policy.yaml:21:13: error: spec.rules[0].validate.pattern.metadata.labels.app: invalid variable `request..name`: SyntaxError: ",
        " 21 |             app: '{{ request..name }}'\n    |             ^\n",
    ]);
    stage.run(&["jp", "parse", "a[b"]).code(1).complains(&[
        "Error: SyntaxError: Expected tStar, received: tUnquotedIdentifier\na[b\n  ^\n",
    ]);
    stage
        .run_with(&["jp", "query", "foo("], "{}")
        .code(1)
        .complains(&["SyntaxError: Incomplete expression\nfoo(\n    ^\n"]);
}

#[test]
fn a_resource_without_a_name_is_judged_as_upstream_judges_it() {
    let stage = Stage::sample();
    stage.write("pods.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {labels: {a: b}}\n");
    apply(&stage).code(1).says(&["policy require-app -> resource default/Pod/ failed:\n"]);
    stage.write("pods.yaml", "kind: Pod\nmetadata: {name: x}\n");
    apply(&stage)
        .code(1)
        .complains(&["pods.yaml:1:1: error: apiVersion: a resource needs an `apiVersion`"]);
}

#[test]
fn a_cluster_that_cannot_be_read_is_an_error() {
    let stage = Stage::sample();
    let config = "missing.kubeconfig";
    stage
        .run(&["apply", "policy.yaml", "--cluster", "--kubeconfig", config])
        .code(1)
        .complains(&["Error: ", config]);
    let config = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                  contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: c\n";
    stage.write("config", config);
    stage.run(&["apply", "policy.yaml", "--cluster", "--kubeconfig", "config"]).code(1).complains(
        &["Error: the cluster (as config names it) cannot be read: ", "Connection refused"],
    );
}
