//! `apply`: policies against resources from files, with real registries and no cluster.
use super::cosign::Failure;
use crate::{
    exit_code,
    shelf::{Document, Documents, Shelf},
    sources::{Sources, now},
};
use clap::Args;
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use sigward_policy::{
    compile::{Diagnostic, Policy, Severity, compile_exception, compile_policy},
    decision::{Decision, ImageStatus, Status},
    evaluate::NoProbe,
    request::{GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage},
    resolve::Resolution,
    snapshot::{Settings, Snapshot},
};
use sigward_remote::{NoSecrets, Options, Registry, Unobserved, docker_configs};
use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

/// Apply policies to resources, without a cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct Apply {
    /// policy files or folders; `-` is standard input
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
    /// resource files or folders; Secrets, ConfigMaps and Namespaces among them are at hand for the policies
    #[arg(short, long, alias = "resources", value_delimiter = ',')]
    resource: Vec<PathBuf>,
    /// policy exceptions
    #[arg(short, long, alias = "exceptions", value_delimiter = ',')]
    exception: Vec<PathBuf>,
    /// print the mutated resources only
    #[arg(short = 'i', long)]
    stdin: bool,
    /// let context entries ask registries (image verification always does)
    #[arg(long)]
    registry: bool,
    /// signatures made with keys need no transparency log entry: for private infrastructure
    #[arg(long)]
    insecure_ignore_tlog_for_keys: bool,
    /// allow registries that speak plain HTTP
    #[arg(long = "allowInsecureRegistry", alias = "allow-insecure-registry")]
    allow_insecure_registry: bool,
    /// print each rule and image, not only failures
    #[arg(long, alias = "detailed-results")]
    explain: bool,
}

/// Kinds that are at hand for policies rather than judged by them.
const CONTEXT_KINDS: &[&str] =
    &["Secret", "ConfigMap", "Namespace", "RoleBinding", "ClusterRoleBinding"];

#[derive(Debug, Default)]
struct Counts {
    pass: usize,
    fail: usize,
    warn: usize,
    error: usize,
    skip: usize,
}

impl Apply {
    /// Exit code 0 when nothing failed; 1 on violations, errors, or input that cannot be used.
    pub(crate) fn run(self) -> ExitCode {
        match self.apply() {
            Ok(counts) if counts.fail > 0 => end("exit as there are policy violations"),
            Ok(counts) if counts.error > 0 => end("exit as there are policy errors"),
            Ok(_) => ExitCode::from(exit_code::SUCCESS),
            Err(Failure { message, .. }) => end(&message),
        }
    }

