//! What this crate assembles around a signature once services have answered, verified by it.
use crate::{
    peers::peers,
    signed_here::{image, push, tag},
    world::{REPOSITORY, World},
};
use serde_json::Value;
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{
        Artifact, Demand, Detached, verify_blob_bundle_by, verify_blob_detached,
        verify_blob_legacy_bundle_by,
    },
    certificate::Identity as Wanted,
    dsse::Envelope,
    keys::{Certificate, Ed25519Form, PrivateKey, PublicKey, Signer as _},
    requirement::{
        Attestor, Keyless, LogRule, SctRule, Shows, Stores, TimeRule, Timestamp, TrustId, Who,
    },
    sign::{self, Attached, Manifests, Surroundings},
    simple_signing,
    statement::{COSIGN_SIGN, PAYLOAD_TYPE},
    tlog::LogEntry,
    trust::{TrustStore, TrustedRoot},
};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    sigstore::{Clock, Identity, Instance, Options},
};
use std::{collections::BTreeMap, sync::Arc};

const SUBJECT: &str = "dev@example.com";
const ISSUER: &str = "https://issuer.example.com";

/// A signer who has a certificate, and the services that answered.
struct Scene {
    instance: Instance,
    root: Arc<TrustedRoot>,
    key: PrivateKey,
    certificates: Vec<Certificate>,
}

impl Scene {
    fn new(algorithm: Algorithm) -> Self {
        let options = Options { clock: Clock::at(1_690_000_000), ..Options::default() };
        let instance = Instance::new(options).unwrap();
        let pair = KeyPair::generate(algorithm).unwrap();
        let chain = instance.certify(pair.spki_der(), &Identity::email(SUBJECT, ISSUER)).unwrap();
        let certificates = chain.iter().map(|der| Certificate::parse_der(der).unwrap()).collect();
        let root = TrustedRoot::parse(instance.trusted_root().to_string().as_bytes()).unwrap();
        let key = PrivateKey::parse_pem(&pair.private_pem()).unwrap();
        // Logs know Ed25519 signatures only in their prehashed form.
        let key = key.with_ed25519_form(Ed25519Form::Prehashed);
        Self { instance, root: Arc::new(root), key, certificates }
    }

