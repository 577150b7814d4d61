//! The checks of the baseline standard.
use super::{
    check::Found,
    field::{Bad, FieldError},
    pod::{Container, Pod, SeLinux, Security},
    sorted,
    version::Version,
};
use smol_str::SmolStr;

/// Capabilities that may be added.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel parameters that may be set, with the release that allowed them.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// SELinux types that may be set, with the release that allowed them.
const SE_LINUX_TYPES: [(&str, u32); 5] = [
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// A finding with errors, or nothing.
pub(super) fn found(
    reason: &'static str,
    errors: Vec<FieldError>,
    named: Option<Vec<SmolStr>>,
) -> Option<Found> {
    (!errors.is_empty()).then_some(Found { reason, errors, named })
}

/// Gathers the errors of all containers, and the names of those that have some.
pub(super) fn containers(
    pod: &Pod<'_>,
    check: impl Fn(&Container<'_>) -> Vec<FieldError>,
) -> (Vec<FieldError>, Vec<SmolStr>) {
    let mut errors = Vec::new();
    let mut named = Vec::new();
    for container in &pod.containers {
        let own = check(container);
        if !own.is_empty() {
            named.push(container.name.clone());
            errors.extend(own);
        }
    }
    (errors, named)
}

/// The same for a check of one field of the security context.
pub(super) fn contexts(
    pod: &Pod<'_>,
    field: &str,
    check: impl Fn(&Security<'_>) -> Option<Bad>,
) -> (Vec<FieldError>, Vec<SmolStr>) {
    containers(pod, |container| {
        let bad = container.security.as_ref().and_then(&check);
        bad.map(|bad| container.error(&format!("securityContext.{field}"), bad))
            .into_iter()
            .collect()
    })
}

/// The names, unless there are none.
pub(super) fn some(named: Vec<SmolStr>) -> Option<Vec<SmolStr>> {
    (!named.is_empty()).then_some(named)
}

fn bad_text(value: &str) -> Bad {
    Bad::Text(SmolStr::new(value))
}

/// AppArmor profiles other than the runtime's and the node's own, in fields and in the annotations before them.
pub(super) fn app_armor(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let bad = |profile: &str| {
        (!matches!(profile, "RuntimeDefault" | "Localhost")).then(|| bad_text(profile))
    };
    let own = pod.security.app_armor.and_then(bad);
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(own.map(|bad| Pod::error("spec.securityContext.appArmorProfile.type", bad)));
    let (of_containers, named) =
        contexts(pod, "appArmorProfile.type", |security| security.app_armor.and_then(bad));
    errors.extend(of_containers);
    let distinct = sorted(errors.iter().filter_map(|error| match &error.bad {
        Bad::Text(text) => Some(text.as_str()),
        Bad::Missing | Bad::Present | Bad::Bool(_) | Bad::Int(_) | Bad::List(_) => None,
    }));
    let annotated: Vec<FieldError> = pod
        .annotations
        .iter()
        .filter(|(key, profile)| {
            key.starts_with("container.apparmor.security.beta.kubernetes.io/")
                && !profile.is_empty()
                && *profile != "runtime/default"
                && !profile.starts_with("localhost/")
        })
        .map(|(key, profile)| Pod::error(format!("metadata.annotations[{key}]"), bad_text(profile)))
        .collect();
    let reason = if distinct.len() + annotated.len() == 1 {
        "forbidden AppArmor profile"
    } else {
        "forbidden AppArmor profiles"
    };
    errors.extend(annotated);
    found(reason, errors, some(named))
}

/// Capabilities beyond those that a container has anyway.
pub(super) fn capabilities(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let (errors, named) = contexts(pod, "capabilities.add", |security| {
        let add = &security.capabilities.as_ref()?.add;
        let bad = sorted(add.iter().copied().filter(|c| !CAPABILITIES.contains(c)));
        (!bad.is_empty()).then_some(Bad::List(bad))
    });
    found("non-default capabilities", errors, some(named))
}

/// The host's network, processes and memory.
pub(super) fn host_namespaces(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let errors = [
        (pod.host_network, "spec.hostNetwork"),
        (pod.host_pid, "spec.hostPID"),
        (pod.host_ipc, "spec.hostIPC"),
    ];
    let errors = errors.iter().filter(|(set, _)| *set);
    let errors = errors.map(|(_, field)| Pod::error(*field, Bad::Bool(true))).collect();
    found("host namespaces", errors, None)
}

/// Volumes that are directories of the host.
pub(super) fn host_path_volumes(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let errors = pod.volumes.iter().filter_map(|volume| {
        let field = format!("spec.volumes[{}].hostPath", volume.index);
        Some(Pod::error(field, bad_text(volume.host_path()?)))
    });
    found("hostPath volumes", errors.collect(), None)
}

/// Ports of the host.
pub(super) fn host_ports(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let (errors, _) = containers(pod, |container| {
        let ports = container.host_ports.iter();
        ports
            .map(|(at, n)| container.error(&format!("ports[{at}].hostPort"), Bad::Int(*n)))
            .collect()
    });
    found("hostPort", errors, None)
}

/// Probes and lifecycle handlers that call another host than the Pod.
// COMPAT: Kyverno 1.19: at every version although it came with v1.34, without fields, and by no control;
// test: a_host_in_a_probe_is_refused_at_every_version
pub(super) fn probe_hosts(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let names_host = pod.containers.iter().any(|container| container.names_host);
    let reason = "probe or lifecycle host";
    names_host.then(|| Found { reason, errors: Vec::new(), named: None })
}

/// Containers that may do everything.
pub(super) fn privileged(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let (errors, named) = contexts(pod, "privileged", |security| {
        (security.privileged == Some(true)).then_some(Bad::Bool(true))
    });
    found("privileged", errors, some(named))
}

/// `/proc` without its masks.
pub(super) fn proc_mount(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let (errors, named) = contexts(pod, "procMount", |security| {
        security.proc_mount.filter(|mount| *mount != "Default").map(bad_text)
    });
    found("procMount", errors, some(named))
}

/// SELinux types beyond the container's, and users and roles at all.
pub(super) fn se_linux(pod: &Pod<'_>, version: Version) -> Option<Found> {
    let bad = |options: &SeLinux<'_>| -> Vec<(&'static str, Bad)> {
        let known = |(name, since): &(&str, u32)| *name == options.type_name && version.has(*since);
        let bad_type = !SE_LINUX_TYPES.iter().any(known);
        let mut bad = Vec::new();
        bad.extend(bad_type.then(|| ("type", bad_text(options.type_name))));
        bad.extend((!options.user.is_empty()).then(|| ("user", bad_text(options.user))));
        bad.extend((!options.role.is_empty()).then(|| ("role", bad_text(options.role))));
        bad
    };
    let mut errors: Vec<FieldError> = Vec::new();
    for (field, bad) in pod.security.se_linux.iter().flat_map(bad) {
        errors.push(Pod::error(format!("spec.securityContext.seLinuxOptions.{field}"), bad));
    }
    let (of_containers, _) = containers(pod, |container| {
        let options = container.security.as_ref().and_then(|s| s.se_linux.as_ref());
        let bad = options.into_iter().flat_map(bad);
        bad.map(|(field, bad)| {
            container.error(&format!("securityContext.seLinuxOptions.{field}"), bad)
        })
        .collect()
    });
    errors.extend(of_containers);
    found("seLinuxOptions", errors, None)
}

/// A seccomp profile that is no profile of the runtime or of the node.
pub(super) fn bad_seccomp(profile: &str) -> Option<Bad> {
    (!matches!(profile, "RuntimeDefault" | "Localhost")).then(|| bad_text(profile))
}

/// Seccomp switched off: in fields since v1.19, in annotations before.
pub(super) fn seccomp(pod: &Pod<'_>, version: Version) -> Option<Found> {
    if !version.has(19) {
        return seccomp_annotations(pod);
    }
    let own = pod.security.seccomp.and_then(bad_seccomp);
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(own.map(|bad| Pod::error("spec.securityContext.seccompProfile.type", bad)));
    let (of_containers, named) =
        contexts(pod, "seccompProfile.type", |security| security.seccomp.and_then(bad_seccomp));
    errors.extend(of_containers);
    found("seccompProfile", errors, some(named))
}

fn seccomp_annotations(pod: &Pod<'_>) -> Option<Found> {
    let prefix = "container.seccomp.security.alpha.kubernetes.io/";
    let of_container = |key: &str| {
        let name = key.strip_prefix(prefix);
        name.is_some_and(|name| pod.containers.iter().any(|container| container.name == name))
    };
    let errors = pod.annotations.iter().filter(|(key, profile)| {
        (*key == "seccomp.security.alpha.kubernetes.io/pod" || of_container(key))
            && !matches!(*profile, "runtime/default" | "docker/default")
            && !profile.starts_with("localhost/")
    });
    let errors = errors.map(|(key, profile)| {
        Pod::error(format!("metadata.annotations[{key}]"), bad_text(profile))
    });
    found("seccompProfile", errors.collect(), None)
}

/// Kernel parameters that reach beyond the Pod.
pub(super) fn sysctls(pod: &Pod<'_>, version: Version) -> Option<Found> {
    let known =
        |name: &str| SYSCTLS.iter().any(|(safe, since)| *safe == name && version.has(*since));
    let errors = pod.security.sysctls.iter().enumerate().filter(|(_, name)| !known(name));
    let errors = errors.map(|(at, name)| {
        Pod::error(format!("spec.securityContext.sysctls[{at}].name"), bad_text(name))
    });
    found("forbidden sysctls", errors.collect(), None)
}

/// Containers of Windows that run as the host's processes.
pub(super) fn host_process(pod: &Pod<'_>, _: Version) -> Option<Found> {
    let field = "windowsOptions.hostProcess";
    let bad =
        |security: &Security<'_>| (security.host_process == Some(true)).then_some(Bad::Bool(true));
    let mut errors: Vec<FieldError> = Vec::new();
    errors
        .extend(bad(&pod.security).map(|b| Pod::error(format!("spec.securityContext.{field}"), b)));
    let (of_containers, named) = contexts(pod, field, bad);
    errors.extend(of_containers);
    found("hostProcess", errors, some(named))
}
