//! A certificate authority of its own for loopback servers: serving certificates, and client certificates for mutual TLS.

use std::{fmt, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why TLS could not be set up. None of these happens with the fixed parameters of this module on a sound machine.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot make test certificates: {}", self.0)
    }
}

impl std::error::Error for TlsError {}

impl TlsError {
    fn from(cause: impl fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

/// A fresh certificate authority (ECDSA P-256). Its key never leaves the process.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// A certificate and its private key, both PEM.
pub struct Identity {
    /// The certificate, then nothing: the authority is not included.
    pub certificate_pem: String,
    /// The private key as PKCS#8.
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority whose subject is `CN=name`.
    pub fn new(name: &str) -> Result<Self, TlsError> {
        let mut params = CertificateParams::new(Vec::new()).map_err(TlsError::from)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().map_err(TlsError::from)?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, key).map_err(TlsError::from)? })
    }

    /// The authority's certificate, PEM: what a client has to trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A serving certificate for `names` (host names or addresses).
    pub fn server(&self, names: &[&str]) -> Result<Identity, TlsError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(TlsError::from)?;
        params.distinguished_name.push(DnType::CommonName, "testkit server");
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        self.issue(params)
    }

    /// A client certificate with the subject `CN=name`.
    pub fn client(&self, name: &str) -> Result<Identity, TlsError> {
        let mut params = CertificateParams::new(Vec::new()).map_err(TlsError::from)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Identity, TlsError> {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(TlsError::from)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(TlsError::from)?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// A server configuration for loopback with HTTP/2 and HTTP/1.1; with `mutual`, only clients with a certificate of this
    /// authority get in.
    pub(crate) fn loopback_server(&self, mutual: bool) -> Result<Arc<ServerConfig>, TlsError> {
        let mut params = CertificateParams::new(vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ])
        .map_err(TlsError::from)?;
        params.distinguished_name.push(DnType::CommonName, "testkit registry");
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(TlsError::from)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(TlsError::from)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::from)?;
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).map_err(TlsError::from)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(TlsError::from)?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(TlsError::from)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A certificate `CN=name` over the key in `pkcs8_pem`, signed by that key and good for signing code.
pub(crate) fn self_signed(pkcs8_pem: &str, name: &str) -> Result<String, TlsError> {
    let key = KeyPair::from_pem(pkcs8_pem).map_err(TlsError::from)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(TlsError::from)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.insert_extended_key_usage(ExtendedKeyUsagePurpose::CodeSigning);
    Ok(params.self_signed(&key).map_err(TlsError::from)?.pem())
}
