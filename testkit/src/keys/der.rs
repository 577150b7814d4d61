//! As much DER and PEM as it takes to unwrap keys.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// PEM with lines of 64 characters and a newline at the end.
// SPEC: RFC 7468 section 2.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
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

/// The tag, the content and what follows the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = bytes.iter().try_fold(0_usize, |length, &byte| {
            length.checked_mul(256)?.checked_add(usize::from(byte))
        })?;
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The private key inside PKCS#8: the octet string after version and algorithm.
// SPEC: RFC 5208 section 5.
pub(super) fn inside_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (_, sequence, _) = element(der)?;
    let (_, _, rest) = element(sequence)?;
    let (_, _, rest) = element(rest)?;
    element(rest).filter(|(tag, _, _)| *tag == 0x04).map(|(_, content, _)| content)
}

/// The public key inside a SubjectPublicKeyInfo: the bit string after the algorithm, without its count of unused bits.
// SPEC: RFC 5280 section 4.1.
pub(super) fn inside_spki(der: &[u8]) -> Option<&[u8]> {
    let (_, sequence, _) = element(der)?;
    let (_, _, rest) = element(sequence)?;
    let (tag, content, _) = element(rest)?;
    if tag == 0x03 { content.strip_prefix(&[0]) } else { None }
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
