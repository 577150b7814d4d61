//! Each control, and what takes it out.
use super::*;
use sigward_document::parse_yaml;

fn rule(level: Level, version: &str, exclude: Vec<Exclusion>) -> PodSecurity {
    PodSecurity {
        level,
        version: Version::parse(version).unwrap(),
        written_version: version.into(),
        exclude,
    }
}

fn exclusion(control: &str, images: &[&str], field: &str, values: &[&str]) -> Exclusion {
    let list = |items: &[&str]| items.iter().map(SmolStr::new).collect();
    Exclusion {
        control: control.into(),
        images: list(images),
        field: field.into(),
        values: list(values),
    }
}

fn pod(spec: &str) -> Value {
    parse_yaml(&format!("kind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n")).unwrap().value
}

/// The reasons and fields that are left, as the message has them.
fn left(rule: &PodSecurity, object: &Value) -> String {
    let findings = rule.examine(object).unwrap();
    assert_eq!(findings.is_clean(), findings.broken.is_empty());
    let message = findings.message("r");
    message.split_once("\": ").unwrap().1.to_owned()
}

fn check(level: Level, version: &str, spec: &str, expected: &str) {
    assert_eq!(left(&rule(level, version, Vec::new()), &pod(spec)), expected, "{spec}");
}
const CLEAN: &str = "allowPrivilegeEscalation: false, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}";

#[test]
fn every_control_of_baseline_names_the_field_that_breaks_it() {
    for (spec, expected) in [
        (
            "{containers: [{name: a, securityContext: {privileged: true}}]}",
            "(Forbidden reason: privileged, field error list: [spec.containers[0].securityContext.privileged is forbidden, forbidden values found: true])",
        ),
        (
            "{initContainers: [{name: a, securityContext: {capabilities: {add: [foo, CHOWN, bar, foo]}}}]}",
            "(Forbidden reason: non-default capabilities, field error list: [spec.initContainers[0].securityContext.capabilities.add is forbidden, forbidden values found: [bar foo]])",
        ),
        (
            "{hostNetwork: true, hostPID: true, hostIPC: false}",
            "(Forbidden reason: host namespaces, field error list: [spec.hostNetwork is forbidden, forbidden values found: true, spec.hostPID is forbidden, forbidden values found: true])",
        ),
        (
            "{volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /etc}}, {name: c, hostPath: {}}]}",
            "(Forbidden reason: hostPath volumes, field error list: [spec.volumes[1].hostPath is forbidden, forbidden values found: /etc, spec.volumes[2].hostPath: Forbidden])",
        ),
        (
            "{ephemeralContainers: [{name: a, ports: [{hostPort: 0}, {hostPort: 80}]}]}",
            "(Forbidden reason: hostPort, field error list: [spec.ephemeralContainers[0].ports[1].hostPort is forbidden, forbidden values found: 80])",
        ),
        (
            "{containers: [{name: a, securityContext: {procMount: Unmasked}}]}",
            "(Forbidden reason: procMount, field error list: [spec.containers[0].securityContext.procMount is forbidden, forbidden values found: Unmasked])",
        ),
        (
            "{securityContext: {seLinuxOptions: {type: x, user: u}}, containers: [{name: a, securityContext: {seLinuxOptions: {role: r}}}]}",
            "(Forbidden reason: seLinuxOptions, field error list: [spec.securityContext.seLinuxOptions.type is forbidden, forbidden values found: x, spec.securityContext.seLinuxOptions.user is forbidden, forbidden values found: u, spec.containers[0].securityContext.seLinuxOptions.role is forbidden, forbidden values found: r])",
        ),
        (
            "{securityContext: {seccompProfile: {type: Unconfined}}}",
            "(Forbidden reason: seccompProfile, field error list: [spec.securityContext.seccompProfile.type is forbidden, forbidden values found: Unconfined])",
        ),
        (
            "{securityContext: {appArmorProfile: {type: Unconfined}}, containers: [{name: a, securityContext: {appArmorProfile: {type: Unconfined}}}]}",
            "(Forbidden reason: forbidden AppArmor profile, field error list: [spec.securityContext.appArmorProfile.type is forbidden, forbidden values found: Unconfined, spec.containers[0].securityContext.appArmorProfile.type is forbidden, forbidden values found: Unconfined])",
        ),
        (
            "{securityContext: {windowsOptions: {hostProcess: true}}, containers: [{name: a, securityContext: {windowsOptions: {hostProcess: true}}}]}",
            "(Forbidden reason: hostProcess, field error list: [spec.securityContext.windowsOptions.hostProcess is forbidden, forbidden values found: true, spec.containers[0].securityContext.windowsOptions.hostProcess is forbidden, forbidden values found: true])",
        ),
        ("{hostNetwork: false, containers: [{name: a, securityContext: null}], volumes: null}", ""),
    ] {
        check(Level::Baseline, "latest", spec, expected);
    }
}

