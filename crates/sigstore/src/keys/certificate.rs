//! Certificates as keys: the public key in them and the time they claim, nothing verified.
//!
//! SPEC: RFC 5280 section 4.1. A certificate that a policy names is trusted for its key, as a bare
//! key is, unless the policy names a chain as well.
use super::{ChainError, KeyError, PublicKey, chain, pem};
use crate::{
    der::{self, Reader},
    requirement::Timestamp,
};

/// A certificate, read for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    key: PublicKey,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// COMPAT: Kyverno 1.19: `certificates.cert` uses the first certificate.
    /// test: a_certificate_gives_its_key
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> {
        Self::parse_der(&first(text)?)
    }

    /// Reads one certificate in DER.
    pub fn parse_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { what: "certificate" };
        let (spki, not_before, not_after) = read(bytes).ok_or_else(malformed)?;
        Ok(Self { key: PublicKey::parse_der(spki)?, not_before, not_after })
    }

    /// Reads a certificate and checks that it was issued by the last certificate of `chain`, by way
    /// of the ones before it, for signing code.
    ///
    /// COMPAT: Kyverno 1.19.1: `certificates.cert` with `certChain`: the whole is judged at the time
    /// when the certificate began to be valid, so an expired one still counts.
    /// test: a_certificate_is_judged_when_it_began
    pub fn parse_pem_with_chain(text: &str, chain: &str) -> Result<Self, ChainError> {
        let leaf = first(text)?;
        let certificate = Self::parse_der(&leaf)?;
        chain::verify(&leaf, chain, certificate.not_before)?;
        Ok(certificate)
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
}

fn first(text: &str) -> Result<Vec<u8>, KeyError> {
    let blocks = pem::parse(text)?;
    let first = blocks.first().ok_or(KeyError::NoPem)?;
    if first.label != "CERTIFICATE" {
        return Err(KeyError::Label { label: first.label.chars().take(64).collect() });
    }
    Ok(first.contents.to_vec())
}

fn read(bytes: &[u8]) -> Option<(&[u8], Timestamp, Timestamp)> {
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
    tbs.take(der::INTEGER)?;
    tbs.take(der::SEQUENCE)?;
    tbs.take(der::SEQUENCE)?;
    let mut validity = tbs.enter(der::SEQUENCE)?;
    let not_before = time(&mut validity)?;
    let not_after = time(&mut validity)?;
    validity.end()?;
    tbs.take(der::SEQUENCE)?;
    let (tag, _, spki) = tbs.any()?;
    (tag == der::SEQUENCE).then_some((spki, not_before, not_after))
}

/// SPEC: RFC 5280 section 4.1.2.5: `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn time(reader: &mut Reader<'_>) -> Option<Timestamp> {
    let (tag, text, _) = reader.any()?;
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pairs: Vec<i64> =
        digits.chunks(2).map(|d| d.iter().fold(0, |n, c| n * 10 + i64::from(*c - b'0'))).collect();
    let (year, rest) = match (tag, pairs.as_slice()) {
        (der::UTC_TIME, [yy, rest @ ..]) if digits.len() == 12 => {
            (if *yy < 50 { 2000 + yy } else { 1900 + yy }, rest)
        }
        (der::GENERALIZED_TIME, [century, yy, rest @ ..]) if digits.len() == 14 => {
            (century * 100 + yy, rest)
        }
        _ => return None,
    };
    let [month, day, hour, minute, second] = rest else { return None };
    if !(1..=12).contains(month) || !(1..=31).contains(day) || *hour > 23 || *minute > 59 {
        return None;
    }
    let days = days_from_civil(year, *month, *day);
    Some(Timestamp(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
