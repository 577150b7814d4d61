//! Claims about manifests.
use super::*;
use proptest::prelude::*;
use serde_json::json;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": DIGEST, "size": 7})
}

fn parse(value: &Value, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
    Manifest::parse(value.to_string().as_bytes(), content_type)
}

fn check_ambiguous(value: &Value, content_type: Option<&str>) {
    assert!(matches!(parse(value, content_type), Err(ManifestError::Ambiguous)), "{value}");
}

#[test]
fn reads_images_of_both_worlds() {
    for (own, config) in [
        (media_type::OCI_MANIFEST, media_type::OCI_CONFIG),
        (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG),
    ] {
        let value = json!({"schemaVersion": 2, "mediaType": own, "config": descriptor(config), "layers": null, "annotations": null});
        let Ok(Manifest::Image(image)) = parse(&value, Some(own)) else { panic!("{value}") };
        assert_eq!(image.config.media_type, config);
        assert!(image.layers.is_empty());
    }
}

#[test]
fn reads_a_referrer_as_cosign_3_writes_it() {
    let bundle = media_type::SIGSTORE_BUNDLE_V03;
    let mut config = descriptor(media_type::OCI_EMPTY);
    config["artifactType"] = bundle.into();
    let value = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": bundle,
        "config": config, "layers": [descriptor(bundle)],
        "subject": descriptor(media_type::OCI_MANIFEST),
        "annotations": {"dev.sigstore.bundle.content": "dsse-envelope"},
    });
    let Ok(Manifest::Image(image)) = parse(&value, None) else { panic!("{value}") };
    assert_eq!(image.referrer_type(), bundle);
    assert_eq!(image.subject.unwrap().digest.as_str(), DIGEST);
    assert_eq!(image.config.artifact_type.as_deref(), Some(bundle));
}

#[test]
fn an_index_without_entries_is_an_index() {
    let value = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": null});
    assert!(
        matches!(parse(&value, None), Ok(Manifest::Index(index)) if index.manifests.is_empty())
    );
    let value = json!({"schemaVersion": 2, "manifests": []});
    assert!(matches!(parse(&value, Some(media_type::OCI_INDEX)), Ok(Manifest::Index(_))));
}

#[test]
fn rejects_a_document_that_is_image_and_index_at_once() {
    let both =
        json!({"schemaVersion": 2, "config": descriptor("a/b"), "layers": [], "manifests": []});
    check_ambiguous(&both, None);
    let liar = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "config": descriptor("a/b"), "layers": []});
    check_ambiguous(&liar, None);
    let index = json!({"schemaVersion": 2, "manifests": []});
    check_ambiguous(&index, Some(media_type::DOCKER_MANIFEST));
}

#[test]
fn rejects_the_first_docker_schema() {
    let value = json!({"schemaVersion": 1, "name": "a"});
    assert!(matches!(parse(&value, None), Err(ManifestError::SchemaVersion(1))));
}

#[test]
fn rejects_a_repeated_field() {
    let text = format!(
        r#"{{"schemaVersion":2,"config":{0},"config":{0},"layers":[]}}"#,
        descriptor("a/b")
    );
    assert!(matches!(Manifest::parse(text.as_bytes(), None), Err(ManifestError::Json(_))));
}

#[test]
fn rejects_a_size_that_is_no_length() {
    for size in [json!(-1), json!(1.5), json!("7"), json!(1e30)] {
        let mut config = descriptor("a/b");
        config["size"] = size;
        let value = json!({"schemaVersion": 2, "config": config, "layers": []});
        assert!(parse(&value, None).is_err(), "{value}");
    }
}

#[test]
fn rewriting_an_index_keeps_what_is_not_ours() {
    let value = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
        "manifests": [{"mediaType": "a/b", "digest": DIGEST, "size": 7, "urls": ["x"],
                       "platform": {"architecture": "amd64", "os": "windows", "os.version": "10"}}],
    });
    let Ok(Manifest::Index(index)) = parse(&value, None) else { panic!("{value}") };
    assert_eq!(serde_json::to_value(*index).unwrap(), value);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(&bytes, None);
    }
}
