//! Writing: order, mounts, and the fallback index.
use super::*;
use sigward_oci::{Descriptor, ImageManifest, Index, media_type};
use sigward_remote::{FetchError, Malformed};
use sigward_testkit::{
    artifact::Artifact,
    registry::{Effect, Fault},
};

/// An artifact that refers to an image; distinct for each number.
pub(super) fn referrer(image: &Artifact, number: u8) -> Artifact {
    let content = Bytes::from(vec![number; 32]);
    let empty = Bytes::from_static(b"{}");
    let digest = |bytes: &[u8]| Digest::parse(&sigward_testkit::digest::sha256(bytes)).unwrap();
    let descriptor =
        |kind: &str, bytes: &[u8]| Descriptor::new(kind, digest(bytes), bytes.len() as u64);
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.into()),
        artifact_type: Some(media_type::SIGSTORE_BUNDLE_V03.into()),
        config: descriptor(media_type::OCI_EMPTY, &empty),
        layers: vec![descriptor(media_type::SIGSTORE_BUNDLE_V03, &content)],
        subject: Some(descriptor(&image.media_type, &image.manifest)),
        annotations: [("dev.sigstore.bundle.content".to_owned(), "x".to_owned())].into(),
    };
    Artifact {
        media_type: media_type::OCI_MANIFEST.into(),
        manifest: serde_json::to_vec(&manifest).unwrap().into(),
        blobs: vec![empty, content],
    }
}