#[test]
fn every_control_of_restricted_names_the_field_that_breaks_it() {
    for (context, expected) in [
        (
            "{allowPrivilegeEscalation: true, runAsNonRoot: true, seccompProfile: {type: Localhost}, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}",
            "(Forbidden reason: allowPrivilegeEscalation != false, field error list: [spec.containers[0].securityContext.allowPrivilegeEscalation is forbidden, forbidden values found: true])",
        ),
        (
            "{runAsNonRoot: true, seccompProfile: {type: Localhost}, capabilities: {drop: [ALL]}}",
            "(Forbidden reason: allowPrivilegeEscalation != false, field error list: [spec.containers[0].securityContext.allowPrivilegeEscalation is forbidden, forbidden values found: nil])",
        ),
        (
            "{allowPrivilegeEscalation: false, runAsNonRoot: true, seccompProfile: {type: Localhost}, capabilities: {drop: [NET_RAW], add: [CHOWN]}}",
            "(Forbidden reason: unrestricted capabilities, field error list: [spec.containers[0].securityContext.capabilities.drop is forbidden, forbidden values found: [NET_RAW], spec.containers[0].securityContext.capabilities.add is forbidden, forbidden values found: [CHOWN]])",
        ),
        (
            "{allowPrivilegeEscalation: false, runAsNonRoot: false, runAsUser: 0, seccompProfile: {type: Localhost}, capabilities: {drop: [ALL]}}",
            "(Forbidden reason: runAsNonRoot != true, field error list: [spec.containers[0].securityContext.runAsNonRoot is forbidden, forbidden values found: false])(Forbidden reason: runAsUser=0, field error list: [spec.containers[0].securityContext.runAsUser is forbidden, forbidden values found: 0])",
        ),
        (
            "{allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}}",
            "(Forbidden reason: seccompProfile, field error list: [spec.containers[0].securityContext.seccompProfile.type: Required value])",
        ),
    ] {
        let spec = format!("{{containers: [{{name: a, securityContext: {context}}}]}}");
        check(Level::Restricted, "latest", &spec, expected);
    }
    let bare = "(Forbidden reason: allowPrivilegeEscalation != false, field error list: [spec.containers[0].securityContext.allowPrivilegeEscalation: Required value])\
        (Forbidden reason: unrestricted capabilities, field error list: [spec.containers[0].securityContext.capabilities.drop: Required value])\
        (Forbidden reason: runAsNonRoot != true, field error list: [spec.containers[0].securityContext.runAsNonRoot: Required value])\
        (Forbidden reason: seccompProfile, field error list: [spec.containers[0].securityContext.seccompProfile.type: Required value])";
    check(Level::Restricted, "latest", "{containers: [{name: a}]}", bare);
    let covered = "{securityContext: {runAsNonRoot: true, runAsUser: 0, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}";
    let root = "(Forbidden reason: runAsUser=0, field error list: [spec.securityContext.runAsUser is forbidden, forbidden values found: 0])";
    check(Level::Restricted, "latest", covered, root);
}

#[test]
fn volumes_are_told_by_their_source() {
    for source in [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ] {
        check(
            Level::Restricted,
            "v1.24",
            &format!("{{volumes: [{{name: a, {source}: {{}}}}]}}"),
            "",
        );
    }
    for source in ["nfs", "gitRepo", "storageos", "hostPath"] {
        let text = left(
            &rule(Level::Restricted, "v1.24", Vec::new()),
            &pod(&format!("{{volumes: [{{name: a, {source}: {{}}}}]}}")),
        );
        assert!(text.contains(&format!("spec.volumes[0].{source}: Forbidden")), "{text}");
    }
    let unknown = "(Forbidden reason: restricted volume types, field error list: [spec.volumes[0].unknown: Forbidden])";
    check(Level::Restricted, "v1.24", "{volumes: [{name: a}]}", unknown);
    check(Level::Restricted, "v1.24", "{volumes: [{name: a, fancy: {}}]}", unknown);
}

