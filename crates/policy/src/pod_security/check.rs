//! The table of checks: which level, which control, and how each is run.
use super::{baseline, field::FieldError, pod::Pod, restricted, version::Version};
use smol_str::SmolStr;

/// How much is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Nothing.
    Privileged,
    /// Known privilege escalations.
    Baseline,
    /// All that hardening asks for.
    Restricted,
}

impl Level {
    /// Reads the policy's word.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }

    /// The policy's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }

    /// Whether checks of that level run at this one.
    // COMPAT: Kyverno 1.19: `privileged` runs every check, as `restricted` does; test: every_level_runs_the_checks_of_upstream
    pub(super) fn includes(self, level: Self) -> bool {
        self != Self::Baseline || level == Self::Baseline
    }
}

/// What a check found.
#[derive(Debug)]
pub(super) struct Found {
    /// The reason in the message.
    pub(super) reason: &'static str,
    /// The fields that break it.
    pub(super) errors: Vec<FieldError>,
    /// The containers that the check tells what they must do; none where it speaks otherwise.
    pub(super) named: Option<Vec<SmolStr>>,
}

/// One check. Its versions are inside: below the first, the first holds.
#[derive(Debug)]
pub(super) struct Check {
    /// As in reports.
    pub(super) id: &'static str,
    /// The control that policies know it by; empty for a check that has none, and that nothing excludes.
    pub(super) control: &'static str,
    /// The lowest level that runs it.
    pub(super) level: Level,
    /// `None` when nothing is wrong.
    pub(super) run: fn(&Pod<'_>, Version) -> Option<Found>,
}

const fn baseline_check(
    id: &'static str,
    control: &'static str,
    run: fn(&Pod<'_>, Version) -> Option<Found>,
) -> Check {
    Check { id, control, level: Level::Baseline, run }
}

const fn restricted_check(
    id: &'static str,
    control: &'static str,
    run: fn(&Pod<'_>, Version) -> Option<Found>,
) -> Check {
    Check { id, control, level: Level::Restricted, run }
}

/// All checks in the order of messages.
pub(super) static CHECKS: [Check; 18] = [
    restricted_check(
        "allowPrivilegeEscalation",
        "Privilege Escalation",
        restricted::privilege_escalation,
    ),
    baseline_check("appArmorProfile", "AppArmor", baseline::app_armor),
    baseline_check("capabilities_baseline", "Capabilities", baseline::capabilities),
    restricted_check("capabilities_restricted", "Capabilities", restricted::capabilities),
    baseline_check("hostNamespaces", "Host Namespaces", baseline::host_namespaces),
    baseline_check("hostPathVolumes", "HostPath Volumes", baseline::host_path_volumes),
    baseline_check("hostPorts", "Host Ports", baseline::host_ports),
    baseline_check("hostProbesAndHostLifecycle", "", baseline::probe_hosts),
    baseline_check("privileged", "Privileged Containers", baseline::privileged),
    baseline_check("procMount", "/proc Mount Type", baseline::proc_mount),
    restricted_check("restrictedVolumes", "Volume Types", restricted::volumes),
    restricted_check("runAsNonRoot", "Running as Non-root", restricted::run_as_non_root),
    restricted_check("runAsUser", "Running as Non-root user", restricted::run_as_user),
    baseline_check("seLinuxOptions", "SELinux", baseline::se_linux),
    baseline_check("seccompProfile_baseline", "Seccomp", baseline::seccomp),
    restricted_check("seccompProfile_restricted", "Seccomp", restricted::seccomp),
    baseline_check("sysctls", "Sysctls", baseline::sysctls),
    baseline_check("windowsHostProcess", "HostProcess", baseline::host_process),
];

/// Whether a control has a check that runs at a level; false for a control that nobody knows.
pub(crate) fn is_control_of(control: &str, level: Level) -> bool {
    CHECKS.iter().any(|check| check.control == control && level.includes(check.level))
}
