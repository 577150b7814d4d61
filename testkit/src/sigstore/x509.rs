//! Certificates built byte by byte, so that each of them can be wrong in exactly one way.

// SPEC: RFC 5280 section 4.

use super::merkle::sha256;
use crate::{
    der,
    keys::{KeyError, KeyPair},
};

/// Extended key usages by their object identifiers.
pub(crate) const CODE_SIGNING: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 3];
pub(crate) const TIME_STAMPING: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 8];
pub(crate) const SERVER_AUTH: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];

/// A certificate in the making.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) spki: Vec<u8>,
    /// Finished extensions in the order in which they are written.
    pub(crate) extensions: Vec<Vec<u8>>,
}

/// `O=organization, CN=name`; empty without a name.
pub(crate) fn name(organization: &str, common: &str) -> Vec<u8> {
    if common.is_empty() {
        return der::sequence(&[]);
    }
    let part =
        |arc, text| der::set(vec![der::sequence(&[&der::oid(&[2, 5, 4, arc]), &der::utf8(text)])]);
    der::sequence(&[&part(10, organization), &part(3, common)])
}

/// One extension around finished DER.
pub(crate) fn extension(oid: &[u32], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der::yes() } else { Vec::new() };
    der::sequence(&[&der::oid(oid), &critical, &der::octets(value)])
}

/// Key usage of an end entity (`digitalSignature`), or of an authority (`keyCertSign`, `cRLSign`).
pub(crate) fn key_usage(authority: bool) -> Vec<u8> {
    let bits: &[u8] = if authority { &[1, 0x06] } else { &[7, 0x80] };
    extension(&[2, 5, 29, 15], true, &der::element(0x03, bits))
}

/// Extended key usage with one purpose.
pub(crate) fn extended_key_usage(purpose: &[u32], critical: bool) -> Vec<u8> {
    extension(&[2, 5, 29, 37], critical, &der::sequence(&[&der::oid(purpose)]))
}

/// Basic constraints of an authority, with the number of authorities that may follow.
pub(crate) fn authority(path_length: Option<u64>) -> Vec<u8> {
    let length = path_length.map(der::small).unwrap_or_default();
    extension(&[2, 5, 29, 19], true, &der::sequence(&[&der::yes(), &length]))
}

/// The identifier of the certificate's own key.
pub(crate) fn subject_key(spki: &[u8]) -> Vec<u8> {
    extension(&[2, 5, 29, 14], false, &der::octets(&key_identifier(spki)))
}

/// The identifier of the issuer's key.
pub(crate) fn authority_key(spki: &[u8]) -> Vec<u8> {
    let identifier = der::element(0x80, &key_identifier(spki));
    extension(&[2, 5, 29, 35], false, &der::sequence(&[&identifier]))
}

fn key_identifier(spki: &[u8]) -> Vec<u8> {
    sha256(&[spki]).iter().take(20).copied().collect()
}

impl Certificate {
    /// What is signed.
    pub(crate) fn to_be_signed(&self, key: &KeyPair) -> Vec<u8> {
        der::sequence(&[
            &der::context(0, &der::small(2)),
            &der::integer(&self.serial),
            &der::signature_algorithm(key.algorithm()),
            &self.issuer,
            &der::sequence(&[
                &der::validity_time(self.not_before),
                &der::validity_time(self.not_after),
            ]),
            &self.subject,
            &self.spki,
            &der::context(
                3,
                &der::sequence(&self.extensions.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            ),
        ])
    }

    /// The certificate, signed by an issuer's key.
    pub(crate) fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, KeyError> {
        let body = self.to_be_signed(key);
        let signature = key.sign(&body)?;
        let algorithm = der::signature_algorithm(key.algorithm());
        Ok(der::sequence(&[&body, &algorithm, &der::bits(&signature)]))
    }
}
