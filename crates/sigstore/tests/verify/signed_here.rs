//! What this crate signs, stored as it says, verified by it.
use crate::world::{REPOSITORY, World};
use sigward_oci::{Descriptor, Digest, Index, media_type};
use sigward_sigstore::{
    keys::{Entropy, EntropyError, PrivateKey, PublicKey, Signer as _},
    requirement::{Attestor, Stores},
    sign::{self, Attached, Manifests, PredicateType, Written},
    statement::COSIGN_SIGN,
};
use sigward_testkit::keys::{Algorithm, KeyPair};
use std::collections::BTreeMap;

pub(crate) struct Fixed(pub(crate) u8);

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(self.0);
        Ok(())
    }
}

pub(crate) fn keys() -> Vec<PrivateKey> {
    let mut keys: Vec<_> = [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::EcdsaP521,
        Algorithm::Rsa2048,
        Algorithm::Ed25519,
    ]
    .iter()
    .map(|kind| PrivateKey::parse_pem(&KeyPair::shared(*kind).unwrap().private_pem()).unwrap())
    .collect();
    keys.push(PrivateKey::generate(&mut Fixed(5)).unwrap());
    keys
}

pub(crate) fn attestor(key: &PublicKey) -> Attestor {
    Attestor::insecure_ignoring_log(key.clone())
}

pub(crate) fn push(world: &World, written: &Written, reference: &str) {
    for blob in &written.blobs {
        assert_eq!(world.registry.put_blob(REPOSITORY, blob.bytes.clone()), blob.digest.as_str());
    }
    let reference = if reference.is_empty() { written.manifest.digest.as_str() } else { reference };
    world.registry.put_manifest(
        REPOSITORY,
        reference,
        written.media_type,
        written.manifest.bytes.clone(),
    );
}

pub(crate) fn tag(world: &World, suffix: &str) -> String {
    format!("{}.{suffix}", world.digest.replacen(':', "-", 1))
}

pub(crate) fn image(world: &World) -> Descriptor {
    let manifest = world.registry.manifest(REPOSITORY, &world.digest).unwrap();
    let digest = Digest::parse(&world.digest).unwrap();
    Descriptor::new(media_type::OCI_MANIFEST, digest, manifest.bytes.len().try_into().unwrap())
}

#[test]
fn a_legacy_signature_of_every_key_verifies() {
    for key in keys() {
        for manifests in [Manifests::Oci, Manifests::Docker] {
            let world = World::new();
            let digest = Digest::parse(&world.digest).unwrap();
            let annotations = BTreeMap::from([("env".to_owned(), "<prod>".to_owned())]);
            let layer = sign::signature_layer(REPOSITORY, &digest, &annotations, &key).unwrap();
            let Attached::Written(written) =
                sign::append(None, &layer, key.public_key(), manifests, None).unwrap()
            else {
                panic!("nothing is there yet")
            };
            push(&world, &written, &tag(&world, "sig"));
            let attestor = Attestor {
                annotations: vec![("env".into(), "<prod>".into())],
                order: Stores::LegacyOnly,
                ..attestor(key.public_key())
            };
            world.verified(&attestor);
        }
    }
}

#[test]
fn a_bundle_of_every_key_verifies() {
    for key in keys() {
        for api in [true, false] {
            let world = World::with(api);
            let digest = Digest::parse(&world.digest).unwrap();
            let annotations = BTreeMap::from([("env".to_owned(), "<prod>".to_owned())]);
            let bundle = sign::signature_bundle(&digest, &annotations, &key).unwrap();
            let referrer =
                sign::referrer(&image(&world), bundle, COSIGN_SIGN, "2026-01-01T00:00:00Z")
                    .unwrap();
            push(&world, &referrer.written, "");
            if !api {
                let index = serde_json::to_vec(&Index::new(vec![referrer.fallback])).unwrap();
                let tag = world.digest.replacen(':', "-", 1);
                world.registry.put_manifest(REPOSITORY, &tag, media_type::OCI_INDEX, index);
            }
            let attestor = Attestor {
                annotations: vec![("env".into(), "<prod>".into())],
                order: Stores::BundleOnly,
                ..attestor(key.public_key())
            };
            world.verified(&attestor);
        }
    }
}

