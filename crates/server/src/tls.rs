//! The serving certificate, replaced while connections are open.
use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::Arc;

/// Why a certificate cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or without the part that is needed.
    #[error("the {part} is not valid PEM")]
    Pem {
        /// `certificate chain` or `private key`.
        part: &'static str,
        /// What the PEM reader said.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// No certificate in the chain.
    #[error("the certificate chain is empty")]
    Empty,
    /// Key and certificate do not fit, or the key's kind is not supported.
    #[error("the certificate and the private key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// Holds the certificate that new handshakes get; open connections keep theirs.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    current: Arc<ArcSwapOption<CertifiedKey>>,
}

impl Certificates {
    /// Puts a new pair in place, PEM in, leaf first.
    ///
    /// # Errors
    /// The pair is not usable; the one in place stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|source| CertificateError::Pem { part: "certificate chain", source })?;
        if chain.is_empty() {
            return Err(CertificateError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|source| CertificateError::Pem { part: "private key", source })?;
        self.replace_der(chain, key)
    }

    /// Puts a new pair in place, leaf first.
    ///
    /// # Errors
    /// The pair is not usable; the one in place stays.
    pub fn replace_der(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), CertificateError> {
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(CertificateError::Unusable)?;
        self.current.store(Some(Arc::new(certified)));
        Ok(())
    }

    /// True once there is one.
    pub fn present(&self) -> bool {
        self.current.load().is_some()
    }

    /// TLS 1.2 and 1.3, HTTP/1.1 and 2, no client certificates.
    pub(crate) fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load_full()
    }
}