    fn apply(&self) -> Result<Counts, Failure> {
        let settings = Arc::new(Settings {
            insecure_ignore_tlog_for_keys: self.insecure_ignore_tlog_for_keys,
            allow_insecure_registry: self.allow_insecure_registry,
            exceptions_enabled: true,
            exception_namespace: "*".into(),
            ..Settings::default()
        });
        let mut counts = Counts::default();
        let policies = self.compile_policies(&settings, &mut counts)?;
        let resources = Documents::read(&self.resource)?;
        let mut exceptions = Vec::new();
        for document in Documents::read(&self.exception)?.read.iter().chain(&resources.read) {
            if document.written.value.str_at(&["kind"]) == Some("PolicyException") {
                let compiled = compile_exception(&document.written.value, &settings);
                say(document, &compiled.diagnostics);
                exceptions.extend(compiled.value.map(Arc::new));
            }
        }
        let mut shelf = Shelf::default();
        let mut judged = Vec::new();
        for document in &resources.read {
            shelf.put(&document.written.value);
            collect(&document.written.value, &mut judged);
        }
        for broken in &resources.broken {
            let _closed = writeln!(std::io::stderr(), "{broken}");
            counts.error += 1;
        }
        let rules: usize = policies.iter().map(|policy| policy.rule_names().len()).sum();
        if !self.stdin {
            let mut header =
                format!("\nApplying {rules} policy rule(s) to {} resource(s)", judged.len());
            if !exceptions.is_empty() {
                let _infallible = std::fmt::Write::write_fmt(
                    &mut header,
                    format_args!(" with {} exception(s)", exceptions.len()),
                );
            }
            print(&format!("{header}..."));
        }
        let snapshot = Arc::new(Snapshot::new(1, policies, exceptions, settings));
        let sources = Arc::new(Sources {
            registry: registry(self.allow_insecure_registry)?,
            objects: Arc::new(shelf),
            image_data: self.registry,
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        for resource in &judged {
            let decision = runtime.block_on(decide(&snapshot, resource, &sources));
            self.show(resource, &decision, &mut counts);
        }
        runtime.shutdown_background();
        if !self.stdin {
            print(&format!(
                "\npass: {}, fail: {}, warn: {}, error: {}, skip: {} ",
                counts.pass, counts.fail, counts.warn, counts.error, counts.skip
            ));
        }
        Ok(counts)
    }

    fn compile_policies(
        &self,
        settings: &Settings,
        counts: &mut Counts,
    ) -> Result<Vec<Arc<Policy>>, Failure> {
        let documents = Documents::read(&self.policies)?;
        for broken in &documents.broken {
            let _closed = writeln!(std::io::stderr(), "{broken}");
            counts.error += 1;
        }
        let mut policies = Vec::new();
        for document in &documents.read {
            if !matches!(document.written.value.str_at(&["kind"]), Some("ClusterPolicy" | "Policy"))
            {
                continue;
            }
            let compiled = compile_policy(&document.written.value, settings);
            say(document, &compiled.diagnostics);
            match compiled.value {
                Some(policy) => policies.push(Arc::new(policy)),
                None => counts.error += 1,
            }
        }
        if policies.is_empty() && counts.error == 0 {
            return Err(Failure::new(
                "no policies found: expected ClusterPolicy or Policy of kyverno.io/v1",
            ));
        }
        policies.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(policies)
    }

    fn show(&self, resource: &Value, decision: &Decision, counts: &mut Counts) {
        let text = |path: &[&str]| resource.str_at(path).unwrap_or_default();
        let namespace = match text(&["metadata", "namespace"]) {
            "" => "default",
            other => other,
        };
        let place = format!("{namespace}/{}/{}", text(&["kind"]), text(&["metadata", "name"]));
        let mut by_policy: Vec<(String, Vec<(usize, String)>)> = Vec::new();
        for (position, rule) in decision.rules.iter().enumerate() {
            match rule.status {
                Status::Pass => counts.pass += 1,
                Status::Fail => counts.fail += 1,
                Status::Warn => counts.warn += 1,
                Status::Error => counts.error += 1,
                Status::Skip => counts.skip += 1,
            }
            if matches!(rule.status, Status::Fail | Status::Error) || self.explain {
                let message =
                    if rule.message.is_empty() { "validation failed" } else { &rule.message };
                let line = format!("{} {message}", rule.rule);
                let policy = rule.policy.to_string();
                match by_policy.last_mut() {
                    Some((name, lines)) if *name == policy => lines.push((position, line)),
                    _ => by_policy.push((policy, vec![(position, line)])),
                }
            }
        }
        if self.stdin {
            print(&to_yaml_with(&decision.object, YamlStyle::Kubernetes));
            return;
        }
        for (policy, lines) in by_policy {
            let failed = lines.iter().any(|(at, _)| {
                decision
                    .rules
                    .get(*at)
                    .is_some_and(|rule| matches!(rule.status, Status::Fail | Status::Error))
            });
            print(&format!(
                "policy {policy} -> resource {place} {}:",
                if failed { "failed" } else { "applied" }
            ));
            for (number, (at, line)) in lines.iter().enumerate() {
                print(&format!("{} - {line}", number + 1));
                for image in decision.rules.get(*at).into_iter().flat_map(|rule| &rule.images) {
                    print(&format!(
                        "    image     {}{}",
                        image.image,
                        match &image.digest {
                            Some(digest) => format!(" → {digest}"),
                            None => String::new(),
                        }
                    ));
                    print(&format!("    outcome   {}", outcome(&image.status)));
                    for looked in &image.looked_at {
                        print(&format!("    looked at {looked}"));
                    }
                    if let Some(next) = &image.next {
                        print(&format!("    next      {next}"));
                    }
                }
            }
            print("");
        }
        if !decision.patch.is_empty() && decision.allowed {
            print(&format!("resource {place} mutated:"));
            print(&to_yaml_with(&decision.object, YamlStyle::Kubernetes));
            print("---");
        }
    }
}

/// Which of the three outcomes, in words.
fn outcome(status: &ImageStatus) -> String {
    match status {
        ImageStatus::Verified => "verified".to_owned(),
        ImageStatus::Refuted => "refuted".to_owned(),
        ImageStatus::Undetermined(cause) => format!("undetermined: {cause}"),
        ImageStatus::NotVerified => "not verified: nothing was asked of it".to_owned(),
    }
}

/// Opens lists; keeps what policies judge.
fn collect(object: &Value, judged: &mut Vec<Value>) {
    if let Some(items) = object.get("items").and_then(Value::as_list)
        && object.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"))
    {
        for item in items {
            collect(item, judged);
        }
        return;
    }
    let kind = object.str_at(&["kind"]).unwrap_or_default();
    if !CONTEXT_KINDS.contains(&kind) && kind != "PolicyException" && !kind.is_empty() {
        judged.push(object.clone());
    }
}

async fn decide(snapshot: &Arc<Snapshot>, resource: &Value, sources: &Arc<Sources>) -> Decision {
    let request = Arc::new(as_create(resource));
    let memory = Arc::clone(sources);
    let source = Arc::clone(sources);
    Resolution::new(Arc::clone(snapshot), request, memory, source, Box::new(NoProbe)).run().await
}

/// The admission request that creating this object would make.
pub(crate) fn as_create(resource: &Value) -> Request {
    let text = |path: &[&str]| resource.str_at(path).unwrap_or_default();
    let (group, version) = match text(&["apiVersion"]).split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", text(&["apiVersion"])),
    };
    let kind = text(&["kind"]);
    Request {
        uid: "apply".into(),
        kind: GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() },
        resource: GroupVersionResource {
            group: group.into(),
            version: version.into(),
            resource: plural(kind).into(),
        },
        sub_resource: "".into(),
        name: text(&["metadata", "name"]).into(),
        namespace: match text(&["metadata", "namespace"]) {
            "" => "default".into(),
            other => other.into(),
        },
        operation: Operation::Create,
        user: None,
        object: Lazy::from_value(resource.clone()),
        old_object: Lazy::empty(),
        options: Lazy::empty(),
        dry_run: false,
        stage: Stage::All,
        selection: Selection::All,
        now: now(),
        seed: 0,
        presets: None,
    }
}

/// The plural that Kubernetes makes of a kind; right for every built-in kind.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

/// A client with this machine's credentials, for commands that speak for their user.
pub(crate) fn registry(insecure_plain_http: bool) -> Result<Registry, Failure> {
    let mut options = Options {
        docker_configs: docker_configs(|variable| std::env::var_os(variable)),
        ..Options::default()
    };
    options.everywhere.insecure_plain_http = insecure_plain_http;
    Ok(Registry::new(options, Arc::new(NoSecrets), Arc::new(Unobserved))?)
}

/// Diagnostics as `file:line:column: severity: field: message (help)`.
pub(crate) fn say(document: &Document, diagnostics: &[Diagnostic]) {
    for Diagnostic { severity, path, message, help } in diagnostics {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let help = help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        let place = document.place_of(path);
        let field = if path.is_empty() { String::new() } else { format!("{path}: ") };
        let _closed = writeln!(std::io::stderr(), "{place}: {severity}: {field}{message}{help}");
    }
}

fn print(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}

fn end(message: &str) -> ExitCode {
    let _closed = writeln!(std::io::stderr(), "Error: {message}");
    ExitCode::from(exit_code::FAILURE)
}
