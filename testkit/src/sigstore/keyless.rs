//! Signing as cosign does it without a key of one's own: certificate, signature, log entry, timestamp, bundle.

use serde_json::{Value, json};

use super::{Identity, Instance, log::base64, merkle::sha256, trust};
use crate::{
    digest::sha256_hex,
    keys::{Algorithm, KeyError, KeyPair},
    signing::{
        self, Place, SignError, bundle,
        legacy::{self, Layer},
        statement::{self, IN_TOTO, SIGN},
    },
};

/// Where a signature is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Logged {
    /// In Rekor v1, as cosign does against the public instance.
    #[default]
    V1,
    /// In Rekor v2.
    V2,
    /// In both.
    Both,
    /// Twice in Rekor v1: one log must not count for two.
    TwiceV1,
    /// Nowhere.
    Nowhere,
}

/// Someone who signs with an instance. What is wrong with certificate, entry and timestamp is up to the instance's knobs;
/// what is wrong with the signature, to those of [`signing`].
#[derive(Debug, Clone)]
pub struct Keyless<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Who signs, unless [`own_key`](Self::own_key) is set.
    pub identity: Identity,
    /// The kind of the key that lives as long as one signature.
    pub algorithm: Algorithm,
    /// A key that is kept: there is no certificate then, and bundles hold its hint.
    pub own_key: Option<KeyPair>,
    /// Where it is logged.
    pub logged: Logged,
    /// Whether there is a timestamp.
    pub stamped: bool,
    /// Bundles hold the whole chain instead of the leaf, as before version 0.3.
    pub chain: bool,
    /// What is wrong with the signature itself.
    pub knobs: signing::Knobs,
}

/// What signing one thing came to.
struct Signed {
    key: KeyPair,
    /// Leaf, intermediate, root; empty with a key of one's own.
    chain: Vec<Vec<u8>>,
}

impl Signed {
    /// The certificate, or the public key, as PEM.
    fn verifier_pem(&self) -> String {
        self.chain.first().map_or_else(|| self.key.public_pem(), |leaf| trust::pem(leaf))
    }
}

impl<'a> Keyless<'a> {
    /// A signer with an ordinary key and one entry in Rekor v1.
    pub fn new(instance: &'a Instance, identity: Identity) -> Self {
        Self {
            instance,
            identity,
            algorithm: Algorithm::EcdsaP256,
            own_key: None,
            logged: Logged::V1,
            stamped: false,
            chain: false,
            knobs: signing::Knobs::default(),
        }
    }

    fn start(&self) -> Result<Signed, KeyError> {
        if let Some(key) = &self.own_key {
            return Ok(Signed { key: key.clone(), chain: Vec::new() });
        }
        let key = KeyPair::generate(self.algorithm)?;
        let chain = self.instance.certify(key.spki_der(), &self.identity)?;
        Ok(Signed { key, chain })
    }

