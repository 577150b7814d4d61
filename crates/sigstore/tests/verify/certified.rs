//! Signatures by the holder of a certificate of one's own authority, without log and timestamps: what
//! can go wrong with each of the things that surround a signature, one at a time.
use crate::world::{NOW, REPOSITORY, World, manifest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use sigward_sigstore::{
    certificate::{Extension, Identity, Pattern, Patterns},
    keys::{PrivateKey, PublicKey, Signer as _},
    prover::Ask,
    requirement::{Attestor, Keyless, LogRule, SctRule, Stores, TimeRule, TrustId, Who},
    trust::{CertificateAuthority, TransparencyLog, TrustParts, TrustedRoot, Validity},
    verified::RefusedBecause,
};
use sigward_testkit::signing::legacy;
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const SUBJECT: &str = "https://example.com/workflow";
pub(crate) const ISSUER: &str = "https://issuer.example.com";

/// What is out of the ordinary about a certificate.
pub(crate) struct Story {
    pub(crate) years: (i32, i32),
    pub(crate) authority_years: (i32, i32),
    pub(crate) usage: ExtendedKeyUsagePurpose,
    pub(crate) names: Vec<SanType>,
    pub(crate) extensions: Vec<(u64, Vec<u8>)>,
    pub(crate) authority_may_sign: bool,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            years: (2023, 2024),
            authority_years: (2020, 2040),
            usage: ExtendedKeyUsagePurpose::CodeSigning,
            names: vec![SanType::URI(SUBJECT.try_into().unwrap())],
            extensions: vec![(8, utf8(ISSUER))],
            authority_may_sign: true,
        }
    }
}

/// A UTF8String.
pub(crate) fn utf8(text: &str) -> Vec<u8> {
    let mut der = vec![0x0c, u8::try_from(text.len()).unwrap()];
    der.extend(text.as_bytes());
    der
}

fn parameters(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.not_before = date_time_ymd(years.0, 1, 1);
    parameters.not_after = date_time_ymd(years.1, 1, 1);
    parameters
}

/// A signer, its certificate, and the root that issued it.
pub(crate) struct Certified {
    pub(crate) key: PrivateKey,
    pub(crate) certificate: String,
    pub(crate) root: Arc<TrustedRoot>,
}

