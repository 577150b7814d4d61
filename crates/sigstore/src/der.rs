//! The little DER that keys, certificates and ECDSA signatures need: definite lengths, no copies.
//!
//! SPEC: X.690 section 10: lengths are minimal, integers are minimal.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const CONTEXT_0: u8 = 0xa0;
pub(crate) const CONTEXT_1: u8 = 0xa1;
pub(crate) const CONTEXT_3: u8 = 0xa3;

/// Reads elements from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(crate) fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Any element: its tag, its contents, and the whole with header.
    pub(crate) fn any(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let all = self.0;
        let (&tag, rest) = all.split_first()?;
        // Tags above 30 take several bytes; nothing here has one.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits.iter().fold(0_usize, |sum, d| (sum << 8) | usize::from(*d));
            let minimal = digits.first().is_some_and(|d| *d != 0) && length >= 0x80;
            if !minimal {
                return None;
            }
            (length, rest)
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        let whole = all.get(..all.len() - rest.len())?;
        self.0 = rest;
        Some((tag, contents, whole))
    }

    /// The contents of the next element, which must have this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, contents, _) = ahead.any()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(contents)
    }

    /// The next element with its header; it must have this tag.
    pub(crate) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, _, whole) = ahead.any()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(whole)
    }

    /// A reader over the contents of the next element, which must have this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Reader)
    }

    /// The magnitude of a positive, minimally written integer.
    pub(crate) fn positive(&mut self) -> Option<&'a [u8]> {
        let digits = self.take(INTEGER)?;
        match digits {
            [] => None,
            [0] => Some(digits),
            [0, next, ..] if *next < 0x80 => None,
            [0, rest @ ..] => Some(rest),
            [first, ..] if *first >= 0x80 => None,
            _ => Some(digits),
        }
    }

    /// The bytes of a bit string whose length is whole bytes.
    pub(crate) fn bits(&mut self) -> Option<&'a [u8]> {
        match self.take(BIT_STRING)? {
            [0, bytes @ ..] => Some(bytes),
            _ => None,
        }
    }

    /// `Some` when nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// One element.
pub(crate) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(contents.len() + 6);
    out.push(tag);
    let length = contents.len();
    if length < 0x80 {
        out.push(length.to_le_bytes()[0]);
    } else {
        let digits = length.to_be_bytes();
        let digits: Vec<u8> = digits.into_iter().skip_while(|d| *d == 0).collect();
        out.push(0x80 | digits.len().to_le_bytes()[0]);
        out.extend(digits);
    }
    out.extend_from_slice(contents);
    out
}

/// A sequence of ready elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A bit string of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// A positive integer from big-endian bytes.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    element(INTEGER, &digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rejects_lengths_that_are_not_minimal_or_run_over_the_end() {
        for bytes in [
            &[0x30, 0x81, 0x01, 0x00][..],
            &[0x30, 0x82, 0x00, 0x80],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x02, 0x00],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30],
            &[0x1f, 0x01, 0x00],
        ] {
            assert!(Reader::new(bytes).any().is_none(), "{bytes:02x?}");
        }
    }

    #[test]
    fn rejects_integers_that_are_negative_or_padded() {
        for bytes in [&[0x02, 0x01, 0x80][..], &[0x02, 0x02, 0x00, 0x7f], &[0x02, 0x00]] {
            assert!(Reader::new(bytes).positive().is_none(), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in prop::sample::select(vec![INTEGER, SEQUENCE]), bytes: Vec<u8>) {
            let der = element(tag, &bytes);
            let mut reader = Reader::new(&der);
            prop_assert_eq!(reader.any(), Some((tag, &bytes[..], &der[..])));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn integers_keep_their_value(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let der = integer(&bytes);
            let value: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
            let read = Reader::new(&der).positive().map(<[u8]>::to_vec);
            let read = read.map(|r| r.into_iter().skip_while(|b| *b == 0).collect::<Vec<_>>());
            prop_assert_eq!(read, Some(value));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.any().is_some() {}
        }
    }
}
