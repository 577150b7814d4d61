//! `cargo xtask chart`: the Helm chart, made from the manifests under `deploy/manifests`.
//!
//! The manifests are the source. What may be chosen is put in by the rules below; a rule that no longer finds its text is an
//! error, and a test compares what is checked in with what would be made.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Where the chart is.
pub const CHART: &str = "deploy/chart";
const MANIFESTS: &str = "deploy/manifests";
const MADE: &str =
    "{{- /* Made by `cargo xtask chart` from deploy/manifests: change it there. */ -}}\n";

/// A text of a manifest, and what stands in the chart in its place, wherever it occurs.
type Rule = (&'static str, &'static str);

const NAMESPACE: Rule = ("namespace: kyverno\n", "namespace: {{ .Release.Namespace }}\n");

const DEPLOYMENT: &[Rule] = &[
    NAMESPACE,
    ("  replicas: 1\n", "  replicas: {{ .Values.replicas }}\n"),
    (
        "      serviceAccountName: kyverno-admission-controller\n",
        r"      serviceAccountName: kyverno-admission-controller
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets:
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
",
    ),
    (
        "        image: ghcr.io/sigward/sigward:v@VERSION@\n",
        r#"        image: {{ include "sigward.image" . }}
        {{- with .Values.image.pullPolicy }}
        imagePullPolicy: {{ . }}
        {{- end }}
"#,
    ),
    (
        "        args: [serve]\n",
        r#"        args:
        - serve
        {{- with .Values.features }}
        {{- if .policyExceptions.enabled }}
        - --enablePolicyException=true
        - --exceptionNamespace={{ .policyExceptions.namespace }}
        {{- end }}
        {{- if not .admissionReports.enabled }}
        - --admissionReports=false
        {{- end }}
        {{- if .forceFailurePolicyIgnore.enabled }}
        - --forceFailurePolicyIgnore=true
        {{- end }}
        {{- if ne .logging.format "text" }}
        - --loggingFormat={{ .logging.format }}
        {{- end }}
        {{- if ne (int .logging.verbosity) 2 }}
        - --v={{ .logging.verbosity }}
        {{- end }}
        {{- with .omitEvents.eventTypes }}
        - --omitEvents={{ join "," . }}
        {{- end }}
        {{- if .registryClient.allowInsecure }}
        - --allowInsecureRegistry=true
        {{- end }}
        {{- with .registryClient.credentialHelpers }}
        - --registryCredentialHelpers={{ join "," . }}
        {{- end }}
        {{- end }}
        {{- with .Values.existingImagePullSecrets }}
        - --imagePullSecrets={{ join "," . }}
        {{- end }}
        {{- range .Values.extraArgs }}
        - {{ . | quote }}
        {{- end }}
"#,
    ),
    (
        "          value: kyverno\n        ports:\n",
        r"          value: kyverno
        {{- with .Values.extraEnvVars }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        ports:
",
    ),
];

const RBAC: &[Rule] = &[
    NAMESPACE,
    ("kyverno-svc.kyverno.svc.", "kyverno-svc.{{ .Release.Namespace }}.svc."),
    (
        "# Keys and pull secrets, one at a time",
        "{{- if .Values.rbac.readSecrets }}\n# Keys and pull secrets, one at a time",
    ),
    ("# Who has which role,", "{{- end }}\n# Who has which role,"),
    (
        "---\n# Policies may call the API server",
        "{{- if .Values.rbac.view }}\n---\n# Policies may call the API server",
    ),
    (
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n",
        "{{- end }}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n",
    ),
    (
        "kind: ServiceAccount\nmetadata:\n",
        r"kind: ServiceAccount
metadata:
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
",
    ),
];

/// Files of the chart that are made of manifests, with their rules.
const TEMPLATES: &[(&str, &[Rule])] =
    &[("rbac.yaml", RBAC), ("service.yaml", &[NAMESPACE]), ("deployment.yaml", DEPLOYMENT)];

/// Files of the chart that have no manifest.
const OWN: &[(&str, &str)] = &[
    ("templates/_helpers.tpl", include_str!("chart/helpers.tpl")),
    ("templates/pod-disruption-budget.yaml", include_str!("chart/pod-disruption-budget.yaml")),
    ("templates/webhooks-cleanup.yaml", include_str!("chart/webhooks-cleanup.yaml")),
    ("templates/NOTES.txt", include_str!("chart/notes.txt")),
];

/// Every file of the chart by its path in it, but the CRDs: `crds` is a link to `deploy/crds`.
pub fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for (name, rules) in TEMPLATES {
        let mut text = manifest(name)?;
        for (from, to) in *rules {
            let from = from.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
            ensure!(text.contains(&from), "{MANIFESTS}/{name} no longer says {from:?}");
            text = text.replace(&from, to);
        }
        if *name == "deployment.yaml" {
            let (before, _, after) = resources(&text)?;
            text = format!(
                "{before}        resources:\n          {{{{- toYaml .Values.resources | nindent 10 }}}}\n{after}"
            );
        }
        files.insert(format!("templates/{name}"), format!("{MADE}{text}"));
    }
    let (config_map, config) = settings()?;
    files.insert("templates/config-map.yaml".to_owned(), format!("{MADE}{config_map}"));
    let deployment = manifest("deployment.yaml")?;
    let (_, resources, _) = resources(&deployment)?;
    let values = include_str!("chart/values.yaml")
        .replace("@RESOURCES@", &indent(resources, 10, 2))
        .replace("@CONFIG@", &indent(&config, 2, 2));
    files.insert("values.yaml".to_owned(), values);
    files.insert(
        "Chart.yaml".to_owned(),
        include_str!("chart/Chart.yaml").replace("@VERSION@", env!("CARGO_PKG_VERSION")),
    );
    files.extend(OWN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    Ok(files)
}

/// Writes the chart; gives where.
pub fn write() -> Result<PathBuf> {
    let folder = workspace::root().join(CHART);
    for (name, text) in files()? {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(folder)
}

fn manifest(name: &str) -> Result<String> {
    let path = workspace::root().join(MANIFESTS).join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The Deployment's text before, in and behind its resources.
fn resources(deployment: &str) -> Result<(&str, &str, &str)> {
    const WHAT: &str = "the Deployment has no resources where they are looked for";
    let (before, rest) = deployment.split_once("        resources:\n").context(WHAT)?;
    let at = rest.find("        securityContext:\n").context(WHAT)?;
    let (inside, after) = rest.split_at_checked(at).context(WHAT)?;
    Ok((before, inside, after))
}

/// The template of the ConfigMap, and its data as values.
fn settings() -> Result<(String, String)> {
    let text = manifest("config-map.yaml")?;
    let (head, data) = text.split_once("\ndata:\n").context("the ConfigMap has no data")?;
    let head = head.replace(NAMESPACE.0, NAMESPACE.1);
    let template = format!(
        "{head}\ndata:\n  {{{{- range $key, $value := .Values.config }}}}\n  {{{{ $key }}}}: {{{{ tpl (toString $value) $ | quote }}}}\n  {{{{- end }}}}\n"
    );
    // Where settings name our own namespace. Names of our own objects stay.
    let mut data = data.to_owned();
    for (from, to) in [
        (",kyverno,kyverno-", ",{{ .Release.Namespace }},kyverno-"),
        ("[ConfigMap,kyverno,kyverno]", "[ConfigMap,{{ .Release.Namespace }},kyverno]"),
        ("kyverno-svc.kyverno.svc.", "kyverno-svc.{{ .Release.Namespace }}.svc."),
        (r#""kube-system", "kyverno""#, r#""kube-system", "{{ .Release.Namespace }}""#),
    ] {
        ensure!(data.contains(from), "{MANIFESTS}/config-map.yaml no longer says {from:?}");
        data = data.replace(from, to);
    }
    Ok((template, data))
}

/// Lines that stood `from` blanks deep, `to` deep.
fn indent(text: &str, from: usize, to: usize) -> String {
    let lines = text.lines().map(|line| {
        let line = line.get(from..).unwrap_or_default();
        if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(to)) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_is_what_the_manifests_make_of_it() {
        let folder = workspace::root().join(CHART);
        for (name, text) in files().unwrap() {
            let path = folder.join(&name);
            let checked_in = fs::read_to_string(&path).unwrap_or_default();
            assert!(checked_in == text, "{}: run `cargo xtask chart`", path.display());
        }
        let crds = fs::read_dir(folder.join("crds")).unwrap().count();
        assert_eq!(crds, fs::read_dir(workspace::root().join("deploy/crds")).unwrap().count());
    }

    #[test]
    fn nothing_in_the_chart_names_a_namespace_of_its_own() {
        for (name, text) in files().unwrap() {
            assert!(!text.contains("namespace: kyverno"), "{name}");
        }
    }
}
