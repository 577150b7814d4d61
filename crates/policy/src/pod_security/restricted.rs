//! The checks that the restricted standard adds.
use super::{
    baseline::{bad_seccomp, containers, contexts, found, some},
    check::Found,
    field::{Bad, FieldError},
    pod::{Pod, Security},
    sorted,
    version::Version,
};

/// Sources of volumes that may be used.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Sources of volumes that may not, in the order in which they are looked for.
const RESTRICTED_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

/// Pods of Windows cannot set what Linux has; v1.25 takes them out.
fn exempt(pod: &Pod<'_>, version: Version) -> bool {
    pod.windows && version.has(25)
}

/// Containers that do not rule out to gain privileges.
pub(super) fn privilege_escalation(pod: &Pod<'_>, version: Version) -> Option<Found> {
    if exempt(pod, version) {
        return None;
    }
    let (errors, named) = containers(pod, |container| {
        let bad = match container.security.as_ref().map(|s| s.allow_privilege_escalation) {
            None => Some(Bad::Missing),
            Some(None) => Some(Bad::Text("nil".into())),
            Some(Some(allowed)) => allowed.then_some(Bad::Bool(true)),
        };
        let error = bad.map(|b| container.error("securityContext.allowPrivilegeEscalation", b));
        error.into_iter().collect()
    });
    found("allowPrivilegeEscalation != false", errors, some(named))
}

/// Containers that keep a capability, or add another than for low ports.
pub(super) fn capabilities(pod: &Pod<'_>, version: Version) -> Option<Found> {
    if exempt(pod, version) {
        return None;
    }
    let (mut errors, keeping) = containers(pod, |container| {
        let capabilities = container.security.as_ref().and_then(|s| s.capabilities.as_ref());
        let drop = capabilities.map(|c| c.drop.as_slice()).unwrap_or_default();
        if drop.contains(&"ALL") {
            return Vec::new();
        }
        let bad =
            if drop.is_empty() { Bad::Missing } else { Bad::List(sorted(drop.iter().copied())) };
        vec![container.error("securityContext.capabilities.drop", bad)]
    });
    let (adding_errors, adding) = contexts(pod, "capabilities.add", |security| {
        let add = security.capabilities.as_ref()?.add.iter().copied();
        let bad = sorted(add.filter(|capability| *capability != "NET_BIND_SERVICE"));
        (!bad.is_empty()).then_some(Bad::List(bad))
    });
    errors.extend(adding_errors);
    found("unrestricted capabilities", errors, some(keeping).or(some(adding)))
}

/// Volumes of a source that is not in the list.
pub(super) fn volumes(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let bad = pod.volumes.iter().filter(|volume| !VOLUMES.iter().any(|source| volume.is(source)));
    let errors = bad.map(|volume| {
        let source = RESTRICTED_VOLUMES.iter().find(|source| volume.is(source));
        let source = source.unwrap_or(&"unknown");
        Pod::error(format!("spec.volumes[{}].{source}", volume.index), Bad::Present)
    });
    found("restricted volume types", errors.collect(), None)
}

/// What may run as root.
pub(super) fn run_as_non_root(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let field = "runAsNonRoot";
    let bad = |security: &Security<'_>| {
        (security.run_as_non_root == Some(false)).then_some(Bad::Bool(false))
    };
    let mut errors: Vec<FieldError> = Vec::new();
    errors
        .extend(bad(&pod.security).map(|b| Pod::error(format!("spec.securityContext.{field}"), b)));
    let (explicit, named) = contexts(pod, field, bad);
    errors.extend(explicit);
    let covered = pod.security.run_as_non_root == Some(true);
    let (implicit, silent) = containers(pod, |container| {
        let set = container.security.as_ref().is_some_and(|s| s.run_as_non_root.is_some());
        let missing = !covered && !set;
        let error = missing.then(|| container.error("securityContext.runAsNonRoot", Bad::Missing));
        error.into_iter().collect()
    });
    errors.extend(implicit);
    found("runAsNonRoot != true", errors, some(named).or(some(silent)))
}

/// What runs as root by number.
pub(super) fn run_as_user(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let bad = |security: &Security<'_>| (security.run_as_user == Some(0)).then_some(Bad::Int(0));
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(bad(&pod.security).map(|b| Pod::error("spec.securityContext.runAsUser", b)));
    let (of_containers, named) = contexts(pod, "runAsUser", bad);
    errors.extend(of_containers);
    found("runAsUser=0", errors, some(named))
}

/// What runs without a seccomp profile. Containers that set none are named only when nothing sets a bad one.
pub(super) fn seccomp(pod: &Pod<'_>, version: Version) -> Option<Found> {
    if exempt(pod, version) {
        return None;
    }
    let own = pod.security.seccomp.and_then(bad_seccomp);
    let covered = pod.security.seccomp.is_some() && own.is_none();
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(own.map(|bad| Pod::error("spec.securityContext.seccompProfile.type", bad)));
    let (explicit, named) =
        contexts(pod, "seccompProfile.type", |security| security.seccomp.and_then(bad_seccomp));
    errors.extend(explicit);
    if !errors.is_empty() {
        return found("seccompProfile", errors, some(named));
    }
    let (implicit, silent) = containers(pod, |container| {
        let set = container.security.as_ref().is_some_and(|s| s.seccomp.is_some());
        let missing = !covered && !set;
        let field = "securityContext.seccompProfile.type";
        missing.then(|| container.error(field, Bad::Missing)).into_iter().collect()
    });
    found("seccompProfile", implicit, some(silent))
}
