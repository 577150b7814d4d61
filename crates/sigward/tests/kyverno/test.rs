//! `test`: rows, texts, formats, exit codes.
use crate::stage::Stage;
use std::io::{BufRead as _, BufReader};

const RIGHT: &str = "\
- {policy: require-app, rule: has-app, kind: Pod, resources: [good], result: pass}
- {policy: require-app, rule: has-app, kind: Pod, resources: [bad], result: fail}
";

#[test]
fn results_as_expected_pass_and_are_shown_in_the_peer_s_words() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    let ran = stage.run(&["test", "."]).code(0).says(&[
        "Loading test  ( ./kyverno-test.yaml ) ...\n  Loading values/variables ...\n  Loading policies ...\n",
        "  Applying 1 policy to 2 resources with 0 exceptions ...\n  Checking results ...\n\n│────│",
        "│ 1  │ require-app │ has-app │ v1/Pod/default/good │ Pass   │ Ok     │\n",
        "│ 2  │ require-app │ has-app │ v1/Pod/default/bad  │ Pass   │ Ok     │\n",
        "\nTest Summary: 2 tests passed and 0 tests failed\n\n",
    ]);
    assert_eq!(ran.err, "");
}

#[test]
fn a_deprecated_kind_is_warned_of_as_upstream_does() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    stage.run(&["test", "."]).code(0).says(&[
        "  Warning: ./policy.yaml: kyverno.io/v1 ClusterPolicy is deprecated and will be removed in a future release; migrate to ValidatingPolicy",
    ]);
    stage.run(&["test", ".", "--warnings-as-errors"]).code(1).says(&["warnings are errors"]);
}

#[test]
fn a_pipe_gets_no_colours() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    assert!(!stage.run(&["test", "."]).out.contains('\u{1b}'));
}

#[test]
fn a_result_that_differs_says_what_was_wanted() {
    let stage = Stage::sample();
    stage.test_file(
        "- {policy: require-app, rule: has-app, kind: Pod, resources: [bad], result: pass}\n",
    );
    stage
        .run(&["test", ".", "--detailed-results"])
        .code(1)
        .says(&["│ Fail   │ Want pass, got fail │ validation error: the label app is wanted."])
        .complains(&["Error: 1 tests failed"]);
    stage.run(&["test", ".", "--fail-only"]).code(1).says(&[
        "\nTest Summary: 1 out of 1 tests failed\n\nAggregated Failed Test Cases : \n│────│",
    ]);
}

#[test]
fn a_name_that_matches_nothing_checks_everything() {
    let stage = Stage::sample();
    stage.test_file(
        "- {policy: require-app, rule: has-app, kind: Pod, resources: [nobody], result: pass}\n",
    );
    stage.run(&["test", "."]).code(1).says(&[
        "v1/Pod/default/good │ Pass",
        "v1/Pod/default/bad  │ Fail",
        "1 tests passed and 1 tests failed",
    ]);
}

#[test]
fn resource_specs_alone_are_not_read() {
    let stage = Stage::sample();
    let specs = "resourceSpecs: [{kind: Pod, namespace: default, name: good}]";
    stage.test_file(&format!("- {{policy: require-app, rule: has-app, result: pass, {specs}}}\n"));
    stage.run(&["test", "."]).code(1).says(&["1 tests passed and 1 tests failed"]);
    stage.test_file(&format!(
        "- {{policy: require-app, rule: has-app, result: pass, resources: [nobody], {specs}}}\n"
    ));
    stage.run(&["test", "."]).code(0).says(&["1 tests passed and 0 tests failed"]);
}

#[test]
fn a_rule_that_says_nothing_is_excluded() {
    let stage = Stage::sample();
    stage.test_file("- {policy: require-app, rule: other, resources: [good], result: fail}\n");
    stage.run(&["test", "."]).code(0).says(&["│ Pass   │ Excluded │"]);
    stage.test_file("- {policy: missing, rule: other, resources: [good], result: pass}\n");
    stage.run(&["test", "."]).code(1).says(&["│ Fail   │ Not found │"]);
}

#[test]
fn a_result_of_an_invalid_policy_fails() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    stage.write("policy.yaml", &crate::stage::POLICY.replace("kinds: [Pod]", "kinds: []"));
    stage.run(&["test", "."]).code(1).says(&["│ Fail   │ Invalid policy │"]);
}

