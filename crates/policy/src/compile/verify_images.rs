//! `verifyImages` from the wire: at load where nothing is variable, else when the rule is evaluated.
mod attestor;
mod trust;

use super::{
    Sink, cluster_policy,
    conditions::compile as conditions,
    names::{RESERVED, Scope},
    rule::Ground,
};
use crate::{
    conditions::Conditions,
    context::Context,
    images::pattern,
    rules::verify_images::{
        VerifyImages,
        entry::{self, Attestation, Deny, Entry},
    },
    snapshot::{FailureAction, Settings},
    stop::{RuleError, Stop},
    variables::Template,
};
use sigward_api::kyverno::v1::{self, ImageRegistryCredentials, ImageVerificationType};
use sigward_document::Value;
use sigward_oci::Access;
use smol_str::SmolStr;
use std::sync::Arc;

/// One entry as it was written: compiled, or to be compiled once its variables are known.
#[derive(Debug)]
pub(crate) enum Source {
    /// Nothing in it is variable.
    Static(Arc<Entry>),
    /// Variables stand outside of conditions.
    Dynamic(Box<Dynamic>),
}

/// An entry with variables.
#[derive(Debug)]
pub(crate) struct Dynamic {
    template: Template,
    patterns: Vec<SmolStr>,
    held: Held,
    path: String,
    checked: bool,
    policy_namespace: SmolStr,
}

/// What is held back from substitution: it is evaluated over predicates.
#[derive(Clone, Debug, Default)]
struct Held {
    /// One for each attestation.
    conditions: Vec<Conditions>,
    /// `validate.deny`.
    deny: Option<Deny>,
}

impl Source {
    /// `imageReferences`, in which nothing is variable.
    pub(crate) fn patterns(&self) -> &[SmolStr] {
        match self {
            Self::Static(entry) => &entry.patterns,
            Self::Dynamic(dynamic) => &dynamic.patterns,
        }
    }

    /// Whether the validating webhook has something to check.
    fn is_checked(&self) -> bool {
        match self {
            Self::Static(entry) => entry.required || entry.verify_digest,
            Self::Dynamic(dynamic) => dynamic.checked,
        }
    }

    /// The entry with its variables resolved.
    pub(crate) fn resolve(&self, context: &mut Context<'_>) -> Result<Arc<Entry>, Stop> {
        let dynamic = match self {
            Self::Static(entry) => return Ok(Arc::clone(entry)),
            Self::Dynamic(dynamic) => dynamic,
        };
        let document = dynamic.template.substitute(context)?;
        let failed = |message: String| RuleError::Entry { path: dynamic.path.clone(), message };
        let wire: v1::ImageVerification =
            sigward_document::from_value(&document).map_err(|error| failed(error.to_string()))?;
        let mut sink = Sink::default();
        let ground = EntryGround {
            settings: context.settings,
            policy_namespace: &dynamic.policy_namespace,
            path: &dynamic.path,
        };
        let entry = entry(&wire, &dynamic.held, &ground, &mut sink);
        match sink.first_error() {
            None => Ok(Arc::new(entry)),
            Some((path, message)) => {
                Err(RuleError::Entry { path: path.to_owned(), message: message.to_owned() }.into())
            }
        }
    }
}

impl VerifyImages {
    /// Whether the validating webhook has something to check.
    pub(crate) fn is_checked(&self) -> bool {
        self.entries.iter().any(Source::is_checked)
    }
}

/// What an entry stands on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryGround<'g> {
    /// The process's settings.
    pub(crate) settings: &'g Settings,
    /// Empty for a cluster policy.
    pub(crate) policy_namespace: &'g str,
    /// Where the entry stands.
    pub(crate) path: &'g str,
}

