//! Who must have signed and with what proofs, from the flags of a verifying command.
use super::{
    Failure, Output,
    evidence::Kind,
    flags::{CertificateVerifyFlags, CommonVerifyFlags},
    keys, trust,
};
use sigward_sigstore::{
    certificate::{Extension, Identity, Pattern, Patterns},
    keys::PublicKey,
    requirement::{Attestor, Keyless, LogRule, SctRule, TimeRule, TrustId, Who},
    trust::TrustStore,
};
use std::sync::Arc;

/// The flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) certificates: &'a CertificateVerifyFlags,
    pub(super) common: &'a CommonVerifyFlags,
    pub(super) signature_digest_algorithm: &'a str,
    /// The log that is searched for what attached signatures do not bring.
    pub(super) rekor_url: Option<&'a str>,
    pub(super) kind: Kind,
}

/// The same with material in place of names.
#[derive(Clone, Debug)]
pub(super) struct Demanded {
    /// Any of these may have signed.
    pub(super) who: Vec<Who>,
    pub(super) log: LogRule,
    pub(super) time: TimeRule,
    pub(super) trust: Arc<TrustStore>,
}

impl Demanded {
    /// One attestor for each who may have signed.
    pub(super) fn attestors(&self) -> impl Iterator<Item = Attestor> {
        self.who
            .iter()
            .map(|who| Attestor { time: self.time, ..Attestor::new(who.clone(), self.log.clone()) })
    }

    /// The keys, when keys must have signed.
    pub(super) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.who.iter().filter_map(|who| match who {
            Who::Key(key) => Some(key),
            Who::Keyless(_) => None,
        })
    }
}

/// Reads keys, identities and trust material.
///
/// # Errors
/// Each names its way out.
pub(super) fn demanded(output: &Output, asked: &Asked<'_>) -> Result<Demanded, Failure> {
    let Asked { certificates, common, .. } = *asked;
    if common.max_workers < 1 {
        return Err(Failure::new(
            "please set the --max-worker flag to a value that is greater than 0",
        ));
    }
    // Each sound combination of key and hash is accepted; the flag can only name one that does not exist.
    let algorithm = asked.signature_digest_algorithm;
    if !matches!(algorithm, "sha256" | "sha384" | "sha512") {
        return Err(Failure::new(format!(
            "unknown digest algorithm: {algorithm} (sha256, sha384 and sha512 are tried)"
        )));
    }
    let identity = identity(certificates)?;
    if asked.key.is_some() && identity.is_some() {
        return Err(Failure::new(
            "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp) must be provided",
        ));
    }
    let ignore_log = common.insecure_ignore_tlog || common.private_infrastructure;
    let timestamps = common.use_signed_timestamps || common.timestamp_certificate_chain.is_some();
    let needs_trust = asked.key.is_none() || !ignore_log || timestamps;
    let mut store = TrustStore::new();
    let id = if needs_trust || common.trusted_root.is_some() {
        let root = Arc::new(trust::material(trust::Named {
            trusted_root: common.trusted_root.as_deref(),
            roots: certificates.ca_roots.as_deref(),
            intermediates: certificates.ca_intermediates.as_deref(),
            chain: certificates.certificate_chain.as_deref(),
            timestamp_chain: common.timestamp_certificate_chain.as_deref(),
            network: if common.offline { trust::Network::Offline } else { trust::Network::Allowed },
        })?);
        store.insert(Arc::clone(&root));
        root.id()
    } else {
        TrustId([0; 32])
    };
    let who = match (asked.key, identity) {
        (Some(reference), _) => {
            refuse_beside_key(certificates)?;
            keys::public_keys(reference)?.into_iter().map(Who::Key).collect()
        }
        (None, Some(identity)) => {
            let sct = if certificates.insecure_ignore_sct {
                SctRule::InsecureIgnored
            } else {
                SctRule::Demanded
            };
            vec![Who::Keyless(Keyless { trust: id, identities: vec![identity], sct })]
        }
        (None, None) => {
            return Err(Failure::new(
                "--certificate-identity or --certificate-identity-regexp is required for verification in keyless mode",
            ));
        }
    };
    // COMPAT: cosign 3.1: silent for private infrastructure; test: private_infrastructure_is_not_warned_about
    if ignore_log && !common.private_infrastructure {
        output.say(&format!(
            "WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the {}.",
            asked.kind.word()
        ));
    }
    let log = if ignore_log {
        LogRule::InsecureIgnored
    } else {
        // COMPAT: cosign 3.1: without the flag the public log is searched; here only one that is named;
        // test: a_log_is_searched_for_what_a_signature_does_not_bring
        let online = asked.rekor_url.filter(|_| !common.offline).map(Into::into);
        LogRule::EntryDemanded { trust: id, online }
    };
    Ok(Demanded {
        time: time_rule(asked, id, ignore_log, timestamps),
        who,
        log,
        trust: Arc::new(store),
    })
}

