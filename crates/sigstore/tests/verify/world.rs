//! A registry in this process, an image in it, and a driver for the prover that counts its questions.
use sigward_oci::{Digest, DigestReference};
use sigward_sigstore::{
    keys::PublicKey,
    outcome::{Cause, CauseKind, Outcome},
    prover::{Ask, Evidence, Limits, ProofStep, Prover, Thoroughness},
    requirement::{Attestor, Requirement, Shows, Timestamp},
    trust::TrustStore,
    verified::{Proof, Refusal, RefusedBecause, Verified},
};
use sigward_testkit::{
    artifact::{OCI_INDEX, OCI_MANIFEST},
    image,
    keys::{Algorithm, KeyPair},
    registry::{Options, Registry},
    signing::Place,
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc};

pub(crate) const REPOSITORY: &str = "team/app";
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000);

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) digest: String,
    /// Answers that replace the registry's, by the place of the question.
    pub(crate) overrides: BTreeMap<Ask, Evidence>,
    pub(crate) limits: Limits,
    pub(crate) thoroughness: Thoroughness,
    pub(crate) trust: TrustStore,
}

impl World {
    /// An image in a registry with the referrers API.
    pub(crate) fn new() -> Self {
        Self::with(true)
    }

    pub(crate) fn with(referrers_api: bool) -> Self {
        let registry = Registry::start(Options { referrers_api, ..Options::default() }).unwrap();
        let digest = image::build(1).push(&registry, REPOSITORY, "v1");
        Self {
            registry,
            digest,
            overrides: BTreeMap::new(),
            limits: Limits::default(),
            thoroughness: Thoroughness::First,
            trust: TrustStore::new(),
        }
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place::of(&self.registry, REPOSITORY, &self.digest).unwrap()
    }

    pub(crate) fn subject(&self) -> DigestReference {
        DigestReference {
            repository: SmolStr::new(REPOSITORY),
            digest: Digest::parse(&self.digest).unwrap(),
        }
    }

    pub(crate) fn answer(&self, ask: &Ask) -> Evidence {
        if let Some(evidence) = self.overrides.get(ask) {
            return evidence.clone();
        }
        let manifest = |repository: &str, reference: &str| {
            self.registry.manifest(repository, reference).map(|m| m.bytes.to_vec())
        };
        Ok(match ask {
            Ask::Attached { repository, tag } => manifest(repository, tag),
            Ask::Manifest { repository, digest } => manifest(repository, digest.as_str()),
            Ask::Blob { repository, digest, .. } => {
                self.registry.blob(repository, digest.as_str()).map(|b| b.to_vec())
            }
            Ask::Referrers { repository, of } if self.registry.has_referrers_api() => {
                Some(self.referrers(repository, of.as_str()))
            }
            Ask::Referrers { repository, of } => {
                manifest(repository, &of.as_str().replacen(':', "-", 1))
            }
            Ask::LogEntry { .. } => panic!("no log here; set an override"),
        })
    }

    /// What the referrers API answers: every manifest of the repository whose subject it is.
    fn referrers(&self, repository: &str, of: &str) -> Vec<u8> {
        let mut entries = Vec::new();
        for manifest in self.registry.referrers(repository, of) {
            let json: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
            entries.push(serde_json::json!({
                "mediaType": json["mediaType"],
                "digest": sigward_testkit::digest::sha256(&manifest.bytes),
                "size": manifest.bytes.len(),
                "artifactType": json["artifactType"],
                "annotations": json["annotations"],
            }));
        }
        serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
            .to_string()
            .into_bytes()
    }

    /// Proves, and says what was asked.
    pub(crate) fn prove(&self, requirement: &Requirement) -> (Proof, Vec<Ask>) {
        let mut prover = Prover::new(self.subject(), Arc::new(requirement.clone()), NOW)
            .with_limits(self.limits)
            .with_thoroughness(self.thoroughness)
            .with_trust(Arc::new(self.trust.clone()));
        let mut asked = Vec::new();
        let mut answers = Vec::new();
        for _ in 0..200 {
            match prover.step(std::mem::take(&mut answers)) {
                ProofStep::Done(proof) => return (proof, asked),
                ProofStep::Need(asks) => {
                    for ask in asks {
                        assert!(!asked.contains(&ask), "asked twice: {ask:?}");
                        answers.push((ask.clone(), self.answer(&ask)));
                        asked.push(ask);
                    }
                }
            }
        }
        panic!("the prover does not come to an end");
    }

