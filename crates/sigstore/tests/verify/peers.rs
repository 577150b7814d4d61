//! Against cosign itself, where `SIGWARD_PEERS` names a folder with `cosign2` and `cosign3`.
use crate::{
    signed_here::{Fixed, attestor, image, push, tag},
    world::{REPOSITORY, World, stating},
};
use sigward_oci::{Digest, Index, media_type};
use sigward_sigstore::{
    blob::{Artifact, verify_blob, verify_blob_bundle},
    keys::{
        Ed25519Form, PrivateKey, PublicKey, Signer as _, decrypt_private_key, encrypt_private_key,
    },
    requirement::{Attestor, Stores},
    sign::{self, Attached, Manifests, PredicateType},
    statement::COSIGN_SIGN,
};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    signing::Knobs,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const PASSWORD: &str = "pass word";
const KINDS: [Algorithm; 5] = [
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
    Algorithm::EcdsaP521,
    Algorithm::Rsa2048,
    Algorithm::Ed25519,
];
/// No service: neither log nor timestamps.
const OFFLINE: [&str; 3] = ["--tlog-upload=false", "--use-signing-config=false", "--yes"];

pub(crate) struct Peer {
    binary: PathBuf,
    home: tempfile::TempDir,
}

/// The peers, or nothing and a line that says so.
pub(crate) fn peers(names: &[&str]) -> Vec<Peer> {
    let Some(folder) = std::env::var_os("SIGWARD_PEERS") else {
        println!("skipped: SIGWARD_PEERS does not name a folder with cosign2 and cosign3");
        return Vec::new();
    };
    names
        .iter()
        .map(|name| Peer {
            binary: Path::new(&folder).join(name),
            home: tempfile::tempdir().unwrap(),
        })
        .collect()
}

impl Peer {
    fn is_3(&self) -> bool {
        self.binary.ends_with("cosign3")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.binary)
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("COSIGN_PASSWORD", PASSWORD)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{} {arguments:?}: {}",
            self.binary.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn sign_flags(&self) -> Vec<&'static str> {
        if self.is_3() { OFFLINE.to_vec() } else { vec!["--tlog-upload=false", "--yes"] }
    }
}

fn private(kind: Algorithm) -> PrivateKey {
    PrivateKey::parse_pem(&KeyPair::shared(kind).unwrap().private_pem()).unwrap()
}

fn reference(world: &World) -> String {
    format!("{}/{REPOSITORY}@{}", world.registry.host(), world.digest)
}

#[test]
fn key_files_of_cosign_are_read() {
    for peer in peers(&["cosign2", "cosign3"]) {
        peer.succeeds(&["generate-key-pair", "--output-key-prefix", "made"]);
        let key = decrypt_private_key(&peer.read("made.key"), PASSWORD.as_bytes()).unwrap();
        assert_eq!(PublicKey::parse_pem(&peer.read("made.pub")).unwrap(), *key.public_key());
        assert_eq!(key.public_key().to_pem(), peer.read("made.pub"));
        for kind in KINDS {
            let pem = KeyPair::shared(kind).unwrap().private_pem();
            peer.write("in.pem", &pem);
            peer.succeeds(&["import-key-pair", "-k", "in.pem", "-o", "in", "--yes"]);
            let key = decrypt_private_key(&peer.read("in.key"), PASSWORD.as_bytes()).unwrap();
            assert_eq!(key.public_key(), private(kind).public_key(), "{kind:?}");
            assert_eq!(key.to_pkcs8(), private(kind).to_pkcs8(), "{kind:?}");
        }
    }
}

#[test]
fn cosign_reads_key_files_written_here() {
    for peer in peers(&["cosign2", "cosign3"]) {
        for kind in KINDS {
            let key = private(kind);
            let text = encrypt_private_key(&key, PASSWORD.as_bytes(), &mut Fixed(3)).unwrap();
            let file = peer.write("out.key", &text);
            let output = peer.succeeds(&["public-key", "--key", &file]);
            assert_eq!(String::from_utf8_lossy(&output.stdout), key.public_key().to_pem());
        }
    }
}