impl Certified {
    pub(crate) fn new(story: &Story) -> Self {
        let mut authority = parameters("authority", story.authority_years);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![if story.authority_may_sign {
            KeyUsagePurpose::KeyCertSign
        } else {
            KeyUsagePurpose::CrlSign
        }];
        let root = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut leaf = parameters("", story.years);
        leaf.subject_alt_names.clone_from(&story.names);
        leaf.extended_key_usages = vec![story.usage.clone()];
        leaf.custom_extensions = story
            .extensions
            .iter()
            .map(|(arc, contents)| {
                let oid = [1, 3, 6, 1, 4, 1, 57264, 1, *arc];
                CustomExtension::from_oid_content(&oid, contents.clone())
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &root).unwrap().pem();
        let authority =
            CertificateAuthority::from_pem("", &root.pem(), Validity::default()).unwrap();
        let parts =
            TrustParts { certificate_authorities: vec![authority], ..TrustParts::default() };
        Self {
            key: PrivateKey::parse_pem(&key.serialize_pem()).unwrap(),
            certificate,
            root: Arc::new(TrustedRoot::new(parts).unwrap()),
        }
    }

    /// The image signed by it, in a legacy layer.
    pub(crate) fn world(&self) -> World {
        let mut world = World::new();
        world.trust.insert(Arc::clone(&self.root));
        let annotations = BTreeMap::from([(CERTIFICATE.to_owned(), self.certificate.clone())]);
        put(&world, &self.key, annotations);
        world
    }

    /// Whoever holds a certificate of the root, at the present time, known to no log.
    pub(crate) fn anyone(&self) -> Attestor {
        keyless(self.root.id(), Vec::new())
    }

    pub(crate) fn named(&self, identity: Identity) -> Attestor {
        keyless(self.root.id(), vec![identity])
    }
}

pub(crate) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

pub(crate) fn keyless(trust: TrustId, identities: Vec<Identity>) -> Attestor {
    let who = Who::Keyless(Keyless { trust, identities, sct: SctRule::InsecureIgnored });
    Attestor {
        time: TimeRule::InsecureNow { timestamps: None },
        order: Stores::LegacyOnly,
        ..Attestor::new(who, LogRule::InsecureIgnored)
    }
}

/// Signs the world's image with a key and stores it with annotations.
pub(crate) fn put(world: &World, key: &PrivateKey, mut annotations: BTreeMap<String, String>) {
    let payload = legacy::payload(
        &world.place().reference(),
        &world.digest,
        &sigward_testkit::signing::Knobs::default(),
    );
    let signature = key.sign(&payload).unwrap();
    annotations.insert(legacy::SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(signature));
    let bytes = manifest(&[(legacy::SIMPLE_SIGNING, &payload, annotations)], false);
    let Ask::Attached { tag, .. } = world.attached("sig") else { panic!("a tag") };
    world.registry.put_blob(REPOSITORY, payload);
    world.registry.put_blob(REPOSITORY, b"{}".to_vec());
    world.registry.put_manifest(REPOSITORY, &tag, sigward_testkit::artifact::OCI_MANIFEST, bytes);
}

/// A root with one log of this key and nothing else.
pub(crate) fn log_of(key: &PublicKey) -> Arc<TrustedRoot> {
    let log = TransparencyLog::new("https://log", key.clone(), Validity::default());
    let parts = TrustParts { tlogs: vec![log], ..TrustParts::default() };
    Arc::new(TrustedRoot::new(parts).unwrap())
}

fn reason(story: &Story, change: impl FnOnce(&Certified) -> Attestor) -> RefusedBecause {
    let certified = Certified::new(story);
    let attestor = change(&certified);
    certified.world().reason(&attestor)
}

#[test]
fn the_holder_of_a_certificate_is_known_by_what_it_says() {
    let certified = Certified::new(&Story::default());
    let world = certified.world();
    let verified = world.verified(&certified.anyone());
    assert_eq!(verified.signer(), SUBJECT);
    let proved = verified.signed()[0].proved();
    let certificate = proved.certificate().unwrap();
    assert_eq!(certificate.fulcio().issuer(), Some(ISSUER));
    assert_eq!(certificate.subject_names()[0].as_str(), SUBJECT);
    assert!(!verified.log_checked());
    // Judged at the present, so it holds as long as the certificate does.
    assert!(verified.holds_at(NOW));
    assert!(!verified.holds_at(sigward_sigstore::requirement::Timestamp(1_800_000_000)));
    world.verified(&certified.named(Identity::exact(ISSUER, SUBJECT)));
}

#[test]
fn every_part_of_an_identity_must_be_met() {
    let certified = Certified::new(&Story {
        extensions: vec![(8, utf8(ISSUER)), (2, b"push".to_vec()), (20, utf8("release"))],
        ..Story::default()
    });
    let world = certified.world();
    let regex = |text: &str| Patterns::one(Pattern::regex(text).unwrap());
    let sound = Identity {
        issuer: regex("^https://issuer"),
        subject: Patterns::Any(vec![Pattern::exact("x"), Pattern::wildcard("https://*/workflow")]),
        extensions: vec![
            (Extension::GITHUB_WORKFLOW_TRIGGER, Pattern::exact("push")),
            (Extension(20), Pattern::wildcard("rel*")),
        ],
    };
    world.verified(&certified.named(sound.clone()));
    let edits: [&dyn Fn(&mut Identity); 7] = [
        &|i| i.issuer = regex("^issuer"),
        &|i| i.issuer = Patterns::All(vec![Pattern::exact(ISSUER), Pattern::exact("x")]),
        &|i| i.subject = Patterns::one(Pattern::exact("https://example.com/workflo")),
        &|i| i.subject = Patterns::Any(Vec::new()),
        &|i| i.extensions[0].1 = Pattern::exact("pull_request"),
        &|i| i.extensions[1].1 = Pattern::regex("^lease").unwrap(),
        &|i| i.extensions.push((Extension::GITHUB_WORKFLOW_SHA, Pattern::wildcard("*"))),
    ];
    for edit in edits {
        let mut identity = sound.clone();
        edit(&mut identity);
        let why = world.reason(&certified.named(identity.clone()));
        assert!(matches!(why, RefusedBecause::Identity { .. }), "{identity:?}: {why}");
    }
    // One of several is enough.
    let wrong = Identity::exact("x", "y");
    world.verified(&keyless(certified.root.id(), vec![wrong, sound]));
}

#[test]
fn a_regular_expression_matches_anywhere() {
    assert!(Pattern::regex("xam").unwrap().matches("example"));
    assert!(!Pattern::regex("^xam").unwrap().matches("example"));
    assert!(Pattern::regex("(").is_err());
}

#[test]
fn a_certificate_without_a_name_is_not_the_wanted_one() {
    let story = Story { names: Vec::new(), ..Story::default() };
    let subject = Patterns::one(Pattern::wildcard("*"));
    let why = reason(&story, |c| c.named(Identity { subject, ..Identity::default() }));
    assert!(matches!(why, RefusedBecause::Identity { .. }), "{why}");
}

#[test]
fn the_issuer_is_read_in_both_encodings() {
    for (extensions, expected) in [
        (vec![(1, ISSUER.as_bytes().to_vec())], true),
        (vec![(8, utf8(ISSUER))], true),
        (vec![(1, b"https://old".to_vec()), (8, utf8(ISSUER))], true),
        (vec![(1, ISSUER.as_bytes().to_vec()), (8, utf8("https://new"))], false),
        // Raw where DER is due, and the reverse.
        (vec![(8, ISSUER.as_bytes().to_vec())], false),
        (vec![(1, utf8(ISSUER))], false),
    ] {
        let certified = Certified::new(&Story { extensions, ..Story::default() });
        let attestor = certified.named(Identity::exact(ISSUER, SUBJECT));
        let (proof, _) = certified.world().prove_one(&attestor);
        let verdict = proof.outcome.verdict();
        assert_eq!(verdict == sigward_sigstore::outcome::Verdict::Verified, expected);
    }
}

#[test]
fn another_identity_is_refused_in_the_words_of_each_store() {
    let why = reason(&Story::default(), |c| c.named(Identity::exact(ISSUER, "me@example.com")));
    assert_eq!(
        why.to_string(),
        format!(
            "none of the expected identities matched what was in the certificate, \
             got subjects [{SUBJECT}] with issuer {ISSUER}"
        )
    );
    let RefusedBecause::Identity { why, subjects, issuer, .. } = why else { panic!("identity") };
    let store = sigward_sigstore::verified::Store::Bundle;
    let bundle = RefusedBecause::Identity { why, subjects, issuer, store };
    assert_eq!(
        bundle.to_string(),
        format!(
            "failed to verify certificate identity: no matching CertificateIdentity found, \
             last error: expected SAN value \"me@example.com\", got \"{SUBJECT}\""
        )
    );
}

/// CVE-2026-24122, and its like in other verifiers: every certificate of the path is held to the time.
#[test]
fn cve_2026_24122_no_certificate_of_the_path_may_have_expired() {
    Certified::new(&Story::default()).world();
    for story in [
        Story { years: (2020, 2021), ..Story::default() },
        Story { years: (2030, 2031), ..Story::default() },
        Story { authority_years: (2020, 2021), ..Story::default() },
        Story { authority_years: (2030, 2031), ..Story::default() },
        Story { usage: ExtendedKeyUsagePurpose::ServerAuth, ..Story::default() },
        Story { authority_may_sign: false, ..Story::default() },
    ] {
        let why = reason(&story, Certified::anyone);
        assert!(matches!(why, RefusedBecause::Certificate { .. }), "{why}");
    }
}

#[test]
fn a_root_that_issued_nothing_vouches_for_nobody() {
    let (one, other) = (Certified::new(&Story::default()), Certified::new(&Story::default()));
    let mut world = one.world();
    world.trust.insert(Arc::clone(&other.root));
    let why = world.reason(&other.anyone());
    assert!(matches!(why, RefusedBecause::Certificate { .. }), "{why}");
}

#[test]
fn a_certificate_of_another_key_proves_nothing() {
    let (one, other) = (Certified::new(&Story::default()), Certified::new(&Story::default()));
    let mut world = World::new();
    world.trust.insert(Arc::clone(&one.root));
    let annotations = BTreeMap::from([(CERTIFICATE.to_owned(), one.certificate.clone())]);
    put(&world, &other.key, annotations);
    let why = world.reason(&one.anyone());
    assert!(matches!(why, RefusedBecause::WrongKey { .. }), "{why}");
}
