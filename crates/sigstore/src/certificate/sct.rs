//! Signed certificate timestamps: a certificate log's promise that it knows a certificate.
//!
//! SPEC: RFC 6962 sections 3.2 and 3.3.
use super::Certificate;
use crate::{
    der::{self, Reader},
    encoding::{decode_base64, parse_object, sha256},
    requirement::Timestamp,
    trust::TransparencyLog,
};
use serde::Deserialize;

/// 1.3.6.1.4.1.11129.2.4.2.
const OID_SCT_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
/// Most timestamps of one certificate that are looked at.
const MAX_TIMESTAMPS: usize = 32;

/// Why no log is known to know a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SctError {
    /// It brings no timestamp.
    #[error("certificate does not include required embedded SCT and no detached SCT was set")]
    Missing,
    /// They cannot be read.
    #[error("malformed SCT")]
    Malformed,
    /// None of them is by a trusted log.
    #[error("only able to verify 0 SCT entries; unable to meet threshold of 1")]
    NoneVerified,
}

/// One timestamp, read; nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct {
    log_id: Vec<u8>,
    /// Milliseconds since 1970.
    at: u64,
    extensions: Vec<u8>,
    hash_and_signature: [u8; 2],
    signature: Vec<u8>,
}

/// Reads length-prefixed things, as TLS writes them.
struct Tls<'a>(&'a [u8]);

impl<'a> Tls<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn prefixed(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.bytes(2)?.try_into().ok()?);
        self.bytes(usize::from(length))
    }
}

impl Sct {
    /// Reads the contents of the extension that holds a certificate's timestamps.
    pub fn parse_list(contents: &[u8]) -> Option<Vec<Self>> {
        list(contents)
    }

    /// The log, by the hash of its key.
    pub fn log_id(&self) -> &[u8] {
        &self.log_id
    }

    /// When the log signed, in milliseconds since 1970.
    pub fn at(&self) -> u64 {
        self.at
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut tls = Tls(bytes);
        if tls.bytes(1)? != [0] {
            return None;
        }
        let log_id = tls.bytes(32)?.to_vec();
        let at = u64::from_be_bytes(tls.bytes(8)?.try_into().ok()?);
        let extensions = tls.prefixed()?.to_vec();
        let hash_and_signature = tls.bytes(2)?.try_into().ok()?;
        let signature = tls.prefixed()?.to_vec();
        tls.0.is_empty().then_some(Self { log_id, at, extensions, hash_and_signature, signature })
    }

    /// Reads a detached one, as a log answers `add-chain`.
    pub fn parse_detached(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            sct_version: u8,
            id: String,
            timestamp: u64,
            #[serde(default)]
            extensions: String,
            signature: String,
        }
        let wire: Wire = parse_object(json)?;
        let signed = decode_base64(&wire.signature)?;
        let mut tls = Tls(&signed);
        let hash_and_signature = tls.bytes(2)?.try_into().ok()?;
        let signature = tls.prefixed()?.to_vec();
        (wire.sct_version == 0 && tls.0.is_empty()).then_some(Self {
            log_id: decode_base64(&wire.id)?,
            at: wire.timestamp,
            extensions: decode_base64(&wire.extensions)?,
            hash_and_signature,
            signature,
        })
    }

    /// True when a trusted log signed it over this entry while its key could be believed.
    fn holds(&self, entry_type: u16, entry: &[u8], logs: &[TransparencyLog]) -> bool {
        let at = Timestamp(i64::try_from(self.at / 1000).unwrap_or(i64::MAX));
        // SHA-256 with RSA or ECDSA; RFC 6962 knows no others.
        if !matches!(self.hash_and_signature, [4, 1 | 3]) {
            return false;
        }
        let Ok(length) = u16::try_from(self.extensions.len()) else { return false };
        let mut message = vec![0, 0];
        message.extend(self.at.to_be_bytes());
        message.extend(entry_type.to_be_bytes());
        message.extend(entry);
        message.extend(length.to_be_bytes());
        message.extend(&self.extensions);
        logs.iter().any(|log| {
            log.log_id == self.log_id
                && log.valid_for.contains(at)
                && log.key.verify(&message, &self.signature).is_ok()
        })
    }
}

/// The timestamps of an extension's contents.
fn list(contents: &[u8]) -> Option<Vec<Sct>> {
    let mut outer = Reader::new(contents);
    let inner = outer.take(der::OCTET_STRING)?;
    outer.end()?;
    let mut whole = Tls(inner);
    let mut rest = Tls(whole.prefixed()?);
    if !whole.0.is_empty() {
        return None;
    }
    let mut all = Vec::new();
    while !rest.0.is_empty() {
        if all.len() >= MAX_TIMESTAMPS {
            return None;
        }
        all.push(Sct::parse(rest.prefixed()?)?);
    }
    Some(all)
}

fn u24(length: usize) -> Option<[u8; 3]> {
    let [0, a, b, c] = u32::try_from(length).ok()?.to_be_bytes() else { return None };
    Some([a, b, c])
}

/// At least one trusted log signed a timestamp for the certificate that `issuer` issued.
pub(crate) fn verify(
    certificate: &Certificate,
    issuer: &Certificate,
    detached: Option<&Sct>,
    logs: &[TransparencyLog],
) -> Result<(), SctError> {
    if let Some(sct) = detached {
        let mut entry = u24(certificate.as_der().len()).ok_or(SctError::Malformed)?.to_vec();
        entry.extend(certificate.as_der());
        return sct.holds(0, &entry, logs).then_some(()).ok_or(SctError::NoneVerified);
    }
    let contents = certificate.extension(OID_SCT_LIST).ok_or(SctError::Missing)?;
    let scts = list(contents).ok_or(SctError::Malformed)?;
    if scts.is_empty() {
        return Err(SctError::Missing);
    }
    let tbs = without_timestamps(certificate.as_der()).ok_or(SctError::Malformed)?;
    let mut entry = sha256(issuer.key().as_der()).to_vec();
    entry.extend(u24(tbs.len()).ok_or(SctError::Malformed)?);
    entry.extend(tbs);
    scts.iter().any(|sct| sct.holds(1, &entry, logs)).then_some(()).ok_or(SctError::NoneVerified)
}

/// What the log was shown: the certificate's contents before the timestamps went in.
fn without_timestamps(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut tbs = Reader::new(certificate).enter(der::SEQUENCE)?.enter(der::SEQUENCE)?;
    let mut out = Vec::new();
    while let Some((tag, contents, whole)) = tbs.any() {
        if tag != der::CONTEXT_3 {
            out.extend(whole);
            continue;
        }
        let mut extensions = Reader::new(contents).enter(der::SEQUENCE)?;
        let mut kept = Vec::new();
        while let Some((_, contents, whole)) = extensions.any() {
            if Reader::new(contents).take(der::OID)? != OID_SCT_LIST {
                kept.extend(whole);
            }
        }
        extensions.end()?;
        out.extend(der::element(der::CONTEXT_3, &der::element(der::SEQUENCE, &kept)));
    }
    tbs.end()?;
    Some(der::element(der::SEQUENCE, &out))
}
