//! `create`: documents of the command line and of policies, written from flags.
use crate::cli::cosign::Failure;
use clap::{ArgAction, Args, Subcommand};
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use smol_str::SmolStr;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// Write documents for the command line and for policies.
#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    #[command(subcommand)]
    command: Creates,
}

#[derive(Clone, Debug, Subcommand)]
enum Creates {
    Test(Test),
    Values(ValuesFile),
    UserInfo(User),
    Exception(Exception),
    MetricsConfig(MetricsConfig),
    ClusterRole(ClusterRole),
}

/// Write a test file.
#[derive(Args, Clone, Debug)]
struct Test {
    /// name of the test
    #[arg(short, long, default_value = "test-name")]
    name: String,
    /// policy files
    #[arg(short, long, value_delimiter = ',')]
    policy: Vec<String>,
    /// resource files
    #[arg(short, long, value_delimiter = ',')]
    resource: Vec<String>,
    /// a values file
    #[arg(short = 'f', long, default_value = "")]
    values: String,
    /// results that are to pass
    #[arg(long, value_name = "POLICY,RULE,RESOURCE[,NAMESPACE[,KIND]]")]
    pass: Vec<String>,
    /// results that are to fail
    #[arg(long, value_name = "POLICY,RULE,RESOURCE[,NAMESPACE[,KIND]]")]
    fail: Vec<String>,
    /// results that are to be skipped
    #[arg(long, value_name = "POLICY,RULE,RESOURCE[,NAMESPACE[,KIND]]")]
    skip: Vec<String>,
    /// file to write to
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Write a values file.
#[derive(Args, Clone, Debug)]
struct ValuesFile {
    /// values for all resources
    #[arg(short, long, value_delimiter = ',', value_name = "NAME=VALUE")]
    global: Vec<String>,
    /// labels of a namespace
    #[arg(short, long, value_name = "NAMESPACE,NAME=VALUE…")]
    ns_selector: Vec<String>,
    /// values for a rule
    #[arg(long, value_name = "POLICY,RULE,NAME=VALUE…")]
    rule: Vec<String>,
    /// values for a resource
    #[arg(long, value_name = "POLICY,RESOURCE,NAME=VALUE…")]
    resource: Vec<String>,
    /// file to write to
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Write user information.
#[derive(Args, Clone, Debug)]
struct User {
    /// user name
    #[arg(short, long, default_value = "")]
    username: String,
    /// roles, `namespace:name`
    #[arg(short, long, value_delimiter = ',')]
    role: Vec<String>,
    /// cluster roles
    #[arg(short, long, value_delimiter = ',')]
    cluster_role: Vec<String>,
    /// groups
    #[arg(short, long, value_delimiter = ',')]
    group: Vec<String>,
    /// file to write to
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Write a policy exception.
#[derive(Args, Clone, Debug)]
struct Exception {
    /// its name
    name: String,
    /// its namespace
    #[arg(long, default_value = "default")]
    namespace: String,
    /// whether background scans heed it
    #[arg(short, long, action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    background: bool,
    /// a policy and its rules
    #[arg(long, value_name = "POLICY,RULE…", required = true)]
    policy_rules: Vec<String>,
    /// filters of which one is to match
    #[arg(long, value_name = "kind=…,name=…,namespace=…,operation=…")]
    any: Vec<String>,
    /// filters that are all to match
    #[arg(long, value_name = "kind=…,name=…,namespace=…,operation=…")]
    all: Vec<String>,
    /// file to write to
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Write a metrics configuration.
#[derive(Args, Clone, Debug)]
struct MetricsConfig {
    /// its name
    #[arg(short, long, default_value = "kyverno-metrics")]
    name: String,
    /// its namespace
    #[arg(long, default_value = "kyverno")]
    namespace: String,
    /// namespaces to count
    #[arg(short, long, value_delimiter = ',')]
    include: Vec<String>,
    /// namespaces to leave out
    #[arg(short, long, value_delimiter = ',')]
    exclude: Vec<String>,
    /// file to write to
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Write a cluster role that a controller of ours takes up.
#[derive(Args, Clone, Debug)]
struct ClusterRole {
    /// its name
    name: String,
    /// controllers that are to have it
    #[arg(long, value_delimiter = ',', default_value = "background-controller")]
    controllers: Vec<String>,
    /// API group of the resources
    #[arg(short = 'g', long, required = true)]
    api_groups: String,
    /// verbs, or `all`
    #[arg(long, value_delimiter = ',', default_value = "all")]
    verbs: Vec<String>,
    /// plural names of resources
    #[arg(long, value_delimiter = ',', required = true)]
    resources: Vec<String>,
    /// file to write to
    #[arg(short, long)]
    output: Option<PathBuf>,
}

impl Create {
    /// # Errors
    /// A flag that is not of its form, or a file that cannot be written.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (document, output) = match &self.command {
            Creates::Test(it) => (it.document()?, &it.output),
            Creates::Values(it) => (it.document()?, &it.output),
            Creates::UserInfo(it) => (it.document(), &it.output),
            Creates::Exception(it) => (it.document()?, &it.output),
            Creates::MetricsConfig(it) => (it.document(), &it.output),
            Creates::ClusterRole(it) => (it.document(), &it.output),
        };
        write(&to_yaml_with(&document, YamlStyle::Kubernetes), output.as_deref())
    }
}

/// Writes to a file, or to standard output.
pub(super) fn write(text: &str, output: Option<&Path>) -> Result<(), Failure> {
    match output {
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display()))),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

fn text(text: &str) -> Value {
    Value::string(text)
}

fn texts<T: AsRef<str>>(items: &[T]) -> Value {
    Value::list(items.iter().map(|item| Value::string(item.as_ref())))
}

fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter().filter(|(_, value)| {
        !value.is_null() && value.as_list().is_none_or(|items| !items.is_empty())
    });
    Value::map(members.map(|(key, value)| (SmolStr::new(key), value)))
}

/// A document of the command line's own group.
fn own(kind: &str, members: Value, name: Option<&str>) -> Value {
    let mut all = members;
    for (key, value) in [
        ("apiVersion", Some(text("cli.kyverno.io/v1alpha1"))),
        ("kind", Some(text(kind))),
        ("metadata", name.map(|name| map([("name", text(name))]))),
    ] {
        if let Some(value) = value {
            all = all.with_member(key, value).unwrap_or(all);
        }
    }
    all
}

fn pairs(flag: &str, parts: &[&str]) -> Result<Value, Failure> {
    let mut members = Vec::new();
    for part in parts {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("--{flag} takes NAME=VALUE, found {part:?}")))?;
        members.push((SmolStr::new(name.trim()), text(value.trim())));
    }
    Ok(Value::map(members))
}

