//! When certificates are renewed, and that what is made is accepted by who checks it.
use super::*;

const DAY: i64 = 24 * 3600;
const NOW: i64 = 1_800_000_000;

fn demand(now: i64, names: &[String]) -> Demand<'_> {
    Demand {
        now,
        renew_before: Duration::from_hours(15 * 24),
        names,
        ca_name: "*.kyverno.svc",
        algorithm: KeyAlgorithm::Ecdsa,
    }
}

fn names() -> Vec<String> {
    ["kyverno-svc.kyverno.svc", "kyverno-svc", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

/// A CA and a serving certificate made at `NOW`.
fn fresh() -> (PemPair, PemPair) {
    let renewal = renew(&demand(NOW, &names()), None, None).unwrap();
    (renewal.ca.unwrap(), renewal.leaf.unwrap())
}

/// Which of both is renewed: CA, leaf.
fn check(now: i64, names: &[String], ca: &PemPair, leaf: &PemPair, expected: (bool, bool)) {
    let renewal = renew(&demand(now, names), Some(ca), Some(leaf)).unwrap();
    assert_eq!((renewal.ca.is_some(), renewal.leaf.is_some()), expected);
}

#[test]
fn good_certificates_are_left_alone() {
    let (ca, leaf) = fresh();
    check(NOW, &names(), &ca, &leaf, (false, false));
    check(NOW + 134 * DAY, &names(), &ca, &leaf, (false, false));
}

#[test]
fn each_is_renewed_fifteen_days_before_its_end() {
    let (ca, leaf) = fresh();
    check(NOW + 136 * DAY, &names(), &ca, &leaf, (false, true));
    check(NOW + 351 * DAY, &names(), &ca, &leaf, (true, true));
}

#[test]
fn another_name_needs_another_certificate() {
    let (ca, leaf) = fresh();
    let mut more = names();
    more.push("10.0.0.1".to_owned());
    check(NOW, &more, &ca, &leaf, (false, true));
}

#[test]
fn what_is_broken_or_belongs_to_another_ca_is_made_anew() {
    let (ca, leaf) = fresh();
    let (other_ca, other_leaf) = fresh();
    let broken = PemPair { certificates: "x".to_owned(), key: Zeroizing::new("y".to_owned()) };
    check(NOW, &names(), &ca, &other_leaf, (false, true));
    check(NOW, &names(), &broken, &leaf, (true, true));
    check(NOW, &names(), &ca, &broken, (false, true));
    let mixed = PemPair { certificates: ca.certificates.clone(), key: other_ca.key.clone() };
    check(NOW, &names(), &mixed, &leaf, (true, true));
}

#[test]
fn a_renewed_ca_keeps_the_old_one_beside_it() {
    let (ca, leaf) = fresh();
    let later = NOW + 351 * DAY;
    let renewal = renew(&demand(later, &names()), Some(&ca), Some(&leaf)).unwrap();
    let bundle = read_chain(&renewal.ca.unwrap().certificates).unwrap();
    assert_eq!(bundle.len(), 2);
    assert_eq!(bundle.get(1), read_chain(&ca.certificates).unwrap().first());
    let subjects: BTreeSet<String> =
        bundle.iter().map(|one| parse(one).unwrap().subject().to_string()).collect();
    assert_eq!(subjects.len(), 2, "two CAs with one name: {subjects:?}");
    // Expired: it is left out.
    let renewal = renew(&demand(NOW + 400 * DAY, &names()), Some(&ca), None).unwrap();
    assert_eq!(read_chain(&renewal.ca.unwrap().certificates).unwrap().len(), 1);
}

#[test]
fn the_serving_certificate_is_for_servers_and_names_differ() {
    let (ca, leaf) = fresh();
    let serving = ServingCertificate::read(&leaf).unwrap();
    let certificate = parse(serving.chain.first().unwrap()).unwrap();
    let issuer_der = read_chain(&ca.certificates).unwrap();
    let issuer = parse(issuer_der.first().unwrap()).unwrap();
    assert_eq!(certificate.issuer(), issuer.subject());
    assert_ne!(certificate.subject(), issuer.subject());
    assert!(certificate.extended_key_usage().unwrap().unwrap().value.server_auth);
    assert!(!certificate.is_ca());
    assert_eq!(names_of(&certificate), names().into_iter().collect());
}

#[test]
fn every_algorithm_makes_certificates_that_verify() {
    for algorithm in [KeyAlgorithm::Rsa, KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let names = names();
        let demand = Demand { algorithm, ..demand(NOW, &names) };
        let made = renew(&demand, None, None).unwrap();
        let again = renew(&demand, made.ca.as_ref(), made.leaf.as_ref()).unwrap();
        assert!(again.ca.is_none() && again.leaf.is_none(), "{algorithm:?}");
    }
}

#[test]
fn keys_are_not_printed() {
    let (ca, leaf) = fresh();
    let printed = format!("{ca:?} {:?}", ServingCertificate::read(&leaf).unwrap());
    assert!(!printed.contains("PRIVATE"), "{printed}");
}
