//! `apply`: texts, reports, counts and exit codes.
use crate::stage::{PODS, POLICY, Stage};

const APPLY: [&str; 4] = ["apply", "policy.yaml", "-r", "pods.yaml"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    APPLY.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_violation_is_told_in_the_peer_s_words() {
    let stage = Stage::sample();
    let ran = stage.run(&APPLY).code(1).complains(&["Error: exit as there are policy violations"]);
    assert_eq!(
        ran.out,
        "\nApplying 3 policy rule(s) to 2 resource(s)...\npolicy require-app -> resource default/Pod/bad failed:\n1 - has-app validation error: the label app is wanted. rule has-app failed at path /metadata/labels/\n\npass: 1, fail: 1, warn: 0, error: 0, skip: 0 \n"
    );
}

#[test]
fn audit_failures_may_be_warnings_with_an_exit_code_of_their_own() {
    let stage = Stage::sample();
    stage.run(&with(&["--audit-warn"])).code(0).says(&[
        "policy require-app -> resource default/Pod/bad failed as audit warning:\n",
        "pass: 1, fail: 0, warn: 1, error: 0, skip: 0 ",
    ]);
    stage.run(&with(&["--audit-warn", "--warn-exit-code", "3"])).code(3);
    stage.write("pods.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
    stage.run(&with(&["--warn-exit-code", "4", "--warn-no-pass"])).code(4);
    stage.run(&with(&["--warn-exit-code", "4"])).code(0);
}

#[test]
fn a_report_holds_what_upstream_s_holds() {
    let stage = Stage::sample();
    let ran = stage.run(&with(&["-p"])).code(1).says(&[
        "apiVersion: openreports.io/v1alpha1\nkind: ClusterReport\nmetadata:\n  name: merged\nresults:\n",
        "- category: Sample\n  message: validation rule 'has-app' passed.\n  policy: require-app\n  properties:\n    process: background scan\n  resources:\n  - apiVersion: v1\n    kind: Pod\n    name: good\n    namespace: default\n  result: pass\n  rule: has-app\n  scored: true\n  severity: high\n  source: kyverno\n",
        "summary:\n  error: 0\n  fail: 1\n  pass: 1\n  skip: 0\n  warn: 0\n",
    ]);
    assert!(!ran.out.contains("Applying"), "{}", ran.out);
    let ran = stage.run(&with(&["-p", "--output-format", "json"])).code(1);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["summary"]["fail"], 1);
    stage
        .run(&with(&["-p", "--report-group", "wgpolicyk8s.io"]))
        .code(1)
        .says(&["apiVersion: wgpolicyk8s.io/v1alpha2\nkind: ClusterPolicyReport\n"]);
}

#[test]
fn a_namespaced_policy_has_a_report_of_its_own() {
    let stage = Stage::sample();
    let policy = POLICY
        .replace("ClusterPolicy", "Policy")
        .replace("name: require-app", "name: require-app\n  namespace: default");
    stage.write("policy.yaml", &policy);
    stage.run(&with(&["-p"])).code(1).says(&[
        "---\napiVersion: openreports.io/v1alpha1\nkind: PolicyReport\nmetadata:\n  name: merged\n  namespace: default\n",
        "policy: default/require-app\n",
    ]);
}

#[test]
fn exceptions_skip_rules_and_are_counted() {
    let stage = Stage::sample();
    stage.write(
        "exception.yaml",
        "apiVersion: kyverno.io/v2\nkind: PolicyException\nmetadata: {name: e, namespace: x}\nspec:\n  exceptions: [{policyName: require-app, ruleNames: [has-app]}]\n  match: {any: [{resources: {kinds: [Pod], names: [bad]}}]}\n",
    );
    stage.run(&with(&["-e", "exception.yaml"])).code(0).says(&[
        "to 2 resource(s) with 1 exception(s)...",
        "pass: 1, fail: 0, warn: 0, error: 0, skip: 1 ",
    ]);
    let pods = format!("{PODS}---\n{}", stage.read("exception.yaml"));
    stage.write("pods.yaml", &pods);
    stage.run(&APPLY).code(1);
    stage.run(&with(&["--exceptions-within-resources"])).code(0);
}

#[test]
fn an_exception_is_made_for_each_violation() {
    let stage = Stage::sample();
    let ran = stage.run(&with(&["--generate-exceptions"])).code(1);
    assert_eq!(
        ran.out,
        "---\napiVersion: kyverno.io/v2beta1\nkind: PolicyException\nmetadata:\n  labels:\n    cleanup.kyverno.io/ttl: 720h0m0s\n  name: require-app-has-app-default-bad\nspec:\n  exceptions:\n  - policyName: require-app\n    ruleNames:\n    - has-app\n  match:\n    all:\n    - resources:\n        kinds:\n        - Pod\n        names:\n        - bad\n        namespaces:\n        - default\n\n"
    );
}

#[test]
fn results_are_shown_as_a_table_or_for_machines() {
    let stage = Stage::sample();
    stage
        .run(&with(&["-t"]))
        .code(1)
        .says(&["│ 2  │ require-app │ has-app │ default/Pod/bad  │ Fail   │        │\n"]);
    let ran = stage.run(&with(&["--output-format", "sarif"])).code(1);
    let log: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "pods.yaml");
    assert_eq!(place["region"]["startLine"], 8);
    stage
        .run(&with(&["--output-format", "github"]))
        .code(1)
        .says(&["::error file=pods.yaml,line=8,title=require-app/has-app::default/Pod/bad: "]);
}