    pub(crate) fn prove_one(&self, attestor: &Attestor) -> (Proof, Vec<Ask>) {
        self.prove(&one(attestor))
    }

    /// The witness, or a panic that says why there is none.
    pub(crate) fn verified(&self, attestor: &Attestor) -> Arc<Verified> {
        match self.prove_one(attestor).0.outcome {
            Outcome::Verified(all) => Arc::clone(&all[0]),
            Outcome::Refuted(refusal) => panic!("refuted: {refusal:?}"),
            Outcome::Undetermined(cause) => panic!("undetermined: {cause}"),
        }
    }

    pub(crate) fn refusal(&self, attestor: &Attestor) -> Refusal {
        match self.prove_one(attestor).0.outcome {
            Outcome::Refuted(refusal) => refusal,
            other => panic!("not refuted: {other:?}"),
        }
    }

    /// The only reason of the refusal.
    pub(crate) fn reason(&self, attestor: &Attestor) -> RefusedBecause {
        let refusal = self.refusal(attestor);
        assert_eq!(refusal.candidates.len(), 1, "{refusal:?}");
        refusal.candidates[0].1.clone()
    }

    /// The question for what is attached under `sha256-….SUFFIX`.
    pub(crate) fn attached(&self, suffix: &str) -> Ask {
        let tag = format!("{}.{suffix}", self.digest.replacen(':', "-", 1));
        Ask::Attached { repository: REPOSITORY.into(), tag: tag.into() }
    }

    pub(crate) fn referrers_ask(&self) -> Ask {
        Ask::Referrers { repository: REPOSITORY.into(), of: Digest::parse(&self.digest).unwrap() }
    }
}

pub(crate) fn one(attestor: &Attestor) -> Requirement {
    Requirement::One(Box::new(attestor.clone()))
}

pub(crate) fn at_least(count: u16, of: Vec<Requirement>) -> Requirement {
    Requirement::AtLeast { count: NonZeroU16::new(count).unwrap(), of }
}

pub(crate) fn key() -> KeyPair {
    KeyPair::shared(Algorithm::EcdsaP256).unwrap()
}

pub(crate) fn fresh() -> KeyPair {
    KeyPair::generate(Algorithm::EcdsaP256).unwrap()
}

pub(crate) fn public(pair: &KeyPair) -> PublicKey {
    PublicKey::parse_pem(&pair.public_pem()).unwrap()
}

/// A signature by this key.
pub(crate) fn by(pair: &KeyPair) -> Attestor {
    Attestor::insecure_ignoring_log(public(pair))
}

/// Statements of this type by this key.
pub(crate) fn stating(pair: &KeyPair, predicate_type: &str) -> Attestor {
    Attestor { shows: Shows::Statements { predicate_type: predicate_type.into() }, ..by(pair) }
}

pub(crate) fn down() -> Evidence {
    Err(Cause {
        kind: CauseKind::Unavailable,
        place: "registry".into(),
        said: Some("503 away".into()),
    })
}

/// One manifest of one layer, for what no signer writes.
pub(crate) fn manifest(
    layers: &[(&str, &[u8], BTreeMap<String, String>)],
    bundle: bool,
) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|(kind, bytes, annotations)| {
            serde_json::json!({
                "mediaType": kind, "size": bytes.len(),
                "digest": sigward_testkit::digest::sha256(bytes), "annotations": annotations,
            })
        })
        .collect();
    let config = serde_json::json!({
        "mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
        "digest": sigward_testkit::digest::sha256(b"{}"),
    });
    let mut manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
    });
    if bundle {
        manifest["artifactType"] = sigward_testkit::signing::bundle::BUNDLE.into();
    }
    manifest.to_string().into_bytes()
}
