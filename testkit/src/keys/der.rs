//! As much DER and PEM as it takes to unwrap keys.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::der::Reader;

/// PEM with lines of 64 characters and a newline at the end.
// SPEC: RFC 7468 section 2.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, character) in STANDARD.encode(der).chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.extend(["\n-----END ", label, "-----\n"]);
    text
}

/// The private key inside PKCS#8: the octet string after version and algorithm.
// SPEC: RFC 5208 section 5.
pub(super) fn inside_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader(der).sequence()?;
    fields.next()?;
    fields.next()?;
    fields.expect(0x04)
}

/// The public key inside a SubjectPublicKeyInfo: the bit string after the algorithm, without its count of unused bits.
// SPEC: RFC 5280 section 4.1.
pub(crate) fn inside_spki(der: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader(der).sequence()?;
    fields.next()?;
    fields.expect(0x03)?.strip_prefix(&[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_unwrapped_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for inner in [inside_pkcs8(&bytes), inside_spki(&bytes)].into_iter().flatten() {
                prop_assert!(inner.len() < bytes.len());
            }
        }
    }
}
