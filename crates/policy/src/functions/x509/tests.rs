//! Certificates made with OpenSSL, and what the peer (Kyverno 1.19.1) decoded them to.
use super::super::tests::evaluate_over;
use sigward_document::{Value, parse_json};

fn decode(pem: &str) -> Result<Value, String> {
    let root = Value::build().member("pem", pem).finish();
    evaluate_over(&root, "x509_decode(pem)").map_err(|error| error.to_string())
}

fn check(pem: &str, expected: &str) {
    let (decoded, expected) = (decode(pem).unwrap(), parse_json(expected.as_bytes()).unwrap());
    for (key, value) in expected.as_map().unwrap().iter() {
        assert_eq!(decoded.get(key), Some(value), "{key}");
    }
    assert_eq!(decoded, expected);
}

fn check_error(pem: &str, expected: &str) {
    assert_eq!(decode(pem), Err(expected.to_owned()));
}

#[test]
fn certificates_decode_as_the_peers() {
    check(include_str!("testdata/leaf.pem"), include_str!("testdata/leaf.json"));
    check(include_str!("testdata/ca.pem"), include_str!("testdata/ca.json"));
    check(include_str!("testdata/pss.pem"), include_str!("testdata/pss.json"));
    check(include_str!("testdata/pss32.pem"), include_str!("testdata/pss32.json"));
}

#[test]
fn requests_decode_as_the_peers() {
    check(include_str!("testdata/request.pem"), include_str!("testdata/request.json"));
}

#[test]
fn other_keys_than_rsa_are_refused() {
    check_error(include_str!("testdata/ec.pem"), "certificate should use rsa algorithm");
}

#[test]
fn what_is_no_certificate_is_refused() {
    check_error("x", "failed to decode PEM block");
    check_error(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "x509: malformed certificate",
    );
    check_error(
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST",
    );
}

#[test]
fn text_before_the_block_is_skipped() {
    let text = format!("Certificate:\n  Data\n{}", include_str!("testdata/leaf.pem"));
    check(&text, include_str!("testdata/leaf.json"));
}

/// No cut and no flipped byte makes it panic, and a cut one is never decoded.
#[test]
fn damaged_certificates_never_panic() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let (_, der) = super::pem_block(include_str!("testdata/ca.pem")).unwrap();
    let pem = |der: &[u8]| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", STANDARD.encode(der))
    };
    for end in (0..der.len()).step_by(7) {
        assert!(decode(&pem(&der[..end])).is_err(), "cut at {end}");
    }
    for at in 0..der.len() {
        let mut damaged = der.clone();
        damaged[at] ^= 0x81;
        let _ = decode(&pem(&damaged));
    }
}