    /// A bundle around a statement.
    pub fn bundle(&self, statement: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signed = self.start()?;
        let envelope = statement::envelope(&signed.key, statement, false, &self.knobs)?;
        let parsed: Value = serde_json::from_str(&envelope).unwrap_or_default();
        let text = parsed.pointer("/signatures/0/sig").and_then(Value::as_str).unwrap_or_default();
        let encoding = statement::pre_authentication_encoding(IN_TOTO, statement);
        let mut entries = Vec::new();
        if matches!(self.logged, Logged::V1 | Logged::Both | Logged::TwiceV1) {
            let proposed = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "proposedContent": {
                "envelope": envelope, "verifiers": [base64(signed.verifier_pem().as_bytes())],
            } } });
            entries.push(self.entry_v1(&proposed));
        }
        if matches!(self.logged, Logged::V2 | Logged::Both) {
            entries.push(self.entry_v2(&signed, &sha256(&[&encoding]), text));
        }
        Ok(self.assemble(&signed, "dsseEnvelope", &parsed, text, entries))
    }

    /// A bundle with a signature over the message itself.
    pub fn message(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signed = self.start()?;
        let hint = signing::Knobs { hint: None, ..self.knobs.clone() };
        let plain = bundle::message(&signed.key, message, &hint)?;
        let parsed: Value = serde_json::from_slice(&plain).unwrap_or_default();
        let content = parsed.get("messageSignature").cloned().unwrap_or_default();
        let text = content.get("signature").and_then(Value::as_str).unwrap_or_default();
        let mut entries = Vec::new();
        if matches!(self.logged, Logged::V1 | Logged::Both | Logged::TwiceV1) {
            entries.push(self.entry_v1(&hashed_record(&signed, message, text)));
        }
        if matches!(self.logged, Logged::V2 | Logged::Both) {
            entries.push(self.entry_v2(&signed, &sha256(&[message]), text));
        }
        Ok(self.assemble(&signed, "messageSignature", &content, text, entries))
    }

    fn assemble(
        &self,
        signed: &Signed,
        field: &str,
        content: &Value,
        signature: &str,
        mut entries: Vec<Value>,
    ) -> Vec<u8> {
        if self.logged == Logged::TwiceV1 {
            entries.extend(entries.first().cloned());
        }
        let raw = |der: &Vec<u8>| json!({ "rawBytes": base64(der) });
        let mut material = match signed.chain.first() {
            None => {
                json!({ "publicKey": { "hint": self.knobs.hint.clone().unwrap_or_else(|| signed.key.hint()) } })
            }
            Some(_) if self.chain => {
                let all: Vec<Value> = signed.chain.iter().map(raw).collect();
                json!({ "x509CertificateChain": { "certificates": all } })
            }
            Some(leaf) => json!({ "certificate": raw(leaf) }),
        };
        if let Some(fields) = material.as_object_mut() {
            if !entries.is_empty() {
                fields.insert("tlogEntries".to_owned(), json!(entries));
            }
            if let Some(stamp) = self.stamp(signature) {
                let stamps = json!({ "rfc3161Timestamps": [{ "signedTimestamp": stamp }] });
                fields.insert("timestampVerificationData".to_owned(), stamps);
            }
        }
        let media_type = self.knobs.bundle_media_type.as_deref().unwrap_or(bundle::BUNDLE);
        json!({ "mediaType": media_type, "verificationMaterial": material, field: content })
            .to_string()
            .into_bytes()
    }

    /// A timestamp over the raw signature, base64.
    fn stamp(&self, signature: &str) -> Option<String> {
        let raw = super::rekor::decoded(signature).ok()?;
        self.stamped.then(|| self.instance.stamp(&raw).ok().map(|der| base64(&der)))?
    }

    /// An entry of Rekor v1 as bundles hold it.
    fn entry_v1(&self, proposed: &Value) -> Value {
        let answer = self.instance.log(proposed).unwrap_or_default();
        let entry = answer.as_object().and_then(|map| map.values().next()).cloned();
        bundled(&entry.unwrap_or_default(), proposed)
    }

    fn entry_v2(&self, signed: &Signed, digest: &[u8], signature: &str) -> Value {
        let verifier = match signed.chain.first() {
            Some(leaf) => json!({ "x509Certificate": { "rawBytes": base64(leaf) },
                "keyDetails": trust::details(signed.key.algorithm()) }),
            None => json!({ "publicKey": { "rawBytes": base64(signed.key.spki_der()) },
                "keyDetails": trust::details(signed.key.algorithm()) }),
        };
        let request = json!({ "hashedRekordRequestV002": {
            "digest": base64(digest), "signature": { "content": signature, "verifier": verifier },
        } });
        self.instance.log_v2(&request).unwrap_or_default()
    }

    /// Attaches a bundle that is a signature. Returns the digest of the manifest that holds it.
    pub fn sign(&self, place: &Place<'_>) -> Result<String, SignError> {
        let bundle = self.bundle(&statement::signature(place.digest(), &self.knobs))?;
        let referrer = bundle::referrer(bundle, place.subject(), Some(SIGN), &self.knobs);
        place.attach(&referrer, &self.knobs)
    }

    /// Attaches a bundle that is an attestation. Returns the digest of the manifest that holds it.
    pub fn attest(
        &self,
        place: &Place<'_>,
        predicate_type: &str,
        predicate: &Value,
    ) -> Result<String, SignError> {
        let statement = statement::attestation(
            &place.reference(),
            place.digest(),
            predicate_type,
            predicate,
            &self.knobs,
        );
        let bundle = self.bundle(&statement)?;
        let referrer = bundle::referrer(bundle, place.subject(), Some(predicate_type), &self.knobs);
        place.attach(&referrer, &self.knobs)
    }

    /// Adds a signature with certificate and log entry to the tag `.sig`. Returns the digest of the new manifest.
    pub fn sign_legacy(&self, place: &Place<'_>) -> Result<String, SignError> {
        let layer = self.legacy_layer(&place.reference(), place.digest())?;
        place.add_layer("sig", layer)
    }

    /// Adds an attestation with certificate and log entry to the tag `.att`. Returns the digest of the new manifest.
    pub fn attest_legacy(
        &self,
        place: &Place<'_>,
        predicate_type: &str,
        predicate: &Value,
    ) -> Result<String, SignError> {
        let signed = self.start()?;
        let mut layer = legacy::attestation_layer(
            &signed.key,
            &place.reference(),
            place.digest(),
            predicate_type,
            predicate,
            &self.knobs,
        )?;
        let envelope = String::from_utf8_lossy(&layer.bytes).into_owned();
        let proposed = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "proposedContent": {
            "envelope": envelope, "verifiers": [base64(signed.verifier_pem().as_bytes())],
        } } });
        self.annotate(&mut layer, &signed, &proposed, envelope.as_bytes())?;
        place.add_layer("att", layer)
    }

    /// The layer of one signature with all its annotations.
    pub fn legacy_layer(&self, reference: &str, digest: &str) -> Result<Layer, KeyError> {
        let signed = self.start()?;
        let mut layer = legacy::signature_layer(&signed.key, reference, digest, &self.knobs)?;
        let text = layer.annotations.get(legacy::SIGNATURE_ANNOTATION).cloned().unwrap_or_default();
        let proposed = hashed_record(&signed, &layer.bytes, &text);
        let raw = super::rekor::decoded(&text).unwrap_or_default();
        self.annotate(&mut layer, &signed, &proposed, &raw)?;
        Ok(layer)
    }

    // SPEC: cosign's signature specification: certificate, chain, bundle and timestamp are annotations of the layer.
    fn annotate(
        &self,
        layer: &mut Layer,
        signed: &Signed,
        proposed: &Value,
        stamped: &[u8],
    ) -> Result<(), KeyError> {
        let mut put = |name: &str, text: String| {
            layer.annotations.insert(format!("dev.sigstore.cosign/{name}"), text);
        };
        if let Some((leaf, others)) = signed.chain.split_first() {
            put("certificate", trust::pem(leaf));
            put("chain", others.iter().map(|der| trust::pem(der)).collect());
        }
        if matches!(self.logged, Logged::V1 | Logged::Both | Logged::TwiceV1) {
            let answer = self.instance.log(proposed).unwrap_or_default();
            let entry = answer.as_object().and_then(|map| map.values().next()).cloned();
            put("bundle", rekor_bundle(&entry.unwrap_or_default()).to_string());
        }
        if self.stamped {
            let stamp = base64(&self.instance.stamp(stamped)?);
            put("rfc3161timestamp", json!({ "SignedRFC3161Timestamp": stamp }).to_string());
        }
        Ok(())
    }
}