/// COMPAT: cosign 3.1: with a certificate, the log's time counts, or timestamps where they are demanded; where the log
/// is ignored and there is no timestamp, the present; test: the_present_counts_only_where_the_log_is_ignored
fn time_rule(asked: &Asked<'_>, id: TrustId, ignore_log: bool, timestamps: bool) -> TimeRule {
    if timestamps {
        TimeRule::TimestampDemanded { timestamps: id }
    } else if asked.key.is_some() {
        TimeRule::default()
    } else if ignore_log {
        TimeRule::InsecureNow { timestamps: Some(id) }
    } else {
        TimeRule::Observed { timestamps: Some(id) }
    }
}

/// Certificates have nothing to say about what a key signed.
fn refuse_beside_key(flags: &CertificateVerifyFlags) -> Result<(), Failure> {
    let given = [
        ("--certificate-oidc-issuer", flags.certificate_oidc_issuer.is_some()),
        ("--certificate-oidc-issuer-regexp", flags.certificate_oidc_issuer_regexp.is_some()),
        (
            "--certificate-github-workflow-trigger",
            flags.certificate_github_workflow_trigger.is_some(),
        ),
        ("--certificate-github-workflow-sha", flags.certificate_github_workflow_sha.is_some()),
        ("--certificate-github-workflow-name", flags.certificate_github_workflow_name.is_some()),
        (
            "--certificate-github-workflow-repository",
            flags.certificate_github_workflow_repository.is_some(),
        ),
        ("--certificate-github-workflow-ref", flags.certificate_github_workflow_ref.is_some()),
        ("--insecure-ignore-sct", flags.insecure_ignore_sct),
        ("--certificate", flags.certificate.is_some()),
        ("--certificate-chain", flags.certificate_chain.is_some()),
        ("--ca-roots", flags.ca_roots.is_some()),
        ("--ca-intermediates", flags.ca_intermediates.is_some()),
        ("--sct", flags.sct.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(Failure::new(format!("{flag} is about certificates: it cannot be used with --key")))
        }
        None => Ok(()),
    }
}

/// Whom the certificate must name; `None` when the flags name nobody.
///
/// COMPAT: cosign 3.1: exact text and expression both apply when both are given; test: an_identity_may_be_an_expression
fn identity(flags: &CertificateVerifyFlags) -> Result<Option<Identity>, Failure> {
    let subject = patterns(
        flags.certificate_identity.as_deref(),
        flags.certificate_identity_regexp.as_deref(),
    )?;
    let Some(subject) = subject else { return Ok(None) };
    let issuer = patterns(
        flags.certificate_oidc_issuer.as_deref(),
        flags.certificate_oidc_issuer_regexp.as_deref(),
    )?;
    let Some(issuer) = issuer else {
        return Err(Failure::new(
            "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required for verification in keyless mode",
        ));
    };
    let mut extensions: Vec<(Extension, Pattern)> = [
        (Extension::GITHUB_WORKFLOW_TRIGGER, &flags.certificate_github_workflow_trigger),
        (Extension::GITHUB_WORKFLOW_SHA, &flags.certificate_github_workflow_sha),
        (Extension::GITHUB_WORKFLOW_NAME, &flags.certificate_github_workflow_name),
        (Extension::GITHUB_WORKFLOW_REPOSITORY, &flags.certificate_github_workflow_repository),
        (Extension::GITHUB_WORKFLOW_REF, &flags.certificate_github_workflow_ref),
    ]
    .into_iter()
    .filter_map(|(extension, wanted)| {
        let wanted = wanted.as_deref().filter(|wanted| !wanted.is_empty())?;
        Some((extension, Pattern::exact(wanted)))
    })
    .collect();
    extensions.sort();
    Ok(Some(Identity { issuer, subject, extensions }))
}

fn patterns(exact: Option<&str>, regex: Option<&str>) -> Result<Option<Patterns>, Failure> {
    let mut all = Vec::new();
    all.extend(exact.filter(|text| !text.is_empty()).map(Pattern::exact));
    if let Some(regex) = regex.filter(|text| !text.is_empty()) {
        all.push(Pattern::regex(regex)?);
    }
    Ok((!all.is_empty()).then_some(Patterns::All(all)))
}
