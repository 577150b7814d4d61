//! Attestors from the wire: keys are read once, here, and what stands elsewhere is named.
use super::{
    EntryGround,
    trust::{Says, Signer, identities, proofs},
};
use crate::{
    compile::Sink,
    rules::verify_images::entry::{Attestor, Proofs, Set, Trust, Who},
};
use sigward_api::kyverno::v1::{
    self, AttestorSet, CertificateAttestor, CtLog, KeylessAttestor, Rekor, StaticKeyAttestor,
};
use sigward_sigstore::{
    keys::Certificate,
    requirement::{PublicKey, Timestamp},
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Sets inside sets, at most this deep.
const MAX_NESTING: usize = 8;
/// Attestors of one set, expanded keys included.
const MAX_ENTRIES: usize = 64;
/// What a publicKeys text begins with when it is no reference.
const PEM: &str = "-----BEGIN";

/// Compiles the sets of one entry.
pub(super) struct Sets<'s> {
    pub(super) ground: &'s EntryGround<'s>,
    pub(super) wire: &'s v1::ImageVerification,
    pub(super) bundles_only: bool,
}

/// What upstream asks of an attestation without attestors: any identity of the process's authorities.
pub(super) fn anybody(ground: &EntryGround<'_>, sink: &mut Sink) -> Set {
    let says = Says { signer: Signer::Certificate, rekor: None, ctlog: None };
    let attestor = Attestor {
        who: Who::Keyless(Vec::new()),
        annotations: Vec::new(),
        store: None,
        proofs: proofs(says, ground, ground.path, sink),
    };
    Set { count: 1, entries: vec![attestor] }
}

