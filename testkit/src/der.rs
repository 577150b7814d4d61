//! DER written by hand: as much of it as certificates, timestamp tokens and SCTs need, with every byte under control.

use crate::keys::Algorithm;

/// Tags of the universal class.
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// One element: tag, length, content.
// SPEC: X.690 section 10.1: the definite form of length, in as few bytes as possible.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(content.len()) {
        out.push(short);
    } else {
        let bytes = content.len().to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        out.push(0x80 | u8::try_from(bytes.len() - zeros).unwrap_or(0x7f));
        out.extend(bytes.iter().skip(zeros));
    }
    out.extend_from_slice(content);
    out
}

/// A sequence of finished elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A set of finished elements, in the order that DER demands.
// SPEC: X.690 section 11.6: ascending by their encodings.
pub(crate) fn set(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    element(SET, &parts.concat())
}

/// An integer from big-endian bytes of a number that is not negative.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut content: Vec<u8> = bytes.iter().skip(zeros).copied().collect();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    element(INTEGER, &content)
}

/// A small integer.
pub(crate) fn small(number: u64) -> Vec<u8> {
    integer(&number.to_be_bytes())
}

/// An object identifier from its arcs.
pub(crate) fn oid(arcs: &[u32]) -> Vec<u8> {
    let mut content = Vec::new();
    let first = arcs.first().copied().unwrap_or(0) * 40 + arcs.get(1).copied().unwrap_or(0);
    for arc in std::iter::once(first).chain(arcs.iter().skip(2).copied()) {
        let mut groups = vec![(arc & 0x7f).to_le_bytes()[0]];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | (rest & 0x7f).to_le_bytes()[0]);
            rest >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    element(0x06, &content)
}

/// An octet string.
pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(0x04, bytes)
}

/// A bit string of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// A UTF-8 string.
pub(crate) fn utf8(text: &str) -> Vec<u8> {
    element(0x0c, text.as_bytes())
}

/// A context-specific constructed element: `[number]`.
pub(crate) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xa0 | number, content)
}

/// TRUE.
pub(crate) fn yes() -> Vec<u8> {
    element(0x01, &[0xff])
}

/// A time of a certificate, from seconds since 1970.
// SPEC: RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from then on.
pub(crate) fn validity_time(seconds: i64) -> Vec<u8> {
    let time = timestamp(seconds);
    let year = time.strftime("%Y").to_string();
    if year.as_str() < "2050" {
        element(0x17, time.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        generalized_time(seconds)
    }
}

/// A GeneralizedTime, from seconds since 1970.
pub(crate) fn generalized_time(seconds: i64) -> Vec<u8> {
    element(0x18, timestamp(seconds).strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

/// Seconds since 1970 as a time; 1970 itself for what is beyond all calendars.
pub(crate) fn timestamp(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// The algorithm identifier of a key's own signatures ([`Scheme::Default`](crate::keys::Scheme::Default)).
// SPEC: RFC 5758 section 3.2, RFC 8410 section 3, RFC 4055 section 5.
pub(crate) fn signature_algorithm(key: Algorithm) -> Vec<u8> {
    match key {
        Algorithm::EcdsaP256 => sequence(&[&oid(&[1, 2, 840, 10045, 4, 3, 2])]),
        Algorithm::EcdsaP384 => sequence(&[&oid(&[1, 2, 840, 10045, 4, 3, 3])]),
        Algorithm::EcdsaP521 => sequence(&[&oid(&[1, 2, 840, 10045, 4, 3, 4])]),
        Algorithm::Ed25519 => sequence(&[&oid(&[1, 3, 101, 112])]),
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            sequence(&[&oid(&[1, 2, 840, 113_549, 1, 1, 11]), &[5, 0]])
        }
    }
}

/// Elements read one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next element's tag and content.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
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
        self.0 = rest;
        Some((tag, content))
    }

    /// The next element's content when it has this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next element, whole, when it has this tag; nothing is read otherwise.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let content = ahead.expect(tag)?;
        *self = ahead;
        Some(content)
    }

    /// What a sequence holds.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.expect(SEQUENCE).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn object_identifiers_integers_and_times_have_their_published_forms() {
        assert_eq!(
            oid(&[1, 2, 840, 113_549, 1, 7, 2]),
            [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]
        );
        assert_eq!(small(0), [2, 1, 0]);
        assert_eq!(small(128), [2, 2, 0, 128]);
        assert_eq!(small(256), [2, 2, 1, 0]);
        assert_eq!(validity_time(0), b"\x17\x0d700101000000Z");
        assert_eq!(validity_time(2_524_608_000), b"\x18\x0f20500101000000Z");
    }

    #[test]
    fn long_contents_have_long_lengths() {
        assert_eq!(element(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(content in proptest::collection::vec(any::<u8>(), 0..400), tag in 1_u8..0x1e) {
            let bytes = element(tag, &content);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.next(), Some((tag, content.as_slice())));
            prop_assert!(reader.next().is_none());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader(&bytes);
            while reader.next().is_some() {}
        }
    }
}
