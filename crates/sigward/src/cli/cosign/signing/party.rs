//! Whoever signs: a key, perhaps with a certificate, and the services that are told about each signature.
use super::{
    certificate::surroundings,
    identity::{self, Claims},
    services::{self, Plan},
};
use crate::cli::cosign::{
    Failure, Output,
    evidence::now,
    flags::{FulcioFlags, OidcFlags, SigningSourceFlags, TimestampFlags},
    keys, trust,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigward_remote::Services;
use sigward_sigstore::{
    blob::{
        Artifact, BlobError, Demand, Detached, verify_blob_attestation_by, verify_blob_bundle_by,
        verify_blob_detached,
    },
    bundle::{Bundle, Content},
    dsse::Envelope,
    keys::{Certificate, Ed25519Form, PrivateKey, PublicKey, Signer as _},
    requirement::{Attestor, Keyless, LogRule, SctRule, TimeRule, Who},
    sign::{
        Surroundings, envelope_bundle, message_bundle, rekor_v1_dsse, rekor_v1_hashedrekord,
        rekor_v2_dsse, rekor_v2_hashedrekord,
    },
    tlog::LogEntry,
    trust::{TrustStore, TrustedRoot},
};
use std::{path::Path, sync::Arc};

/// The flags that say who signs and who is told.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::cosign) struct Flags<'a> {
    pub(in crate::cli::cosign) key: Option<&'a str>,
    pub(in crate::cli::cosign) certificate: Option<&'a Path>,
    pub(in crate::cli::cosign) chain: Option<&'a Path>,
    pub(in crate::cli::cosign) issue_certificate: bool,
    pub(in crate::cli::cosign) yes: bool,
    pub(in crate::cli::cosign) new_bundle_format: bool,
    pub(in crate::cli::cosign) oidc: &'a OidcFlags,
    pub(in crate::cli::cosign) fulcio: &'a FulcioFlags,
    pub(in crate::cli::cosign) timestamp: &'a TimestampFlags,
    pub(in crate::cli::cosign) source: &'a SigningSourceFlags,
}

/// Whoever signs.
#[derive(Debug)]
pub(in crate::cli::cosign) struct Party {
    /// The key: a file's, or one that is gone when the command ends.
    pub(in crate::cli::cosign) key: PrivateKey,
    /// Its certificate, then those above it; empty when the key signs by itself.
    pub(in crate::cli::cosign) certificates: Vec<Certificate>,
    /// The certificate was issued just now, so a certificate log must know it.
    sct: SctRule,
    plan: Plan,
    services: Services,
    timestamps: Services,
    /// What is checked before anything is stored.
    root: Option<Arc<TrustedRoot>>,
}

/// What was signed.
#[derive(Clone, Copy, Debug)]
enum Signed<'a> {
    Bytes(&'a [u8], &'a [u8]),
    /// With its JSON as it is stored, when it is stored by itself.
    Envelope(&'a Envelope, Option<&'a [u8]>),
}

impl Party {
    /// Reads the key or makes one, and has it certified where it has to be.
    ///
    /// # Errors
    /// A file cannot be used, a service says no, or the user does.
    pub(in crate::cli::cosign) async fn new(
        output: &Output,
        flags: &Flags<'_>,
    ) -> Result<Self, Failure> {
        let plan = services::plan(flags)?;
        let services = services::client()?;
        let timestamps = services::timestamp_client(flags)?;
        if !plan.logs.is_empty() {
            keys::confirm(
                output,
                "The signature goes into a transparency log, which is public and forgets nothing: with it go the name of \
                 whoever signs (an email address, for example) and the digest of what is signed.",
                flags.yes,
            )?;
        }
        let issue = flags.key.is_none() || flags.issue_certificate;
        if issue && (flags.certificate.is_some() || flags.chain.is_some()) {
            return Err(Failure::new(
                "--certificate is that of a --key: a certificate is issued where none is given",
            ));
        }
        let token = if issue {
            let issuer = flags.oidc.oidc_issuer.as_deref().or(plan.issuer.as_deref());
            Some(identity::token(output, &services, flags, issuer).await?)
        } else {
            None
        };
        let mut key = if let Some(reference) = flags.key {
            keys::private_key(reference)?
        } else {
            output.say("Generating ephemeral keys...");
            PrivateKey::generate(&mut keys::SystemEntropy)?
        };
        if !plan.logs.is_empty() {
            // Logs take Ed25519 signatures in their prehashed form.
            key = key.with_ed25519_form(Ed25519Form::Prehashed);
        }
        let certificates = if let Some(token) = token {
            output.say("Retrieving signed certificate...");
            let Some(url) = plan.fulcio.as_deref() else {
                return Err(Failure::new(
                    "the signing config lists no certificate authority: without one a --key has to sign",
                ));
            };
            let claims = Claims::of(&token)?;
            let proof = key.sign(claims.subject()?.as_bytes())?;
            let issued = services.certificate(url, &token, key.public_key(), &proof).await?;
            if issued.sct.is_some() && !flags.fulcio.insecure_skip_verify {
                return Err(Failure::new(
                    "Fulcio answered with a certificate log's timestamp beside the certificate, and signatures hold none but those inside it \
                     (--insecure-skip-verify takes it as it is)",
                ));
            }
            issued.certificates
        } else {
            surroundings(flags.certificate, flags.chain, key.public_key())?.certificates
        };
        let root = match &flags.source.trusted_root {
            Some(path) => Some(trust::read(path)?),
            None if plan.is_public() || trust::names_its_own() => {
                Some(trust::material(trust::Named::default())?)
            }
            None => None,
        };
        let sct = if issue && !flags.fulcio.insecure_skip_verify {
            SctRule::Demanded
        } else {
            SctRule::InsecureIgnored
        };
        let root = root.map(Arc::new);
        Ok(Self { key, certificates, sct, plan, services, timestamps, root })
    }