#[test]
fn attestations_of_every_type_verify_in_both_stores() {
    let key = PrivateKey::generate(&mut Fixed(5)).unwrap();
    for (name, file) in [
        ("custom", "any text"),
        ("slsaprovenance", r#"{"builder":{"id":"b"},"buildType":"t"}"#),
        ("slsaprovenance1", r#"{"buildDefinition":{"buildType":"t"}}"#),
        ("spdx", "SPDXVersion: SPDX-2.3"),
        ("spdxjson", r#"{"spdxVersion":"SPDX-2.3"}"#),
        ("cyclonedx", r#"{"bomFormat":"CycloneDX"}"#),
        ("link", r#"{"name":"n"}"#),
        ("vuln", r#"{"scanner":{"uri":"u"}}"#),
        ("openvex", r#"{"@id":"x"}"#),
        ("https://example.com/x/v1", r#"{"any":1}"#),
    ] {
        let world = World::new();
        let digest = Digest::parse(&world.digest).unwrap();
        let kind = PredicateType::parse(name).unwrap();
        let predicate = kind.wrap(file.as_bytes(), "2026-01-01T00:00:00Z").unwrap();
        let statement = sign::attestation_statement(REPOSITORY, &digest, &kind, &predicate);
        let bundle = sign::attestation_bundle(statement.clone(), &key).unwrap();
        let referrer =
            sign::referrer(&image(&world), bundle, kind.uri(), "2026-01-01T00:00:00Z").unwrap();
        push(&world, &referrer.written, "");
        let layer = sign::attestation_layer(statement, kind.uri(), &key).unwrap();
        let Attached::Written(written) =
            sign::append(None, &layer, key.public_key(), Manifests::Oci, None).unwrap()
        else {
            panic!("nothing is there yet")
        };
        push(&world, &written, &tag(&world, "att"));
        let attestor = Attestor {
            shows: sigward_sigstore::requirement::Shows::Statements {
                predicate_type: kind.uri().into(),
            },
            ..attestor(key.public_key())
        };
        assert_eq!(world.verified(&attestor).predicates().len(), 2, "{name}");
    }
}

#[test]
fn signing_twice_attaches_once() {
    let world = World::new();
    let digest = Digest::parse(&world.digest).unwrap();
    let key = PrivateKey::generate(&mut Fixed(5)).unwrap();
    let other = PrivateKey::generate(&mut Fixed(6)).unwrap();
    let sign = |key: &PrivateKey, n: &str| {
        let annotations = BTreeMap::from([("n".to_owned(), n.to_owned())]);
        sign::signature_layer(REPOSITORY, &digest, &annotations, key).unwrap()
    };
    let append = |existing: Option<&[u8]>, key: &PrivateKey, n: &str| {
        sign::append(existing, &sign(key, n), key.public_key(), Manifests::Oci, None).unwrap()
    };
    let layers = |written: &Written| {
        let json: serde_json::Value = serde_json::from_slice(&written.manifest.bytes).unwrap();
        json["layers"].as_array().unwrap().len()
    };
    let Attached::Written(first) = append(None, &key, "1") else { panic!("written") };
    let there = first.manifest.bytes.as_slice();
    assert_eq!(append(Some(there), &key, "1"), Attached::AlreadyThere);
    let Attached::Written(second) = append(Some(there), &key, "2") else { panic!("written") };
    assert_eq!(layers(&second), 2);
    let Attached::Written(third) = append(Some(there), &other, "1") else { panic!("written") };
    assert_eq!(layers(&third), 2);
    push(&world, &third, &tag(&world, "sig"));
    world.verified(&attestor(key.public_key()));
    world.verified(&attestor(other.public_key()));
}

#[test]
fn the_configuration_counts_the_layers_as_cosign_does() {
    let digest = Digest::sha256(&[1; 32]);
    let key = PrivateKey::generate(&mut Fixed(5)).unwrap();
    let layer = sign::signature_layer(REPOSITORY, &digest, &BTreeMap::new(), &key).unwrap();
    let Attached::Written(written) =
        sign::append(None, &layer, key.public_key(), Manifests::Oci, None).unwrap()
    else {
        panic!("written")
    };
    let config = String::from_utf8(written.blobs[1].bytes.clone()).unwrap();
    assert_eq!(
        config,
        format!(
            r#"{{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{{"created":"0001-01-01T00:00:00Z"}}],"os":"","rootfs":{{"type":"layers","diff_ids":["{}"]}},"config":{{}}}}"#,
            layer.blob.digest
        )
    );
}

#[test]
fn no_more_than_a_thousand_signatures_are_attached() {
    let digest = Digest::sha256(&[1; 32]);
    let key = PrivateKey::generate(&mut Fixed(5)).unwrap();
    let layer = sign::signature_layer(REPOSITORY, &digest, &BTreeMap::new(), &key).unwrap();
    let full = |n: usize| {
        let mut entry = Descriptor::new(layer.media_type, Digest::sha256(&[2; 32]), 1);
        entry.annotations.insert("n".into(), n.to_string());
        let json = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": Descriptor::new(media_type::OCI_CONFIG, digest.clone(), 2),
            "layers": vec![entry; n],
        });
        json.to_string().into_bytes()
    };
    let append = |n| sign::append(Some(&full(n)), &layer, key.public_key(), Manifests::Oci, None);
    assert!(append(sign::MAX_LAYERS - 1).is_ok());
    assert!(matches!(append(sign::MAX_LAYERS), Err(sign::AssembleError::TooMany)));
}

#[test]
fn replacing_drops_the_attestations_of_one_type_only() {
    let digest = Digest::sha256(&[1; 32]);
    let key = PrivateKey::generate(&mut Fixed(5)).unwrap();
    let mut manifest: Option<Vec<u8>> = None;
    for kind in ["urn:a", "urn:b", "urn:a"] {
        let kind = PredicateType::parse(kind).unwrap();
        let statement = sign::attestation_statement("x", &digest, &kind, "{}");
        let layer = sign::attestation_layer(statement, kind.uri(), &key).unwrap();
        let attached =
            sign::append(manifest.as_deref(), &layer, key.public_key(), Manifests::Oci, None);
        if let Attached::Written(written) = attached.unwrap() {
            manifest = Some(written.manifest.bytes);
        }
    }
    let left = sign::replace_type(&manifest.unwrap(), "urn:a").unwrap();
    let left = String::from_utf8(left).unwrap();
    assert!(!left.contains("urn:a") && left.contains("urn:b"));
}
