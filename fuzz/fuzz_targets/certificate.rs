//! Certificates in DER: none makes the reader panic, and a key that is read is a key; the chain's reader sees the same bytes.
#![no_main]
use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::keys::{Certificate, PublicKey};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = PublicKey::parse_der(bytes) {
        assert_eq!(PublicKey::parse_der(key.as_der()), Ok(key));
    }
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(bytes)
    );
    let Ok(certificate) = Certificate::parse_der(bytes) else {
        assert!(Certificate::parse_pem(&pem).is_err());
        return;
    };
    assert_eq!(PublicKey::parse_der(certificate.key().as_der()).as_ref(), Ok(certificate.key()));
    assert!(certificate.subject_names().len() <= 64);
    assert!(certificate.fulcio().iter().all(|(extension, _)| extension.0 < 0x80));
    if bytes.len() < 32 * 1024 {
        assert_eq!(Certificate::parse_pem(&pem).as_ref(), Ok(&certificate));
        let _ = Certificate::parse_pem_with_chain(&pem, &pem);
    }
    if certificate.not_before() <= certificate.not_after() {
        assert!(!certificate.out_of_date(certificate.not_before()));
        assert!(!certificate.out_of_date(certificate.not_after()));
    }
});