impl Sets<'_> {
    /// Compiles a list of sets.
    pub(super) fn compile(&self, wire: &[AttestorSet], path: &str, sink: &mut Sink) -> Vec<Set> {
        wire.iter()
            .enumerate()
            .filter_map(|(i, set)| self.set(set, &format!("{path}[{i}]"), 0, sink))
            .collect()
    }

    /// The deprecated `key`, or `issuer`, as a set of one.
    pub(super) fn legacy(&self, sink: &mut Sink) -> Option<Set> {
        let path = self.ground.path;
        let (who, proofs) = if !self.wire.key.trim().is_empty() {
            let path = format!("{path}.key");
            (self.keys(&self.wire.key, &path, sink), self.key_proofs(None, None, &path, sink))
        } else if !self.wire.issuer.is_empty()
            || !self.wire.subject.is_empty()
            || !self.wire.roots.is_empty()
        {
            let keyless = KeylessAttestor {
                issuer: self.wire.issuer.clone(),
                subject: self.wire.subject.clone(),
                roots: self.wire.roots.clone(),
                additional_extensions: self.wire.additional_extensions.clone(),
                ..KeylessAttestor::default()
            };
            self.keyless(&keyless, path, sink)
        } else {
            return None;
        };
        let entries: Vec<Attestor> = who
            .into_iter()
            .map(|who| Attestor {
                who,
                annotations: pairs(&self.wire.annotations),
                store: self.store(""),
                proofs: proofs.clone(),
            })
            .collect();
        Some(Set { count: entries.len().max(1), entries })
    }

    fn set(&self, wire: &AttestorSet, path: &str, depth: usize, sink: &mut Sink) -> Option<Set> {
        if depth > MAX_NESTING {
            sink.error(path, "attestors are nested too deep");
            return None;
        }
        if wire.entries.is_empty() {
            sink.error(&format!("{path}.entries"), "at least one entry is required");
            return None;
        }
        let mut entries = Vec::new();
        for (i, one) in wire.entries.iter().enumerate() {
            self.entry(one, &format!("{path}.entries[{i}]"), depth, &mut entries, sink);
        }
        if entries.len() > MAX_ENTRIES {
            sink.error(&format!("{path}.entries"), "a set has at most 64 attestors");
        }
        let count = match wire.count {
            None | Some(0) => entries.len(),
            Some(count) => match usize::try_from(count) {
                Ok(count) if count <= entries.len() => count,
                _ => {
                    sink.error(
                        &format!("{path}.count"),
                        format!("count cannot exceed available entries ({})", entries.len()),
                    );
                    return None;
                }
            },
        };
        (!entries.is_empty()).then_some(Set { count, entries })
    }

    /// One entry; several keys in one PEM are several attestors that share all else.
    fn entry(
        &self,
        wire: &v1::Attestor,
        path: &str,
        depth: usize,
        entries: &mut Vec<Attestor>,
        sink: &mut Sink,
    ) {
        let kinds = usize::from(wire.keys.is_some())
            + usize::from(wire.certificates.is_some())
            + usize::from(wire.keyless.is_some())
            + usize::from(wire.attestor.is_some());
        if kinds != 1 {
            sink.error(path, "exactly one of keys, certificates, keyless and attestor is required");
            return;
        }
        algorithm(&wire.signature_algorithm, &format!("{path}.signatureAlgorithm"), sink);
        if self.bundles_only && !wire.repository.is_empty() {
            sink.warn(
                &format!("{path}.repository"),
                "type SigstoreBundle does not use a repository",
            );
        }
        let (who, proofs) = if let Some(keys) = &wire.keys {
            self.static_key(keys, &format!("{path}.keys"), sink)
        } else if let Some(certificates) = &wire.certificates {
            self.certificate(certificates, &format!("{path}.certificates"), sink)
        } else if let Some(keyless) = &wire.keyless {
            let path = format!("{path}.keyless");
            keyless_lint(keyless, &path, sink);
            self.keyless(keyless, &path, sink)
        } else if let Some(nested) = &wire.attestor {
            let nested = self.set(nested, &format!("{path}.attestor"), depth + 1, sink);
            (nested.map(|set| Who::Nested(Box::new(set))).into_iter().collect(), Proofs::nothing())
        } else {
            return;
        };
        // An attestor's own annotations replace those of the entry.
        let annotations =
            if wire.annotations.is_empty() { &self.wire.annotations } else { &wire.annotations };
        for who in who {
            entries.push(Attestor {
                who,
                annotations: pairs(annotations),
                store: self.store(&wire.repository),
                proofs: proofs.clone(),
            });
        }
    }

    fn store(&self, own: &str) -> Option<SmolStr> {
        if self.bundles_only {
            return None;
        }
        [own, &self.wire.repository].into_iter().find(|r| !r.is_empty()).map(SmolStr::new)
    }

    /// Who an identity means, and what it must prove.
    fn keyless(&self, wire: &KeylessAttestor, path: &str, sink: &mut Sink) -> (Vec<Who>, Proofs) {
        let roots = wire.roots.trim();
        let says = Says {
            signer: if roots.is_empty() {
                Signer::Certificate
            } else {
                Signer::CertificateOf(roots)
            },
            rekor: wire.rekor.as_ref(),
            ctlog: wire.ctlog.as_ref(),
        };
        let proofs = proofs(says, self.ground, path, sink);
        if let Trust::Missing(what) = &proofs.trust {
            sink.warn(
                path,
                format!("every image is refused until the process has {what}: start it with `--trusted-root FILE`"),
            );
        }
        (vec![Who::Keyless(identities(wire, self.bundles_only, path, sink))], proofs)
    }

    /// A log entry is expected unless the policy or the process says otherwise.
    fn key_proofs(
        &self,
        rekor: Option<&Rekor>,
        ctlog: Option<&CtLog>,
        path: &str,
        sink: &mut Sink,
    ) -> Proofs {
        let proofs = proofs(Says { signer: Signer::Key, rekor, ctlog }, self.ground, path, sink);
        if matches!(proofs.trust, Trust::Missing(_)) {
            sink.error_with(
                path,
                "a transparency log entry is demanded, and no log's key is at hand to check one",
                "start the process with `--trusted-root FILE`, set `rekor.pubkey` or `rekor.ignoreTlog: true` in the \
                 attestor, or start the process with `--insecure-ignore-tlog-for-keys` where no signature made with a \
                 key is logged",
            );
        }
        proofs
    }

    fn static_key(
        &self,
        wire: &StaticKeyAttestor,
        path: &str,
        sink: &mut Sink,
    ) -> (Vec<Who>, Proofs) {
        let sources = usize::from(!wire.public_keys.trim().is_empty())
            + usize::from(!wire.kms.is_empty())
            + usize::from(wire.secret.is_some());
        if sources != 1 {
            sink.error(path, "exactly one of publicKeys, kms and secret is required");
            return (Vec::new(), Proofs::nothing());
        }
        algorithm(&wire.signature_algorithm, &format!("{path}.signatureAlgorithm"), sink);
        let proofs = self.key_proofs(wire.rekor.as_ref(), wire.ctlog.as_ref(), path, sink);
        (self.static_keys(wire, path, sink), proofs)
    }

    fn static_keys(&self, wire: &StaticKeyAttestor, path: &str, sink: &mut Sink) -> Vec<Who> {
        if !wire.kms.is_empty() {
            sink.unsupported(&format!("{path}.kms"), "a key management service");
            return Vec::new();
        }
        if let Some(secret) = &wire.secret {
            let path = format!("{path}.secret");
            if secret.name.is_empty() || secret.namespace.is_empty() {
                sink.error(&path, "a secret needs `name` and `namespace`");
                return Vec::new();
            }
            let reference = format!("k8s://{}/{}", secret.namespace, secret.name);
            return self.reference(&reference, &path, sink);
        }
        self.keys(&wire.public_keys, &format!("{path}.publicKeys"), sink)
    }

    /// `publicKeys` and `key`: keys in PEM, or where one is found.
    fn keys(&self, text: &str, path: &str, sink: &mut Sink) -> Vec<Who> {
        let text = text.trim();
        if !text.starts_with(PEM) {
            return self.reference(text, path, sink);
        }
        match PublicKey::parse_pem_all(text) {
            Ok(keys) if !keys.is_empty() => keys.into_iter().map(Who::Key).collect(),
            Ok(_) => broken("no key", path, sink),
            Err(error) => broken(&error.to_string(), path, sink),
        }
    }

    /// Only Secrets: files and URLs would let a policy's author read what the process can.
    // COMPAT: Kyverno 1.19: files and URLs are read there; test: key_references_to_files_and_urls_are_refused
    fn reference(&self, reference: &str, path: &str, sink: &mut Sink) -> Vec<Who> {
        let services =
            ["awskms://", "gcpkms://", "azurekms://", "hashivault://", "pkcs11:", "gitlab://"];
        if services.iter().any(|scheme| reference.starts_with(scheme)) {
            sink.unsupported(path, "a key management service");
            return Vec::new();
        }
        let parts: Option<(&str, &str)> =
            reference.strip_prefix("k8s://").and_then(|rest| rest.split_once('/'));
        let Some((namespace, name)) = parts.filter(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains('/')
        }) else {
            sink.error_with(
                path,
                "expected a public key in PEM, or `k8s://namespace/name`",
                "files and URLs are not read",
            );
            return Vec::new();
        };
        let own = self.ground.policy_namespace;
        if !own.is_empty() && namespace != own {
            sink.error(
                path,
                format!("a Policy in namespace `{own}` cannot use a key of `{namespace}`"),
            );
        }
        vec![Who::Reference(SmolStr::new(format!("k8s://{namespace}/{name}")))]
    }

    fn certificate(
        &self,
        wire: &CertificateAttestor,
        path: &str,
        sink: &mut Sink,
    ) -> (Vec<Who>, Proofs) {
        let (cert, chain) = (wire.cert.trim(), wire.cert_chain.trim());
        if cert.is_empty() && chain.is_empty() {
            sink.error(path, "cert or certChain is required");
            return (Vec::new(), Proofs::nothing());
        }
        if cert.is_empty() {
            // Whoever holds a certificate of this chain.
            let says = Says {
                signer: Signer::CertificateOf(chain),
                rekor: wire.rekor.as_ref(),
                ctlog: wire.ctlog.as_ref(),
            };
            let proofs = proofs(says, self.ground, path, sink);
            if let Trust::Missing(what) = &proofs.trust {
                let said = format!(
                    "every image is refused until the process has {what}: start it with `--trusted-root FILE`, or set `ctlog.ignoreSCT` and `rekor.ignoreTlog`"
                );
                sink.warn(path, said);
            }
            return (vec![Who::Chain], proofs);
        }
        let proofs = self.key_proofs(wire.rekor.as_ref(), wire.ctlog.as_ref(), path, sink);
        let path = format!("{path}.cert");
        if !chain.is_empty() {
            let who = match Certificate::parse_pem_with_chain(cert, chain) {
                Ok(certificate) => vec![Who::Certificate(certificate.key().clone())],
                Err(error) => broken(&explained(&error), &path, sink),
            };
            return (who, proofs);
        }
        let who = match Certificate::parse_pem(cert) {
            Ok(certificate) => {
                sink.warn(
                    &path,
                    format!(
                        "only the key of the certificate is used: that it is valid from {} to {} is not checked",
                        date(certificate.not_before()),
                        date(certificate.not_after())
                    ),
                );
                vec![Who::Certificate(certificate.key().clone())]
            }
            Err(error) => broken(&error.to_string(), &path, sink),
        };
        (who, proofs)
    }
}

