//! The trust material of an instance: `trusted_root.json`, `signing_config.json`, and the PEM files of older clients.

// SPEC: sigstore protobuf-specs, `TrustedRoot` 0.1 and `SigningConfig` 0.2.

use serde_json::{Value, json};

use super::{Instance, locked, log::base64, merkle::sha256};
use crate::{
    der,
    keys::{Algorithm, KeyPair},
};

impl Instance {
    /// The trusted root, with every part.
    pub fn trusted_root(&self) -> Value {
        let urls = self.urls();
        let window = json!({ "start": time(self.since) });
        let log = |url: &str, key: &KeyPair, id: &[u8]| {
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": { "keyId": base64(id) },
                "publicKey": {
                    "rawBytes": base64(key.spki_der()), "keyDetails": details(key.algorithm()), "validFor": window,
                },
            })
        };
        let chain = |certificates: &[Vec<u8>]| -> Value {
            let each = certificates.iter().map(|der| json!({ "rawBytes": base64(der) }));
            json!({ "certificates": each.collect::<Vec<_>>() })
        };
        let (rekor, rekor_v2) = (self.rekor_key(), self.rekor_v2_key());
        let (ct_log, v2_id) = (self.ct_log_key(), locked(&self.rekor_v2).id);
        let subject = |name: &str| json!({ "organization": "testkit.invalid", "commonName": name });
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [
                log(&urls.rekor, &rekor, &sha256(&[rekor.spki_der()])),
                log(&urls.rekor_v2, &rekor_v2, &v2_id),
            ],
            "certificateAuthorities": [{
                "subject": subject("testkit fulcio root"), "uri": urls.fulcio, "validFor": window,
                "certChain": chain(&[self.fulcio_intermediate(), self.fulcio_root()]),
            }],
            "ctlogs": [log(&urls.ct_log, &ct_log, &sha256(&[ct_log.spki_der()]))],
            "timestampAuthorities": [{
                "subject": subject("testkit timestamp root"), "uri": urls.timestamps, "validFor": window,
                "certChain": chain(&self.timestamp_chain()),
            }],
        })
    }

    /// A signing configuration: Fulcio, the issuer, the timestamp authority, and Rekor of this version (1 or 2).
    pub fn signing_config(&self, rekor_version: u32) -> Value {
        let urls = self.urls();
        let service = |url: &str, version: u32| {
            json!({
                "url": url, "majorApiVersion": version, "operator": "testkit.invalid",
                "validFor": { "start": time(self.since) },
            })
        };
        let rekor = if rekor_version == 2 { &urls.rekor_v2 } else { &urls.rekor };
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service(&urls.fulcio, 1)],
            "oidcUrls": [service(&urls.issuer, 1)],
            "rekorTlogUrls": [service(rekor, rekor_version)],
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaUrls": [service(&urls.timestamps, 1)],
            "tsaConfig": { "selector": "ANY" },
        })
    }

    /// Fulcio's intermediate and root as PEM, one after the other.
    pub fn fulcio_pem(&self) -> String {
        pem(&self.fulcio_intermediate()) + &pem(&self.fulcio_root())
    }

    /// The timestamp authority's leaf and root as PEM, one after the other.
    pub fn timestamp_pem(&self) -> String {
        self.timestamp_chain().iter().map(|der| pem(der)).collect()
    }
}

/// A certificate as PEM.
pub(crate) fn pem(certificate: &[u8]) -> String {
    crate::keys::der::pem("CERTIFICATE", certificate)
}

/// RFC 3339 in UTC.
pub(crate) fn time(seconds: i64) -> String {
    der::timestamp(seconds).to_string()
}

/// The name of a key's kind in Sigstore's messages.
pub(crate) fn details(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EcdsaP256 => "PKIX_ECDSA_P256_SHA_256",
        Algorithm::EcdsaP384 => "PKIX_ECDSA_P384_SHA_384",
        Algorithm::EcdsaP521 => "PKIX_ECDSA_P521_SHA_512",
        Algorithm::Ed25519 => "PKIX_ED25519",
        Algorithm::Rsa2048 => "PKIX_RSA_PKCS1V15_2048_SHA256",
        Algorithm::Rsa3072 => "PKIX_RSA_PKCS1V15_3072_SHA256",
        Algorithm::Rsa4096 => "PKIX_RSA_PKCS1V15_4096_SHA256",
    }
}
