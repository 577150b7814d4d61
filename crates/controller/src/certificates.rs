//! The CA and the serving certificate: when they are renewed, and what is written then.
//!
//! COMPAT: Kyverno 1.19, `pkg/tls`: names and form of the Secrets, lifetimes, the old CA kept in the bundle;
//! test: `a_renewed_ca_keeps_the_old_one_beside_it`
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr, time::Duration};
use x509_parser::{extensions::GeneralName, prelude::X509Certificate};
use zeroize::{Zeroize as _, Zeroizing};

pub mod secrets;

/// How long a CA is good for: 365 days.
const CA_LIFE: i64 = 365 * 24 * 3600;
/// How long a serving certificate is good for: 150 days.
const LEAF_LIFE: i64 = 150 * 24 * 3600;
/// Clocks may differ by this many seconds.
const BACKDATED: i64 = 3600;

/// `--tlsKeyAlgorithm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSA with 2048 bits, Kyverno's default.
    Rsa,
    /// ECDSA with P-256, ours: a handshake costs a tenth.
    #[default]
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

impl KeyAlgorithm {
    fn generate(self) -> Result<KeyPair, rcgen::Error> {
        KeyPair::generate_for(match self {
            Self::Rsa => &rcgen::PKCS_RSA_SHA256,
            Self::Ecdsa => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
        })
    }
}

/// Certificates and a key in PEM, as a Secret of type `kubernetes.io/tls` holds them.
#[derive(Clone)]
pub struct PemPair {
    /// `tls.crt`.
    pub certificates: String,
    /// `tls.key`.
    pub key: Zeroizing<String>,
}

impl std::fmt::Debug for PemPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemPair").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

/// What the server presents.
pub struct ServingCertificate {
    /// The certificate, and those above it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Drop for ServingCertificate {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingCertificate")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Why certificates could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A Secret holds something else.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// `tls.crt` or `tls.key`.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// Keys or signatures could not be made.
    #[error("a certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// A name that certificates cannot hold.
    #[error("the time is outside what certificates can say")]
    Time,
}

impl ServingCertificate {
    /// From the Secret.
    ///
    /// # Errors
    /// No certificate, no key, or neither is in PEM.
    pub fn read(pair: &PemPair) -> Result<Self, CertificateError> {
        let chain = read_chain(&pair.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).map_err(|error| {
            CertificateError::Unreadable { what: "tls.key", reason: error.to_string() }
        })?;
        Ok(Self { chain, key })
    }
}

fn read_chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unreadable = |reason: String| CertificateError::Unreadable { what: "tls.crt", reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|error| unreadable(error.to_string()))?;
    if chain.is_empty() { Err(unreadable("no certificate".to_owned())) } else { Ok(chain) }
}

/// What has to be known to say whether certificates are good.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    /// Seconds since 1970.
    pub now: i64,
    /// Renewed when less is left: `--renewBefore`, 15 days.
    pub renew_before: Duration,
    /// Names and addresses that clients call.
    pub names: &'a [String],
    /// Subject of the CA: `*.<namespace>.svc`.
    pub ca_name: &'a str,
    /// For new keys.
    pub algorithm: KeyAlgorithm,
}

/// What is to be written; `None` for what is good as it is.
#[derive(Debug, Default)]
pub struct Renewal {
    /// The new CA, and behind it the old ones that are still valid: what it signed is trusted until it is replaced everywhere.
    pub ca: Option<PemPair>,
    /// The new serving certificate.
    pub leaf: Option<PemPair>,
}

/// Decides what is to be renewed, and makes it.
///
/// # Errors
/// Keys or certificates cannot be made. What cannot be read is made anew.
pub fn renew(
    demand: &Demand<'_>,
    ca: Option<&PemPair>,
    leaf: Option<&PemPair>,
) -> Result<Renewal, CertificateError> {
    let good_ca = ca.and_then(|pair| Authority::read(pair, demand));
    let (authority, written) = if let Some(authority) = good_ca {
        (authority, None)
    } else {
        let (authority, pair) = Authority::make(demand, ca)?;
        (authority, Some(pair))
    };
    let keep = written.is_none() && leaf.is_some_and(|leaf| is_good_leaf(leaf, &authority, demand));
    let leaf = if keep { None } else { Some(authority.issue(demand)?) };
    Ok(Renewal { ca: written, leaf })
}

