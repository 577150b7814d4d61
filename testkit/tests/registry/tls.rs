//! HTTPS: certificates, protocols, and client certificates.

use std::{io, net::TcpStream, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use sigward_testkit::{
    image,
    registry::{Class, Options, Registry, Tls},
    tls::{Authority, Identity},
};

use super::raw;

fn with(tls: Tls) -> Registry {
    Registry::start(Options { tls, ..Options::default() }).unwrap()
}

/// Sends `GET path` with trust in `authority` and returns the status.
fn get(
    registry: &Registry,
    authority: &str,
    identity: Option<&Identity>,
    path: &str,
) -> io::Result<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match identity {
        Some(identity) => {
            let certificate =
                CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let stream = StreamOwned::new(connection, TcpStream::connect(registry.address())?);
    raw::exchange(stream, &registry.host(), "GET", path, &[], b"").map(|reply| reply.status)
}

#[test]
fn the_certificate_is_good_for_clients_that_trust_its_authority_only() {
    let registry = with(Tls::Server);
    assert!(registry.url().starts_with("https://127.0.0.1:"));
    assert_eq!(get(&registry, &registry.ca_pem().unwrap(), None, "/v2/").unwrap(), 200);
    let stranger = Authority::new("stranger").unwrap().pem();
    let error = get(&registry, &stranger, None, "/v2/").unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn a_mutual_registry_wants_a_certificate_of_its_own_authority() {
    let registry = with(Tls::Mutual);
    let authority = registry.ca_pem().unwrap();
    let ours = registry.client_identity("me").unwrap().unwrap();
    assert_eq!(get(&registry, &authority, Some(&ours), "/v2/").unwrap(), 200);
    let theirs = Authority::new("stranger").unwrap().client("me").unwrap();
    assert!(get(&registry, &authority, Some(&theirs), "/v2/").is_err());
    assert!(get(&registry, &authority, None, "/v2/").is_err());
    assert_eq!(registry.request_count(), 1);
}

#[test]
fn a_plain_registry_has_no_certificates() {
    let registry = with(Tls::Plain);
    assert!(registry.ca_pem().is_none() && registry.client_identity("me").unwrap().is_none());
}

#[test]
fn one_http_2_connection_carries_many_requests() {
    let registry = with(Tls::Server);
    image::build(1).push(&registry, "a", "v1");
    let authority = reqwest::Certificate::from_pem(registry.ca_pem().unwrap().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("{}/v2/a/manifests/v1", registry.url());
        for method in [reqwest::Method::HEAD, reqwest::Method::GET] {
            let reply = client.request(method.clone(), &url).send().await.unwrap();
            assert_eq!((reply.version(), reply.status().as_u16()), (http::Version::HTTP_2, 200));
            assert_eq!(reply.bytes().await.unwrap().is_empty(), method == reqwest::Method::HEAD);
        }
    });
    assert_eq!((registry.count_of(Class::ManifestByTag), registry.connections()), (2, 1));
}

#[test]
fn secrets_are_not_shown() {
    let authority = Authority::new("me").unwrap();
    let shown = format!("{authority:?} {:?}", authority.client("you").unwrap());
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
