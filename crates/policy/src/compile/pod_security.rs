//! `validate.podSecurity` and the controls of exceptions from the wire.
use super::Sink;
use crate::pod_security::{Exclusion, Level, PodSecurity, Version, is_control_of};
use sigward_api::kyverno::v1;
use smol_str::SmolStr;

/// Controls that containers break: which images are meant has to be said.
const OF_CONTAINERS: [&str; 5] = [
    "Capabilities",
    "Privileged Containers",
    "Host Ports",
    "/proc Mount Type",
    "Privilege Escalation",
];

/// Controls that the Pod itself breaks: no image is meant.
const OF_PODS: [&str; 4] = ["Host Namespaces", "HostPath Volumes", "Sysctls", "Volume Types"];

/// Compiles the block; `path` is the block's own.
pub(crate) fn compile(wire: &v1::PodSecurity, path: &str, sink: &mut Sink) -> Option<PodSecurity> {
    let level = Level::parse(&wire.level);
    if level.is_none() {
        let expected = "expected privileged, baseline or restricted";
        sink.error(&format!("{path}.level"), format!("unknown level `{}`: {expected}", wire.level));
    }
    let version = Version::parse(&wire.version);
    if version.is_none() {
        let message = format!("must be \"latest\" or \"v1.x\", found `{}`", wire.version);
        sink.error(&format!("{path}.version"), message);
    }
    let (level, version) = (level?, version?);
    if level == Level::Privileged {
        sink.warn_with(
            &format!("{path}.level"),
            "level `privileged` runs every check, as `restricted` does",
            "leave the rule out to allow everything",
        );
    }
    // COMPAT: Kyverno 1.19 says these errors without `validate` in the path; test: exclusions_are_checked_when_the_policy_is_loaded
    let path = path.replace(".validate.podSecurity", ".podSecurity");
    let exclude = exclusions(&wire.exclude, &format!("{path}.exclude"), sink);
    for (i, exclusion) in exclude.iter().enumerate() {
        if !is_control_of(&exclusion.control, level) {
            sink.error(
                &format!("{path}.exclude[{i}].controlName"),
                "Invalid control name defined at the given level",
            );
        }
    }
    Some(PodSecurity { level, version, written_version: SmolStr::new(&wire.version), exclude })
}

/// Compiles the entries of `exclude`, or of an exception's `podSecurity`.
pub(crate) fn exclusions(
    wire: &[v1::PodSecurityExclusion],
    path: &str,
    sink: &mut Sink,
) -> Vec<Exclusion> {
    let list = |words: &[String]| words.iter().map(SmolStr::new).collect();
    let mut all = Vec::with_capacity(wire.len());
    for (i, one) in wire.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let control = one.control_name.as_str();
        if !is_control_of(control, Level::Restricted) {
            sink.error(&format!("{path}.controlName"), format!("unknown control `{control}`"));
        }
        if OF_CONTAINERS.contains(&control) && one.images.is_empty() {
            let message = "exclude.images must be specified for the container level control";
            sink.error(&format!("{path}.controlName"), message);
        }
        if OF_PODS.contains(&control) && !one.images.is_empty() {
            let message = "exclude.images must not be specified for the pod level control";
            sink.error(&format!("{path}.controlName"), message);
        }
        if !one.restricted_field.is_empty() && one.values.is_empty() {
            sink.error(&format!("{path}.values"), "values is required");
        }
        if one.restricted_field.is_empty() && !one.values.is_empty() {
            sink.error(&format!("{path}.restrictedField"), "restrictedField is required");
        }
        all.push(Exclusion {
            control: SmolStr::new(control),
            images: list(&one.images),
            field: SmolStr::new(&one.restricted_field),
            values: list(&one.values),
        });
    }
    all
}
