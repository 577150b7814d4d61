//! Chains that hold, and chains with one link broken.
use super::*;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Valid from the first year to the last, both on 1 January.
fn parameters(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.not_before = date_time_ymd(years.0, 1, 1);
    parameters.not_after = date_time_ymd(years.1, 1, 1);
    parameters
}

fn authority(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut parameters = parameters(name, years);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters
}

struct Story {
    root: (i32, i32),
    between: (i32, i32),
    leaf: (i32, i32),
    usage: ExtendedKeyUsagePurpose,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            root: (2000, 2040),
            between: (2000, 2040),
            leaf: (2010, 2011),
            usage: ExtendedKeyUsagePurpose::CodeSigning,
        }
    }
}

/// Leaf, intermediate, root.
fn make(story: &Story) -> (String, String, String) {
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("root", story.root), key()).unwrap();
    let between =
        CertifiedIssuer::signed_by(authority("between", story.between), key(), &root).unwrap();
    let mut leaf = parameters("leaf", story.leaf);
    leaf.extended_key_usages = vec![story.usage.clone()];
    let leaf = leaf.signed_by(&key(), &between).unwrap();
    (leaf.pem(), between.pem(), root.pem())
}

/// What the chain of a story is worth.
fn check(story: &Story) -> Result<Certificate, ChainError> {
    let (leaf, between, root) = make(story);
    Certificate::parse_pem_with_chain(&leaf, &format!("{between}{root}"))
}

#[test]
fn a_certificate_is_judged_when_it_began() {
    let certificate = check(&Story::default()).unwrap();
    assert!(certificate.out_of_date(Timestamp(1_700_000_000)));
    // The intermediate began later, or had ended before.
    for between in [(2015, 2040), (2000, 2005)] {
        let answer = check(&Story { between, ..Story::default() });
        assert!(matches!(answer, Err(ChainError::Path(_))), "{answer:?}");
    }
    for root in [(2015, 2040), (2000, 2005)] {
        let answer = check(&Story { root, ..Story::default() });
        assert!(matches!(answer, Err(ChainError::RootOutOfDate)), "{answer:?}");
    }
}

#[test]
fn a_certificate_for_another_usage_is_refused() {
    let usage = ExtendedKeyUsagePurpose::ServerAuth;
    assert!(matches!(check(&Story { usage, ..Story::default() }), Err(ChainError::Path(_))));
}

#[test]
fn every_link_has_to_hold() {
    let (leaf, between, root) = make(&Story::default());
    let (other_leaf, other_between, other_root) = make(&Story::default());
    let holds = |leaf: &str, chain: &str| Certificate::parse_pem_with_chain(leaf, chain).is_ok();
    assert!(holds(&leaf, &format!("{between}{root}")));
    // A stranger among the intermediates does no harm.
    assert!(holds(&leaf, &format!("{other_between}{between}{root}")));
    assert!(!holds(&leaf, &root));
    assert!(!holds(&leaf, &other_root));
    assert!(!holds(&leaf, &format!("{between}{other_root}")));
    assert!(!holds(&leaf, &format!("{other_between}{root}")));
    assert!(!holds(&other_leaf, &format!("{between}{root}")));
    assert!(!holds(&leaf, ""));
    // The intermediate last: it is then the root.
    assert!(holds(&leaf, &format!("{root}{between}")));
}

#[test]
fn a_chain_of_too_many_certificates_is_refused() {
    let (leaf, between, root) = make(&Story::default());
    let most = between.repeat(MAX_CHAIN - 1);
    assert!(Certificate::parse_pem_with_chain(&leaf, &format!("{most}{root}")).is_ok());
    let answer = Certificate::parse_pem_with_chain(&leaf, &format!("{most}{between}{root}"));
    assert!(matches!(answer, Err(ChainError::TooLong)));
}

#[test]
fn a_chain_is_of_certificates() {
    let (leaf, _, root) = make(&Story::default());
    let key = PublicKey::parse_pem(&leaf).unwrap().to_pem();
    let answer = Certificate::parse_pem_with_chain(&leaf, &format!("{key}{root}"));
    assert!(matches!(answer, Err(ChainError::Key(KeyError::Label { .. }))));
}
