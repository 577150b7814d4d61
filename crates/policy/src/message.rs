//! Every sentence that a user or a script may read, in one place.
//!
//! Shapes are Kyverno's where scripts match on them; what is said besides stands behind, never between.
use crate::{
    decision::{RuleOutcome, RuleType, Status},
    fact::{Cause, CauseKind},
    request::Request,
    snapshot::{FailureAction, PolicyName},
};
use sigward_document::Value;
use sigward_oci::DigestReference;
use sigward_sigstore::{
    certificate::IdentityMismatch,
    requirement::Shows,
    verified::{Proof, Refusal, RefusedBecause},
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A rule that only pins has pinned.
pub(crate) const MUTATED_DIGEST: &str = "mutated image digest";
/// What was verified is not what will be pulled, if the tag moves in between.
pub(crate) const TAG_CAN_MOVE: &str = "the tag can move after admission: set `mutateDigest: true` \
    to pin what was verified, or `verifyDigest: true` to demand a digest";
/// What an attestor comes to whose signatures cannot be judged.
pub(crate) const TRUST_UNAVAILABLE: &str = "the process has no trust material to judge by";
/// A mutate rule changed nothing.
pub(crate) const NO_PATCHES: &str = "no patches applied";
/// The same of a `mutate.foreach`.
pub(crate) const NO_ELEMENTS: &str = "0 elements processed";
/// Preconditions did not hold.
pub(crate) const PRECONDITIONS: &str = "preconditions not met";

/// The old object violates the rule as well.
pub(crate) const EXISTING_VIOLATION: &str =
    "skipping the rule evaluation as pre-existing violations are allowed";

/// Preconditions did not hold, and this is what they say of it.
pub(crate) fn preconditions(said: &str) -> String {
    if said.is_empty() { PRECONDITIONS.to_owned() } else { format!("{PRECONDITIONS}; {said}") }
}

/// A cause in one line: what kind, where, and the other side's own words.
pub(crate) fn cause(cause: &Cause) -> String {
    let kind = match cause.kind {
        CauseKind::Denied => "access denied",
        CauseKind::Throttled { .. } => "too many requests",
        CauseKind::Unavailable => "unavailable",
        CauseKind::Unreachable => "no connection",
        CauseKind::TimedOut => "timed out",
        CauseKind::Malformed => "malformed answer",
        CauseKind::TooLarge => "too large",
        CauseKind::Deadline => "the request's deadline passed before the answer came",
        CauseKind::Budget => "the request's budget is used up",
        CauseKind::Forbidden => "refused to ask",
        CauseKind::TrustUnavailable => return undetermined(&cause.place, cause.said.as_ref()),
    };
    let mut text = format!("could not be determined: {kind}");
    if !cause.place.is_empty() {
        text.push_str(" (");
        text.push_str(&cause.place);
        text.push(')');
    }
    if let Some(said) = &cause.said {
        text.push_str(": ");
        text.push_str(said);
    }
    text
}

fn undetermined(what: &str, said: Option<&SmolStr>) -> String {
    match said {
        Some(said) => format!("could not be determined: {what}: {said}"),
        None => format!("could not be determined: {what}"),
    }
}

/// Why a key that a policy names cannot be had.
pub(crate) fn key_absent(reference: &str) -> Cause {
    Cause {
        kind: CauseKind::TrustUnavailable,
        place: SmolStr::new(format!("failed to load public key {reference}")),
        said: Some(SmolStr::new_static("there is no such key")),
    }
}

/// An image satisfies an entry.
pub(crate) fn verified(attested: bool, image: &str) -> String {
    if attested {
        format!("verified image attestations for {image}")
    } else {
        format!("verified image signatures for {image}")
    }
}

/// An image does not satisfy an entry, or it could not be told.
pub(crate) fn failed(image: &str, text: &str) -> String {
    format!("failed to verify image {image}: {text}")
}

/// Attestations are missing or do not satisfy.
pub(crate) fn attestations_failed(
    image: &str,
    verified: usize,
    required: usize,
    text: &str,
) -> String {
    format!(
        "image attestations verification failed, verifiedCount: {verified}, \
         requiredCount: {required}, error: {text}, image: {image}"
    )
}

/// No statement of the type. The spelling is upstream's.
pub(crate) fn attestation_absent(predicate_type: &str) -> String {
    format!("attestions not found for predicate type {predicate_type}")
}

/// A statement does not satisfy its conditions.
pub(crate) fn attestation_refused(image: &str, predicate_type: &str, said: &str) -> String {
    format!("attestation checks failed for {image} and predicate {predicate_type}: {said}")
}

/// `validate.deny` held.
pub(crate) fn denied(image: &str, said: &str) -> String {
    if said.is_empty() {
        // COMPAT: Kyverno 1.19: two spaces, and no image; test: an_empty_deny_message_reads_as_upstream
        return "validation error: imageVerify  failed".to_owned();
    }
    format!("validation in verifyImages failed: {said}, image: {image}")
}

/// What to do next about an image that was not verified.
pub(crate) fn next(
    cause: Option<&Cause>,
    unsigned: bool,
    predicate_type: Option<&str>,
    subject: Option<&DigestReference>,
) -> Option<String> {
    let Some(cause) = cause else {
        let subject = subject?;
        return Some(match (predicate_type, unsigned) {
            (Some(kind), true) => {
                format!("cosign attest --key cosign.key --type {kind} --predicate FILE {subject}")
            }
            (Some(kind), false) => {
                format!("cosign verify-attestation --key cosign.pub --type {kind} {subject}")
            }
            (None, true) => format!("cosign sign --key cosign.key {subject}"),
            (None, false) => format!("cosign verify --key cosign.pub {subject}"),
        });
    };
    let next = match cause.kind {
        CauseKind::Denied => {
            "add an imagePullSecret of this registry to the Pod, or imageRegistryCredentials to the policy"
        }
        CauseKind::Throttled { .. }
        | CauseKind::Unavailable
        | CauseKind::Unreachable
        | CauseKind::TimedOut
        | CauseKind::Deadline => "try again: nothing was found out about the signature",
        CauseKind::Malformed
        | CauseKind::TooLarge
        | CauseKind::Budget
        | CauseKind::Forbidden
        | CauseKind::TrustUnavailable => return None,
    };
    Some(next.to_owned())
}

/// A skip pattern matched.
pub(crate) fn skipped(image: &str, policy: &PolicyName, rule: &str) -> String {
    format!("skipping image reference image {image}, policy {} ruleName {rule}", policy.name)
}

/// A field names no image.
pub(crate) fn unreadable_image(written: &str, pointer: &str, reason: &str) -> String {
    format!("failed to parse image reference `{written}` at {pointer}: {reason}")
}

/// Only the pin needed the registry, and it could not be asked.
pub(crate) fn pin_failed(image: &str, why: Option<&Cause>) -> String {
    let why = why.map_or_else(|| "the registry has no such tag".to_owned(), cause);
    format!(
        "failed to update digest: {image}: {why}; only pinning the digest needs the registry here: \
         set `mutateDigest: false` and `verifyDigest: false` to do without"
    )
}

/// An admission warning.
pub(crate) fn warning(policy: &PolicyName, rule: &str, text: &str) -> String {
    format!("policy {}.{rule}: {text}", policy.name)
}

/// Exceptions took the rule out.
// COMPAT: Kyverno 1.19: no separator before the names; test: an_exception_skips_the_rule_and_names_itself
pub(crate) fn excepted(names: &[SmolStr]) -> String {
    format!("rule is skipped due to policy exceptions{}", names.join(", "))
}

/// Exceptions allow all that a Pod breaks; a plain one takes out the rule without a look.
// COMPAT: Kyverno 1.19: a space, and the singular for a plain one; test: exceptions_of_controls_take_out_what_they_name
pub(crate) fn pod_security_excepted(names: &[SmolStr], plain: bool) -> String {
    let plural = if plain { "" } else { "s" };
    format!("rule is skipped due to policy exception{plural} {}", names.join(", "))
}

/// A Pod is as its standard demands.
pub(crate) fn pod_security_passed(rule: &str) -> String {
    format!("Validation rule '{rule}' passed.")
}

/// A mutate rule changed the object.
pub(crate) fn mutated(request: &Request, name: &str) -> String {
    let kind = &request.kind.kind;
    if request.namespace.is_empty() {
        format!("mutated {kind}/{name}")
    } else {
        format!("mutated {kind}/{name} in namespace {}", request.namespace)
    }
}

/// A mutate rule changed another object than the request's.
pub(crate) fn target(object: &Value) -> String {
    let text = |path: &[&str]| object.str_at(path).unwrap_or_default();
    let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
    match text(&["metadata", "namespace"]) {
        "" => format!("mutated {kind}/{name}"),
        namespace => format!("mutated {kind}/{name} in namespace {namespace}"),
    }
}

/// A mutate rule could not be applied, and its policy says to refuse then.
pub(crate) fn mutation_failed(policy: &PolicyName, rule: &str, reason: &str) -> String {
    let policy = &policy.name;
    format!(
        "mutation policy {policy} error: failed to apply policy {policy} rules [{rule}: {reason}]"
    )
}

/// The validating side: no digest.
pub(crate) fn missing_digest(image: &str) -> String {
    format!("missing digest for {image}")
}

/// The validating side: not verified; what the verification said stands behind.
pub(crate) fn unverified(image: &str, why: Option<&str>) -> String {
    match why {
        Some(why) => format!("unverified image {image}: {why}"),
        None => format!("unverified image {image}"),
    }
}

/// The validating side: all is well.
pub(crate) fn checked(skipped: &[SmolStr], any_verified: bool) -> String {
    match (skipped.is_empty(), any_verified) {
        (true, _) => "image verified".to_owned(),
        (false, true) => format!("image verified, skipped images: {}", skipped.join(" ")),
        (false, false) => format!("image skipped, skipped images: {}", skipped.join(" ")),
    }
}

/// Why one attestor is not satisfied, in the words that scripts know.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    match &refusal.shows {
        Shows::Statements { predicate_type }
            if refusal.nothing_found() || refusal.only_other_types() =>
        {
            attestation_absent(predicate_type)
        }
        Shows::Signature | Shows::Statements { .. } => {
            identity_mismatch(refusal).unwrap_or_else(|| refusal.to_string())
        }
    }
}