#[test]
fn sysctls_and_se_linux_types_are_allowed_since_their_release() {
    for (name, since) in [
        ("kernel.shm_rmid_forced", 0),
        ("net.ipv4.ip_local_reserved_ports", 27),
        ("net.ipv4.tcp_fin_timeout", 29),
        ("net.ipv4.tcp_rmem", 32),
    ] {
        let spec = format!("{{securityContext: {{sysctls: [{{name: {name}}}]}}}}");
        for minor in 19..34 {
            let findings = rule(Level::Baseline, &format!("v1.{minor}"), Vec::new());
            assert_eq!(
                findings.examine(&pod(&spec)).unwrap().is_clean(),
                minor >= since,
                "{name} v1.{minor}"
            );
        }
    }
    let engine = pod("{securityContext: {seLinuxOptions: {type: container_engine_t}}}");
    assert!(!rule(Level::Baseline, "v1.30", Vec::new()).examine(&engine).unwrap().is_clean());
    assert!(rule(Level::Baseline, "v1.31", Vec::new()).examine(&engine).unwrap().is_clean());
}

#[test]
fn windows_pods_are_exempt_from_what_windows_has_not_since_v1_25() {
    let windows = pod(
        "{os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: a}]}",
    );
    assert!(rule(Level::Restricted, "v1.25", Vec::new()).examine(&windows).unwrap().is_clean());
    assert!(!rule(Level::Restricted, "v1.24", Vec::new()).examine(&windows).unwrap().is_clean());
    let linux =
        pod("{os: {name: linux}, securityContext: {runAsNonRoot: true}, containers: [{name: a}]}");
    assert!(!rule(Level::Restricted, "v1.25", Vec::new()).examine(&linux).unwrap().is_clean());
}

#[test]
fn profiles_in_annotations_are_seen() {
    let with = |annotation: &str| {
        parse_yaml(&format!("kind: Pod\nmetadata: {{annotations: {{{annotation}}}}}\nspec: {{containers: [{{name: c1}}]}}")).unwrap().value
    };
    let armor = with("container.apparmor.security.beta.kubernetes.io/c1: unconfined");
    let expected = "(Forbidden reason: forbidden AppArmor profile, field error list: [spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c1] is forbidden, forbidden values found: unconfined])";
    assert_eq!(left(&rule(Level::Baseline, "latest", Vec::new()), &armor), expected);
    for good in ["runtime/default", "localhost/x", "''"] {
        let armor = with(&format!("container.apparmor.security.beta.kubernetes.io/c1: {good}"));
        assert_eq!(left(&rule(Level::Baseline, "latest", Vec::new()), &armor), "");
    }
    let seccomp = with("container.seccomp.security.alpha.kubernetes.io/c1: unconfined");
    assert!(left(&rule(Level::Baseline, "v1.18", Vec::new()), &seccomp).contains("seccompProfile"));
    assert_eq!(left(&rule(Level::Baseline, "v1.19", Vec::new()), &seccomp), "");
    let other = with("container.seccomp.security.alpha.kubernetes.io/c2: unconfined");
    assert_eq!(left(&rule(Level::Baseline, "v1.18", Vec::new()), &other), "");
}

#[test]
fn a_host_in_a_probe_is_refused_at_every_version() {
    let expected = "(Forbidden reason: probe or lifecycle host, field error list: [])";
    for spec in [
        "{containers: [{name: a, livenessProbe: {httpGet: {host: h}}}]}",
        "{containers: [{name: a, readinessProbe: {tcpSocket: {host: h}}}]}",
        "{initContainers: [{name: a, lifecycle: {preStop: {httpGet: {host: h}}}}]}",
    ] {
        check(Level::Baseline, "v1.19", spec, expected);
        check(Level::Baseline, "latest", spec, expected);
    }
    check(
        Level::Baseline,
        "latest",
        "{containers: [{name: a, livenessProbe: {httpGet: {host: ''}}}]}",
        "",
    );
}

#[test]
fn every_level_runs_the_checks_of_upstream() {
    let object = pod("{containers: [{name: a}]}");
    assert_eq!(left(&rule(Level::Baseline, "latest", Vec::new()), &object), "");
    let restricted = left(&rule(Level::Restricted, "latest", Vec::new()), &object);
    assert_eq!(left(&rule(Level::Privileged, "latest", Vec::new()), &object), restricted);
    assert!(!restricted.is_empty());
}