fn parts(written: &str) -> Vec<&str> {
    written.split(',').map(str::trim).collect()
}

impl Test {
    fn document(&self) -> Result<Value, Failure> {
        let mut results = Vec::new();
        for (flag, written) in [("pass", &self.pass), ("fail", &self.fail), ("skip", &self.skip)] {
            for one in written {
                let parts = parts(one);
                let [policy, rule, resource, rest @ ..] = parts.as_slice() else {
                    return Err(Failure::new(format!(
                        "--{flag} takes POLICY,RULE,RESOURCE[,NAMESPACE[,KIND]], found {one:?}"
                    )));
                };
                let named = match rest.first() {
                    Some(namespace) if !namespace.is_empty() => format!("{namespace}/{resource}"),
                    _ => (*resource).to_owned(),
                };
                results.push(map([
                    ("policy", text(policy)),
                    ("rule", text(rule)),
                    ("resources", texts(&[named])),
                    ("kind", rest.get(1).map_or(Value::NULL, |kind| text(kind))),
                    ("result", text(flag)),
                ]));
            }
        }
        let variables = if self.values.is_empty() { Value::NULL } else { text(&self.values) };
        let members = map([
            ("policies", texts(&self.policy)),
            ("resources", texts(&self.resource)),
            ("variables", variables),
            ("results", Value::list(results)),
        ]);
        Ok(own("Test", members, Some(&self.name)))
    }
}

impl ValuesFile {
    fn document(&self) -> Result<Value, Failure> {
        let mut policies = Vec::new();
        for (flag, member, written) in
            [("rule", "rules", &self.rule), ("resource", "resources", &self.resource)]
        {
            for one in written {
                let parts = parts(one);
                let [policy, name, rest @ ..] = parts.as_slice() else {
                    return Err(Failure::new(format!(
                        "--{flag} takes POLICY,NAME,NAME=VALUE…, found {one:?}"
                    )));
                };
                let entry = map([("name", text(name)), ("values", pairs(flag, rest)?)]);
                policies.push(map([("name", text(policy)), (member, Value::list([entry]))]));
            }
        }
        let mut selectors = Vec::new();
        for one in &self.ns_selector {
            let parts = parts(one);
            let (name, labels) = parts.split_first().unwrap_or((&"", &[]));
            let labels = pairs("ns-selector", labels)?;
            selectors.push(map([("name", text(name)), ("labels", labels)]));
        }
        let global: Vec<&str> = self.global.iter().map(String::as_str).collect();
        let global = if global.is_empty() { Value::NULL } else { pairs("global", &global)? };
        let members = map([
            ("globalValues", global),
            ("policies", Value::list(policies)),
            ("namespaceSelector", Value::list(selectors)),
        ]);
        Ok(own("Values", members, None))
    }
}

