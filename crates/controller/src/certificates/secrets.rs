//! Certificates in Secrets: read from the tree of one, written back as one.
use super::{CertificateError, Demand, PemPair, renew};
use crate::{
    kinds::secrets,
    object::{Object, api, of_version},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{Client, api::PostParams};
use serde_json::json;
use sigward_document::Value;
use zeroize::Zeroizing;

/// The label of Secrets that hold our certificates.
const MANAGED_BY: &str = "cert.kyverno.io/managed-by";

/// Why certificates could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// They cannot be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The API server refuses, cannot be reached, or somebody else was faster.
    #[error("the secret {name} cannot be written")]
    Write {
        /// Name of the Secret.
        name: String,
        /// What the API server says.
        source: Box<kube::Error>,
    },
}

/// `tls.crt` and `tls.key` of a Secret; a key that is not there is empty.
pub fn pair_of(secret: &Value) -> Option<PemPair> {
    let part = |name: &str| {
        let text = secret.str_at(&["data", name])?;
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        std::str::from_utf8(&bytes).ok().map(str::to_owned)
    };
    Some(PemPair {
        certificates: part("tls.crt").or_else(|| part("rootCA.crt"))?,
        key: Zeroizing::new(part("tls.key").unwrap_or_default()),
    })
}

/// Where the two Secrets are.
#[derive(Clone, Debug)]
pub struct SecretNames {
    /// The own namespace.
    pub namespace: String,
    /// `kyverno-svc.<namespace>.svc.kyverno-tls-ca`.
    pub ca: String,
    /// `kyverno-svc.<namespace>.svc.kyverno-tls-pair`.
    pub pair: String,
}

impl SecretNames {
    /// As Kyverno calls them.
    pub fn of(namespace: &str, service: &str) -> Self {
        let prefix = format!("{service}.{namespace}.svc");
        Self {
            namespace: namespace.to_owned(),
            ca: format!("{prefix}.kyverno-tls-ca"),
            pair: format!("{prefix}.kyverno-tls-pair"),
        }
    }
}

/// Looks at both Secrets as they are stored now, and writes what has to be renewed. The CA goes first: a serving certificate
/// that nobody trusts yet is worse than an old one.
///
/// # Errors
/// The API server refuses or cannot be reached; the next pass tries again.
pub async fn reconcile(
    client: &Client,
    names: &SecretNames,
    demand: &Demand<'_>,
) -> Result<bool, StoreError> {
    let api = api(client, &secrets(), &names.namespace);
    let write = |name: &str| {
        let name = name.to_owned();
        move |source: kube::Error| StoreError::Write { name, source: Box::new(source) }
    };
    let ca = api.get_opt(&names.ca).await.map_err(write(&names.ca))?;
    let leaf = api.get_opt(&names.pair).await.map_err(write(&names.pair))?;
    let (ca_pair, leaf_pair) = (
        ca.as_ref().and_then(|ca| pair_of(ca.tree())),
        leaf.as_ref().and_then(|leaf| pair_of(leaf.tree())),
    );
    let renewal = renew(demand, ca_pair.as_ref(), leaf_pair.as_ref())?;
    let changed = renewal.ca.is_some() || renewal.leaf.is_some();
    for (name, stored, pair) in [(&names.ca, &ca, &renewal.ca), (&names.pair, &leaf, &renewal.leaf)]
    {
        let Some(pair) = pair else { continue };
        let object = secret(&names.namespace, name, stored.as_ref(), pair).map_err(write(name))?;
        let params = PostParams::default();
        match stored {
            None => api.create(&params, &object).await.map_err(write(name))?,
            Some(_) => api.replace(name, &params, &object).await.map_err(write(name))?,
        };
        tracing::info!(secret = %name, "certificate renewed");
    }
    Ok(changed)
}

fn secret(
    namespace: &str,
    name: &str,
    stored: Option<&Object>,
    pair: &PemPair,
) -> Result<Object, kube::Error> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "namespace": namespace, "name": name, "labels": { (MANAGED_BY): "kyverno" } },
        "type": "kubernetes.io/tls",
        "data": { "tls.crt": STANDARD.encode(&pair.certificates), "tls.key": STANDARD.encode(pair.key.as_bytes()) },
    });
    of_version(object, stored.and_then(Object::version))
}
