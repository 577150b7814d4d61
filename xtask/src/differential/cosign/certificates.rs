//! An authority and a signer of one's own, the same for every program of a run.
use anyhow::{Context as _, Result, anyhow};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use std::sync::OnceLock;

/// All of it in PEM.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    pub(super) authority: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Extensions that Fulcio would have written: number and text.
const EXTENSIONS: [(u64, &str); 3] =
    [(1, "https://issuer.test"), (5, "shop/web"), (6, "refs/heads/main")];

/// Made once.
pub(super) fn own() -> Result<Certified> {
    static OWN: OnceLock<Result<Certified, String>> = OnceLock::new();
    let made = OWN.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.clone().map_err(|error| anyhow!("{error}"))
}

fn make() -> Result<Certified> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)
        .context("cannot make an authority")?;
    let mut leaf = CertificateParams::new(Vec::new())?;
    leaf.distinguished_name = DistinguishedName::new();
    leaf.subject_alt_names = vec![SanType::Rfc822Name("dev@example.test".try_into()?)];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    leaf.custom_extensions = EXTENSIONS
        .iter()
        .map(|(arc, text)| {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, *arc];
            CustomExtension::from_oid_content(&oid, text.as_bytes().to_vec())
        })
        .collect();
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &authority).context("cannot make a certificate")?;
    Ok(Certified {
        authority: authority.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}