#[test]
fn policies_or_resources_come_from_standard_input() {
    let stage = Stage::sample();
    stage.run_with(&["apply", "-", "-r", "pods.yaml"], POLICY).code(1).says(&["pass: 1, fail: 1"]);
    stage.run_with(&["apply", "policy.yaml", "-r", "-"], PODS).code(1).says(&["pass: 1, fail: 1"]);
    stage
        .run(&["apply", "-", "-r", "-"])
        .code(1)
        .complains(&["a stdin pipe can be used for either policies or resources, not both"]);
}

#[test]
fn a_mutated_resource_is_printed_or_written_and_flows_on() {
    let stage = Stage::sample();
    stage.write(
        "mutate.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: add-app}\nspec:\n  rules:\n  - name: add\n    match: {any: [{resources: {kinds: [Pod], names: [bad]}}]}\n    mutate:\n      patchesJson6902: |-\n        - {op: add, path: /metadata/labels, value: {app: b}}\n",
    );
    let all = ["apply", "policy.yaml", "mutate.yaml", "-r", "pods.yaml"];
    stage.run(&all).code(0).says(&[
        "policy add-app applied to default/Pod/bad:\napiVersion: v1\nkind: Pod\nmetadata:\n    labels:\n        app: b\n",
        "\n---\n",
        "pass: 3, fail: 0, warn: 0, error: 0, skip: 0 ",
    ]);
    let ran = stage.run(&[&all[..], &["-i"]].concat()).code(0);
    assert!(ran.out.starts_with("apiVersion: v1\n") && !ran.out.contains("pass:"), "{}", ran.out);
    stage.run(&[&all[..], &["-o", "out"]].concat()).code(0);
    assert!(stage.read("out/bad-mutated.yaml").contains("app: b"));
    assert!(!stage.path().join("out/good-mutated.yaml").exists());
}

#[test]
fn a_mutate_rule_that_fails_stops_no_other_policy() {
    let stage = Stage::sample();
    let policy = |name: &str, patch: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: {name}}}\nspec:\n  rules:\n  - name: r\n    \
             match: {{any: [{{resources: {{kinds: [Pod], names: [bad]}}}}]}}\n    mutate: {{patchStrategicMerge: {patch}}}\n"
        )
    };
    let fails = policy("fails", "{metadata: {labels: {a: '{{ request.object.gone }}'}}}");
    let adds = policy("adds", "{metadata: {labels: {app: b}}}");
    stage.write("policy.yaml", &format!("{fails}---\n{adds}---\n{POLICY}"));
    let ran = stage.run(&APPLY).code(1).says(&[
        "policy adds applied to default/Pod/bad:\n",
        "policy fails -> resource default/Pod/bad failed:\n1 - r variable substitution failed: ",
        "pass: 3, fail: 0, warn: 0, error: 1, skip: 0 ",
    ]);
    assert!(!ran.out.contains("policy fails applied"), "{}", ran.out);
}

