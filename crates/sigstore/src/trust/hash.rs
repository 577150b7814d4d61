//! The identity of trust material: a hash over what can change a verdict.
use super::{CertificateAuthority, TransparencyLog, TrustId, TrustParts, Validity};
use crate::encoding::sha256;

/// Every element is hashed by itself and the hashes are sorted, so that order does not matter; each
/// field goes in with its length, so that none can run into the next.
pub(super) fn of(parts: &TrustParts) -> TrustId {
    let mut out = b"sigward trusted root 1".to_vec();
    list(&mut out, parts.certificate_authorities.iter().map(authority));
    list(&mut out, parts.timestamp_authorities.iter().map(authority));
    list(&mut out, parts.tlogs.iter().map(log));
    list(&mut out, parts.ctlogs.iter().map(log));
    TrustId(sha256(&out))
}

fn list(out: &mut Vec<u8>, elements: impl Iterator<Item = [u8; 32]>) {
    let mut elements: Vec<_> = elements.collect();
    elements.sort_unstable();
    elements.dedup();
    out.extend(elements.len().to_be_bytes());
    for element in elements {
        out.extend(element);
    }
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.len().to_be_bytes());
    out.extend(bytes);
}

fn validity(out: &mut Vec<u8>, valid_for: Validity) {
    for end in [valid_for.start, valid_for.end] {
        match end {
            Some(at) => {
                out.push(1);
                out.extend(at.0.to_be_bytes());
            }
            None => out.push(0),
        }
    }
}

fn authority(authority: &CertificateAuthority) -> [u8; 32] {
    let mut out = Vec::new();
    validity(&mut out, authority.valid_for);
    for certificate in &authority.chain {
        field(&mut out, certificate.as_der());
    }
    sha256(&out)
}

fn log(log: &TransparencyLog) -> [u8; 32] {
    let mut out = Vec::new();
    validity(&mut out, log.valid_for);
    // A checkpoint is bound to the host, and distinct logs are counted by operator.
    field(&mut out, log.base_url.as_bytes());
    field(&mut out, log.operator.as_bytes());
    field(&mut out, log.key.as_der());
    field(&mut out, &log.log_id);
    field(&mut out, log.checkpoint_key_id.as_deref().unwrap_or_default());
    sha256(&out)
}