/// A CA with its key.
struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// `None` when it is broken, or too old to sign with.
    fn read(pair: &PemPair, demand: &Demand<'_>) -> Option<Self> {
        let certificate = read_chain(&pair.certificates).ok()?.into_iter().next()?;
        let key = KeyPair::from_pem(&pair.key).ok()?;
        let parsed = parse(&certificate)?;
        let same_key = *parsed.public_key().subject_public_key.data == *key.public_key_raw();
        let lasts = expires_after(&parsed, demand);
        let good = same_key && lasts && parsed.is_ca();
        good.then_some(Self { certificate, key })
    }

    /// A new one. `old` may be absent, too old or broken; what of it is still valid stays in the bundle.
    fn make(
        demand: &Demand<'_>,
        old: Option<&PemPair>,
    ) -> Result<(Self, PemPair), CertificateError> {
        let key = demand.algorithm.generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, demand.ca_name);
        // Verifiers choose an issuer by its name: two CAs in one bundle must not share it.
        params.distinguished_name.push(DnType::OrganizationalUnitName, demand.now.to_string());
        params.not_before = time(demand.now - BACKDATED)?;
        params.not_after = time(demand.now + CA_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::CrlSign,
        ];
        let certificate = params.self_signed(&key)?;
        let mut bundle = certificate.pem();
        for old in old.and_then(|old| read_chain(&old.certificates).ok()).unwrap_or_default() {
            if parse(&old)
                .is_some_and(|parsed| parsed.validity().not_after.timestamp() > demand.now)
            {
                bundle.push_str(&pem_of(&old));
            }
        }
        let pair = PemPair { certificates: bundle, key: Zeroizing::new(key.serialize_pem()) };
        Ok((Self { certificate: certificate.der().clone(), key }, pair))
    }

    fn issue(&self, demand: &Demand<'_>) -> Result<PemPair, CertificateError> {
        let key = demand.algorithm.generate()?;
        let mut params = CertificateParams::new(demand.names.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        let name = demand.names.first().map_or("sigward", String::as_str);
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = time(demand.now - BACKDATED)?;
        params.not_after = time(demand.now + LEAF_LIFE)?;
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key)?;
        let certificate = params.signed_by(&key, &issuer)?;
        // The CA is not sent along: who calls has it from the webhook configurations.
        Ok(PemPair { certificates: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(certificate).ok().map(|(_, parsed)| parsed)
}

fn expires_after(certificate: &X509Certificate<'_>, demand: &Demand<'_>) -> bool {
    let margin = i64::try_from(demand.renew_before.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    validity.not_before.timestamp() <= demand.now
        && validity.not_after.timestamp() > demand.now.saturating_add(margin)
}

/// Signed by this CA, for all the names, for long enough, and its key is there.
fn is_good_leaf(pair: &PemPair, authority: &Authority, demand: &Demand<'_>) -> bool {
    let Ok(serving) = ServingCertificate::read(pair) else { return false };
    let Some(leaf) = serving.chain.first().and_then(parse) else { return false };
    let Some(ca) = parse(&authority.certificate) else { return false };
    let Ok(key) = KeyPair::from_pem(&pair.key) else { return false };
    let names = names_of(&leaf);
    *leaf.public_key().subject_public_key.data == *key.public_key_raw()
        && expires_after(&leaf, demand)
        && demand.names.iter().all(|name| names.contains(name))
        && leaf.verify_signature(Some(ca.public_key())).is_ok()
}

/// All names and addresses that a certificate is for.
fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let body = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in body.as_bytes().chunks(64) {
        // INVARIANT: base64 is ASCII.
        let _infallible = writeln!(pem, "{}", String::from_utf8_lossy(line));
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn time(seconds: i64) -> Result<::time::OffsetDateTime, CertificateError> {
    ::time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CertificateError::Time)
}

#[cfg(test)]
mod tests;
