//! Context entries and variables, seen through the preconditions of a rule.
use crate::world::{World, cause, parse};
use sigward_policy::{
    decision::{Decision, Status},
    fact::{CauseKind, Fact, Fetch},
};

/// A pin-only rule with this context whose precondition compares `key` with `value`.
fn world(context: &str, key: &str, value: &str) -> World {
    let mut world = World::new();
    world.policy(r#"[{"imageReferences":["HOST/*"],"required":false}]"#);
    world.policies[0] = world.policies[0].replace(
        r#""name":"check","#,
        &format!(
            r#""name":"check","context":{context},"preconditions":{{"all":[{{"key":"{{{{ {key} }}}}","operator":"Equals","value":{value}}}]}},"#
        ),
    );
    world.push("app", "v1", 1);
    world
}

fn decide(world: &World) -> Decision {
    world.create(&[&world.image("app:v1")])
}

/// The rule applies exactly when the comparison holds.
fn check(context: &str, key: &str, value: &str, status: Status) {
    let decision = decide(&world(context, key, value));
    assert_eq!(decision.rules[0].status, status, "{:#?}", decision.rules[0]);
}

#[test]
fn a_variable_is_a_value_an_expression_or_its_default() {
    check(r#"[{"name":"a","variable":{"value":{"b":["x"]}}}]"#, "a.b[0]", r#""x""#, Status::Pass);
    check(
        r#"[{"name":"a","variable":{"value":{"b":["x"]},"jmesPath":"b[0]"}}]"#,
        "a",
        r#""x""#,
        Status::Pass,
    );
    check(
        r#"[{"name":"a","variable":{"jmesPath":"request.namespace"}}]"#,
        "a",
        r#""default""#,
        Status::Pass,
    );
    check(
        r#"[{"name":"a","variable":{"jmesPath":"request.object.metadata.labels.x","default":"none"}}]"#,
        "a",
        r#""none""#,
        Status::Pass,
    );
    check(
        r#"[{"name":"a","variable":{"jmesPath":"request.object.metadata.labels.x"}}]"#,
        "a",
        r#""none""#,
        Status::Error,
    );
}

#[test]
fn a_second_declaration_builds_on_the_first() {
    check(
        r#"[{"name":"a","variable":{"value":"x"}},{"name":"a","variable":{"value":"{{ a }}y"}}]"#,
        "a",
        r#""xy""#,
        Status::Pass,
    );
}

#[test]
fn an_entry_that_nobody_reads_is_never_loaded() {
    let world = world(
        r#"[{"name":"gone","configMap":{"name":"gone","namespace":"x"}},{"name":"a","variable":{"value":"x"}}]"#,
        "a",
        r#""x""#,
    );
    assert_eq!(decide(&world).rules[0].status, Status::Pass);
    assert!(!world.asked().iter().any(|f| matches!(f, Fetch::Object(_))));
}

#[test]
fn a_call_is_answered_and_transformed() {
    let world = world(
        r#"[{"name":"n","apiCall":{"urlPath":"/api/v1/namespaces/{{ request.namespace }}","jmesPath":"metadata.name"}}]"#,
        "n",
        r#""shop""#,
    );
    world.answer(
        "/api/v1/namespaces/default",
        Fact::Document(Ok(Some(parse(r#"{"metadata":{"name":"shop"}}"#)))),
    );
    assert_eq!(decide(&world).rules[0].status, Status::Pass);
}

#[test]
fn a_failed_call_yields_its_default_untransformed() {
    let call = |default: &str| {
        world(
            &format!(
                r#"[{{"name":"n","apiCall":{{"urlPath":"/api","jmesPath":"metadata.name"{default}}}}}]"#
            ),
            "n",
            r#""fallback""#,
        )
    };
    let world = call(r#","default":"fallback""#);
    world.answer("url: \"/api\"", Fact::Document(Err(cause(CauseKind::Unavailable))));
    assert_eq!(decide(&world).rules[0].status, Status::Pass);
    let world = call("");
    world.answer("url: \"/api\"", Fact::Document(Err(cause(CauseKind::Unavailable))));
    let decision = decide(&world);
    assert_eq!(decision.rules[0].status, Status::Error);
    assert!(decision.rules[0].message.contains("failed to call /api"), "{:?}", decision.rules[0]);
}

#[test]
fn an_image_is_described_by_its_registry() {
    let world = world(
        r#"[{"name":"i","imageRegistry":{"reference":"{{ images.containers.c0.reference }}","jmesPath":"configData.config.User"}}]"#,
        "i",
        r#""nonroot""#,
    );
    world.answer(
        "ImageData",
        Fact::Document(Ok(Some(parse(
            r#"{"manifest":{},"configData":{"config":{"User":"nonroot"}}}"#,
        )))),
    );
    assert_eq!(decide(&world).rules[0].status, Status::Pass);
}

#[test]
fn images_and_user_are_variables() {
    check("[]", "images.containers.c0.tag", r#""v1""#, Status::Pass);
    check("[]", "request.userInfo.username", r#""alice""#, Status::Pass);
    check("[]", "request.operation", r#""CREATE""#, Status::Pass);
}

#[test]
fn the_service_account_is_cut_out_of_the_user_name() {
    let world = world("[]", "serviceAccountName", r#""bot""#);
    let mut request =
        crate::world::pod(sigward_policy::request::Stage::Mutating, &[&world.image("app:v1")]);
    request.user.as_mut().unwrap().username = "system:serviceaccount:ci:bot".into();
    assert_eq!(world.decide(request).rules[0].status, Status::Pass);
}

#[test]
fn a_context_that_grows_too_large_is_an_error() {
    let mut world = world(r#"[{"name":"a","variable":{"value":"0123456789"}}]"#, "a", r#""x""#);
    world.settings.max_context_size = 8;
    let decision = decide(&world);
    assert_eq!(decision.rules[0].status, Status::Error);
    assert!(decision.rules[0].message.contains("context size limit exceeded: 12 bytes"));
}

#[test]
fn a_policy_of_a_namespace_reads_nothing_outside_of_it() {
    let namespaced = |context: &str| {
        let mut world = world(context, "a", r#""x""#);
        world.policies[0] = world.policies[0].replace(
            r#""kind":"ClusterPolicy","metadata":{"#,
            r#""kind":"Policy","metadata":{"namespace":"default","#,
        );
        let decision = decide(&world);
        assert_eq!(decision.rules[0].status, Status::Error);
        assert!(!world.asked().iter().any(|f| matches!(f, Fetch::Object(_) | Fetch::Call(_))));
        decision.rules[0].message.clone()
    };
    let map = namespaced(r#"[{"name":"a","configMap":{"name":"m","namespace":"other"}}]"#);
    assert!(map.contains("cannot read the ConfigMap other/m"), "{map}");
    for path in [
        "/api/v1/namespaces/other/pods",
        "/api/v1/namespaces/default/../other/pods",
        "/api/v1/namespaces/default/%2e%2e/other",
        "/api/v1/nodes",
    ] {
        let call = namespaced(&format!(r#"[{{"name":"a","apiCall":{{"urlPath":"{path}"}}}}]"#));
        assert!(call.contains("can only call paths under"), "{call}");
    }
}

#[test]
fn an_entry_that_finds_nothing_is_a_variable_that_finds_nothing() {
    let told = |context: &str| decide(&world(context, "b", r#""x""#)).rules[0].message.clone();
    let gone = "JMESPath query failed: Unknown key \"gone\" in path";
    let message = told(
        r#"[{"name":"a","variable":{"jmesPath":"request.object.gone"}},{"name":"b","variable":{"jmesPath":"a.c"}}]"#,
    );
    let expected = format!(
        "failed to resolve b at path : failed to apply jmespath a.c to variable <nil>: \
         failed to apply jmespath request.object.gone to variable <nil>: {gone}"
    );
    assert!(message.ends_with(&expected), "{message}");
    let message = told(r#"[{"name":"b","variable":{"value":"{{ request.object.gone }}"}}]"#);
    let expected = format!(
        "failed to resolve b at path : failed to substitute variables in context entry b {{{{ request.object.gone }}}}: \
         failed to resolve request.object.gone at path : {gone}"
    );
    assert!(message.ends_with(&expected), "{message}");
}
