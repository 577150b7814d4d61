//! RFC 3161 responses and the annotation around them: none verifies without an authority.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::{
    keys::Certificate,
    timestamp,
    trust::{CertificateAuthority, Validity},
};

fuzz_target!(|bytes: &[u8]| {
    assert!(timestamp::verify(bytes, b"message", &[]).is_err());
    // The authority's certificate, when it comes first; then the response.
    if let Some((length, rest)) = bytes.split_first_chunk::<2>()
        && let Some((der, response)) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        && let Ok(certificate) = Certificate::parse_der(der)
    {
        let authority = CertificateAuthority {
            subject: Default::default(),
            uri: String::new(),
            chain: vec![certificate],
            valid_for: Validity::default(),
        };
        let _ = timestamp::verify(response, b"message", &[authority]);
    }
    if let Some(response) = std::str::from_utf8(bytes).ok().and_then(timestamp::parse_annotation) {
        assert_eq!(
            timestamp::parse_annotation(&timestamp::to_annotation(&response)),
            Some(response)
        );
    }
});
