//! The main story: unsigned is denied with the exact body, signed is admitted and pinned.

use crate::world::World;

const KEYED: &str = r#"[{"imageReferences":["HOST/*"],"attestors":[{"count":1,"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#;

#[test]
fn the_denial_body_is_kyvernos_to_the_byte() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    assert!(!decision.allowed);
    let image = world.image("app:v1");
    assert_eq!(
        decision.message.unwrap(),
        format!(
            "\n\nresource Pod/default/a was blocked due to the following policies \n\ncheck-image:\n  \
             check: 'failed to verify image {image}: .attestors[0].entries[0].keys: no signatures found'\n"
        )
    );
    let outcome = &decision.rules[0].images[0];
    assert_eq!(outcome.digest.as_ref().unwrap().as_str(), digest);
    assert_eq!(
        outcome.next.as_deref().unwrap(),
        format!("cosign sign --key cosign.key {}@{digest}", world.image("app"))
    );
    assert!(!outcome.looked_at.is_empty(), "{outcome:?}");
}

#[test]
fn a_signed_image_is_admitted_and_pinned_and_annotated() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push_signed("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    assert!(decision.allowed, "{:?}", decision.message);
    let image = world.image("app:v1");
    let pinned = decision.object.pointer("/spec/containers/0/image").unwrap();
    assert_eq!(pinned.as_str().unwrap(), format!("{image}@{digest}"));
    let annotations = decision.object.at_path(&["metadata", "annotations"]).unwrap();
    let name = format!("{}@{digest}", world.image("app"));
    assert_eq!(
        annotations.get("kyverno.io/verify-images").unwrap().as_str().unwrap(),
        format!(r#"{{"{name}":"pass"}}"#)
    );
    assert_eq!(decision.rules[0].message, format!("verified image signatures for {image}"));
    assert_eq!(decision.patch.len(), 2, "{:?}", decision.patch);
}

#[test]
fn what_was_pinned_passes_the_validating_webhook_and_a_tag_does_not() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push_signed("app", "v1", 1);
    let image = world.image("app:v1");
    assert!(world.validate(&[&format!("{image}@{digest}")]).allowed);
    let decision = world.validate(&[&image]);
    assert!(!decision.allowed);
    assert!(decision.message.unwrap().contains(&format!("missing digest for {image}")));
}

#[test]
fn a_deployment_is_covered_by_a_generated_rule() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push_signed("app", "v1", 1);
    world.push("app", "bad", 2);
    let deployment = |image: &str| {
        crate::world::request(
            "Deployment",
            sigward_policy::request::Stage::Mutating,
            &format!(
                r#"{{"metadata":{{"name":"a"}},"spec":{{"template":{{"spec":{{"containers":[{{"name":"c","image":"{image}"}}]}}}}}}}}"#
            ),
        )
    };
    let decision = world.decide(deployment(&world.image("app:v1")));
    assert!(decision.allowed, "{:?}", decision.message);
    let pinned = decision.object.pointer("/spec/template/spec/containers/0/image").unwrap();
    assert!(pinned.as_str().unwrap().ends_with(&digest));
    let decision = world.decide(deployment(&world.image("app:bad")));
    assert!(decision.message.unwrap().contains("  autogen-check: 'failed to verify image"));
}

#[test]
fn the_form_of_2021_compiles_and_decides() {
    let mut world = World::new();
    let key = serde_json::to_string(&world.key.public_pem()).unwrap();
    let host = world.registry.host();
    world.policies.push(format!(
        r#"{{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{{"name":"check-image"}},
            "spec":{{"validationFailureAction":"enforce","background":false,"rules":[{{"name":"check-image",
            "match":{{"resources":{{"kinds":["Pod"]}}}},"verifyImages":[{{"image":"{host}/*","key":{key}}}]}}]}}}}"#
    ));
    world.push_signed("app", "v1", 1);
    world.push("app", "bad", 2);
    assert!(world.create(&[&world.image("app:v1")]).allowed);
    assert!(!world.create(&[&world.image("app:bad")]).allowed);
}