    fn public(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn logged(&self, request: &str) -> LogEntry {
        let request: Value = serde_json::from_str(request).unwrap();
        if request.get("hashedRekordRequestV002").is_some() {
            let answer = self.instance.log_v2(&request).unwrap();
            return LogEntry::parse_rekor_v2(answer.to_string().as_bytes()).unwrap();
        }
        let answer = self.instance.log(&request).unwrap();
        LogEntry::parse_rekor_v1(answer.to_string().as_bytes()).unwrap()
    }

    fn around(&self, entries: Vec<LogEntry>, stamped: &[u8]) -> Surroundings {
        Surroundings {
            certificates: self.certificates.clone(),
            log_entries: entries,
            timestamps: vec![self.instance.stamp(stamped).unwrap()],
        }
    }

    fn leaf_pem(&self) -> String {
        self.certificates[0].to_pem()
    }

    fn attestor(&self) -> Attestor {
        wanted(self.root.id())
    }

    fn world(&self) -> World {
        let mut world = World::new();
        world.trust.insert(Arc::clone(&self.root));
        world
    }
}

fn wanted(trust: TrustId) -> Attestor {
    let identities = vec![Wanted::exact(ISSUER, SUBJECT)];
    let who = Who::Keyless(Keyless { trust, identities, sct: SctRule::Demanded });
    Attestor {
        time: TimeRule::TimestampDemanded { timestamps: trust },
        ..Attestor::new(who, LogRule::EntryDemanded { trust, online: None })
    }
}

#[test]
fn what_is_assembled_with_evidence_verifies() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
        let scene = Scene::new(algorithm);
        let leaf = scene.certificates.first();
        // A bundle, in Rekor 1 and Rekor 2.
        for version in [1, 2] {
            let world = scene.world();
            let digest = Digest::parse(&world.digest).unwrap();
            let statement = sign::image_statement(&digest, &BTreeMap::new());
            let envelope = Envelope::sign(PAYLOAD_TYPE, statement, &scene.key).unwrap();
            let request = if version == 1 {
                sign::rekor_v1_dsse(envelope.to_json().as_bytes(), &scene.leaf_pem())
            } else {
                sign::rekor_v2_dsse(&envelope, scene.public(), leaf)
            };
            let entry = scene.logged(&request.unwrap());
            let around = scene.around(vec![entry], &envelope.signatures[0].signature);
            let bundle = sign::envelope_bundle(&envelope, scene.public(), &around);
            let referrer =
                sign::referrer(&image(&world), bundle, COSIGN_SIGN, "2026-01-01T00:00:00Z")
                    .unwrap();
            push(&world, &referrer.written, "");
            let attestor = Attestor { order: Stores::BundleOnly, ..scene.attestor() };
            let verified = world.verified(&attestor);
            assert_eq!(verified.signed()[0].proved().log_entries().len(), 1);
        }
        // A signature in a legacy layer.
        let world = scene.world();
        let digest = Digest::parse(&world.digest).unwrap();
        let payload = simple_signing::render("r/app", &digest, &BTreeMap::new()).into_bytes();
        let signature = scene.key.sign(&payload).unwrap();
        let request =
            sign::rekor_v1_hashedrekord(&payload, &signature, scene.public(), &scene.leaf_pem());
        let around = scene.around(vec![scene.logged(&request)], &signature);
        let layer = sign::payload_layer(payload, &signature).with_surroundings(&around);
        attach(&world, &layer, scene.public(), "sig");
        world.verified(&Attestor { order: Stores::LegacyOnly, ..scene.attestor() });
        // An attestation in a legacy layer: the timestamp is over the whole envelope.
        let world = scene.world();
        let statement = format!(
            r#"{{"_type":"x","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"urn:scan","predicate":{{}}}}"#,
            world.digest.trim_start_matches("sha256:")
        );
        let envelope = Envelope::sign(PAYLOAD_TYPE, statement.into_bytes(), &scene.key).unwrap();
        let layer = sign::envelope_layer(&envelope, "urn:scan");
        let request = sign::rekor_v1_dsse(&layer.blob.bytes, &scene.leaf_pem()).unwrap();
        let around = scene.around(vec![scene.logged(&request)], &layer.blob.bytes);
        attach(&world, &layer.with_surroundings(&around), scene.public(), "att");
        let shows = Shows::Statements { predicate_type: "urn:scan".into() };
        world.verified(&Attestor { order: Stores::LegacyOnly, shows, ..scene.attestor() });
    }
}

fn attach(world: &World, layer: &sign::LegacyLayer, key: &PublicKey, suffix: &str) {
    let attached = sign::append(None, layer, key, Manifests::Oci, None).unwrap();
    let Attached::Written(written) = attached else { panic!("written") };
    push(world, &written, &tag(world, suffix));
    assert!(world.registry.manifest(REPOSITORY, &tag(world, suffix)).is_some());
}