#[test]
fn what_needs_cel_is_refused_and_the_other_tests_run() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    stage.write(
        "b/policy.yaml",
        "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\nmetadata: {name: cel}\nspec: {}\n",
    );
    stage.write("b/pods.yaml", crate::stage::PODS);
    let test = stage.read("kyverno-test.yaml");
    stage.write("b/kyverno-test.yaml", &test);
    stage
        .run(&["test", "."])
        .code(1)
        .says(&[
            "  Error: ValidatingPolicy cel is not supported in this build",
            "Test Summary: 2 tests passed and 0 tests failed",
        ])
        .complains(&["1 tests could not be run"]);
}

#[test]
fn values_stand_for_what_a_cluster_would_say() {
    let stage = Stage::new();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  background: false\n  rules:\n  - name: r\n    \
         match: {any: [{resources: {kinds: [Pod], operations: [DELETE], namespaceSelector: {matchLabels: {team: a}}}}]}\n    \
         context: [{name: cm, configMap: {name: x, namespace: default}}]\n    \
         validate: {message: refused, deny: {conditions: {any: [{key: '{{ cm.data.on }}', operator: Equals, value: 'yes'}]}}}\n",
    );
    stage.write("pods.yaml", crate::stage::PODS);
    stage.test_file("- {policy: p, rule: r, resources: [bad], result: fail}\n- {policy: p, rule: r, resources: [good], result: pass}\n");
    let test = stage.read("kyverno-test.yaml");
    stage.write("kyverno-test.yaml", &format!("{test}variables: values.yaml\n"));
    stage.write(
        "values.yaml",
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Values\nglobalValues: {request.operation: DELETE}\nnamespaceSelector:\n- {name: default, labels: {team: a}}\npolicies:\n- name: p\n  resources:\n  - {name: good, values: {cm.data.on: 'no'}}\n  - {name: bad, values: {cm.data.on: 'yes'}}\n",
    );
    stage.run(&["test", "."]).code(0).says(&["2 tests passed and 0 tests failed"]);
}

#[test]
fn a_test_file_answers_for_services_and_the_global_context() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    \
         match: {any: [{resources: {kinds: [Pod]}}]}\n    \
         context:\n    - {name: a, apiCall: {service: {url: 'https://x.example/y'}, jmesPath: ok}}\n    - {name: b, globalReference: {name: e.p}}\n    \
         validate: {message: refused, deny: {conditions: {all: [{key: '{{ a }}', operator: Equals, value: true}, {key: '{{ b }}', operator: Equals, value: 2}]}}}\n",
    );
    let mocks = "apiCallResponses: [{url: 'https://x.example/y', response: {statusCode: 200, body: {ok: true}}}]\nglobalContextEntries: [{name: e, resources: [{kind: A}, {kind: B}], projections: [{name: p, path: 'length(@)'}]}]\n";
    stage.test_file("- {policy: p, rule: r, resources: [good], result: fail}\n");
    let test = stage.read("kyverno-test.yaml");
    stage.write("kyverno-test.yaml", &format!("{test}{mocks}"));
    stage.run(&["test", "."]).code(0).says(&["1 tests passed and 0 tests failed"]);
    stage.write("kyverno-test.yaml", &format!("{test}{}", mocks.replace("200", "503")));
    stage
        .run(&["test", ".", "--detailed-results"])
        .code(1)
        .says(&["Want fail, got error", "HTTP 503"]);
}

#[test]
fn what_a_generate_rule_makes_is_compared_with_its_file() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    \
         match: {any: [{resources: {kinds: [Pod], names: [good]}}]}\n    \
         generate: {apiVersion: v1, kind: ConfigMap, name: '{{request.object.metadata.name}}-cm', namespace: default, data: {data: {k: v}}}\n",
    );
    stage.write("made.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good-cm, namespace: default}\ndata: {k: v}\n");
    stage.test_file(
        "- {policy: p, rule: r, resources: [good], result: pass, generatedResource: made.yaml}\n",
    );
    stage.run(&["test", "."]).code(0).says(&[
        "│ r    │ v1/ConfigMap/default/good-cm │ Pass   │ Ok     │",
        "1 tests passed and 0 tests failed",
    ]);
    stage.write("made.yaml", &stage.read("made.yaml").replace("k: v", "k: w"));
    stage.run(&["test", ".", "--detailed-results"]).code(1).says(&["Resource diff", "/data/k"]);
}

#[test]
fn a_policy_that_mutates_and_validates_has_one_row_a_rule() {
    let stage = Stage::sample();
    let mutate = "  - name: add\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    mutate: {patchStrategicMerge: {metadata: {labels: {team: a}}}}\n";
    stage.write("policy.yaml", &format!("{}{mutate}", crate::stage::POLICY));
    stage.test_file(
        "- {policy: require-app, rule: has-app, resources: [good], result: pass, kind: Pod}\n",
    );
    let ran = stage.run(&["test", "."]).code(0).says(&["1 tests passed and 0 tests failed"]);
    assert!(!ran.out.contains("Excluded"), "{}", ran.out);
}