#[test]
fn fields_are_rewritten_for_controllers_as_upstream_does() {
    let template = "{metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/a: bad}}, spec: {hostPID: true}}";
    let message = |object: &str| {
        let object = parse_yaml(object).unwrap().value;
        rule(Level::Baseline, "", Vec::new()).examine(&object).unwrap().message("r")
    };
    let deployment = message(&format!("kind: Deployment\nspec: {{template: {template}}}"));
    assert_eq!(
        deployment,
        "Validation rule 'r' failed. It violates PodSecurity \"baseline:\": (Forbidden reason: forbidden AppArmor profile, field error list: [spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/a] is forbidden, forbidden values found: bad])(Forbidden reason: host namespaces, field error list: [spec.template.spec.hostPID is forbidden, forbidden values found: true])"
    );
    let cron_job = message(&format!(
        "kind: CronJob\nspec: {{jobTemplate: {{spec: {{template: {template}}}}}}}"
    ));
    assert!(
        cron_job.contains("[spec.jobTemplate.spec.template.spec.hostPID is forbidden"),
        "{cron_job}"
    );
}

#[test]
fn a_cron_job_is_read_at_the_template_of_its_pods() {
    let object = "kind: CronJob\nspec: {jobTemplate: {spec: {template: {metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/a: bad}}}}}}";
    let object = parse_yaml(object).unwrap().value;
    assert!(!rule(Level::Baseline, "latest", Vec::new()).examine(&object).unwrap().is_clean());
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_unset() {
    for (object, expected) in [
        ("kind: Service\nspec: {}", "could not find correct resource type"),
        ("spec: {}", "could not find correct resource type"),
        ("kind: Pod\nspec: {hostPID: 'true'}", "spec.hostPID: expected a boolean, found string"),
        (
            "kind: Deployment\nspec: {template: {spec: {containers: [{securityContext: {privileged: 1}}]}}}",
            "spec.template.spec.containers[0].securityContext.privileged: expected a boolean, found number",
        ),
        ("kind: Pod\nspec: {containers: {}}", "spec.containers: expected a list, found object"),
        (
            "kind: Pod\nspec: {containers: [x]}",
            "spec.containers[0]: expected an object, found string",
        ),
        (
            "kind: Pod\nspec: {securityContext: {runAsUser: 0.5}}",
            "spec.securityContext.runAsUser: expected an integer, found number",
        ),
    ] {
        let object = parse_yaml(object).unwrap().value;
        let error = rule(Level::Restricted, "latest", Vec::new()).examine(&object).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn an_exclusion_allows_a_field_for_images_with_values() {
    let add = "spec.containers[*].securityContext.capabilities.add";
    let rule = |values: &[&str], images: &[&str]| {
        rule(Level::Baseline, "latest", vec![exclusion("Capabilities", images, add, values)])
    };
    let container = |image: &str, add: &str| {
        pod(&format!(
            "{{containers: [{{name: a, image: {image}, securityContext: {{capabilities: {{add: {add}}}}}}}]}}"
        ))
    };
    assert_eq!(left(&rule(&["foo"], &["nginx*"]), &container("nginx:1", "[foo]")), "");
    assert_eq!(left(&rule(&["f*"], &["*"]), &container("x", "[foo, fee]")), "");
    for (values, image, add) in
        [("foo", "busybox", "[foo]"), ("foo", "nginx", "[foo, bar]"), ("bar", "nginx", "[foo]")]
    {
        assert_ne!(
            left(&rule(&[values], &["nginx*"]), &container(image, add)),
            "",
            "{image} {add}"
        );
    }
    let init = "{initContainers: [{name: a, image: nginx, securityContext: {capabilities: {add: [foo]}}}]}";
    assert_ne!(left(&rule(&["foo"], &["nginx"]), &pod(init)), "", "the field is of another list");
}

#[test]
fn a_control_of_pod_and_containers_is_excluded_at_both() {
    let spec = "{securityContext: {seccompProfile: {type: Unconfined}}, containers: [{name: a, image: x}, {name: b, image: x, securityContext: {seccompProfile: {type: Unconfined}}}]}";
    let own = exclusion("Seccomp", &[], "", &[]);
    let containers = exclusion("Seccomp", &["*"], "", &[]);
    let baseline =
        |exclude: Vec<Exclusion>| left(&rule(Level::Baseline, "latest", exclude), &pod(spec));
    assert!(baseline(vec![own.clone()]).contains("spec.containers[1]"));
    assert!(baseline(vec![containers.clone()]).contains("spec.securityContext"));
    assert_eq!(baseline(vec![own, containers]), "");
}

#[test]
fn a_control_excluded_without_images_covers_one_container() {
    let own = vec![exclusion("Seccomp", &[], "", &[])];
    let clean = CLEAN.replace("seccompProfile: {type: RuntimeDefault}, ", "");
    let one = pod(&format!("{{containers: [{{name: a, securityContext: {{{clean}}}}}]}}"));
    assert_eq!(left(&rule(Level::Restricted, "latest", own.clone()), &one), "");
    let two = pod(&format!(
        "{{containers: [{{name: a, securityContext: {{{clean}}}}}, {{name: b, securityContext: {{{clean}}}}}]}}"
    ));
    let expected = "(Forbidden reason: seccompProfile, field error list: [spec.containers[1].securityContext.seccompProfile.type: Required value])";
    assert_eq!(left(&rule(Level::Restricted, "latest", own), &two), expected);
}

#[test]
fn a_restricted_field_has_stars_for_numbers() {
    let field = "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c*]";
    let object = "kind: Pod\nmetadata: {annotations: {container.apparmor.security.beta.kubernetes.io/c12: unconfined}}";
    let exclude = vec![exclusion("AppArmor", &[], field, &["unconfined"])];
    let object = parse_yaml(object).unwrap().value;
    assert_eq!(left(&rule(Level::Baseline, "latest", exclude), &object), "");
}

#[test]
fn two_exclusions_never_allow_what_neither_does() {
    let sysctls = pod("{securityContext: {sysctls: [{name: a.b}, {name: kernel.x}]}}");
    let one =
        |value: &str| exclusion("Sysctls", &[], "spec.securityContext.sysctls[*].name", &[value]);
    let baseline =
        |exclude: Vec<Exclusion>| left(&rule(Level::Baseline, "latest", exclude), &sysctls);
    let expected = "(Forbidden reason: forbidden sysctls, field error list: [spec.securityContext.sysctls[1].name is forbidden, forbidden values found: kernel.x])";
    assert_eq!(baseline(vec![one("a.b")]), expected);
    assert_eq!(baseline(vec![one("a.b"), one("a.b")]), expected);
    assert_eq!(baseline(vec![one("a.b"), one("kernel.x")]), "");
    // The same field twice, with values that only both together allow.
    let add =
        "{containers: [{name: a, image: x, securityContext: {capabilities: {add: [foo, bar]}}}]}";
    let field = "spec.containers[*].securityContext.capabilities.add";
    let one = |value: &str| exclusion("Capabilities", &["*"], field, &[value]);
    let rule = rule(Level::Baseline, "latest", vec![one("foo"), one("bar")]);
    assert_ne!(left(&rule, &pod(add)), "");
    // Containers without a profile: what stands for one container never takes out two.
    let two = pod("{os: {name: linux}, containers: [{name: a}, {name: b}]}");
    let own = exclusion("Seccomp", &[], "", &[]);
    let text = left(&self::rule(Level::Restricted, "latest", vec![own.clone(), own]), &two);
    assert!(text.contains("spec.containers[1].securityContext.seccompProfile.type"), "{text}");
}

#[test]
fn the_report_names_controls_and_images() {
    let object = pod(
        "{hostPID: true, containers: [{name: a, image: nginx, securityContext: {privileged: true}}, {name: b, image: '?', securityContext: {privileged: true}}]}",
    );
    let findings = rule(Level::Baseline, "v1.29", Vec::new()).examine(&object).unwrap();
    let normal =
        |image: &str| (image != "?").then(|| SmolStr::new(format!("docker.io/{image}:latest")));
    let expected = [
        ("standard", "baseline"),
        ("version", "v1.29"),
        ("controls", "hostNamespaces,privileged"),
        (
            "controlsJSON",
            r#"[{"ID":"hostNamespaces","Name":"Host Namespaces","Images":null},{"ID":"privileged","Name":"Privileged Containers","Images":["docker.io/nginx:latest","b"]}]"#,
        ),
    ];
    let expected: Vec<(SmolStr, String)> =
        expected.iter().map(|(k, v)| (SmolStr::new_static(k), (*v).to_owned())).collect();
    assert_eq!(findings.properties(normal), expected);
}