#[test]
fn a_file_signed_with_evidence_verifies_in_every_form() {
    let contents = b"contents of a file";
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
        let scene = Scene::new(algorithm);
        let signature = scene.key.sign(contents).unwrap();
        let v1 = scene.logged(&sign::rekor_v1_hashedrekord(
            contents,
            &signature,
            scene.public(),
            &scene.leaf_pem(),
        ));
        let v2 = scene.logged(&sign::rekor_v2_hashedrekord(
            contents,
            &signature,
            scene.public(),
            scene.certificates.first(),
        ));
        let trust: TrustStore = [Arc::clone(&scene.root)].into_iter().collect();
        let attestor = scene.attestor();
        let demand = Demand { attestor: &attestor, trust: &trust, now: Timestamp(1_900_000_000) };
        for entry in [v1.clone(), v2] {
            let around = scene.around(vec![entry], &signature);
            let bundle = sign::message_bundle(
                contents,
                &signature,
                scene.public(),
                Ed25519Form::Prehashed,
                &around,
            );
            let verified =
                verify_blob_bundle_by(Artifact::Bytes(contents), &bundle, &demand).unwrap();
            assert_eq!(verified.proved().timestamps().len(), 1);
            assert!(verify_blob_bundle_by(Artifact::Bytes(b"other"), &bundle, &demand).is_err());
        }
        let around = scene.around(vec![v1.clone()], &signature);
        let old = sign::legacy_blob_bundle(&signature, &around).unwrap();
        let stamp = around.timestamps[0].clone();
        verify_blob_legacy_bundle_by(contents, &old, Some(&stamp), &demand).unwrap();
        assert!(verify_blob_legacy_bundle_by(contents, &old, None, &demand).is_err());
        let pem = scene.leaf_pem();
        let annotation = sigward_sigstore::timestamp::to_annotation(&stamp);
        for timestamp in [stamp.as_slice(), annotation.as_bytes()] {
            let detached = Detached {
                certificate: Some(&pem),
                timestamp: Some(timestamp),
                entries: vec![v1.clone()],
                ..Detached::default()
            };
            verify_blob_detached(contents, &signature, &detached, &demand).unwrap();
            let without = Detached { certificate: None, ..detached };
            assert!(verify_blob_detached(contents, &signature, &without, &demand).is_err());
        }
    }
}