impl User {
    fn document(&self) -> Value {
        let name = if self.username.is_empty() { Value::NULL } else { text(&self.username) };
        let info = map([("username", name), ("groups", texts(&self.group))]);
        let members = map([
            ("roles", texts(&self.role)),
            ("clusterRoles", texts(&self.cluster_role)),
            ("userInfo", info),
        ]);
        own("UserInfo", members, None)
    }
}

impl Exception {
    fn document(&self) -> Result<Value, Failure> {
        let mut exempt = Vec::new();
        for one in &self.policy_rules {
            let parts = parts(one);
            let (policy, rules) = parts.split_first().unwrap_or((&"", &[]));
            exempt.push(map([("policyName", text(policy)), ("ruleNames", texts(rules))]));
        }
        let filters = |written: &[String]| -> Result<Value, Failure> {
            Ok(Value::list(written.iter().map(|one| filter(one)).collect::<Result<Vec<_>, _>>()?))
        };
        let matches = map([("any", filters(&self.any)?), ("all", filters(&self.all)?)]);
        let spec = map([
            ("background", Value::bool(self.background)),
            ("match", matches),
            ("exceptions", Value::list(exempt)),
        ]);
        Ok(map([
            ("apiVersion", text("kyverno.io/v2")),
            ("kind", text("PolicyException")),
            ("metadata", map([("name", text(&self.name)), ("namespace", text(&self.namespace))])),
            ("spec", spec),
        ]))
    }
}

fn filter(written: &str) -> Result<Value, Failure> {
    let mut lists: [(&str, &str, Vec<&str>); 4] = [
        ("kind", "kinds", Vec::new()),
        ("name", "names", Vec::new()),
        ("namespace", "namespaces", Vec::new()),
        ("operation", "operations", Vec::new()),
    ];
    for part in parts(written) {
        let slot = part.split_once('=').and_then(|(name, value)| {
            let (_, _, list) = lists.iter_mut().find(|(known, ..)| *known == name.trim())?;
            list.push(value.trim());
            Some(())
        });
        slot.ok_or_else(|| {
            Failure::new(format!(
                "a filter takes kind=…, name=…, namespace=… and operation=…, found {part:?}"
            ))
        })?;
    }
    Ok(map([("resources", map(lists.map(|(_, name, list)| (name, texts(&list)))))]))
}

impl MetricsConfig {
    fn document(&self) -> Value {
        let list = |names: &[String]| Value::list(names.iter().map(|name| text(name)));
        let namespaces = Value::map([
            ("include".into(), list(&self.include)),
            ("exclude".into(), list(&self.exclude)),
        ]);
        map([
            ("apiVersion", text("v1")),
            ("kind", text("ConfigMap")),
            ("metadata", map([("name", text(&self.name)), ("namespace", text(&self.namespace))])),
            (
                "data",
                map([("namespaces", text(&format!("{}\n", namespaces.to_json_pretty("  "))))]),
            ),
        ])
    }
}

impl ClusterRole {
    fn document(&self) -> Value {
        let all = ["create", "get", "update", "delete", "list", "watch"];
        let verbs = if self.verbs.iter().any(|verb| verb == "all") {
            texts(&all)
        } else {
            texts(&self.verbs)
        };
        let labels = self.controllers.iter().map(|controller| {
            let label = format!("rbac.kyverno.io/aggregate-to-{controller}");
            (SmolStr::new(label), text("true"))
        });
        let rule = map([
            ("apiGroups", texts(&[&self.api_groups])),
            ("resources", texts(&self.resources)),
            ("verbs", verbs),
        ]);
        map([
            ("apiVersion", text("rbac.authorization.k8s.io/v1")),
            ("kind", text("ClusterRole")),
            (
                "metadata",
                map([
                    ("name", text(&format!("kyverno-{}-permission", self.name))),
                    ("labels", Value::map(labels)),
                ]),
            ),
            ("rules", Value::list([rule])),
        ])
    }
}