#[test]
fn a_generate_rule_that_fails_is_an_error() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    \
         match: {any: [{resources: {kinds: [Pod]}}]}\n    \
         generate: {apiVersion: v1, kind: ConfigMap, name: '{{ request.object.gone }}', namespace: a, data: {data: {k: v}}}\n",
    );
    stage.run(&APPLY).code(1).says(&["pass: 0, fail: 0, warn: 0, error: 2, skip: 0 "]);
}

#[test]
fn a_report_without_results_is_printed() {
    let stage = Stage::sample();
    stage.write("pods.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
    let ran = stage.run(&with(&["-p", "--output-format", "json"])).code(0);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&report["kind"], &report["summary"]["pass"]), (&"ClusterReport".into(), &0.into()));
}

#[test]
fn what_is_not_scored_does_not_say_so() {
    let stage = Stage::sample();
    let annotation = "annotations:\n    policies.kyverno.io/scored: \"false\"\n";
    stage.write("policy.yaml", &POLICY.replace("annotations:\n", annotation));
    let ran = stage.run(&with(&["-p"]));
    assert!(ran.out.contains("rule: has-app") && !ran.out.contains("scored"), "{}", ran.out);
}

#[test]
fn user_information_and_set_values_stand_for_the_request() {
    let stage = Stage::sample();
    let policy = POLICY.replace("  rules:", "  background: false\n  rules:").replace(
        "    validate:",
        "    exclude:\n      any:\n      - clusterRoles: [admin]\n    validate:",
    );
    stage.write("policy.yaml", &policy);
    stage.run(&APPLY).code(1).says(&["pass: 1, fail: 1"]);
    let user = "apiVersion: cli.kyverno.io/v1alpha1\nkind: UserInfo\nmetadata: {name: u}\nclusterRoles: [admin]\nuserInfo: {username: jane}\n";
    stage.write("user.yaml", user);
    stage.run(&with(&["-u", "user.yaml"])).code(0).says(&["pass: 0, fail: 0"]);
    stage.write("user.yaml", &user.replace("[admin]", "[view]"));
    stage.run(&with(&["-u", "user.yaml"])).code(1).says(&["pass: 1, fail: 1"]);
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    context: [{name: cm, configMap: {name: a, namespace: b}}]\n    validate: {message: m, deny: {conditions: {any: [{key: '{{ cm.data.stage }}', operator: Equals, value: prod}]}}}\n",
    );
    stage.run(&with(&["--set", "cm.data.stage=prod"])).code(1).says(&["pass: 0, fail: 2"]);
    stage.run(&with(&["--set", "cm.data.stage=dev"])).code(0).says(&["pass: 2, fail: 0"]);
    stage.run(&APPLY).code(1).says(&["error: 2"]);
}

#[test]
fn what_a_cluster_would_have_said_is_an_error_that_names_it() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    context: [{name: cm, configMap: {name: a, namespace: b}}]\n    validate: {message: m, deny: {conditions: {any: [{key: '{{ cm.data.stage }}', operator: Equals, value: prod}]}}}\n",
    );
    stage.run(&APPLY).code(1).says(&["failed to load variable cm: ConfigMap b/a does not exist"]);
}

#[test]
fn without_a_user_there_is_no_service_account() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  background: false\n  rules:\n  - name: r\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    validate: {message: m, deny: {conditions: {any: [{key: '{{ serviceAccountName }}', operator: Equals, value: bot}]}}}\n",
    );
    stage.run(&APPLY).code(1).says(&["error: 2", "Unknown key \"serviceAccountName\" in path"]);
    stage.run(&with(&["--set", "serviceAccountName=bot"])).code(1).says(&["fail: 2"]);
    stage.write("user.yaml", "userInfo: {username: 'system:serviceaccount:ns:bot'}\n");
    stage.run(&with(&["-u", "user.yaml"])).code(1).says(&["fail: 2"]);
}

#[test]
fn a_definition_says_that_a_kind_has_no_namespace() {
    let stage = Stage::sample();
    stage.write("policy.yaml", &POLICY.replace("kinds: [Pod]", "kinds: [Thing]"));
    stage.write("pods.yaml", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\n");
    stage.run(&APPLY).says(&["-> resource default/Thing/t failed"]);
    stage.write(
        "crd.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\nspec: {group: example.com, scope: Cluster, names: {kind: Thing, plural: things}}\n",
    );
    stage.run(&with(&["--crd-paths", "crd.yaml"])).says(&["-> resource /Thing/t failed"]);
}
