//! What an attestor's signature must prove besides itself, and what that is judged by.
//!
//! The material is the process's trusted root, with the parts that the attestor names by itself in
//! place of its own.
use super::EntryGround;
use crate::{
    compile::Sink,
    rules::verify_images::entry::{Log, Proofs, Trust},
};
use sigward_api::kyverno::v1::{CtLog, KeylessAttestor, Rekor};
use sigward_sigstore::{
    certificate::{Certificate, Extension, Identity, Pattern, Patterns},
    keys::{KeyError, PublicKey},
    requirement::SctRule,
    trust::{CertificateAuthority, TransparencyLog, TrustParts, TrustedRoot, Validity},
};
use smol_str::SmolStr;
use std::sync::Arc;

/// The names of extensions in policies.
///
/// COMPAT: Kyverno 1.19: six names or their identifiers; every other of Fulcio's is taken by its identifier as
/// well. test: every_part_of_a_keyless_attestor_counts
const EXTENSIONS: [(&str, Extension); 6] = [
    ("oidcIssuer", Extension::ISSUER_V1),
    ("githubWorkflowTrigger", Extension::GITHUB_WORKFLOW_TRIGGER),
    ("githubWorkflowSha", Extension::GITHUB_WORKFLOW_SHA),
    ("githubWorkflowName", Extension::GITHUB_WORKFLOW_NAME),
    ("githubWorkflowRepository", Extension::GITHUB_WORKFLOW_REPOSITORY),
    ("githubWorkflowRef", Extension::GITHUB_WORKFLOW_REF),
];

const UNKNOWN_EXTENSION: &str = "unknown extension: expected oidcIssuer, githubWorkflowTrigger, githubWorkflowSha, \
    githubWorkflowName, githubWorkflowRepository, githubWorkflowRef, or 1.3.6.1.4.1.57264.1.N";

/// Who has a certificate, and who only a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer<'a> {
    /// Logs and timestamps are asked about the signature alone.
    Key,
    /// The process's certificate authorities.
    Certificate,
    /// The authorities in this PEM text, which stands at this path.
    CertificateOf(&'a str),
}

/// What one attestor says about logs and timestamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Says<'a> {
    pub(super) signer: Signer<'a>,
    pub(super) rekor: Option<&'a Rekor>,
    pub(super) ctlog: Option<&'a CtLog>,
}

/// Compiles it.
pub(super) fn proofs(
    says: Says<'_>,
    ground: &EntryGround<'_>,
    path: &str,
    sink: &mut Sink,
) -> Proofs {
    let Says { signer, rekor, ctlog } = says;
    let sct = match ctlog {
        Some(ctlog) if ctlog.ignore_sct == Some(true) => SctRule::InsecureIgnored,
        _ => SctRule::Demanded,
    };
    let ignored = rekor.is_some_and(|rekor| rekor.ignore_tlog == Some(true))
        || signer == Signer::Key && ground.settings.insecure_ignore_tlog_for_keys;
    let log = if ignored {
        if rekor.is_some_and(|r| !r.url.is_empty() || !r.pubkey.is_empty()) {
            sink.warn(&format!("{path}.rekor"), "url and pubkey have no effect: no log is asked");
        }
        Log::InsecureIgnored
    } else {
        // COMPAT: Kyverno 1.19: searches rekor.sigstore.dev for signatures that bring no entry; here only a log that
        // the policy names is asked. test: a_log_is_asked_only_when_the_policy_names_one
        let url = rekor.map(|r| r.url.as_str()).filter(|url| !url.is_empty());
        Log::Demanded { online: url.map(SmolStr::new) }
    };
    let mut parts = ground
        .settings
        .trust
        .as_ref()
        .map_or_else(TrustParts::default, |root| root.parts().clone());
    replace(&mut parts, says, path, sink);
    let stamped = ctlog.is_some_and(|ctlog| !ctlog.tsa_cert_chain.trim().is_empty());
    let trust = match missing(&parts, signer, sct, &log) {
        _ if signer == Signer::Key && log == Log::InsecureIgnored && !stamped => Trust::NotNeeded,
        Some(what) => Trust::Missing(what),
        None => match TrustedRoot::new(parts) {
            Ok(root) => Trust::Root(Arc::new(root)),
            Err(error) => {
                sink.error(path, error.to_string());
                Trust::Missing("trust material that can be used")
            }
        },
    };
    Proofs { log, sct, trust }
}

/// What is demanded and cannot be judged.
fn missing(
    parts: &TrustParts,
    signer: Signer<'_>,
    sct: SctRule,
    log: &Log,
) -> Option<&'static str> {
    let certified = signer != Signer::Key;
    if certified && parts.certificate_authorities.is_empty() {
        Some("a certificate authority")
    } else if certified && sct == SctRule::Demanded && parts.ctlogs.is_empty() {
        Some("a certificate log's key")
    } else if *log != Log::InsecureIgnored && parts.tlogs.is_empty() {
        Some("a transparency log's key")
    } else {
        None
    }
}

