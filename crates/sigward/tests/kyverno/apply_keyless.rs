//! `apply` with a trusted root: who signed with an identity is known by it.
use crate::stage::Stage;
use sigward_testkit::{
    image,
    registry::{Options, Registry},
    signing::Place,
    sigstore::{Clock, Identity, Instance, Keyless, Options as SigstoreOptions},
};

#[test]
fn an_image_signed_by_an_identity_passes_by_the_trusted_root() {
    let options = SigstoreOptions { clock: Clock::at(1_700_000_000), ..SigstoreOptions::default() };
    let instance = Instance::new(options).unwrap();
    let registry = Registry::start(Options::default()).unwrap();
    let digest = image::build(1).push(&registry, "app", "v1");
    let place = Place::of(&registry, "app", &digest).unwrap();
    let signer = Identity::uri("https://example.com/release", "https://issuer.example.com");
    Keyless::new(&instance, signer).sign_legacy(&place).unwrap();
    let stage = Stage::sample();
    stage.write("root.json", &instance.trusted_root().to_string());
    stage.write(
        "pods.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers: [{{name: c, image: '{}/app:v1'}}]\n",
            registry.host()
        ),
    );
    let policy = |subject: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: signed}}\nspec:\n  validationFailureAction: Enforce\n  rules:\n  - name: check\n    match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}\n    verifyImages:\n    - imageReferences: ['*']\n      attestors:\n      - entries:\n        - keyless:\n            issuer: https://issuer.example.com\n            subject: {subject}\n            rekor: {{url: 'https://rekor.example.com'}}\n"
        )
    };
    let with = ["apply", "policy.yaml", "-r", "pods.yaml", "--trusted-root", "root.json"];
    stage.write("policy.yaml", &policy("https://example.com/*"));
    stage.run(&with).code(0).says(&["kyverno.io/verify-images:", "fail: 0"]);
    // Without it nobody can tell.
    stage.run(&with[..4]).code(1).says(&["no trust material to judge by"]);
    stage.write("policy.yaml", &policy("https://example.org/*"));
    stage.run(&with).code(1).says(&["subject mismatch: expected https://example.org/*"]);
    stage.write("root.json", "{}");
    stage
        .run(&with)
        .code(1)
        .complains(&["--trusted-root: root.json: unsupported trusted root media type"]);
}
