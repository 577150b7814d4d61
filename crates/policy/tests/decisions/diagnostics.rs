//! What is said about a policy when it is loaded: every mistake in one run, each with its place.
use crate::world::parse;
use sigward_policy::{
    compile::{Severity, compile_exception, compile_policy},
    snapshot::Settings,
};

/// Everything that is said, as `error path: message (help)`.
fn said(document: &str) -> Vec<String> {
    let settings = Settings { insecure_ignore_tlog_for_keys: true, ..Settings::default() };
    let compiled = compile_policy(&parse(document), &settings);
    let has_error = compiled.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(compiled.value.is_none(), has_error, "a value exactly when nothing is wrong");
    compiled
        .diagnostics
        .into_iter()
        .map(|d| {
            let severity = if d.severity == Severity::Error { "error" } else { "warning" };
            let help = d.help.map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{severity} {}: {}{help}", d.path, d.message)
        })
        .collect()
}

fn policy(spec: &str, rule: &str) -> String {
    format!(
        r#"{{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{{"name":"p"}},"spec":{{{spec}"rules":[{{"name":"r",{rule}}}]}}}}"#
    )
}

const MATCH: &str = r#""match":{"any":[{"resources":{"kinds":["Pod"]}}]}"#;
const PIN: &str =
    r#""verifyImages":[{"imageReferences":["x"],"required":false,"mutateDigest":false}]"#;

fn check(document: &str, expected: &str) {
    let said = said(document);
    assert!(said.iter().any(|line| line.contains(expected)), "`{expected}` is not in {said:#?}");
}

