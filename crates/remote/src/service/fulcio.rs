//! Fulcio: a certificate for a key, in exchange for an identity token.
use super::{JSON, Question, Reply, ServiceError, Services, under};
use crate::options::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use sigward_sigstore::keys::{Algorithm, Certificate, PublicKey};

const FULCIO: &str = "Fulcio";

/// What Fulcio issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, then those above it.
    pub certificates: Vec<Certificate>,
    /// A certificate log's answer that is not inside the certificate: JSON.
    pub sct: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    signed_certificate_embedded_sct: Option<Signed>,
    signed_certificate_detached_sct: Option<Signed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    chain: Chain,
    #[serde(default)]
    signed_certificate_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

impl Services {
    /// Asks for a certificate. `proof` is the key's signature over the token's subject (or email address).
    ///
    /// The second version of the interface is asked; a Fulcio that does not have it, the first.
    ///
    /// COMPAT: cosign 3.1: signing configurations call the second version's certificate authorities version 1;
    /// test: a_fulcio_without_the_second_interface_is_asked_by_the_first
    ///
    /// # Errors
    /// Fulcio cannot be reached, says no, or certifies something else than the key.
    pub async fn certificate(
        &self,
        url: &str,
        token: &Secret,
        key: &PublicKey,
        proof: &[u8],
    ) -> Result<Issued, ServiceError> {
        let body = json!({
            "publicKeyRequest": {
                "publicKey": { "algorithm": algorithm(key, true), "content": key.to_pem() },
                "proofOfPossession": STANDARD.encode(proof),
            },
        });
        let question =
            Question::post(FULCIO, under(url, "api/v2/signingCert"), JSON, body.to_string());
        let reply = self.ask(question.authorized("Bearer", token)?).await?;
        let (reply, issued) = if reply.status == 404 {
            let reply = self.first_version(url, token, key, proof).await?.ok()?;
            let certificates = chain(&reply, reply.text()?)?;
            let sct = reply.headers.get("sct").and_then(|value| STANDARD.decode(value).ok());
            (reply, Issued { certificates, sct })
        } else {
            let reply = reply.ok()?;
            let issued = second_version(&reply)?;
            (reply, issued)
        };
        match issued.certificates.first() {
            Some(leaf) if leaf.key() == key => Ok(issued),
            Some(_) => Err(reply.unusable("the certificate is another key's")),
            None => Err(reply.unusable("no certificate")),
        }
    }

    async fn first_version(
        &self,
        url: &str,
        token: &Secret,
        key: &PublicKey,
        proof: &[u8],
    ) -> Result<Reply, ServiceError> {
        let body = json!({
            "publicKey": {
                "algorithm": algorithm(key, false),
                "content": STANDARD.encode(key.as_der()),
            },
            "signedEmailAddress": STANDARD.encode(proof),
        });
        let question =
            Question::post(FULCIO, under(url, "api/v1/signingCert"), JSON, body.to_string());
        self.ask(question.authorized("Bearer", token)?).await
    }
}

fn second_version(reply: &Reply) -> Result<Issued, ServiceError> {
    let answer: Answer = reply.json()?;
    let signed = answer
        .signed_certificate_embedded_sct
        .or(answer.signed_certificate_detached_sct)
        .ok_or_else(|| reply.unusable("no certificate"))?;
    let certificates = chain(reply, &signed.chain.certificates.join("\n"))?;
    let sct = signed.signed_certificate_timestamp.filter(|text| !text.is_empty());
    let sct =
        sct.map(|text| STANDARD.decode(text).map_err(|error| reply.unusable(error))).transpose()?;
    Ok(Issued { certificates, sct })
}

fn chain(reply: &Reply, pem: &str) -> Result<Vec<Certificate>, ServiceError> {
    Certificate::parse_pem_all(pem).map_err(|error| reply.unusable(error))
}

/// What each version calls the kind of key; it is only a hint beside the key.
fn algorithm(key: &PublicKey, second: bool) -> &'static str {
    match (key.algorithm(), second) {
        (Ok(Algorithm::Rsa { .. }), true) => "RSA_PSS",
        (Ok(Algorithm::Rsa { .. }), false) => "rsa",
        (Ok(Algorithm::Ed25519), true) => "ED25519",
        (Ok(Algorithm::Ed25519), false) => "ed25519",
        (_, true) => "ECDSA",
        (_, false) => "ecdsa",
    }
}
