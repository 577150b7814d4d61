//! Reads DER, one element after the other, borrowing from the bytes.
//!
//! SPEC: ITU-T X.690, the definite-length encodings. Reads what certificates are made of; it verifies nothing.

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Universal tags, with the constructed bit where the type has one.
pub(super) mod tag {
    pub(in super::super) const BOOLEAN: u8 = 0x01;
    pub(in super::super) const INTEGER: u8 = 0x02;
    pub(in super::super) const BIT_STRING: u8 = 0x03;
    pub(in super::super) const OCTET_STRING: u8 = 0x04;
    pub(in super::super) const OID: u8 = 0x06;
    pub(in super::super) const UTF8_STRING: u8 = 0x0C;
    pub(in super::super) const NUMERIC_STRING: u8 = 0x12;
    pub(in super::super) const PRINTABLE_STRING: u8 = 0x13;
    pub(in super::super) const T61_STRING: u8 = 0x14;
    pub(in super::super) const IA5_STRING: u8 = 0x16;
    pub(in super::super) const UTC_TIME: u8 = 0x17;
    pub(in super::super) const GENERALIZED_TIME: u8 = 0x18;
    pub(in super::super) const BMP_STRING: u8 = 0x1E;
    pub(in super::super) const SEQUENCE: u8 = 0x30;
    pub(in super::super) const SET: u8 = 0x31;

    /// `[n]`, context specific and primitive.
    pub(in super::super) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[n]`, context specific and constructed.
    pub(in super::super) const fn constructed(number: u8) -> u8 {
        0xA0 | number
    }
}

/// One element: its tag, its contents, and all of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'d> {
    pub(super) tag: u8,
    pub(super) contents: &'d [u8],
    pub(super) raw: &'d [u8],
}

/// The elements of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'d>(pub(super) &'d [u8]);

impl<'d> Reader<'d> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next element, whatever its tag.
    pub(super) fn any(&mut self) -> Result<Element<'d>, Malformed> {
        let [tag, length, after @ ..] = self.0 else { return Err(Malformed) };
        // No certificate has a tag number of 31 or more.
        if tag & 0x1F == 0x1F {
            return Err(Malformed);
        }
        let (length, after) = match *length {
            short @ 0..=0x7F => (usize::from(short), after),
            long @ 0x81..=0x84 => {
                let (bytes, after) =
                    after.split_at_checked(usize::from(long & 0x7F)).ok_or(Malformed)?;
                let length =
                    bytes.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
                // DER takes the shortest form.
                if length < 0x80 || bytes.first() == Some(&0) {
                    return Err(Malformed);
                }
                (length, after)
            }
            _ => return Err(Malformed),
        };
        let (contents, rest) = after.split_at_checked(length).ok_or(Malformed)?;
        let raw = self.0.get(..self.0.len() - rest.len()).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Element { tag: *tag, contents, raw })
    }

    /// The next element, which is to have this tag.
    pub(super) fn element(&mut self, tag: u8) -> Result<Element<'d>, Malformed> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(Malformed) }
    }

    /// What is inside the next element, which is to have this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, Malformed> {
        Ok(Self(self.element(tag)?.contents))
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'d>>, Malformed> {
        if self.0.first() == Some(&tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// The bytes of a bit string without unused bits.
    pub(super) fn whole_bits(&mut self) -> Result<&'d [u8], Malformed> {
        match self.element(tag::BIT_STRING)?.contents {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// An object identifier.
    pub(super) fn oid(&mut self) -> Result<Vec<u64>, Malformed> {
        oid(self.element(tag::OID)?.contents)
    }

    /// A number that is not negative and not large.
    pub(super) fn small(&mut self) -> Result<i64, Malformed> {
        small(self.element(tag::INTEGER)?.contents)
    }

    /// The bytes of a number that is not negative, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Result<&'d [u8], Malformed> {
        match self.element(tag::INTEGER)?.contents {
            [] | [0x80..=0xFF, ..] => Err(Malformed),
            [0, rest @ ..] => Ok(rest),
            bytes => Ok(bytes),
        }
    }
}

/// The contents of an integer as a number that is not negative and not large.
pub(super) fn small(contents: &[u8]) -> Result<i64, Malformed> {
    if contents.is_empty()
        || contents.len() > 8
        || contents.first().is_some_and(|byte| *byte >= 0x80)
    {
        return Err(Malformed);
    }
    Ok(contents.iter().fold(0, |number, byte| number << 8 | i64::from(*byte)))
}

/// The contents of an object identifier as its numbers.
pub(super) fn oid(contents: &[u8]) -> Result<Vec<u64>, Malformed> {
    let mut numbers = Vec::new();
    let mut number = 0u64;
    let mut open = true;
    for byte in contents {
        number = number.checked_mul(128).ok_or(Malformed)? | u64::from(byte & 0x7F);
        open = byte & 0x80 != 0;
        if open {
            continue;
        }
        if numbers.is_empty() {
            let first = (number / 40).min(2);
            numbers.extend([first, number - 40 * first]);
        } else {
            numbers.push(number);
        }
        number = 0;
    }
    if open { Err(Malformed) } else { Ok(numbers) }
}

/// A large number in decimal.
pub(super) fn decimal(bytes: &[u8]) -> String {
    const BASE: u64 = 1_000_000_000;
    // Little-endian digits to the base 10^9.
    let mut digits: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % BASE;
            carry /= BASE;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    let mut text = String::new();
    for digit in digits.iter().rev() {
        use std::fmt::Write as _;
        let _ = if text.is_empty() { write!(text, "{digit}") } else { write!(text, "{digit:09}") };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Reader, decimal, oid, tag};

    #[test]
    fn reads_identifiers() {
        assert_eq!(oid(&[0x55, 4, 3]), Ok(vec![2, 5, 4, 3]));
        assert_eq!(oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D]), Ok(vec![1, 2, 840, 113_549]));
        assert_eq!(oid(&[0x55, 0x84]), Err(Malformed));
        assert_eq!(oid(&[]), Err(Malformed));
    }

    #[test]
    fn prints_large_numbers_in_decimal() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[1, 0]), "256");
        assert_eq!(decimal(&[0xFF; 16]), u128::MAX.to_string());
        assert_eq!(
            decimal(&1_000_000_000_000_000_000_000u128.to_be_bytes()),
            "1000000000000000000000"
        );
    }

    #[test]
    fn refuses_lengths_that_are_not_der() {
        for bytes in [
            &[0x30][..],
            &[0x30, 0x80],
            &[0x30, 0x81, 1, 0],
            &[0x30, 5, 1],
            &[0x30, 0x82, 0, 0x90],
            &[0x1F, 1, 0],
        ] {
            assert!(Reader(bytes).any().is_err(), "{bytes:x?}");
        }
        assert!(Reader(&[tag::INTEGER, 1, 0x80]).unsigned().is_err());
    }
}