#[test]
fn an_unknown_field_is_named_with_the_nearest_known() {
    check(
        &policy(r#""validationFailureActions":"Enforce","#, &format!("{MATCH},{PIN}")),
        "warning spec.validationFailureActions: unknown field (did you mean `validationFailureAction`?)",
    );
    check(
        &policy(
            "",
            &format!(r#"{MATCH},"verifyImages":[{{"imageReferences":["x"],"atestors":[]}}]"#),
        ),
        "error spec.rules[0].verifyImages[0].atestors: unknown field (did you mean `attestors`?)",
    );
}

#[test]
fn the_action_that_the_api_server_fills_in_is_nobodys_mistake() {
    let rule = format!("{MATCH},{PIN}");
    let about = |action: &str| {
        let lines = said(&policy(&format!(r#""validationFailureAction":"{action}","#), &rule));
        lines.iter().any(|line| line.contains("validationFailureAction"))
    };
    assert!(about("Enforce") && about("audit") && !about("Audit"));
}

#[test]
fn deprecated_spellings_are_warned_about() {
    let document = policy(
        r#""validationFailureAction":"enforce","failurePolicy":"Fail","webhookTimeoutSeconds":10,"schemaValidation":false,"#,
        r#""match":{"resources":{"kinds":["Pod"],"name":"x"}},"verifyImages":[{"image":"x","key":"k8s://a/b","attestations":[{"predicateType":"t"}]}]"#,
    );
    for expected in [
        "warning spec.validationFailureAction: `enforce` is deprecated (use `Enforce`)",
        "warning spec.failurePolicy: failurePolicy is deprecated",
        "warning spec.webhookTimeoutSeconds: webhookTimeoutSeconds is deprecated",
        "warning spec.schemaValidation: schemaValidation has no effect",
        "warning spec.rules[0].match.resources.name: `name` is deprecated",
        "warning spec.rules[0].verifyImages[0].image: image is deprecated",
        "warning spec.rules[0].verifyImages[0].key: key is deprecated",
        "warning spec.rules[0].verifyImages[0].attestations[0].predicateType: predicateType is deprecated",
    ] {
        check(&document, expected);
    }
}

#[test]
fn match_and_exclude_must_make_sense() {
    let with = |rule: &str| policy(r#""background":false,"#, &format!("{rule},{PIN}"));
    let resources = r#"{"resources":{"kinds":["Pod"]}}"#;
    check(
        &with(&format!(r#""match":{{"any":[{resources}],"all":[{resources}]}}"#)),
        "may not have any and all together",
    );
    check(
        &with(r#""match":{"any":[{"resources":{"names":["x"]}}]}"#),
        "at least one element must be specified in a kind block",
    );
    check(
        &with(r#""match":{"any":[{"resources":{"kinds":["*"]}}]}"#),
        "wildcard kind `*` is not allowed in verifyImages rules",
    );
    check(
        &with(r#""match":{"any":[{"resources":{"kinds":["Pod"],"selector":{}}}]}"#),
        "the requirements are not specified in selector",
    );
    check(
        &with(r#""match":{"any":[{"resources":{"kinds":["Pod"],"names":["{{ x }}"]}}]}"#),
        "variables are forbidden here",
    );
    check(
        &with(&format!(r#"{MATCH},"exclude":{{"any":[{resources}]}}"#)),
        "rule is matching an empty set",
    );
    check(
        &with(
            r#""match":{"any":[{"resources":{"kinds":["Pod"]},"subjects":[{"kind":"Robot","name":"x"}]}]}"#,
        ),
        "unknown kind of subject `Robot`",
    );
    check(
        &with(
            r#""match":{"any":[{"resources":{"kinds":["Pod"]},"subjects":[{"kind":"ServiceAccount","name":"x"}]}]}"#,
        ),
        "a service account needs a `namespace`",
    );
    check(
        &policy(
            "",
            &format!(
                r#""match":{{"any":[{{"resources":{{"kinds":["Pod"]}},"roles":["a:b"]}}]}},{PIN}"#
            ),
        ),
        "not available in background mode",
    );
}

#[test]
fn names_that_mean_nothing_are_found_when_the_policy_is_loaded() {
    let with = |key: &str, spec: &str| {
        policy(
            spec,
            &format!(
                r#"{MATCH},"preconditions":{{"all":[{{"key":"{{{{ {key} }}}}","operator":"Equals","value":"x"}}]}},{PIN}"#
            ),
        )
    };
    check(&with("nothing.here", ""), "nothing is called `nothing` here (declare it in `context`)");
    check(&with("element.name", ""), "only available inside a foreach");
    check(&with("request.userInfo.username", ""), "is not available in background mode");
    check(&with("a..b", ""), "invalid variable `a..b`");
    assert_eq!(
        said(&with("request.userInfo.username", r#""background":false,"#)),
        [] as [String; 0]
    );
    assert_eq!(said(&with("images.containers.*.tag | [0]", "")), [] as [String; 0]);
}

#[test]
fn context_entries_need_one_source_and_a_free_name() {
    let with = |entry: &str| policy("", &format!(r#"{MATCH},"context":[{entry}],{PIN}"#));
    check(&with(r#"{"name":"request","variable":{"value":1}}"#), "entry name `request` is invalid");
    check(
        &with(r#"{"name":"a","variable":{"value":1},"configMap":{"name":"b","namespace":"c"}}"#),
        "exactly one of configMap",
    );
    check(
        &with(r#"{"name":"a","configMap":{"name":"b"}}"#),
        "a namespace is required for configMap",
    );
    check(
        &with(r#"{"name":"a","apiCall":{"service":{"url":"https://x"}}}"#),
        "a call to a service is not supported in this build",
    );
    check(
        &with(r#"{"name":"a","globalReference":{"name":"x"}}"#),
        "the global context is not supported in this build",
    );
    check(
        &with(r#"{"name":"a","variable":{"value":1,"default":2}}"#),
        "only when jmesPath is defined",
    );
    check(&with(r#"{"name":"a","variable":{"jmesPath":"a["}}"#), "failed to parse JMESPath");
}

#[test]
fn other_rules_are_refused_by_name_until_they_are_there() {
    for (body, what) in [
        (
            r#""validate":{"message":"m","cel":{"expressions":[]}}"#,
            "validate.cel is not supported in this build",
        ),
        (
            r#""mutate":{"patchStrategicMerge":{},"targets":[{"kind":"Pod"}]}"#,
            "a target needs `apiVersion`",
        ),
        (
            r#""mutate":{"patchStrategicMerge":{},"targets":[{"apiVersion":"v1","kind":"Pod/status"}]}"#,
            "a subresource as a target is not supported in this build",
        ),
        (
            r#""mutate":{"patchStrategicMerge":{},"mutateExistingOnPolicyUpdate":true}"#,
            "mutateExistingOnPolicyUpdate is about `targets`, and there are none",
        ),
        (
            r#""mutate":{"patchStrategicMerge":{},"foreach":[{"list":"x"}]}"#,
            "found patchStrategicMerge and foreach",
        ),
        (r#""mutate":{"patchStrategicMerge":"x"}"#, "expected a map"),
        (
            r#""mutate":{"foreach":[{"list":"request.object"}]}"#,
            "one of patchStrategicMerge, patchesJson6902, foreach must be specified",
        ),
    ] {
        check(&policy("", &format!("{MATCH},{body}")), what);
    }
    check(&policy("", MATCH), "exactly one of mutate, validate, generate and verifyImages");
}

#[test]
fn a_json_patch_is_checked_operation_by_operation() {
    let with = |patch: &str| {
        let text = serde_json::to_string(patch).unwrap();
        policy("", &format!(r#"{MATCH},"mutate":{{"patchesJson6902":{text}}}"#))
    };
    check(&with("- op: replace\n  path: spec\n  value: 1"), "`path` must begin with `/`");
    check(
        &with("- op: add\n  path: \"/{{ x }}\"\n  value: 1"),
        "variables are forbidden in `path`",
    );
    check(&with("- op: add\n  path: /a"), "value");
    check(&with("- op: shuffle\n  path: /a"), "shuffle");
    check(&with("{ not yaml"), "not a list of operations");
}

#[test]
fn the_spec_as_a_whole_must_make_sense() {
    let body = format!("{MATCH},{PIN}");
    check(&policy(r#""webhookTimeoutSeconds":31,"#, &body), "between 1 and 30 seconds");
    check(
        &policy(
            r#""failurePolicy":"Fail","webhookConfiguration":{"failurePolicy":"Ignore"},"#,
            &body,
        ),
        "cannot both be set",
    );
    check(&policy(r#""admission":false,"#, &body), "admission can only be false");
    check(&policy(r#""generateExistingOnPolicyUpdate":false,"#, &body), "no longer supported");
    check(
        &policy(
            r#""validationFailureActionOverrides":[{"action":"Audit","namespaces":["a*"]},{"action":"Enforce","namespaces":["ab"]}],"#,
            &body,
        ),
        "conflicting namespaces",
    );
    let long =
        policy("", &body).replace(r#""name":"r""#, &format!(r#""name":"{}""#, "r".repeat(64)));
    assert!(
        said(&long).iter().any(|l| l.starts_with("error spec.rules[0].name")),
        "{:?}",
        said(&long)
    );
}

#[test]
fn all_mistakes_are_told_in_one_run() {
    let document = policy(
        r#""webhookTimeoutSeconds":99,"#,
        r#""match":{"any":[{"resources":{"names":["x"]}}]},"context":[{"name":"request","variable":{"value":1}}],"verifyImages":[{"imageReferences":[],"required":false}]"#,
    );
    let errors = said(&document).into_iter().filter(|l| l.starts_with("error")).count();
    assert!(errors >= 4, "{:#?}", said(&document));
}

#[test]
fn an_exception_where_exceptions_are_off_is_admitted_with_upstreams_warning() {
    let exception = r#"{"apiVersion":"kyverno.io/v2","kind":"PolicyException","metadata":{"name":"e","namespace":"n"},
        "spec":{"match":{"any":[{"resources":{"kinds":["Pod"]}}]},"exceptions":[{"policyName":"p","ruleNames":["*"]}]}}"#;
    let compiled = compile_exception(&parse(exception), &Settings::default());
    assert!(compiled.value.is_some());
    assert_eq!(
        compiled.diagnostics[0].message,
        "PolicyException resources would not be processed until it is enabled."
    );
    let typo = exception.replace("kinds", "kindz");
    let compiled = compile_exception(&parse(&typo), &Settings::default());
    assert!(compiled.value.is_none(), "what is passed over makes an exception wider");
}

#[test]
fn garbage_is_refused_and_never_panics() {
    for document in [
        "null",
        "[]",
        "1",
        "{}",
        r#"{"kind":"ClusterPolicy"}"#,
        r#"{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","spec":[]}"#,
    ] {
        assert!(said(document).iter().any(|line| line.starts_with("error")), "{document}");
    }
}

#[test]
fn a_validate_rule_is_checked_when_it_is_loaded() {
    for (validate, expected) in [
        (
            r#"{"message":"m"}"#,
            "one of pattern, anyPattern, deny, foreach, podSecurity, manifests, cel must be specified",
        ),
        (r#"{"pattern":{"a":1},"deny":{}}"#, "found pattern and deny"),
        (r#"{"assert":{"a":1}}"#, "assert has no effect"),
        (r#"{"pattern":{"+(a)":1}}"#, "validate.pattern.+(a): the anchor `+()` is for patches"),
        (r#"{"pattern":{"^(a)":1}}"#, "an existence anchor needs a list of maps"),
        (
            r#"{"pattern":{"a":[]}}"#,
            "warning spec.rules[0].validate.pattern.a: an empty list matches nothing",
        ),
        (
            r#"{"pattern":{"a":[1,2]}}"#,
            "warning spec.rules[0].validate.pattern.a: only the first element",
        ),
        (r#"{"pattern":{"metadata":{"labels":{"a":1}}}}"#, "labels and annotations are strings"),
        (r#"{"pattern":{"a":"$(./../b)"}}"#, "failed to resolve reference $(./../b)"),
        (r#"{"anyPattern":{"a":1}}"#, "validate.anyPattern: expected a list of patterns"),
        (r#"{"pattern":{"a":"{{ element.x }}"}}"#, "only available inside a foreach"),
        (
            r#"{"message":"{{ element.x }}","foreach":[{"list":"request.object.a","pattern":{"a":1}}]}"#,
            "validate.message: variable `element.x` is only available inside a foreach",
        ),
        (r#"{"pattern":{"a":"{{ nobody.x }}"}}"#, "nothing is called `nobody` here"),
        (
            r#"{"pattern":{"a":"{{ request.userInfo.username }}"}}"#,
            "not available in background mode",
        ),
        (
            r#"{"foreach":[{"list":"request.object.a"}]}"#,
            "validate.foreach[0]: one of pattern, anyPattern, deny, foreach must be specified",
        ),
        (
            r#"{"foreach":[{"list":"a b","pattern":{}}]}"#,
            "validate.foreach[0].list: failed to parse JMESPath",
        ),
        (r#"{"foreach":[{"list":"nobody","pattern":{}}]}"#, "nothing is called `nobody` here"),
        (
            r#"{"deny":{"conditions":{"any":[{"key":"a","operator":"Is","value":1}]}}}"#,
            "unknown operator `Is`",
        ),
        (
            r#"{"patern":{"a":1}}"#,
            "error spec.rules[0].validate.patern: unknown field (did you mean `pattern`?)",
        ),
        (
            r#"{"pattern":{"a":1},"failureActionOverrides":[{"action":"Audit","namespaces":["a*"]},{"action":"Enforce","namespaces":["ab"]}]}"#,
            "validate.failureActionOverrides[1].namespaces: conflicting namespaces",
        ),
    ] {
        check(&policy("", &format!(r#"{MATCH},"validate":{validate}"#)), expected);
    }
    let validate = r#""validate":{"pattern":{"a":1}}"#;
    let of = |kind: &str| {
        format!(r#""match":{{"any":[{{"resources":{{"kinds":["{kind}"]}}}}]}},{validate}"#)
    };
    check(
        &policy("", &of("Pod/exec")),
        "the subresource `Pod/exec` is not there in background mode",
    );
    check(&policy("", &of("Scale")), "the subresource `Scale` is not there in background mode");
    check(
        &policy(r#""background":false,"#, &of("*")),
        "a rule for every kind can only speak of metadata",
    );
}

#[test]
fn each_filter_of_a_match_names_kinds() {
    let rule = r#""match":{"any":[{"resources":{"kinds":["Pod"]}},{"resources":{"names":["a"]}}]},"validate":{"pattern":{"a":1}}"#;
    check(&policy("", rule), "spec.rules[0].match: filter 1 names no kinds");
    let rule = rule.replace("match", "exclude").replace("Pod", "Service");
    let lines = said(&policy("", &format!("{MATCH},{rule}")));
    assert!(lines.is_empty(), "{lines:#?}");
}

#[test]
fn a_rule_that_excludes_all_it_matches_is_told() {
    let of = |matches: &str, exclude: &str| {
        let block = |filters: &str| format!(r#"{{"any":[{filters}]}}"#);
        let (matches, exclude) = (block(matches), block(exclude));
        let rule =
            format!(r#""match":{matches},"exclude":{exclude},"validate":{{"pattern":{{"a":1}}}}"#);
        let lines = said(&policy(r#""background":false,"#, &rule));
        let told = |text: &str| lines.iter().any(|line| line.contains(text));
        if told("error spec.rules[0]: rule is matching an empty set") {
            return "error";
        }
        let never = "warning spec.rules[0]: exclude takes out all that the rule matches";
        if told(never) { "warning" } else { "" }
    };
    let pods = r#"{"resources":{"kinds":["Pod"]}}"#;
    let some = r#"{"resources":{"kinds":["Pod"],"namespaces":["a*"]}}"#;
    let both = r#"{"resources":{"kinds":["Service","Pod"]}}"#;
    let alice = r#"{"resources":{"kinds":["Pod"]},"subjects":[{"kind":"User","name":"alice"}]}"#;
    for (matches, exclude, expected) in [
        (pods, pods, "error"),
        (some, some, "error"),
        (some, pods, "warning"),
        (pods, both, "warning"),
        (&format!("{some},{pods}"), both, "warning"),
        (pods, some, ""),
        (both, pods, ""),
        (pods, alice, ""),
        (&format!("{pods},{both}"), some, ""),
    ] {
        assert_eq!(of(matches, exclude), expected, "{matches} {exclude}");
    }
}

#[test]
fn a_validate_rule_without_a_mistake_is_silent() {
    for validate in [
        r#"{"message":"m","pattern":{"metadata":{"labels":{"a":"?*"}},"spec":{"=(a)":[{"^(b)":[{"c":1},{"d":2}]}]}}}"#,
        r#"{"message":"m","foreach":[{"list":"request.object.a","foreach":[{"list":"element.b","deny":{"conditions":{"any":[{"key":"{{ element0 }}","operator":"Equals","value":1}]}}}]}]}"#,
        r#"{"failureAction":"Enforce","allowExistingViolations":false,"anyPattern":[{"action":"enforce"}]}"#,
    ] {
        let lines = said(&policy("", &format!(r#"{MATCH},"validate":{validate}"#)));
        assert!(lines.is_empty(), "{lines:#?}");
    }
}

#[test]
fn what_a_rule_may_reach_is_checked_when_it_is_loaded() {
    let of = |kind: &str, namespace: &str, rule: &str| {
        policy("", rule)
            .replace("ClusterPolicy", kind)
            .replace(r#""name":"p""#, &format!(r#""name":"p"{namespace}"#))
    };
    let cluster = |rule: &str| of("ClusterPolicy", "", rule);
    let own = |rule: &str| of("Policy", r#","namespace":"n""#, rule);
    let map = r#""apiVersion":"v1","kind":"ConfigMap","name":"x""#;
    let from = |source: &str| format!(r#"{MATCH},"generate":{{{map},"namespace":"n",{source}}}"#);
    let in_y = format!(r#"{MATCH},"generate":{{{map},"namespace":"y","data":{{}}}}"#);
    for (document, expected) in [
        (
            cluster(&format!(r#"{MATCH},"generate":{{{map},"data":{{}}}}"#)),
            "generate.namespace: a ConfigMap needs a namespace",
        ),
        (
            cluster(&format!(r#"{MATCH},"generate":{{"foreach":[{{{map},"data":{{}}}}]}}"#)),
            "generate.foreach[0].namespace: a ConfigMap needs a namespace",
        ),
        (own(&in_y), "generate.namespace: a Policy reaches no other namespace than its own, `n`"),
        (
            own(&from(r#""clone":{"name":"a","namespace":"z"}"#)),
            "clone.namespace: a Policy reaches",
        ),
        (
            own(&from(r#""cloneList":{"kinds":["v1/Secret"],"namespace":"z"}"#)),
            "cloneList.namespace: a Policy reaches",
        ),
        (
            cluster(&from(r#""cloneList":{"kinds":["v1/Secret","v1/Node"],"namespace":"z"}"#)),
            "cloneList.kinds: kinds with and without a namespace cannot be copied together",
        ),
        (
            cluster(&from(
                r#""cloneList":{"kinds":["rbac.authorization.k8s.io/v1/ClusterRole"],"namespace":"z"}"#,
            )),
            "cloneList.namespace: what is copied is in no namespace",
        ),
        (
            cluster(&from(r#""cloneList":{"kinds":["v1/Secret"]}"#)),
            "cloneList.namespace: what is copied is in a namespace: say which",
        ),
        (
            cluster(&from(r#""data":{}"#).replace("ConfigMap", "Namespace")),
            "generate.namespace: a Namespace is in no namespace",
        ),
        (cluster(&from(r#""clone":{"namespace":"z"}"#)), "a clone needs the `name` of its source"),
        (cluster(&from(r#""cloneList":{"namespace":"z"}"#)), "a cloneList needs `kinds`"),
        (
            cluster(&from(r#""data":{}"#).replace(
                r#""any":[{"resources":{"kinds":["Pod"]}}]"#,
                r#""resources":{"kinds":["ConfigMap"]}"#,
            )),
            "generate.kind: the kind that is generated and the kind that is matched should not be the same",
        ),
        (
            cluster(&from(r#""data":{}"#).replace("Pod", "*")),
            "generate: a rule for every kind cannot generate",
        ),
        (
            cluster(&from(
                r#""clone":{"name":"a","namespace":"z"},"orphanDownstreamOnPolicyDelete":true"#,
            )),
            "warning spec.rules[0].generate.orphanDownstreamOnPolicyDelete: has no effect",
        ),
        (
            own(&format!(
                r#"{MATCH},"mutate":{{"patchStrategicMerge":{{}},"targets":[{{"kind":"Pod","namespace":"z"}}]}}"#
            )),
            "mutate.targets[0].namespace: a Policy reaches no other namespace",
        ),
        (
            cluster(&format!(
                r#"{MATCH},"mutate":{{"patchStrategicMerge":{{"metadata":{{"labels":{{"a":1}}}}}}}}"#
            )),
            "mutate.patchStrategicMerge.metadata.labels.a: labels and annotations are strings",
        ),
        (
            cluster(&format!(
                r#"{MATCH},"mutate":{{"foreach":[{{"list":"request.object.a","patchStrategicMerge":{{"metadata":{{"annotations":{{"a":true}}}}}}}}]}}"#
            )),
            "foreach[0].patchStrategicMerge.metadata.annotations.a: labels and annotations are strings",
        ),
        (
            cluster(&format!(
                r#"{},"mutate":{{"patchStrategicMerge":{{"spec":{{}}}}}}"#,
                MATCH.replace("Pod", "*")
            )),
            "mutate.patchStrategicMerge: a rule for every kind can only speak of metadata",
        ),
        (
            own(&format!(r"{},{PIN}", MATCH.replace("Pod", "Namespace"))),
            "match: a Policy never sees `Namespace`",
        ),
    ] {
        check(&document, expected);
    }
    let lines = said(&own(&format!(r"{MATCH},{PIN}")));
    assert!(lines.is_empty(), "{lines:#?}");
}

#[test]
fn a_filter_that_means_nothing_is_told_when_it_is_loaded() {
    let with = |resources: &str, rest: &str| {
        let filter = format!(r#"{{"resources":{{"kinds":["Pod"]{resources}}}{rest}}}"#);
        policy(r#""background":false,"#, &format!(r#""match":{{"any":[{filter}]}},{PIN}"#))
    };
    for (document, expected) in [
        (
            with(
                r#","selector":{"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]}"#,
                "",
            ),
            "matchExpressions[0]: `Exists` takes no `values`",
        ),
        (
            with(
                r#","namespaceSelector":{"matchExpressions":[{"key":"a b","operator":"Exists"}]}"#,
                "",
            ),
            "matchExpressions[0]: `a b` is not a valid label key",
        ),
        (
            with("", r#","subjects":[{"kind":"User","name":"x","namespace":"y"}]"#),
            "warning spec.rules[0].match.any[0].subjects[0].namespace: has no effect: a User is of no namespace",
        ),
        (
            policy("", &format!(r#"{MATCH},"exclude":{{"any":[]}},{PIN}"#)),
            "spec.rules[0].exclude.any: an empty list excludes nothing",
        ),
    ] {
        check(&document, expected);
    }
}

#[test]
fn a_field_that_nothing_reads_is_told() {
    for field in ["generateExisting", "mutateExistingOnPolicyUpdate", "useServerSideApply"] {
        let document = policy(&format!(r#""{field}":true,"#), &format!("{MATCH},{PIN}"));
        check(&document, &format!("warning spec.{field}: has no effect"));
    }
    let rule = |value: bool| format!(r#"{MATCH},"skipBackgroundRequests":{value},{PIN}"#);
    check(&policy("", &rule(false)), "warning spec.rules[0].skipBackgroundRequests: has no effect");
    // The API server writes the default into every rule: nobody wrote that.
    assert!(said(&policy("", &rule(true))).is_empty());
}
