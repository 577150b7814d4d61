//! Kinds as policies write them: `Pod`, `v1/Pod`, `apps/v1/Deployment/scale`, `*/*`.
use crate::{compile::KindPattern, request::GroupVersionKind};
use sigward_document::wildcard;
use smol_str::SmolStr;

/// Reads one entry of `kinds`. Total: what cannot be read in another way is taken as a kind.
///
/// The text is split at `/`, and its last part at `.`; how many parts there are and whether the first
/// looks like a version decides what each part is.
pub(crate) fn parse(text: &str) -> KindPattern {
    let (head, last) = text.rsplit_once('/').map_or((None, text), |(h, l)| (Some(h), l));
    let parts: Vec<&str> = head.iter().flat_map(|h| h.split('/')).chain(last.split('.')).collect();
    match parts.as_slice() {
        ["*", "*"] => pattern("*", "*", "*", "*"),
        ["*", sub] if is_lower_case(sub) => pattern("*", "*", "*", sub),
        [version, kind] if is_version(version) || *version == "*" => {
            pattern("*", version, kind, "")
        }
        [kind, sub] => pattern("*", "*", kind, sub),
        [version, kind, sub] if is_version(version) => pattern("*", version, kind, sub),
        [group, version, kind] => pattern(group, version, kind, ""),
        [group, version, kind, sub] => pattern(group, version, kind, sub),
        _ => pattern("*", "*", text, ""),
    }
}

/// Whether a request's kind and subresource are meant by the pattern.
///
/// `Pod` also means `pods/ephemeralcontainers`: otherwise an ephemeral container would run unseen.
pub(crate) fn matches(pattern: &KindPattern, kind: &GroupVersionKind, sub_resource: &str) -> bool {
    let sub = wildcard::matches(&pattern.sub_resource, sub_resource)
        || (pattern.sub_resource.is_empty()
            && sub_resource == "ephemeralcontainers"
            && kind.group.is_empty()
            && kind.kind == "Pod");
    sub && wildcard::matches(&pattern.kind, &kind.kind)
        && wildcard::matches(&pattern.version, &kind.version)
        && wildcard::matches(&pattern.group, &kind.group)
}

/// Whether the object is itself a Namespace.
pub(crate) fn is_namespace(kind: &GroupVersionKind) -> bool {
    kind.group.is_empty() && kind.kind == "Namespace"
}

fn pattern(group: &str, version: &str, kind: &str, sub_resource: &str) -> KindPattern {
    KindPattern {
        group: SmolStr::new(group),
        version: SmolStr::new(version),
        kind: SmolStr::new(kind),
        sub_resource: SmolStr::new(sub_resource),
    }
}

fn is_lower_case(text: &str) -> bool {
    text.chars().all(char::is_lowercase)
}

/// `v1`, `v1beta2`, ….
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() == rest.len() {
        return false;
    }
    let Some(stage) = digits.strip_prefix("alpha").or_else(|| digits.strip_prefix("beta")) else {
        return digits.is_empty();
    };
    !stage.is_empty() && stage.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: [&str; 4]) {
        let got = parse(text);
        assert_eq!(
            [&*got.group, &*got.version, &*got.kind, &*got.sub_resource],
            expected,
            "{text}"
        );
    }

    #[test]
    fn reads_every_written_form_of_a_kind() {
        check("Pod", ["*", "*", "Pod", ""]);
        check("v1/Pod", ["*", "v1", "Pod", ""]);
        check("v1beta1/Ingress", ["*", "v1beta1", "Ingress", ""]);
        check("*/Pod", ["*", "*", "Pod", ""]);
        check("Pod/exec", ["*", "*", "Pod", "exec"]);
        check("Deployment.scale", ["*", "*", "Deployment", "scale"]);
        check("*/status", ["*", "*", "*", "status"]);
        check("*/*", ["*", "*", "*", "*"]);
        check("v1/Pod/status", ["*", "v1", "Pod", "status"]);
        check("apps/v1/Deployment", ["apps", "v1", "Deployment", ""]);
        check("apps/v1/Deployment/scale", ["apps", "v1", "Deployment", "scale"]);
        check("apps/v1/Deployment.scale", ["apps", "v1", "Deployment", "scale"]);
        check("*/*/Pod", ["*", "*", "Pod", ""]);
    }

    #[test]
    fn a_pod_pattern_covers_ephemeral_containers_and_no_other_subresource() {
        let pod = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() };
        assert!(matches(&parse("Pod"), &pod, ""));
        assert!(matches(&parse("Pod"), &pod, "ephemeralcontainers"));
        assert!(!matches(&parse("Pod"), &pod, "status"));
        assert!(!matches(&parse("Pod/binding"), &pod, "ephemeralcontainers"));
        assert!(!matches(&parse("pod"), &pod, ""));
    }
}
