//! What makes a TLS connection trusted: the system's authorities, extra ones, or an explicit switch.
use crate::options::HostOptions;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _};
use std::sync::Arc;

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key is not PEM.
    #[error("cannot read PEM")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// A certificate authority file without a certificate in it.
    #[error("no certificate in the PEM of a certificate authority")]
    NoCertificate,
    /// rustls refuses the certificate or key.
    #[error("cannot use certificate or key")]
    Rustls(#[from] rustls::Error),
    /// No authority is known, neither from the system nor from options.
    #[error("no certificate authority is trusted")]
    NoRoots(#[source] rustls::client::VerifierBuilderError),
    /// The expected server name is not a name.
    #[error("invalid server name")]
    ServerName(#[from] rustls_pki_types::InvalidDnsNameError),
    /// The HTTP client refuses its configuration.
    #[error("cannot build the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// The system's authorities and the extra ones. Reading them takes milliseconds and megabytes,
/// hence it is done when the first https host is asked, and once.
pub(crate) fn roots(extra_pem: &[Vec<u8>]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    if !native.errors.is_empty() {
        tracing::debug!(errors = native.errors.len(), "some system certificates are unreadable");
    }
    // System stores hold odd certificates; one that does not parse trusts nobody.
    store.add_parsable_certificates(native.certs);
    for pem in extra_pem {
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store.add(certificate?)?;
        }
        if store.len() == before {
            return Err(TlsError::NoCertificate);
        }
    }
    Ok(store)
}

/// The configuration for hosts with these settings.
pub(crate) fn config(
    roots: Arc<RootCertStore>,
    host: &HostOptions,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let verifier: Arc<dyn ServerCertVerifier> = if host.insecure_skip_tls_verify {
        Arc::new(Unverified(provider))
    } else {
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(TlsError::NoRoots)?;
        match &host.server_name {
            Some(name) => {
                let name = ServerName::try_from(name.to_string())?;
                Arc::new(Renamed { inner, name })
            }
            None => inner,
        }
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &host.client_identity_pem {
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>()?;
            let key = PrivateKeyDer::from_pem_slice(key.expose())?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// For plain HTTP: a configuration that no connection will use, made without reading files.
pub(crate) fn unused_config() -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// Checks the certificate for another name than that of the host.
#[derive(Debug)]
struct Renamed {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for Renamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Trusts whoever answers: behind `insecure_skip_tls_verify` only. Handshakes stay sound.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
