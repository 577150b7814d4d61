//! The keys and certificates of a test cluster.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Who a certificate speaks for.
#[derive(Debug)]
pub(super) enum Identity<'a> {
    /// The API server on loopback.
    Server,
    /// A user, with the group that RBAC sees.
    Client { name: &'a str, group: &'a str },
}

/// A certificate and its private key, both as PEM.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Where a pair was written to.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// A certificate authority that lives as long as the cluster.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.clone()
    }

    pub(super) fn issue(&self, identity: &Identity<'_>) -> Result<Pair> {
        let names = match identity {
            Identity::Server => [
                "127.0.0.1",
                "localhost",
                "10.0.0.1",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
            ]
            .map(str::to_owned)
            .to_vec(),
            Identity::Client { .. } => Vec::new(),
        };
        let mut params = CertificateParams::new(names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        match identity {
            Identity::Server => {
                params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Identity::Client { name, group } => {
                params.distinguished_name.push(DnType::OrganizationName, *group);
                params.distinguished_name.push(DnType::CommonName, *name);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

impl Pair {
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<Files> {
        Ok(Files {
            certificate: write(folder, &format!("{name}.crt"), &self.certificate)?,
            key: write(folder, &format!("{name}.key"), &self.key)?,
        })
    }
}

/// Writes a bare key pair, `NAME.pub` and `NAME.key`.
pub(super) fn write_key_pair(folder: &Path, name: &str) -> Result<Files> {
    let key = KeyPair::generate()?;
    Ok(Files {
        certificate: write(folder, &format!("{name}.pub"), &key.public_key_pem())?,
        key: write(folder, &format!("{name}.key"), &key.serialize_pem())?,
    })
}

pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    write_private(&path, text)?;
    Ok(path)
}

/// Writes a file that only its owner reads.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