/// When all signatures hold and none is by the wanted identity: how the last one differs.
// COMPAT: Kyverno 1.19: these three sentences; test: another_identity_is_refused_in_kyvernos_words
fn identity_mismatch(refusal: &Refusal) -> Option<String> {
    let mut said = None;
    for (_, why) in &refusal.candidates {
        let RefusedBecause::Identity { why, .. } = why else { return None };
        said = Some(match &**why {
            IdentityMismatch::Issuer { expected, found } => {
                format!("issuer mismatch: expected {expected}, received {found}")
            }
            IdentityMismatch::Subject { expected, found } => {
                format!("subject mismatch: expected {expected}, received {found}")
            }
            IdentityMismatch::Extension { name, expected, found } => {
                format!("extension mismatch: expected {expected} for key {name}, received {found}")
            }
        });
    }
    said
}

/// What a proof looked at, attestor by attestor, without repetition.
pub(crate) fn looked_at(proof: &Proof) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in proof.looked.iter().map(ToString::to_string) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The body of a denial, as the API server prints it: every rule that neither passed nor was skipped, by policy.
// COMPAT: Kyverno 1.19: blank lines, the trailing space and the sorted two-level YAML are matched by scripts; test: the_denial_body_is_kyvernos_to_the_byte
pub(crate) fn denial(request: &Request, name: &str, rules: &[RuleOutcome]) -> String {
    let mut policies: BTreeMap<SmolStr, BTreeMap<SmolStr, String>> = BTreeMap::new();
    for rule in rules {
        // COMPAT: Kyverno 1.19: of validate rules only those that enforce are listed; test: an_audited_rule_is_not_in_the_denial
        let audited = rule.rule_type == RuleType::Validation && rule.action == FailureAction::Audit;
        if matches!(rule.status, Status::Pass | Status::Skip) || audited {
            continue;
        }
        let by_rule = policies.entry(rule.policy.name.clone()).or_default();
        let said = by_rule.entry(rule.rule.clone()).or_default();
        if !said.is_empty() {
            // A Policy and a ClusterPolicy of one name.
            said.push_str("; ");
        }
        said.push_str(&rule.message);
    }
    let tree = Value::map(policies.into_iter().map(|(policy, rules)| {
        let rules = rules.into_iter().map(|(rule, said)| (rule, Value::string(&said)));
        (policy, Value::map(rules))
    }));
    let kind = &request.kind.kind;
    let namespace = &request.namespace;
    let yaml = sigward_document::to_yaml(&tree);
    format!(
        "\n\nresource {kind}/{namespace}/{name} was blocked due to the following policies \n\n{yaml}"
    )
}
