//! X.509 certificates: what they say, by whom they were issued, for whom, and whether a log knows them.
//!
//! SPEC: RFC 5280. Reading one verifies nothing. A certificate that a policy names is trusted for its
//! key, as a bare key is, unless the policy names a chain as well.
mod fulcio;
mod identity;
mod names;
mod path;
pub(crate) mod sct;

pub use fulcio::{Extension, FulcioExtensions};
pub use identity::{Identity, IdentityMismatch, MAX_PATTERN, Pattern, PatternError, Patterns};
pub use names::SubjectName;
pub(crate) use path::build as build_path;
pub use path::{PathError, Usage};
pub use sct::{Sct, SctError};

use crate::{
    der::{self, Reader},
    keys::{ChainError, KeyError, MAX_CHAIN, PublicKey, parse_pem_blocks, write_pem},
    requirement::Timestamp,
    time::{number, seconds},
};

/// Most extensions of one certificate.
const MAX_EXTENSIONS: usize = 64;
/// Longest certificate in bytes.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// id-ce-subjectAltName.
const OID_SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// id-ce-subjectKeyIdentifier.
const OID_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
/// id-ce-basicConstraints.
const OID_BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// id-ce-keyUsage.
const OID_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// id-ce-extKeyUsage.
const OID_EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// id-at-commonName.
const OID_COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// id-at-organizationName.
const OID_ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// A certificate, read.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Certificate {
    der: Vec<u8>,
    key: PublicKey,
    not_before: Timestamp,
    not_after: Timestamp,
    /// The distinguished names, as they are encoded.
    issuer: Vec<u8>,
    subject: Vec<u8>,
    serial: Vec<u8>,
    extensions: Vec<RawExtension>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({:?}, {})", self.subject_words(), self.key.id())
    }
}

/// One extension, by its encoded identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RawExtension {
    oid: Vec<u8>,
    critical: bool,
    contents: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// COMPAT: Kyverno 1.19: `certificates.cert` uses the first certificate.
    /// test: a_certificate_gives_its_key
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> {
        let blocks = parse_pem_blocks(text)?;
        let first = blocks.first().ok_or(KeyError::NoPem)?;
        Self::parse_block(&first.label, &first.contents)
    }

    /// Reads all certificates of a PEM text, in order; anything else in it is an error.
    pub fn parse_pem_all(text: &str) -> Result<Vec<Self>, KeyError> {
        let blocks = parse_pem_blocks(text)?;
        if blocks.len() > MAX_CHAIN {
            return Err(KeyError::TooLarge);
        }
        blocks.iter().map(|block| Self::parse_block(&block.label, &block.contents)).collect()
    }

    fn parse_block(label: &str, contents: &[u8]) -> Result<Self, KeyError> {
        if label != "CERTIFICATE" {
            return Err(KeyError::Label { label: crate::encoding::printable(label).to_string() });
        }
        Self::parse_der(contents)
    }

    /// Reads one certificate in DER.
    pub fn parse_der(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(KeyError::TooLarge);
        }
        let parts = read(bytes).ok_or(KeyError::Malformed { what: "certificate" })?;
        Ok(Self {
            key: PublicKey::parse_der(parts.spki)?,
            not_before: parts.not_before,
            not_after: parts.not_after,
            serial: parts.serial.to_vec(),
            issuer: parts.issuer.to_vec(),
            subject: parts.subject.to_vec(),
            extensions: parts.extensions,
            der: bytes.to_vec(),
        })
    }

    /// Reads a certificate and checks that it was issued by the last certificate of `chain`, by way
    /// of the ones before it, for signing code.
    ///
    /// COMPAT: Kyverno 1.19.1: `certificates.cert` with `certChain`: the whole is judged at the time
    /// when the certificate began to be valid, so an expired one still counts.
    /// test: a_certificate_is_judged_when_it_began
    pub fn parse_pem_with_chain(text: &str, chain: &str) -> Result<Self, ChainError> {
        let certificate = Self::parse_pem(text)?;
        path::verify_chain(&certificate, chain, certificate.not_before)?;
        Ok(certificate)
    }

    /// The DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// `-----BEGIN CERTIFICATE-----`.
    pub fn to_pem(&self) -> String {
        std::mem::take(&mut *write_pem("CERTIFICATE", &self.der))
    }

    /// The key in it.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// From when it claims to be valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when, that second included.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// True when `now` is outside the time it claims: worth a warning where only its key is used.
    pub fn out_of_date(&self, now: Timestamp) -> bool {
        now < self.not_before || now > self.not_after
    }

    /// True when it names itself as its issuer.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Serial number, as encoded.
    pub(crate) fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The issuer's distinguished name in DER.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// The subject key identifier.
    pub(crate) fn key_identifier(&self) -> Option<&[u8]> {
        Reader::new(self.extension(OID_KEY_IDENTIFIER)?).take(der::OCTET_STRING)
    }

    /// True when it may have issued certificates.
    pub fn is_ca(&self) -> bool {
        let constraints = self.extension(OID_BASIC_CONSTRAINTS);
        let parts = constraints.and_then(|contents| Reader::new(contents).enter(der::SEQUENCE));
        parts.and_then(|mut parts| parts.take(der::BOOLEAN)) == Some(&[0xff])
    }

    /// Organization and common name, for people.
    pub fn subject_words(&self) -> (String, String) {
        let word = |oid| names::word(&self.subject, oid).unwrap_or_default();
        (word(OID_ORGANIZATION), word(OID_COMMON_NAME))
    }

    /// The names that it was issued for; empty when there are none or they cannot be read.
    pub fn subject_names(&self) -> Vec<SubjectName> {
        self.extension(OID_SUBJECT_ALT_NAME).and_then(names::read).unwrap_or_default()
    }

    /// What Fulcio wrote into it.
    pub fn fulcio(&self) -> FulcioExtensions {
        let all = self.extensions.iter();
        FulcioExtensions::read(all.map(|e| (e.oid.as_slice(), e.contents.as_slice())))
    }

    /// The contents of an extension.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&[u8]> {
        self.extensions.iter().find(|e| e.oid == oid).map(|e| e.contents.as_slice())
    }

    /// The purposes of its key and whether whoever does not know them must refuse it; `None` when it
    /// is not restricted.
    pub(crate) fn extended_usages(&self) -> Option<(Vec<&[u8]>, bool)> {
        let extension = self.extensions.iter().find(|e| e.oid == OID_EXT_KEY_USAGE)?;
        let mut outer = Reader::new(&extension.contents);
        let mut list = outer.enter(der::SEQUENCE)?;
        let mut usages = Vec::new();
        while let Some(oid) = list.take(der::OID) {
            usages.push(oid);
        }
        list.end()?;
        Some((usages, extension.critical))
    }

    /// False when it restricts the use of its key and signing certificates is not among the uses.
    pub(crate) fn may_sign_certificates(&self) -> bool {
        let Some(contents) = self.extension(OID_KEY_USAGE) else { return true };
        // SPEC: RFC 5280 section 4.2.1.3: keyCertSign is bit 5.
        matches!(
            Reader::new(contents).take(der::BIT_STRING),
            Some([_, first, ..]) if first & 0x04 != 0
        )
    }
}