    /// The public half.
    pub(in crate::cli::cosign) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Writes the certificate in PEM, or in base64 around that.
    ///
    /// COMPAT: cosign 3.1: `sign-blob` writes base64 unless `--b64=false`; readers take both; test: the_certificate_can_be_kept_in_a_file
    ///
    /// # Errors
    /// There is no certificate, or it cannot be written.
    pub(in crate::cli::cosign) fn keep_certificate(
        &self,
        output: &Output,
        path: &Path,
        base64: bool,
    ) -> Result<(), Failure> {
        let Some(certificate) = self.certificates.first() else {
            return Err(Failure::new("--output-certificate: the key signs without a certificate"));
        };
        let pem = certificate.to_pem();
        let text = if base64 { STANDARD.encode(&pem) } else { pem };
        keys::write_file(path, text.as_bytes(), 0o600)?;
        output.say(&format!("Certificate wrote in the file {}", path.display()));
        Ok(())
    }

    /// The same bundle with what services say about its signature, checked; `contents` is what a message signature is
    /// over, `artifact` what the bundle is about.
    ///
    /// # Errors
    /// The bundle is none, a service says no, or what came of it does not verify.
    pub(in crate::cli::cosign) async fn surrounded(
        &self,
        output: &Output,
        bundle: Vec<u8>,
        contents: &[u8],
        artifact: Option<(Artifact<'_>, Option<&str>)>,
    ) -> Result<Vec<u8>, Failure> {
        let key = self.public_key();
        let bundle = match Bundle::parse(&bundle)?.content {
            Content::Envelope(envelope) => {
                let around = self.around(output, Signed::Envelope(&envelope, None)).await?;
                envelope_bundle(&envelope, key, &around)
            }
            Content::Message(message) => {
                let signed = Signed::Bytes(contents, &message.signature);
                let around = self.around(output, signed).await?;
                let form = if self.plan.logs.is_empty() {
                    Ed25519Form::Pure
                } else {
                    Ed25519Form::Prehashed
                };
                message_bundle(contents, &message.signature, key, form, &around)
            }
        };
        self.check(|demand| match artifact {
            Some((artifact, None)) => verify_blob_bundle_by(artifact, &bundle, demand).map(drop),
            other => {
                let (artifact, predicate_type) =
                    other.map_or((None, None), |(artifact, kind)| (Some(artifact), kind));
                let beside = Detached::default();
                verify_blob_attestation_by(artifact, &bundle, predicate_type, &beside, demand)
                    .map(drop)
            }
        })?;
        Ok(bundle)
    }

    /// What services say about a signature of the older format over bytes.
    ///
    /// # Errors
    /// As [`Self::surrounded`].
    pub(in crate::cli::cosign) async fn around_bytes(
        &self,
        output: &Output,
        contents: &[u8],
        signature: &[u8],
    ) -> Result<Surroundings, Failure> {
        let around = self.around(output, Signed::Bytes(contents, signature)).await?;
        self.check_detached(&around, |beside, demand| {
            verify_blob_detached(contents, signature, beside, demand).map(drop)
        })?;
        Ok(around)
    }

    /// What services say about an attestation of the older format.
    ///
    /// # Errors
    /// As [`Self::surrounded`].
    pub(in crate::cli::cosign) async fn around_envelope(
        &self,
        output: &Output,
        stored: &[u8],
    ) -> Result<Surroundings, Failure> {
        let envelope = Envelope::parse(stored)?;
        let around = self.around(output, Signed::Envelope(&envelope, Some(stored))).await?;
        self.check_detached(&around, |beside, demand| {
            verify_blob_attestation_by(None, stored, None, beside, demand).map(drop)
        })?;
        Ok(around)
    }

    /// Timestamps first, so that the log's entry is the last word.
    async fn around(&self, output: &Output, signed: Signed<'_>) -> Result<Surroundings, Failure> {
        let dated = match signed {
            Signed::Bytes(_, signature) => signature,
            Signed::Envelope(_, Some(stored)) => stored,
            Signed::Envelope(envelope, None) => {
                envelope.signatures.first().map_or(&[][..], |one| one.signature.as_slice())
            }
        };
        let mut around =
            Surroundings { certificates: self.certificates.clone(), ..Surroundings::default() };
        for url in &self.plan.timestamps {
            around.timestamps.push(self.timestamps.timestamp(url, dated).await?);
        }
        for (url, version) in &self.plan.logs {
            let entry = self.log(url, *version, signed).await?;
            // A bundle needs the proof, the older format has room for nothing but the promise.
            let proof = entry.proof.as_ref().map(|proof| proof.check(&entry.body)).transpose();
            let sound = match signed {
                Signed::Envelope(_, Some(_)) => entry.promise.is_some(),
                Signed::Bytes(..) | Signed::Envelope(_, None) => {
                    entry.proof.is_some() || entry.promise.is_some()
                }
            };
            proof.map_err(|error| Failure::new(format!("Rekor {url}: {error}")))?;
            if !sound {
                return Err(Failure::new(format!("Rekor {url}: its answer proves no entry")));
            }
            output.say(&format!("tlog entry created with index: {}", entry.log_index));
            around.log_entries.push(entry);
        }
        Ok(around)
    }

    async fn log(&self, url: &str, version: u32, signed: Signed<'_>) -> Result<LogEntry, Failure> {
        let (key, certificate) = (self.public_key(), self.certificates.first());
        let no_request = || {
            Failure::new("the envelope cannot be logged: it is not text, or has several signatures")
        };
        if version == 2 {
            let request = match signed {
                Signed::Bytes(bytes, signature) => {
                    rekor_v2_hashedrekord(bytes, signature, key, certificate)
                }
                Signed::Envelope(envelope, _) => {
                    rekor_v2_dsse(envelope, key, certificate).ok_or_else(no_request)?
                }
            };
            return Ok(self.services.log_v2(url, request).await?);
        }
        let verifier = certificate.map_or_else(|| key.to_pem(), Certificate::to_pem);
        let request = match signed {
            Signed::Bytes(bytes, signature) => {
                rekor_v1_hashedrekord(bytes, signature, key, &verifier)
            }
            Signed::Envelope(envelope, stored) => {
                let json = envelope.to_json();
                let stored = stored.unwrap_or(json.as_bytes());
                rekor_v1_dsse(stored, &verifier).ok_or_else(no_request)?
            }
        };
        Ok(self.services.log_v1(url, request).await?)
    }

    fn check_detached(
        &self,
        around: &Surroundings,
        check: impl Fn(&Detached<'_>, &Demand<'_>) -> Result<(), BlobError>,
    ) -> Result<(), Failure> {
        let certificate = around.certificates.first().map(Certificate::to_pem);
        let chain: String = around.certificates.iter().skip(1).map(Certificate::to_pem).collect();
        let beside = Detached {
            certificate: certificate.as_deref(),
            chain: Some(chain.as_str()).filter(|chain| !chain.is_empty()),
            timestamp: around.timestamps.first().map(Vec::as_slice),
            entries: around.log_entries.clone(),
            ..Detached::default()
        };
        self.check(|demand| check(&beside, demand))
    }

    /// Verifies what was signed as a reader would: by this key or this certificate, with all that was asked for.
    ///
    /// COMPAT: cosign 3.1: `--trusted-root` checks what was signed before it is stored; test: what_does_not_verify_is_not_stored
    fn check(&self, check: impl Fn(&Demand<'_>) -> Result<(), BlobError>) -> Result<(), Failure> {
        let Some(root) = &self.root else { return Ok(()) };
        let trust: TrustStore = [Arc::clone(root)].into_iter().collect();
        let id = root.id();
        let who = if self.certificates.is_empty() {
            Who::Key(self.public_key().clone())
        } else {
            Who::Keyless(Keyless { trust: id, identities: Vec::new(), sct: self.sct })
        };
        let log = if self.plan.logs.is_empty() {
            LogRule::InsecureIgnored
        } else {
            LogRule::EntryDemanded { trust: id, online: None }
        };
        let time = match (self.plan.timestamps.is_empty(), self.plan.logs.is_empty()) {
            (false, _) => TimeRule::TimestampDemanded { timestamps: id },
            (true, false) => TimeRule::Observed { timestamps: Some(id) },
            (true, true) => TimeRule::InsecureNow { timestamps: Some(id) },
        };
        let attestor = Attestor { time, ..Attestor::new(who, log) };
        check(&Demand { attestor: &attestor, trust: &trust, now: now() }).map_err(|error| {
            let Failure { message, code } = Failure::from(error);
            Failure { message: format!("what was signed does not verify: {message}"), code }
        })
    }
}
