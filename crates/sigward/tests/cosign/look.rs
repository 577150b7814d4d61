//! `tree` and `triangulate`: where things lie.
use crate::stage::{REPOSITORY, Stage};

#[test]
fn a_tree_shows_both_stores() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let bare = stage.run(&["tree", &image]).ok();
    assert!(bare.out.contains("No Supply Chain Security Related Artifacts"), "{}", bare.out);
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        stage.sign(&image, &[format]).ok();
        stage.attest(&image, &[format]).ok();
    }
    let repository = format!("{}/{REPOSITORY}", stage.registry.host());
    let tree = stage.run(&["tree", &image]).ok().out;
    let first = format!("📦 Supply Chain Security Related artifacts for an image: {image}\n");
    assert!(tree.starts_with(&first), "{tree}");
    for branch in [
        format!("└── 🔐 Signatures for an image tag: {repository}:{}", stage.attached("v1", "sig")),
        format!(
            "└── 💾 Attestations for an image tag: {repository}:{}",
            stage.attached("v1", "att")
        ),
        "└── 🔗 https://sigstore.dev/cosign/sign/v1 artifacts via OCI referrer: ".to_owned()
            + &repository
            + "@sha256:",
        "└── 🔗 https://cosign.sigstore.dev/attestation/v1 artifacts via OCI referrer: ".to_owned()
            + &repository,
    ] {
        assert!(tree.contains(&branch), "{branch} is not in {tree}");
    }
    assert_eq!(tree.matches("   └── 🍒 sha256:").count(), 4, "{tree}");
    let legacy = stage.run(&["tree", "--registry-referrers-mode", "legacy", &image]).ok().out;
    assert!(!legacy.contains("OCI referrer"), "{legacy}");
    let legacy = stage.run(&["tree", "--experimental-oci11=false", &image]).ok().out;
    assert!(!legacy.contains("OCI referrer"), "{legacy}");
    let both = stage.run(&["tree", "--registry-referrers-mode", "oci-1-1", &image]).ok().out;
    assert_eq!(both, tree);
    stage
        .run(&["tree", "--registry-referrers-mode", "x", &image])
        .fails(1, "registry-referrers-mode");
    for command in ["tree", "triangulate"] {
        stage.run(&[command, &stage.name("none")]).fails(1, "MANIFEST_UNKNOWN");
    }
}

#[test]
fn a_triangulation_names_the_tag() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let repository = format!("{}/{REPOSITORY}", stage.registry.host());
    let at = |kind: &str| stage.run(&["triangulate", "--type", kind, &image]).ok().out;
    let tag = |end: &str| format!("{repository}:{}\n", stage.attached("v1", end));
    assert_eq!(stage.run(&["triangulate", &image]).ok().out, tag("sig"));
    assert_eq!(at("signature"), tag("sig"));
    assert_eq!(at("attestation"), tag("att"));
    assert_eq!(at("sbom"), tag("sbom"));
    assert_eq!(at("digest"), format!("{repository}@{}\n", stage.digest("v1")));
    stage.run(&["triangulate", "--type", "x", &image]).fails(1, "unknown attachment type x");
}