/// Compiles all entries of a rule.
pub(crate) fn compile(
    rule: &v1::Rule,
    document: &Value,
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<VerifyImages> {
    let documents =
        document.get("verifyImages").and_then(Value::as_list).unwrap_or_default().iter();
    let mut entries = Vec::new();
    let mut carried = ground.action;
    for (i, (wire, document)) in rule.verify_images.iter().zip(documents).enumerate() {
        let path = format!("{path}.verifyImages[{i}]");
        // The action of one entry carries over to those behind it that set none.
        if let Some(own) = wire.failure_action {
            carried = cluster_policy::action(own);
        }
        if carried == FailureAction::Audit && wire.effective_mutate_digest() {
            sink.error_with(
                &format!("{path}.mutateDigest"),
                "mutateDigest must be set to false for `Audit` failure action",
                "set `mutateDigest: false`, or `failureAction: Enforce`",
            );
        }
        let ground = EntryGround {
            settings: ground.settings,
            policy_namespace: ground.policy_namespace,
            path: &path,
        };
        // The schema is silent inside nested attestors.
        if let Ok((_, unknown)) =
            sigward_document::from_value_noting_unknown::<v1::ImageVerification>(document)
        {
            for field in unknown.iter().filter(|field| field.contains(".attestor.")) {
                sink.error(&format!("{path}.{field}"), "unknown field");
            }
        }
        entries.push(source(wire, document, scope, &ground, sink));
    }
    let enforced = rule
        .verify_images
        .iter()
        .any(|entry| entry.failure_action == Some(v1::FailureAction::Enforce));
    let action = if enforced {
        Some(FailureAction::Enforce)
    } else {
        rule.verify_images.iter().find_map(|e| e.failure_action).map(cluster_policy::action)
    };
    (entries.len() == rule.verify_images.len()).then_some(VerifyImages { entries, action })
}

fn source(
    wire: &v1::ImageVerification,
    document: &Value,
    scope: &Scope,
    ground: &EntryGround<'_>,
    sink: &mut Sink,
) -> Source {
    let path = ground.path;
    let patterns = patterns(wire, path, sink);
    let held = held(wire, document, path, scope, sink);
    let template = scope.template(without_held(document), path, sink);
    if template.is_plain() {
        return Source::Static(Arc::new(entry(wire, &held, ground, sink)));
    }
    refuse(wire, path, sink);
    Source::Dynamic(Box::new(Dynamic {
        template,
        patterns,
        held,
        path: path.to_owned(),
        checked: wire.effective_required() || wire.effective_verify_digest(),
        policy_namespace: SmolStr::new(ground.policy_namespace),
    }))
}

/// The document without what is evaluated over predicates.
fn without_held(document: &Value) -> Value {
    let document = document.without_member("validate").unwrap_or_else(|| document.clone());
    let Some(list) = document.get("attestations").and_then(Value::as_list) else { return document };
    let list = list.iter().map(|a| a.without_member("conditions").unwrap_or_else(|| a.clone()));
    document.with_member("attestations", Value::list(list)).unwrap_or(document)
}

fn held(
    wire: &v1::ImageVerification,
    document: &Value,
    path: &str,
    scope: &Scope,
    sink: &mut Sink,
) -> Held {
    // The predicate's own fields are names there, whatever they are.
    let open = Scope { open: true, ..scope.clone() };
    let attestations = document.get("attestations").and_then(Value::as_list).unwrap_or_default();
    let compiled = attestations
        .iter()
        .enumerate()
        .map(|(i, attestation)| {
            let path = format!("{path}.attestations[{i}].conditions");
            conditions(attestation.get("conditions"), &path, &open, sink)
        })
        .collect();
    let deny = wire.validate.as_ref().and_then(|validate| {
        let mut scope = scope.clone();
        scope.declared.extend(
            wire.attestations.iter().map(|a| SmolStr::new(&a.name)).filter(|n| !n.is_empty()),
        );
        // Names of other entries' attestations may be used as well.
        scope.open = true;
        let path = format!("{path}.validate");
        let written = document.at_path(&["validate", "deny", "conditions"]);
        if validate.deny.is_none() || written.is_none_or(Value::is_null) {
            sink.warn(&path, "validate without deny conditions has no effect");
            return None;
        }
        Some(Deny {
            conditions: conditions(written, &format!("{path}.deny.conditions"), &scope, sink),
            message: scope.template(
                Value::string(&validate.message),
                &format!("{path}.message"),
                sink,
            ),
        })
    });
    Held { conditions: compiled, deny }
}

fn patterns(wire: &v1::ImageVerification, path: &str, sink: &mut Sink) -> Vec<SmolStr> {
    let patterns: Vec<SmolStr> = wire.all_image_references().map(SmolStr::new).collect();
    let path = format!("{path}.imageReferences");
    if patterns.is_empty() {
        sink.error(&path, "an image reference is required");
    }
    for pattern in &patterns {
        if pattern.contains("{{") {
            sink.error(&path, format!("variables are not allowed in image reference `{pattern}`"));
        }
        if pattern.len() > pattern::MAX_PATTERN {
            sink.error(&path, "an image reference must be no more than 1024 characters");
        }
        if pattern::names_tags_by_wildcard(pattern) {
            sink.warn(
                &path,
                format!("`{pattern}` names tags: images given by digest are matched as well"),
            );
        }
    }
    patterns
}

/// What this build refuses whatever else the entry says, since ignoring it would weaken the check.
fn refuse(wire: &v1::ImageVerification, path: &str, sink: &mut Sink) {
    if wire.effective_kind() == ImageVerificationType::Notary {
        sink.unsupported(&format!("{path}.type"), "type Notary");
    }
}

/// Compiles an entry in which nothing is variable any more.
fn entry(
    wire: &v1::ImageVerification,
    held: &Held,
    ground: &EntryGround<'_>,
    sink: &mut Sink,
) -> Entry {
    let path = ground.path;
    refuse(wire, path, sink);
    let bundles_only = wire.effective_kind() == ImageVerificationType::SigstoreBundle;
    if bundles_only && !wire.repository.is_empty() {
        sink.warn(&format!("{path}.repository"), "type SigstoreBundle does not use a repository");
    }
    if !wire.additional_extensions.is_empty() {
        sink.warn(
            &format!("{path}.additionalExtensions"),
            "has no effect here: use additionalExtensions of the keyless attestor",
        );
    }
    for (set, field) in [(!wire.image.is_empty(), "image"), (!wire.key.is_empty(), "key")] {
        if set {
            let instead = if field == "image" { "imageReferences" } else { "attestors" };
            sink.warn_with(
                &format!("{path}.{field}"),
                format!("{field} is deprecated"),
                format!("use {instead}"),
            );
        }
    }
    let sets = attestor::Sets { ground, wire, bundles_only };
    let mut attestors = sets.compile(&wire.attestors, &format!("{path}.attestors"), sink);
    let legacy = sets.legacy(sink);
    let mut attestations = Vec::new();
    for (i, one) in wire.attestations.iter().enumerate() {
        let path = format!("{path}.attestations[{i}]");
        attestations.extend(attestation(one, held.conditions.get(i), &path, &sets, sink));
    }
    if let Some(set) = legacy {
        // COMPAT: Kyverno 1.19: there the key is lost when attestations are present, and anybody's signature counts; test: the_legacy_key_signs_the_attestations
        if attestations.is_empty() {
            attestors.push(set);
        } else {
            for attestation in &mut attestations {
                attestation.attestors.push(set.clone());
            }
        }
    }
    for attestation in &mut attestations {
        if attestation.attestors.is_empty() {
            // Upstream then takes any identity of the public certificate authority.
            attestation.attestors.push(attestor::anybody(ground, sink));
        }
    }
    if attestors.is_empty() && attestations.is_empty() && wire.effective_required() {
        sink.warn_with(
            &format!("{path}.required"),
            "there are no attestors, so no image can be verified and every matching one is refused",
            "set `required: false` to only pin digests",
        );
    }
    let skip: Vec<SmolStr> = wire.skip_image_references.iter().map(SmolStr::new).collect();
    if skip.iter().any(|pattern| pattern.len() > pattern::MAX_PATTERN) {
        sink.error(&format!("{path}.skipImageReferences"), "must be no more than 1024 characters");
    }
    let trust = Arc::new(entry::trust_of(&attestors, &attestations));
    Entry {
        trust,
        patterns: wire.all_image_references().map(SmolStr::new).collect(),
        skip,
        bundles_only,
        attestors,
        attestations,
        mutate_digest: wire.effective_mutate_digest(),
        verify_digest: wire.effective_verify_digest(),
        required: wire.effective_required(),
        use_cache: wire.effective_use_cache(),
        access: access(
            wire.image_registry_credentials.as_ref(),
            &format!("{path}.imageRegistryCredentials"),
            ground.settings,
            ground.policy_namespace,
            sink,
        ),
        deny: held.deny.clone(),
    }
}

fn attestation(
    one: &v1::Attestation,
    conditions: Option<&Conditions>,
    path: &str,
    sets: &attestor::Sets<'_>,
    sink: &mut Sink,
) -> Option<Attestation> {
    if one.kind.is_empty() && !one.predicate_type.is_empty() {
        sink.warn_with(&format!("{path}.predicateType"), "predicateType is deprecated", "use type");
    }
    if one.effective_kind().is_empty() {
        sink.error(path, "missing type");
        return None;
    }
    if RESERVED.contains(&one.name.as_str()) || one.name == "image" {
        sink.error(&format!("{path}.name"), format!("`{}` is reserved", one.name));
    }
    Some(Attestation {
        name: SmolStr::new(&one.name),
        predicate_type: SmolStr::new(one.effective_kind()),
        attestors: sets.compile(&one.attestors, &format!("{path}.attestors"), sink),
        conditions: conditions.cloned().unwrap_or_default(),
    })
}

/// Credentials by name. Unqualified secrets are the controller's own.
pub(super) fn access(
    wire: Option<&ImageRegistryCredentials>,
    path: &str,
    settings: &Settings,
    policy_namespace: &str,
    sink: &mut Sink,
) -> Access {
    let mut access =
        Access { insecure_plain_http: settings.allow_insecure_registry, ..Access::default() };
    let Some(wire) = wire else { return access };
    access.insecure_plain_http |= wire.allow_insecure_registry == Some(true);
    for (i, written) in wire.secrets.iter().enumerate() {
        let (namespace, name) = match written.split_once('/') {
            Some((namespace, name)) => (SmolStr::new(namespace), SmolStr::new(name)),
            None => (settings.own_namespace.clone(), SmolStr::new(written)),
        };
        let foreign = written.contains('/') && namespace != policy_namespace;
        if !policy_namespace.is_empty() && foreign {
            sink.error(
                &format!("{path}.secrets[{i}]"),
                format!("a Policy in namespace `{policy_namespace}` cannot use a secret of `{namespace}`"),
            );
        }
        access.secrets.push((namespace, name));
    }
    for (i, provider) in wire.providers.iter().enumerate() {
        if !["default", "google", "amazon", "azure", "github"].contains(&provider.as_str()) {
            sink.error(&format!("{path}.providers[{i}]"), format!("unknown provider `{provider}`"));
        }
        access.helpers.push(SmolStr::new(provider));
    }
    access
}