#[test]
fn a_generated_object_says_who_made_it() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    \
         match: {any: [{resources: {kinds: [Pod], names: [good]}}]}\n    \
         generate: {apiVersion: v1, kind: Secret, name: s, namespace: b, clone: {name: s, namespace: a}}\n",
    );
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a, uid: x, ownerReferences: [{name: o}]}\ndata: {k: dg==}\n";
    stage.write("pods.yaml", &format!("{}---\n{secret}", crate::stage::PODS));
    let ran = stage.run(&["apply", "policy.yaml", "-r", "pods.yaml"]).code(0).says(&[
        "policy p applied to default/Pod/good:\napiVersion: v1\ndata:\n    k: dg==\nkind: Secret\n",
        "        generate.kyverno.io/rule-name: r\n        generate.kyverno.io/trigger-group: \"\"\n        generate.kyverno.io/trigger-kind: Pod\n",
        "Generation completed successfully.",
    ]);
    assert!(!ran.out.contains("uid: x") && !ran.out.contains("ownerReferences"), "{}", ran.out);
    stage.write("pods.yaml", crate::stage::PODS);
    stage
        .run(&["apply", "policy.yaml", "-r", "pods.yaml"])
        .code(1)
        .says(&["the source Secret a/s does not exist"]);
}

#[test]
fn a_selector_chooses_results() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    stage
        .run(&["test", ".", "-t", "policy=require-*,resource=bad"])
        .code(0)
        .says(&["Test Summary: 1 tests passed and 0 tests failed"]);
    stage.run(&["test", ".", "-t", "kind=x"]).code(1).complains(&["kind=x"]);
}

#[test]
fn formats_for_machines_hold_every_row() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    stage.run(&["test", ".", "-o", "json"]).code(0).says(&[
        "[\n  {\n    \"ID\": 1,\n    \"POLICY\": \"require-app\",\n    \"REASON\": \"Ok\",\n    \"RESOURCE\": \"v1/Pod/default/good\",\n    \"RESULT\": \"Pass\",\n    \"RULE\": \"has-app\"\n  },",
    ]);
    stage.run(&["test", ".", "-o", "yaml"]).code(0).says(&["- ID: 1\n  POLICY: require-app\n"]);
    stage
        .run(&["test", ".", "-o", "markdown"])
        .code(0)
        .says(&["| 1 | require-app | has-app | v1/Pod/default/good | Pass | Ok |\n"]);
    stage.run(&["test", ".", "-o", "junit"]).code(0).says(&[
        "<testsuites tests=\"2\" failures=\"0\">\n <testsuite name=\"require-app\" tests=\"2\" failures=\"0\">\n  <testcase classname=\"has-app\" name=\"v1/Pod/default/good\">\n",
    ]);
}

#[test]
fn sarif_is_one_document_and_github_gets_annotations() {
    let stage = Stage::sample();
    stage.test_file("- {policy: require-app, rule: has-app, resources: [bad], result: pass}\n");
    let ran = stage.run(&["test", ".", "-o", "sarif"]).code(1);
    let log: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "require-app/has-app");
    stage.run(&["test", ".", "-o", "github"]).code(1).says(&[
        "::error file=./kyverno-test.yaml,line=1,title=require-app/has-app::v1/Pod/default/bad: Want pass, got fail",
    ]);
}

#[test]
fn the_same_test_prints_the_same_every_time() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    let test = stage.read("kyverno-test.yaml");
    for name in ["a", "b", "c", "d", "e", "f"] {
        stage.write(&format!("{name}/kyverno-test.yaml"), &test);
        stage.write(&format!("{name}/policy.yaml"), crate::stage::POLICY);
        stage.write(&format!("{name}/pods.yaml"), crate::stage::PODS);
    }
    let first = stage.run(&["test", "."]).code(0).out;
    for _ in 0..3 {
        assert_eq!(stage.run(&["test", "."]).out, first);
    }
}