/// An error with its cause.
fn explained(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What cannot be read as a key is admitted with a warning, as upstream does, and satisfied by nobody.
fn broken(reason: &str, path: &str, sink: &mut Sink) -> Vec<Who> {
    sink.warn(path, format!("not a public key, so that no image can satisfy it: {reason}"));
    vec![Who::Broken(SmolStr::new(reason))]
}

fn algorithm(written: &str, path: &str, sink: &mut Sink) {
    if !["", "sha224", "sha256", "sha384", "sha512"].contains(&written) {
        sink.error(
            path,
            format!("unknown algorithm `{written}`: expected sha224, sha256, sha384 or sha512"),
        );
    }
}

/// What makes an identity mean more people than its author may think.
fn keyless_lint(wire: &KeylessAttestor, path: &str, sink: &mut Sink) {
    if wire.rekor.is_none() && wire.roots.is_empty() {
        sink.error(path, "either Rekor URL or roots are required");
    }
    let issuer = !wire.issuer.is_empty() || !wire.issuer_regexp.is_empty();
    let subject = !wire.subject.is_empty() || !wire.subject_regexp.is_empty();
    if !issuer || !subject {
        let missing = match (issuer, subject) {
            (false, false) => "issuer and subject",
            (false, true) => "issuer",
            _ => "subject",
        };
        sink.warn(path, format!("without {missing} anybody's signature counts"));
    }
    if wire.subject == "*" {
        sink.warn(&format!("{path}.subject"), "`*` means anybody");
    }
    for (regexp, field) in
        [(&wire.issuer_regexp, "issuerRegExp"), (&wire.subject_regexp, "subjectRegExp")]
    {
        if !regexp.is_empty() && (!regexp.starts_with('^') || !regexp.ends_with('$')) {
            sink.warn(&format!("{path}.{field}"), "the expression is not anchored by `^` and `$`");
        }
    }
}

fn pairs(annotations: &BTreeMap<String, String>) -> Vec<(SmolStr, SmolStr)> {
    annotations.iter().map(|(k, v)| (SmolStr::new(k), SmolStr::new(v))).collect()
}

/// `2026-01-31`. SPEC: proleptic Gregorian calendar, days since 1970-01-01 (Hinnant, "chrono-compatible date algorithms").
fn date(time: Timestamp) -> String {
    let days = time.0.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(Timestamp(0)), "1970-01-01");
        assert_eq!(date(Timestamp(951_782_400)), "2000-02-29");
        assert_eq!(date(Timestamp(1_785_456_000)), "2026-07-31");
    }
}
