//! The smaller commands: jp, create, fix, docs, version, completion, oci.
use crate::stage::{POLICY, Stage};
use sigward_testkit::registry::{Options, Registry};

#[test]
fn jp_evaluates_parses_and_explains() {
    let stage = Stage::sample();
    stage.write("in.yaml", "a: {b: [1, 2]}\nc: text\n");
    let ran = stage.run(&["jp", "query", "-i", "in.yaml", "a.b[0]", "to_upper(c)"]).code(0);
    assert_eq!(ran.out, "# a.b[0]\n1\n# to_upper(c)\n\"TEXT\"\n");
    let ran = stage.run_with(&["jp", "query", "-c", "a"], "a: {b: [1, 2]}\n").code(0);
    assert_eq!(ran.out, "# a\n{\"b\":[1,2]}\n");
    let ran = stage.run(&["jp", "query", "-u", "-i", "in.yaml", "c"]).code(0);
    assert_eq!(ran.out, "# c\ntext\n");
    stage.write("q.txt", "c\n");
    stage.run(&["jp", "query", "-i", "in.yaml", "-q", "q.txt"]).code(0).says(&["# c\n\"text\"\n"]);
    stage
        .run(&["jp", "query", "-i", "in.yaml", "x"])
        .code(1)
        .complains(&["error evaluating JMESPath expression: ", "Unknown key \"x\" in path"]);
    stage
        .run(&["jp", "query", "-i", "in.yaml", "a["])
        .code(1)
        .complains(&["failed to compile JMESPath: a[, error: "]);
    stage
        .run(&["jp", "query"])
        .code(1)
        .complains(&["at least one query or input object is required"]);
    let ran = stage.run(&["jp", "parse", "a"]).code(0);
    assert_eq!(ran.out, "# a\nASTField {\n  value: \"a\"\n}\n\n");
    stage
        .run(&["jp", "function", "truncate"])
        .code(0)
        .says(&["Name: truncate\n  Signature: truncate(string, number) string\n  Note:      "]);
    stage.run(&["jp", "function", "truncat"]).code(1).complains(&["did you mean `truncate`?"]);
}

#[test]
fn what_create_writes_is_read_by_the_other_commands() {
    let stage = Stage::sample();
    let pass = "require-app,has-app,good,default,Pod";
    let fail = "require-app,has-app,bad";
    let test = ["create", "test", "-p", "policy.yaml", "-r", "pods.yaml", "-f", "values.yaml"];
    let flags = ["--pass", pass, "--fail", fail, "-o", "kyverno-test.yaml"];
    stage.run(&[&test[..], &flags[..]].concat()).code(0);
    let values = ["create", "values", "-g", "a.b=c", "-n", "default,team=x", "--rule", "p,r,x=y"];
    stage.run(&[&values[..], &["-o", "values.yaml"]].concat()).code(0);
    stage.run(&["test", "."]).code(0).says(&["2 tests passed and 0 tests failed"]);
    stage
        .run(&["create", "user-info", "-u", "jane", "-g", "dev", "-c", "admin", "-o", "user.yaml"])
        .code(0);
    stage.run(&["apply", "policy.yaml", "-r", "pods.yaml", "-u", "user.yaml"]).code(1);
    let rules = ["--policy-rules", "require-app,has-app", "--any", "kind=Pod,name=bad"];
    stage.run(&[&["create", "exception", "e", "-o", "e.yaml"][..], &rules[..]].concat()).code(0);
    stage.run(&["apply", "policy.yaml", "-r", "pods.yaml", "-e", "e.yaml"]).code(0);
    stage.run(&["create", "metrics-config", "-i", "a"]).code(0).says(&["name: kyverno-metrics"]);
    stage
        .run(&[
            "create",
            "cluster-role",
            "r",
            "-g",
            "apps",
            "--resources",
            "deployments",
            "--verbs",
            "get,list",
        ])
        .code(0)
        .says(&[
            "rbac.kyverno.io/aggregate-to-background-controller: \"true\"",
            "name: kyverno-r-permission",
            "  verbs:\n  - get\n  - list\n",
        ]);
    stage.run(&["create", "test", "--pass", "p"]).code(1).complains(&["--pass takes POLICY,RULE"]);
}

#[test]
fn fix_says_what_it_would_change_and_saves_on_demand() {
    let stage = Stage::sample();
    let old = "name: t\npolicies: [policy.yaml]\nresources: [pods.yaml]\nresults:\n- {policy: require-app, rule: has-app, resource: good, status: pass}\n";
    stage.write("kyverno-test.yaml", old);
    stage.run(&["fix", "test", "."]).code(0).says(&[
        "Processing test file (./kyverno-test.yaml)...\n",
        "  WARNING: name is deprecated, it was moved to metadata.name\n",
        "Done.\n",
    ]);
    assert_eq!(stage.read("kyverno-test.yaml"), old);
    stage.run(&["test", "."]).code(1);
    stage.run(&["fix", "test", ".", "--save"]).code(0);
    stage.run(&["test", "."]).code(0).says(&["1 tests passed"]);
    stage.write("policy.yaml", &POLICY.replace("Audit", "audit"));
    stage.run(&["fix", "policy", "policy.yaml", "--save"]).code(0).says(&["audit is deprecated"]);
    assert!(stage.read("policy.yaml").contains("failureAction: Audit"));
}

#[test]
fn docs_write_a_page_for_each_command() {
    let stage = Stage::sample();
    stage.run(&["docs", "-o", "pages", "--markdownLinks"]).code(0);
    let page = stage.read("pages/kyverno_jp.md");
    assert!(page.contains("## kyverno jp\n") && page.contains("(kyverno_jp_query.md)"), "{page}");
    assert!(stage.read("pages/kyverno_test.md").contains("--test-case-selector"));
}

#[test]
fn version_and_completion_are_the_peer_s() {
    let stage = Stage::sample();
    stage.run(&["version"]).code(0).says(&["Version: v", "\nTime: ", "\nGit commit ID: "]);
    let ran = stage.run(&["version", "-o", "json"]).code(0);
    assert!(serde_json::from_str::<serde_json::Value>(&ran.out).is_ok());
    stage.run(&["completion", "bash"]).code(0).says(&["kyverno"]);
    stage.run(&["completion", "tcsh"]).code(1).complains(&["tcsh"]);
}

#[test]
fn policies_travel_through_a_registry_unchanged() {
    let stage = Stage::sample();
    let registry = Registry::start(Options::default()).unwrap();
    let image = format!("{}/policies:v1", registry.host());
    stage
        .run(&["oci", "push", "policy.yaml", "-i", &image])
        .code(0)
        .says(&["Adding policy [require-app]", "@sha256:"]);
    stage
        .run(&["oci", "pull", "pulled", "-i", &image])
        .code(0)
        .says(&["Saving policy into disk [pulled/require-app.yaml]"]);
    stage.run(&["apply", "pulled", "-r", "pods.yaml"]).code(1).says(&["pass: 1, fail: 1"]);
    let absent = format!("{}/policies:v2", registry.host());
    stage.run(&["oci", "pull", "pulled", "-i", &absent]).code(1).complains(&["there is no image"]);
    sigward_testkit::image::build(1).push(&registry, "app", "v1");
    let other = format!("{}/app:v1", registry.host());
    stage.run(&["oci", "pull", "pulled", "-i", &other]).code(1).complains(&["holds no policies"]);
}