#[test]
fn tests_of_a_git_repository_are_run() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    let git = |arguments: &[&str]| {
        std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(arguments)
            .current_dir(stage.path())
            .output()
    };
    let Ok(made) = git(&["init", "--quiet", "--initial-branch", "main", "."]) else {
        println!("skipped: there is no program `git`");
        return;
    };
    assert!(made.status.success(), "{made:?}");
    git(&["add", "kyverno-test.yaml", "policy.yaml", "pods.yaml"]).unwrap();
    git(&["commit", "--quiet", "--message", "x"]).unwrap();
    let address = format!("file://{}", stage.path().display());
    stage.run(&["test", &address]).code(0).says(&["2 tests passed and 0 tests failed"]);
    stage
        .run(&["test", &address, "-b", "missing"])
        .code(1)
        .complains(&["cannot clone file://", "missing"]);
}

#[test]
fn watching_runs_again_when_a_file_changes() {
    let stage = Stage::sample();
    stage.test_file(RIGHT);
    let mut child = std::process::Command::new(stage.path().join("kyverno"))
        .args(["test", ".", "--watch"])
        .current_dir(stage.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // A run may see a file half written; the next one does not.
    let mut says = |wanted: &str| {
        assert!(lines.any(|line| line.is_ok_and(|line| line == wanted)), "{wanted}");
    };
    says("Test Summary: 2 tests passed and 0 tests failed");
    // Whether the change comes before or after the files were looked at, it is one.
    stage.write("pods.yaml", &crate::stage::PODS.replace("app: a", "other: a"));
    says("Test Summary: 1 tests passed and 1 tests failed");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_rule_goes_by_the_name_it_was_generated_from() {
    let stage = Stage::sample();
    stage.write(
        "pods.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: good}\nspec: {template: {metadata: {labels: {app: a}}}}\n---\n\
         apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: bad}\nspec: {jobTemplate: {spec: {template: {metadata: {labels: {b: c}}}}}}\n",
    );
    stage.test_file(
        "- {policy: require-app, rule: has-app, kind: Deployment, resources: [good], result: pass}\n\
         - {policy: require-app, rule: autogen-has-app, kind: Deployment, resources: [good], result: pass}\n\
         - {policy: require-app, rule: has-app, kind: CronJob, resources: [bad], result: fail}\n\
         - {policy: require-app, rule: autogen-cronjob-has-app, kind: CronJob, resources: [bad], result: fail}\n",
    );
    let ran = stage.run(&["test", "."]).code(0).says(&["4 tests passed and 0 tests failed"]);
    assert!(!ran.out.contains("Excluded"), "{}", ran.out);
    stage.test_file(
        "- {policy: require-app, rule: app, kind: Deployment, resources: [good], result: fail}\n",
    );
    stage.run(&["test", "."]).says(&["Excluded"]);
}

#[test]
fn a_request_that_names_neither_is_a_creation_in_the_default_namespace() {
    let stage = Stage::sample();
    let policy = |operations: &str, key: &str, value: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n  - name: r\n    \
             match: {{any: [{{resources: {{kinds: [Pod]{operations}}}}}]}}\n    \
             validate: {{message: m, deny: {{conditions: {{any: [{{key: '{{{{ {key} }}}}', operator: Equals, value: {value}}}]}}}}}}\n"
        )
    };
    for (operations, key, value) in [
        ("", "request.operation", "CREATE"),
        ("", "request.namespace", "default"),
        (", namespaces: [default]", "request.object.metadata.name", "bad"),
        (", operations: [CREATE]", "request.operation", "CREATE"),
    ] {
        stage.write("policy.yaml", &policy(operations, key, value));
        stage.test_file("- {policy: p, rule: r, kind: Pod, resources: [bad], result: fail}\n");
        let ran = stage.run(&["test", "."]).code(0);
        assert!(!ran.out.contains("Excluded"), "{operations} {key}: {}", ran.out);
    }
}

#[test]
fn each_operation_that_a_row_names_is_a_run_of_its_own() {
    let stage = Stage::sample();
    stage.write(
        "policy.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  background: false\n  rules:\n  - name: r\n    \
         match: {any: [{resources: {kinds: [Pod], operations: [CREATE, DELETE]}}]}\n    \
         validate: {message: m, deny: {conditions: {any: [{key: '{{ request.operation }}', operator: Equals, value: DELETE}]}}}\n",
    );
    stage.test_file(
        "- {policy: p, rule: r, kind: Pod, resources: [bad], operation: DELETE, result: fail}\n\
         - {policy: p, rule: r, kind: Pod, resources: [bad], operation: CREATE, result: pass}\n\
         - {policy: p, rule: r, kind: Pod, resources: [bad], result: pass}\n",
    );
    let ran = stage.run(&["test", "."]).code(0).says(&["3 tests passed and 0 tests failed"]);
    assert!(!ran.out.contains("Excluded"), "{}", ran.out);
}