#[test]
fn what_cosign_signs_verifies() {
    for peer in peers(&["cosign2", "cosign3"]) {
        for kind in KINDS {
            let key = private(kind);
            let text = encrypt_private_key(&key, PASSWORD.as_bytes(), &mut Fixed(3)).unwrap();
            let file = peer.write("k.key", &text);
            for (bundle, api) in [(false, true), (true, true), (true, false)] {
                if bundle && !peer.is_3() {
                    continue;
                }
                let world = World::with(api);
                let image = reference(&world);
                let mut arguments = vec!["sign", "--key", &file, "-a", "env=<prod>"];
                arguments.extend(peer.sign_flags());
                let format = format!("--new-bundle-format={bundle}");
                if peer.is_3() {
                    arguments.push(&format);
                }
                arguments.push(&image);
                peer.succeeds(&arguments);
                let mut arguments = vec!["attest", "--key", &file, "--type", "urn:scan"];
                let predicate = peer.write("predicate.json", r#"{"n":1}"#);
                arguments.extend(["--predicate", &predicate]);
                arguments.extend(peer.sign_flags());
                if peer.is_3() {
                    arguments.push(&format);
                }
                arguments.push(&image);
                peer.succeeds(&arguments);

                let order = if bundle { Stores::BundleOnly } else { Stores::LegacyOnly };
                let base = Attestor { order, ..attestor(key.public_key()) };
                world.verified(&Attestor {
                    annotations: vec![("env".into(), "<prod>".into())],
                    ..base.clone()
                });
                let scan = stating(&KeyPair::shared(kind).unwrap(), "urn:scan");
                let verified = world.verified(&Attestor { order, ..scan });
                assert_eq!(verified.predicates().len(), 1);
            }
        }
    }
}

#[test]
fn cosign_verifies_legacy_signatures_made_here() {
    for peer in peers(&["cosign2", "cosign3"]) {
        for kind in KINDS {
            let (world, key) = (World::new(), private(kind));
            let digest = Digest::parse(&world.digest).unwrap();
            let repository = format!("{}/{REPOSITORY}", world.registry.host());
            let annotations = BTreeMap::from([("env".to_owned(), "<prod>".to_owned())]);
            let layer = sign::signature_layer(&repository, &digest, &annotations, &key).unwrap();
            append(&world, &layer, &key, "sig");
            let public = peer.write("k.pub", &key.public_key().to_pem());
            verify(&peer, &world, kind, &["verify", "--key", &public, "-a", "env=<prod>"]);

            let predicate = PredicateType::Custom.wrap(b"text", "2026-01-01T00:00:00Z").unwrap();
            let statement = sign::attestation_statement(
                &repository,
                &digest,
                &PredicateType::Custom,
                &predicate,
            );
            let uri = PredicateType::Custom.uri();
            let layer = sign::attestation_layer(statement, uri, &key).unwrap();
            append(&world, &layer, &key, "att");
            verify(&peer, &world, kind, &["verify-attestation", "--key", &public]);
        }
    }
}

fn append(world: &World, layer: &sign::LegacyLayer, key: &PrivateKey, suffix: &str) {
    let attached = sign::append(None, layer, key.public_key(), Manifests::Oci, None).unwrap();
    let Attached::Written(written) = attached else { panic!("nothing is there yet") };
    push(world, &written, &tag(world, suffix));
}

/// cosign assumes SHA-256 unless it is told otherwise.
fn verify(peer: &Peer, world: &World, kind: Algorithm, arguments: &[&str]) {
    let image = reference(world);
    let mut arguments = arguments.to_vec();
    arguments.push("--insecure-ignore-tlog");
    match kind {
        Algorithm::EcdsaP384 => arguments.extend(["--signature-digest-algorithm", "sha384"]),
        Algorithm::EcdsaP521 => arguments.extend(["--signature-digest-algorithm", "sha512"]),
        _ => {}
    }
    arguments.push(&image);
    peer.succeeds(&arguments);
}

#[test]
fn cosign_verifies_bundles_made_here() {
    for peer in peers(&["cosign3"]) {
        for (kind, api) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
            let (world, key) = (World::with(api), private(kind));
            let digest = Digest::parse(&world.digest).unwrap();
            let annotations = BTreeMap::from([("env".to_owned(), "<prod>".to_owned())]);
            let repository = format!("{}/{REPOSITORY}", world.registry.host());
            let kind_of = PredicateType::Vuln;
            let predicate = kind_of.wrap(br#"{"scanner":{}}"#, "").unwrap();
            let statement = sign::attestation_statement(&repository, &digest, &kind_of, &predicate);
            let mut entries = Vec::new();
            for (bundle, uri) in [
                (sign::signature_bundle(&digest, &annotations, &key).unwrap(), COSIGN_SIGN),
                (sign::attestation_bundle(statement, &key).unwrap(), kind_of.uri()),
            ] {
                let referrer =
                    sign::referrer(&image(&world), bundle, uri, "2026-01-01T00:00:00Z").unwrap();
                push(&world, &referrer.written, "");
                entries.push(referrer.fallback);
            }
            if !api {
                let index = serde_json::to_vec(&Index::new(entries)).unwrap();
                let tag = world.digest.replacen(':', "-", 1);
                world.registry.put_manifest(REPOSITORY, &tag, media_type::OCI_INDEX, index);
            }
            let public = peer.write("k.pub", &key.public_key().to_pem());
            verify(&peer, &world, kind, &["verify", "--key", &public, "-a", "env=<prod>"]);
            let arguments = ["verify-attestation", "--key", &public, "--type", "vuln"];
            verify(&peer, &world, kind, &arguments);
        }
    }
}

#[test]
fn cosign_verifies_an_image_signed_with_ed25519() {
    for peer in peers(&["cosign2", "cosign3"]) {
        let (world, key) = (World::new(), private(Algorithm::Ed25519));
        let digest = Digest::parse(&world.digest).unwrap();
        let layer = sign::signature_layer(REPOSITORY, &digest, &BTreeMap::new(), &key).unwrap();
        append(&world, &layer, &key, "sig");
        let public = peer.write("k.pub", &key.public_key().to_pem());
        let arguments = ["verify", "--key", &public];
        verify(&peer, &world, Algorithm::Ed25519, &arguments);
    }
}

#[test]
fn files_that_cosign_signs_verify_and_the_reverse() {
    for peer in peers(&["cosign3"]) {
        let file = peer.write("file", "the file");
        for kind in KINDS {
            let key = private(kind);
            let text = encrypt_private_key(&key, PASSWORD.as_bytes(), &mut Fixed(3)).unwrap();
            let key_file = peer.write("k.key", &text);
            let bundle = peer.path("bundle.json");
            let mut arguments = vec!["sign-blob", "--key", &key_file, "--bundle", &bundle];
            arguments.extend(OFFLINE);
            arguments.push(&file);
            peer.succeeds(&arguments);
            let theirs = peer.read("bundle.json");
            verify_blob_bundle(Artifact::Bytes(b"the file"), theirs.as_bytes(), key.public_key())
                .unwrap();

            let ours = sign::sign_blob_bundle(b"the file", &key, Ed25519Form::Pure).unwrap();
            let bundle = peer.write("ours.json", std::str::from_utf8(&ours).unwrap());
            let public = peer.write("k.pub", &key.public_key().to_pem());
            let mut arguments = vec!["verify-blob", "--key", &public, "--bundle", &bundle];
            arguments.push("--insecure-ignore-tlog");
            match kind {
                Algorithm::EcdsaP384 => {
                    arguments.extend(["--signature-digest-algorithm", "sha384"]);
                }
                Algorithm::EcdsaP521 => {
                    arguments.extend(["--signature-digest-algorithm", "sha512"]);
                }
                _ => {}
            }
            arguments.push(&file);
            peer.succeeds(&arguments);
        }
    }
    for peer in peers(&["cosign2"]) {
        let file = peer.write("file", "the file");
        peer.succeeds(&["generate-key-pair", "--output-key-prefix", "made"]);
        let key = PublicKey::parse_pem(&peer.read("made.pub")).unwrap();
        let output = peer.succeeds(&[
            "sign-blob",
            "--key",
            &peer.path("made.key"),
            "--tlog-upload=false",
            "--yes",
            &file,
        ]);
        verify_blob(b"the file", &output.stdout, &key).unwrap();
    }
}

#[test]
fn refusals_read_as_cosigns_do() {
    let sign = |world: &World, kind: Algorithm, bundle: bool| {
        let place = world.place();
        let pair = KeyPair::shared(kind).unwrap();
        let annotations = [("a".to_owned(), "b".to_owned())].into();
        let knobs = Knobs { annotations, ..Knobs::default() };
        if bundle { place.sign_bundle(&pair, &knobs) } else { place.sign_legacy(&pair, &knobs) }
            .unwrap();
    };
    let attest = |world: &World, kind: Algorithm, bundle: bool| {
        let place = world.place();
        let pair = KeyPair::shared(kind).unwrap();
        let (scan, predicate, knobs) = ("urn:scan", serde_json::json!({}), Knobs::default());
        if bundle {
            place.attest_bundle(&pair, scan, &predicate, &knobs)
        } else {
            place.attest_legacy(&pair, scan, &predicate, &knobs)
        }
        .unwrap();
    };
    for peer in peers(&["cosign2", "cosign3"]) {
        let mut said = Vec::new();
        for kind in [Algorithm::EcdsaP256, Algorithm::Rsa2048, Algorithm::Ed25519] {
            for bundle in [false, true] {
                if bundle && !peer.is_3() {
                    continue;
                }
                let other = KeyPair::generate(kind).unwrap();
                let wrong = peer.write("wrong.pub", &other.public_pem());
                let right = peer.write("right.pub", &KeyPair::shared(kind).unwrap().public_pem());
                let key = PublicKey::parse_pem(&other.public_pem()).unwrap();
                let good = attestor(&PublicKey::parse_pem(&peer.read("right.pub")).unwrap());
                let ignore = "--insecure-ignore-tlog";

                let world = World::new();
                sign(&world, kind, bundle);
                let image = reference(&world);
                said.push((
                    peer.run(&["verify", "--key", &wrong, ignore, &image]),
                    world.refusal(&attestor(&key)),
                ));
                let annotations = vec![("a".into(), "c".into())];
                said.push((
                    peer.run(&["verify", "--key", &right, ignore, "-a", "a=c", &image]),
                    world.refusal(&Attestor { annotations, ..good.clone() }),
                ));

                let world = World::new();
                attest(&world, kind, bundle);
                let image = reference(&world);
                let verify = ["verify-attestation", ignore, &image, "--type"];
                let arguments = |kind, key| [&verify[..], &[kind, "--key", key]].concat();
                said.push((
                    peer.run(&arguments("urn:scan", &wrong)),
                    world.refusal(&stating(&other, "urn:scan")),
                ));
                said.push((
                    peer.run(&arguments("urn:other", &right)),
                    world.refusal(&stating(&KeyPair::shared(kind).unwrap(), "urn:other")),
                ));
            }
        }
        for (output, refusal) in said {
            let theirs = String::from_utf8_lossy(&output.stderr);
            let ours = refusal.to_string();
            assert!(!output.status.success());
            assert!(
                theirs.contains(&ours),
                "{}: ours: {ours}\ntheirs: {theirs}",
                peer.binary.display()
            );
        }
    }
}