/// GHSA-fx35-mq7g-6g98: an old bundle whose `cert` is a bare key names nobody.
#[test]
fn r_fx35_mq7g_6g98_a_key_in_an_old_bundle_is_no_identity() {
    let scene = Scene::new(Algorithm::EcdsaP256);
    let signature = scene.key.sign(b"file").unwrap();
    let pem = scene.public().to_pem();
    let bundle = serde_json::json!({
        "base64Signature": base64(&signature), "cert": base64(pem.as_bytes()),
    });
    let trust: TrustStore = [Arc::clone(&scene.root)].into_iter().collect();
    let attestor = scene.attestor();
    let demand = Demand { attestor: &attestor, trust: &trust, now: Timestamp(1_690_000_001) };
    let answer =
        verify_blob_legacy_bundle_by(b"file", bundle.to_string().as_bytes(), None, &demand);
    assert_eq!(answer.unwrap_err().to_string(), "no certificate found on signature");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn an_old_bundle_is_read_back() {
    let scene = Scene::new(Algorithm::EcdsaP256);
    let signature = scene.key.sign(b"file").unwrap();
    let v2 = scene.logged(&sign::rekor_v2_hashedrekord(b"file", &signature, scene.public(), None));
    let around = Surroundings { log_entries: vec![v2], ..Surroundings::default() };
    assert_eq!(sign::legacy_blob_bundle(&signature, &around), None, "it cannot hold Rekor 2");
    let plain = sign::legacy_blob_bundle(&signature, &Surroundings::default()).unwrap();
    assert_eq!(
        String::from_utf8(plain).unwrap(),
        format!(r#"{{"base64Signature":"{}"}}"#, base64(&signature))
    );
}

#[test]
fn an_entry_survives_each_way_of_writing() {
    let scene = Scene::new(Algorithm::EcdsaP256);
    let signature = scene.key.sign(b"file").unwrap();
    let entry = scene.logged(&sign::rekor_v1_hashedrekord(
        b"file",
        &signature,
        scene.public(),
        &scene.leaf_pem(),
    ));
    let json = entry.to_bundle_json().to_string();
    assert_eq!(LogEntry::parse_rekor_v2(json.as_bytes()), Ok(entry.clone()));
    let annotation = entry.to_annotation().unwrap();
    let read = LogEntry::parse_annotation(&annotation).unwrap();
    assert_eq!(read, LogEntry { proof: None, ..entry });
    assert!(annotation.starts_with(r#"{"SignedEntryTimestamp":""#), "{annotation}");
    let names = [r#""Payload":{"body":"#, r#""integratedTime":"#, r#""logIndex":"#, r#""logID":"#];
    let places: Vec<_> = names.iter().map(|name| annotation.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{annotation}");
}

/// What is assembled here is what cosign 3 accepts, by the same trusted root: files and images, both Rekors.
#[test]
fn cosign_3_verifies_what_is_assembled_with_evidence() {
    let contents = b"contents of a file";
    let named = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER];
    for peer in peers(&["cosign3"]) {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
            let scene = Scene::new(algorithm);
            let root = peer.write("root.json", &scene.root.to_json());
            let file = peer.write("file", std::str::from_utf8(contents).unwrap());
            let verify = |words: &[&str], what: &str| {
                let words: Vec<_> =
                    words.iter().copied().chain(["--trusted-root", &root]).chain(named).collect();
                let ran = peer.run(&words);
                let said = String::from_utf8_lossy(&ran.stderr);
                assert!(ran.status.success(), "{what} {algorithm:?}: {said}");
            };
            let signature = scene.key.sign(contents).unwrap();
            let (key, leaf) = (scene.public(), scene.certificates.first());
            for request in [
                sign::rekor_v1_hashedrekord(contents, &signature, key, &scene.leaf_pem()),
                sign::rekor_v2_hashedrekord(contents, &signature, key, leaf),
            ] {
                let around = scene.around(vec![scene.logged(&request)], &signature);
                let form = Ed25519Form::Prehashed;
                let bundle = sign::message_bundle(contents, &signature, key, form, &around);
                let bundle = peer.write("bundle.json", std::str::from_utf8(&bundle).unwrap());
                verify(&["verify-blob", "--bundle", &bundle, &file], "file");
            }
            // Images: a bundle, then a layer.
            let world = scene.world();
            let image_name = format!("{}/{REPOSITORY}@{}", world.registry.host(), world.digest);
            let digest = Digest::parse(&world.digest).unwrap();
            let statement = sign::image_statement(&digest, &BTreeMap::new());
            let envelope = Envelope::sign(PAYLOAD_TYPE, statement, &scene.key).unwrap();
            let request = sign::rekor_v2_dsse(&envelope, key, leaf).unwrap();
            let entry = scene.logged(&request);
            let around = scene.around(vec![entry], &envelope.signatures[0].signature);
            let bundle = sign::envelope_bundle(&envelope, key, &around);
            let referrer =
                sign::referrer(&image(&world), bundle, COSIGN_SIGN, "2026-01-01T00:00:00Z")
                    .unwrap();
            push(&world, &referrer.written, "");
            verify(&["verify", &image_name], "bundle");
            let world = scene.world();
            let image_name = format!("{}/{REPOSITORY}@{}", world.registry.host(), world.digest);
            let digest = Digest::parse(&world.digest).unwrap();
            let name = format!("{}/{REPOSITORY}", world.registry.host());
            let payload = simple_signing::render(&name, &digest, &BTreeMap::new()).into_bytes();
            let signature = scene.key.sign(&payload).unwrap();
            let request = sign::rekor_v1_hashedrekord(&payload, &signature, key, &scene.leaf_pem());
            let around = scene.around(vec![scene.logged(&request)], &signature);
            let layer = sign::payload_layer(payload, &signature).with_surroundings(&around);
            attach(&world, &layer, key, "sig");
            if algorithm == Algorithm::EcdsaP256 {
                // cosign 3.1.1 looks for SHA-256 alone in layers.
                verify(&["verify", &image_name], "layer");
            }
        }
    }
}