/// A `hashedrekord` entry over a message.
fn hashed_record(signed: &Signed, message: &[u8], signature: &str) -> Value {
    json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": { "hash": { "algorithm": "sha256", "value": sha256_hex(message) } },
        "signature": {
            "content": signature, "publicKey": { "content": base64(signed.verifier_pem().as_bytes()) },
        },
    } })
}

/// An entry of Rekor v1's API as the annotation of a layer holds it.
fn rekor_bundle(entry: &Value) -> Value {
    json!({
        "SignedEntryTimestamp": entry.pointer("/verification/signedEntryTimestamp"),
        "Payload": {
            "body": entry.get("body"), "integratedTime": entry.get("integratedTime"),
            "logIndex": entry.get("logIndex"), "logID": entry.get("logID"),
        },
    })
}

/// An entry of Rekor v1's API as bundles hold it.
fn bundled(entry: &Value, proposed: &Value) -> Value {
    let text = |path: &str| entry.pointer(path).map(ToString::to_string);
    let bytes = |path: &str| {
        let hex = entry.pointer(path).and_then(Value::as_str).unwrap_or_default();
        base64(&unhex(hex))
    };
    let mut shown = json!({
        "logIndex": text("/logIndex"), "logId": { "keyId": bytes("/logID") },
        "kindVersion": { "kind": proposed.get("kind"), "version": proposed.get("apiVersion") },
        "integratedTime": text("/integratedTime"), "canonicalizedBody": entry.get("body"),
    });
    let Some(fields) = shown.as_object_mut() else { return shown };
    if let Some(promise) = entry.pointer("/verification/signedEntryTimestamp") {
        let promise = json!({ "signedEntryTimestamp": promise });
        fields.insert("inclusionPromise".to_owned(), promise);
    }
    if let Some(proof) = entry.pointer("/verification/inclusionProof") {
        let hashes = proof.get("hashes").and_then(Value::as_array).cloned().unwrap_or_default();
        let hashes: Vec<String> =
            hashes.iter().filter_map(Value::as_str).map(|hash| base64(&unhex(hash))).collect();
        let mut shown = json!({
            "logIndex": proof.get("logIndex").map(ToString::to_string), "hashes": hashes,
            "rootHash": bytes("/verification/inclusionProof/rootHash"),
            "treeSize": proof.get("treeSize").map(ToString::to_string),
        });
        if let (Some(checkpoint), Some(fields)) = (proof.get("checkpoint"), shown.as_object_mut()) {
            fields.insert("checkpoint".to_owned(), json!({ "envelope": checkpoint }));
        }
        fields.insert("inclusionProof".to_owned(), shown);
    }
    shown
}

/// Bytes from hexadecimal; what is not hexadecimal is left out.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, half| byte << 4 | half)).collect()
}
