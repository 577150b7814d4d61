//! Attestors and attestations: who signs, and what is said.
use super::AnyAllConditions;
use crate::schema::wire;
use std::collections::BTreeMap;

wire! {
    /// Several attestors, of which `count` must have signed.
    pub struct AttestorSet {
        /// How many entries must have signed; all of them if not given.
        count("count"): Option<i64>, { "minimum": 1 };
        /// The attestors.
        entries("entries"): Vec<Attestor>;
    }
}

wire! {
    /// Who signs: exactly one of `keys`, `certificates`, `keyless` and `attestor`.
    pub struct Attestor {
        /// Public keys.
        keys("keys"): Option<StaticKeyAttestor>;
        /// Certificates.
        certificates("certificates"): Option<CertificateAttestor>;
        /// Identities of Sigstore's certificate authority.
        keyless("keyless"): Option<KeylessAttestor>;
        /// A set of attestors inside this one.
        attestor("attestor"): Option<Box<AttestorSet>>, free;
        /// What the signature must say besides; every pair must be there.
        annotations("annotations"): BTreeMap<String, String>;
        /// Another repository that holds signatures and attestations of this attestor.
        repository("repository"): String;
        /// Deprecated here: use `signatureAlgorithm` of the keys.
        signature_algorithm("signatureAlgorithm"): String, { "default": "sha256" };
    }
}

wire! {
    /// Public keys: from exactly one source.
    pub struct StaticKeyAttestor {
        /// Keys in PEM, or `k8s://namespace/name`, or a reference to a key management service. Several keys in PEM are several
        /// attestors.
        public_keys("publicKeys"): String;
        /// The key in a key management service.
        kms("kms"): String;
        /// The Secret that holds the key as `cosign.pub`.
        secret("secret"): Option<SecretReference>;
        /// `sha224`, `sha256` (the default), `sha384` or `sha512`.
        signature_algorithm("signatureAlgorithm"): String, { "default": "sha256" };
        /// The transparency log.
        rekor("rekor"): Option<Rekor>;
        /// The log of certificates.
        ctlog("ctlog"): Option<CtLog>;
    }
}

impl StaticKeyAttestor {
    /// `signatureAlgorithm`, or `sha256`.
    pub fn effective_signature_algorithm(&self) -> &str {
        if self.signature_algorithm.is_empty() { "sha256" } else { &self.signature_algorithm }
    }
}

wire! {
    /// A Secret by name.
    pub struct SecretReference {
        /// Its name.
        name("name"): String, required;
        /// Its namespace.
        namespace("namespace"): String, required;
    }
}

wire! {
    /// Certificates that signatures are checked with.
    pub struct CertificateAttestor {
        /// The signer's certificate in PEM.
        cert("cert"): String;
        /// The certificates above it in PEM.
        cert_chain("certChain"): String;
        /// The transparency log.
        rekor("rekor"): Option<Rekor>;
        /// The log of certificates.
        ctlog("ctlog"): Option<CtLog>;
    }
}

wire! {
    /// An identity, proved by a short-lived certificate.
    pub struct KeylessAttestor {
        /// Who vouched for the identity.
        issuer("issuer"): String;
        /// The same as a regular expression.
        issuer_regexp("issuerRegExp"): String;
        /// The identity, with wildcards.
        subject("subject"): String;
        /// The same as a regular expression.
        subject_regexp("subjectRegExp"): String;
        /// Certificates in PEM that signers' certificates descend from.
        roots("roots"): String;
        /// Extensions that the certificate must have.
        additional_extensions("additionalExtensions"): BTreeMap<String, String>;
        /// The transparency log.
        rekor("rekor"): Option<Rekor>;
        /// The log of certificates.
        ctlog("ctlog"): Option<CtLog>;
    }
}

wire! {
    /// The transparency log that signatures are entered in.
    pub struct Rekor {
        /// Where it is.
        url("url"): String;
        /// Its public key in PEM.
        pubkey("pubkey"): String;
        /// Whether no entry is demanded.
        ignore_tlog("ignoreTlog"): Option<bool>;
    }
}

wire! {
    /// The log of certificates, and timestamps.
    pub struct CtLog {
        /// Whether no proof of a certificate's entry is demanded.
        ignore_sct("ignoreSCT"): Option<bool>;
        /// The log's public key in PEM.
        pubkey("pubkey"): String;
        /// Certificates in PEM of the timestamp authority.
        tsa_cert_chain("tsaCertChain"): String;
    }
}

wire! {
    /// A signed statement about the image.
    pub struct Attestation {
        /// The name under which `validate` finds it.
        name("name"): String;
        /// Deprecated: use `type`.
        predicate_type("predicateType"): String;
        /// The type of the predicate, such as `https://slsa.dev/provenance/v1`.
        kind("type"): String;
        /// Who must have signed it.
        attestors("attestors"): Vec<AttestorSet>;
        /// Conditions over the predicate; all must hold.
        conditions("conditions"): Vec<AnyAllConditions>;
    }
}

impl Attestation {
    /// `type`, else the deprecated `predicateType`.
    pub fn effective_kind(&self) -> &str {
        if self.kind.is_empty() { &self.predicate_type } else { &self.kind }
    }
}