/// What is read of a certificate.
struct Parts<'a> {
    spki: &'a [u8],
    not_before: Timestamp,
    not_after: Timestamp,
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    extensions: Vec<RawExtension>,
}

fn read(bytes: &[u8]) -> Option<Parts<'_>> {
    let mut outer = Reader::new(bytes);
    let mut certificate = outer.enter(der::SEQUENCE)?;
    outer.end()?;
    let mut tbs = certificate.enter(der::SEQUENCE)?;
    certificate.take(der::SEQUENCE)?;
    certificate.bits()?;
    certificate.end()?;
    if tbs.peek() == Some(der::CONTEXT_0) {
        tbs.any()?;
    }
    let serial = tbs.take(der::INTEGER)?;
    tbs.take(der::SEQUENCE)?;
    let issuer = tbs.whole(der::SEQUENCE)?;
    let mut validity = tbs.enter(der::SEQUENCE)?;
    let not_before = time(&mut validity)?;
    let not_after = time(&mut validity)?;
    validity.end()?;
    let subject = tbs.whole(der::SEQUENCE)?;
    let spki = tbs.whole(der::SEQUENCE)?;
    let mut extensions = Vec::new();
    while let Some((tag, contents, _)) = tbs.any() {
        if tag == der::CONTEXT_3 {
            extensions = read_extensions(contents)?;
        }
    }
    tbs.end()?;
    Some(Parts { spki, not_before, not_after, serial, issuer, subject, extensions })
}

/// SPEC: RFC 5280 section 4.2: no extension twice.
fn read_extensions(contents: &[u8]) -> Option<Vec<RawExtension>> {
    let mut outer = Reader::new(contents);
    let mut list = outer.enter(der::SEQUENCE)?;
    outer.end()?;
    let mut all: Vec<RawExtension> = Vec::new();
    while !list.is_empty() {
        let mut one = list.enter(der::SEQUENCE)?;
        let oid = one.take(der::OID)?;
        let critical = match one.peek()? {
            der::BOOLEAN => one.take(der::BOOLEAN)? == [0xff],
            _ => false,
        };
        let contents = one.take(der::OCTET_STRING)?;
        one.end()?;
        if all.len() >= MAX_EXTENSIONS || all.iter().any(|there| there.oid == oid) {
            return None;
        }
        all.push(RawExtension { oid: oid.to_vec(), critical, contents: contents.to_vec() });
    }
    Some(all)
}

/// SPEC: RFC 5280 section 4.1.2.5: `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn time(reader: &mut Reader<'_>) -> Option<Timestamp> {
    let (tag, text, _) = reader.any()?;
    let digits = text.strip_suffix(b"Z")?;
    match (tag, digits.len()) {
        (der::UTC_TIME, 12) => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year)?;
            day_and_time(if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (der::GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at_checked(4)?;
            day_and_time(number(year)?, rest)
        }
        _ => None,
    }
}

/// A time of which the year is known and month to second are ten digits.
pub(crate) fn day_and_time(year: i64, digits: &[u8]) -> Option<Timestamp> {
    let pairs: Option<Vec<i64>> = digits.chunks(2).map(number).collect();
    let [month, day, hour, minute, second] = pairs?.try_into().ok()?;
    seconds([year, month, day], [hour, minute, second]).map(Timestamp)
}

#[cfg(test)]
mod chain_tests;