async fn push(client: &Registry, repository: &str, artifact: &Artifact) {
    for blob in &artifact.blobs {
        client.push_blob(repository, blob.clone(), &anonymous()).await.unwrap();
    }
    let manifest = artifact.manifest.clone();
    client.push_referrer(repository, manifest, &anonymous()).await.unwrap();
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_uploaded() {
    let bench = Bench::new();
    for expected in [1, 1] {
        let blob = Bytes::from_static(b"blob");
        bench.client.push_blob(&bench.repository(), blob, &anonymous()).await.unwrap();
        assert_eq!(bench.asked(&Method::PUT, Class::Upload), expected);
    }
}

#[tokio::test]
async fn locations_of_uploads_may_be_relative() {
    let kit = KitOptions { relative_locations: true, ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let blob = Bytes::from_static(b"blob");
    let digest = bench.client.push_blob(&bench.repository(), blob, &anonymous()).await.unwrap();
    assert!(bench.kit.blob("app", digest.as_str()).is_some());
}

#[tokio::test]
async fn an_upload_is_not_sent_to_another_host() {
    let bench = Bench::new();
    let location = ("location".to_owned(), "http://127.0.0.1:1/v2/app/blobs/uploads/x".to_owned());
    bench.kit.fault(
        Fault::new(Effect::Respond { code: 202, headers: vec![location], body: Bytes::new() })
            .method(Method::POST),
    );
    let blob = Bytes::from_static(b"blob");
    let found = bench.client.push_blob(&bench.repository(), blob, &anonymous()).await;
    let wrong = matches!(found, Err(FetchError::Malformed { what: Malformed::Upload, .. }));
    assert!(wrong, "{found:?}");
}

#[tokio::test]
async fn a_manifest_is_refused_before_its_blobs_are_there() {
    let bench = Bench::new();
    let artifact = referrer(&image::build(1), 1);
    let found = bench
        .client
        .push_manifest(
            &bench.repository(),
            None,
            &artifact.media_type,
            artifact.manifest,
            &anonymous(),
        )
        .await;
    let Err(FetchError::Rejected { said: Some(said), .. }) = found else { panic!("{found:?}") };
    assert!(said.contains("MANIFEST_BLOB_UNKNOWN"), "{said}");
}

#[tokio::test]
async fn a_registry_that_lists_referrers_gets_no_fallback_tag() {
    let bench = Bench::new();
    push(&bench.client, &bench.repository(), &referrer(&image::build(1), 1)).await;
    let tag = sigward_oci::referrers_tag(&bench.digest);
    assert!(bench.kit.manifest("app", &tag).is_none());
    assert_eq!(bench.kit.referrers("app", bench.digest.as_str()).len(), 1);
    // It said so when the manifest was written: nobody has to ask.
    assert_eq!(bench.asked(&Method::GET, Class::Referrers), 0);
}

#[tokio::test]
async fn the_fallback_index_is_written_as_cosign_writes_it() {
    let kit = KitOptions { referrers_api: false, ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let image = image::build(1);
    for number in [1, 2, 1] {
        push(&bench.client, &bench.repository(), &referrer(&image, number)).await;
    }
    let tag = sigward_oci::referrers_tag(&bench.digest);
    let stored = bench.kit.manifest("app", &tag).unwrap();
    assert_eq!(stored.media_type, media_type::OCI_INDEX);
    let index: Index = serde_json::from_slice(&stored.bytes).unwrap();
    assert_eq!(index.manifests.len(), 2, "the same referrer is listed once");
    assert!(index.manifests.is_sorted_by_key(|entry| entry.digest.clone()));
    for entry in &index.manifests {
        assert_eq!(entry.media_type, media_type::OCI_MANIFEST);
        assert_eq!(entry.artifact_type.as_deref(), Some(media_type::SIGSTORE_BUNDLE_V03));
        assert!(entry.annotations.is_empty() && entry.other.is_empty());
    }
}

#[tokio::test]
async fn a_fallback_tag_that_holds_an_image_is_replaced_by_an_index() {
    let kit = KitOptions { referrers_api: false, ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let tag = sigward_oci::referrers_tag(&bench.digest);
    bench.kit.set_tag("app", &tag, bench.digest.as_str());
    push(&bench.client, &bench.repository(), &referrer(&image::build(1), 1)).await;
    let stored = bench.kit.manifest("app", &tag).unwrap();
    assert_eq!(stored.media_type, media_type::OCI_INDEX);
}

#[tokio::test]
async fn writers_of_one_fallback_tag_lose_nothing() {
    let kit = KitOptions { referrers_api: false, ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let image = image::build(1);
    let repository = bench.repository();
    let writers = (0..8).map(|number| {
        let (image, repository) = (&image, &repository);
        let client = &bench.client;
        async move { push(client, repository, &referrer(image, number)).await }
    });
    futures_util::future::join_all(writers).await;
    let tag = sigward_oci::referrers_tag(&bench.digest);
    let stored = bench.kit.manifest("app", &tag).unwrap();
    let index: Index = serde_json::from_slice(&stored.bytes).unwrap();
    assert_eq!(index.manifests.len(), 8);
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository() {
    let bench = Bench::new();
    let blob = bench.blob(b"shared");
    let other = format!("{}/other", bench.kit.host());
    assert!(bench.client.mount_blob(&blob, &other, &anonymous()).await.unwrap());
    assert!(bench.kit.blob("other", blob.digest.as_str()).is_some());
    let absent = bench.reference(&format!("sha256:{}", "0".repeat(64)));
    assert!(!bench.client.mount_blob(&absent, &other, &anonymous()).await.unwrap());
    let elsewhere = "elsewhere.example/app";
    assert!(!bench.client.mount_blob(&blob, elsewhere, &anonymous()).await.unwrap());
}

#[tokio::test]
async fn an_upload_that_breaks_is_started_again() {
    let bench = Bench::new();
    bench.kit.fault(Fault::new(Effect::Reset).method(Method::PUT).class(Class::Upload).times(1));
    let blob = Bytes::from_static(b"blob");
    let digest = bench.client.push_blob(&bench.repository(), blob, &anonymous()).await.unwrap();
    assert!(bench.kit.blob("app", digest.as_str()).is_some());
    assert_eq!(bench.asked(&Method::POST, Class::Upload), 2);
}

#[tokio::test]
async fn a_registry_that_stores_something_else_is_noticed() {
    let bench = Bench::new();
    let other = format!("sha256:{}", "1".repeat(64));
    bench.kit.fault(Fault::new(Effect::WrongDigestHeader(other)).method(Method::PUT));
    let image = image::build(1);
    let found = bench
        .client
        .push_manifest(
            &bench.repository(),
            Some("v2"),
            &image.media_type,
            image.manifest,
            &anonymous(),
        )
        .await;
    let wrong = matches!(found, Err(FetchError::Malformed { what: Malformed::DigestHeader, .. }));
    assert!(wrong, "{found:?}");
}