/// Puts what the attestor names in the place of the process's own.
fn replace(parts: &mut TrustParts, says: Says<'_>, path: &str, sink: &mut Sink) {
    if let Signer::CertificateOf(pem) = says.signer {
        let field =
            format!("{path}.{}", if path.ends_with("keyless") { "roots" } else { "certChain" });
        if let Some(authorities) = read(authorities(pem), &field, sink) {
            parts.certificate_authorities = authorities;
        }
    }
    let log = |url: &str, pem: &str| {
        PublicKey::parse_pem(pem)
            .map(|key| vec![TransparencyLog::new(url, key, Validity::default())])
    };
    if let Some(rekor) = says.rekor.filter(|rekor| !rekor.pubkey.trim().is_empty()) {
        let field = format!("{path}.rekor.pubkey");
        if let Some(logs) = read(log(&rekor.url, &rekor.pubkey), &field, sink) {
            parts.tlogs = logs;
        }
    }
    let Some(ctlog) = says.ctlog else { return };
    if !ctlog.pubkey.trim().is_empty() {
        let field = format!("{path}.ctlog.pubkey");
        if let Some(logs) = read(log("", &ctlog.pubkey), &field, sink) {
            parts.ctlogs = logs;
        }
    }
    if !ctlog.tsa_cert_chain.trim().is_empty() {
        let field = format!("{path}.ctlog.tsaCertChain");
        if let Some(authorities) = read(authorities(&ctlog.tsa_cert_chain), &field, sink) {
            parts.timestamp_authorities = authorities;
        }
    }
}

fn read<T>(answer: Result<T, KeyError>, field: &str, sink: &mut Sink) -> Option<T> {
    answer.map_err(|error| sink.error(field, error.to_string())).ok()
}

/// One authority for each root; a text without a self-issued certificate ends with its root.
///
/// COMPAT: Kyverno 1.19: order does not matter; a timestamp authority's own certificate is the one that is no
/// authority's. test: a_chain_is_sorted_by_what_its_certificates_are
fn authorities(pem: &str) -> Result<Vec<CertificateAuthority>, KeyError> {
    let all = Certificate::parse_pem_all(pem)?;
    let (mut roots, mut rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| one.is_self_issued() && one.is_ca());
    if roots.is_empty() {
        roots.extend(rest.pop());
    }
    rest.sort_by_key(Certificate::is_ca);
    let authority = |root: Certificate| CertificateAuthority {
        subject: root.subject_words(),
        uri: String::new(),
        chain: rest.iter().cloned().chain([root]).collect(),
        valid_for: Validity::default(),
    };
    Ok(roots.into_iter().map(authority).collect())
}

/// The identity that a keyless attestor wants; nothing when anybody will do.
pub(super) fn identities(
    wire: &KeylessAttestor,
    bundles_only: bool,
    path: &str,
    sink: &mut Sink,
) -> Vec<Identity> {
    // COMPAT: Kyverno 1.19: wildcards count for cosign's older form and not for bundles.
    // test: a_wildcard_is_a_wildcard_only_in_the_older_form
    let plain =
        |text: &str| if bundles_only { Pattern::exact(text) } else { Pattern::wildcard(text) };
    let mut patterns = |text: &str, regexp: &str, field: &str| {
        let mut list = Vec::new();
        if !text.is_empty() {
            list.push(plain(text));
        }
        if !regexp.is_empty() {
            match Pattern::regex(regexp) {
                Ok(pattern) => list.push(pattern),
                Err(error) => sink.error(&format!("{path}.{field}"), error.to_string()),
            }
        }
        list
    };
    let issuer = patterns(&wire.issuer, &wire.issuer_regexp, "issuerRegExp");
    let subject = patterns(&wire.subject, &wire.subject_regexp, "subjectRegExp");
    let mut extensions = Vec::new();
    for (name, text) in &wire.additional_extensions {
        let known =
            EXTENSIONS.iter().find(|(known, _)| known == name).map(|(_, extension)| *extension);
        if let Some(extension) = known.or_else(|| Extension::from_oid(name)) {
            extensions.push((extension, Pattern::wildcard(text)));
        } else {
            sink.error(&format!("{path}.additionalExtensions.{name}"), UNKNOWN_EXTENSION);
        }
    }
    if issuer.is_empty() && subject.is_empty() && extensions.is_empty() {
        return Vec::new();
    }
    let subject = if subject.is_empty() { Patterns::default() } else { Patterns::Any(subject) };
    extensions.sort();
    vec![Identity { issuer: Patterns::All(issuer), subject, extensions }]
}
