//! One test file: everything it names is read, its policies are asked, its results are checked.
use super::{
    Ran, Test,
    compare::Expectations,
    file::{Expected, Found, TestFile},
    filter::Filter,
    rows::{self, Answers, Evaluated},
};
use crate::{
    cli::{
        cosign::Failure,
        kyverno::{
            decode::Fields,
            input::{self, Git, Sorted, Wanted},
            kinds,
            processor::Processor,
            registry,
            values::{UserInfo, Values},
            world::{MockCall, World},
        },
        trusted_root,
    },
    sources::Sources,
};
use sigward_document::Value;
use sigward_policy::{request::Operation, snapshot::Settings};
use sigward_remote::Registry;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    sync::Arc,
};
use tokio::runtime::Runtime;

/// What all tests of a run share.
pub(super) struct Context<'t> {
    flags: &'t Test,
    settings: Arc<Settings>,
    registry: Registry,
    runtime: Runtime,
}

impl<'t> Context<'t> {
    /// Starts what registries are asked with.
    pub(super) fn new(flags: &'t Test) -> Result<Self, Failure> {
        let settings = Settings {
            insecure_ignore_tlog_for_keys: flags.insecure_ignore_tlog_for_keys,
            allow_insecure_registry: flags.allow_insecure_registry,
            exceptions_enabled: true,
            answers_services: true,
            update_requests: true,
            exception_namespace: "*".into(),
            trust: trusted_root(flags.trusted_root.as_deref())?,
            ..Settings::default()
        };
        Ok(Self {
            flags,
            settings: Arc::new(settings),
            registry: registry(flags.allow_insecure_registry)?,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?,
        })
    }
}

/// Runs one test; `None` when the filter wants none of its results.
pub(super) fn run(found: &Found, context: &Context<'_>, filter: &Filter) -> Option<Ran> {
    let wanted = |one: &&Expected| filter.wants(&one.policy, &one.rule, &one.resources);
    let results: Vec<Expected> = found.test.results.iter().filter(wanted).cloned().collect();
    if results.is_empty() {
        return None;
    }
    let mut ran = Ran { path: found.path.clone(), ..Ran::default() };
    let mut case = Case { found, context, text: &mut ran.text };
    match case.run(&results) {
        Ok(rows) => ran.rows = rows,
        Err(error) => ran.error = Some(error.message),
    }
    Some(ran)
}

struct Case<'c> {
    found: &'c Found,
    context: &'c Context<'c>,
    text: &'c mut String,
}

impl Case<'_> {
    fn say(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn run(
        &mut self,
        results: &[Expected],
    ) -> Result<Vec<crate::cli::kyverno::table::Row>, Failure> {
        let found = self.found;
        let test = &found.test;
        self.say(&format!("Loading test  ( {} ) ...", found.path.display()));
        let folder = found.path.parent().unwrap_or(Path::new("."));
        self.say("  Loading values/variables ...");
        let values = values(test, folder)?;
        let user = if test.user_info.is_empty() {
            None
        } else {
            self.say("  Loading user infos ...");
            let document = input::one_document(&folder.join(&test.user_info), "user info")?;
            Some(UserInfo::read(&document).map_err(|error| in_file(&test.user_info, &error))?)
        };
        self.say("  Loading policies ...");
        let policies = self.sorted(&test.policies, folder, Wanted::Policies, "policies")?;
        if let Some(first) = policies.unsupported.first() {
            return Err(Failure::new(format!("{first} is not supported in this build")));
        }
        if let Some(field) = test.unsupported.first() {
            return Err(Failure::new(format!("`{field}` is not supported in this build")));
        }
        for loaded in &policies.policies {
            if let Err(reason) = &loaded.compiled
                && reason.ends_with("is not supported in this build")
            {
                return Err(Failure::new(format!("{}: {reason}", loaded.name())));
            }
        }
        self.say("  Loading resources ...");
        let resources = self.sorted(&test.resources, folder, Wanted::Resources, "resources")?;
        let targets =
            self.sorted(&test.target_resources, folder, Wanted::Resources, "target resources")?;
        let resources = self.unique(objects(&resources));
        let targets = objects(&targets);
        self.say("  Loading exceptions ...");
        let exceptions = self.sorted(&test.exceptions, folder, Wanted::Exceptions, "exceptions")?;
        let (policy_count, resource_count) = (policies.policies.len(), resources.len());
        let exception_count = exceptions.exceptions.len();
        self.say(&format!(
            "  Applying {policy_count} {} to {resource_count} {} with {exception_count} {} ...",
            if policy_count == 1 { "policy" } else { "policies" },
            if resource_count == 1 { "resource" } else { "resources" },
            if exception_count == 1 { "exception" } else { "exceptions" },
        ));
        let world = self.world(folder, &values, user.as_ref(), &resources, &targets, results)?;
        let sources = Arc::new(Sources {
            registry: self.context.registry.clone(),
            objects: Arc::new(world),
            image_data: self.context.flags.registry,
        });
        let processor = Processor::new(
            &policies.policies,
            exceptions.exceptions,
            Arc::clone(&self.context.settings),
            sources,
            &values,
            user.as_ref(),
            self.context.runtime.handle().clone(),
        );
        let operations: BTreeSet<Option<Operation>> =
            results.iter().map(|expected| expected.operation).collect();
        let mut answers: BTreeMap<Option<Operation>, Answers> = BTreeMap::new();
        for operation in operations {
            let evaluated = resources.iter().map(|resource| Evaluated {
                resource: resource.clone(),
                responses: processor.apply(resource, operation),
            });
            answers.insert(operation, Answers { triggers: evaluated.collect() });
        }
        self.say("  Checking results ...");
        let expectations = Expectations::new(folder);
        Ok(rows::check(results, &policies.policies, &answers, &expectations))
    }

    fn sorted(
        &mut self,
        paths: &[String],
        folder: &Path,
        wanted: Wanted,
        what: &str,
    ) -> Result<Sorted, Failure> {
        let documents = input::documents(paths, Some(folder), &Git::default())
            .map_err(|error| Failure::new(format!("failed to load {what} ({})", error.message)))?;
        if wanted != Wanted::Resources {
            for document in &documents.read {
                if let Some(warning) = input::deprecation(document) {
                    self.say(&format!("  {warning}"));
                    if self.context.flags.warnings_as_errors {
                        return Err(Failure::new("a deprecated kind, and warnings are errors"));
                    }
                }
            }
        }
        let sorted = Sorted::new(documents, wanted, &self.context.settings);
        if sorted.broken > 0 {
            return Err(Failure::new(format!("failed to load {what}\n{}", sorted.said.trim_end())));
        }
        for line in sorted.said.lines().filter(|line| line.contains(": error: ")) {
            self.say(&format!("  {line}"));
        }
        Ok(sorted)
    }

    /// The resources without those that are there twice, which are warned of.
    fn unique(&mut self, resources: Vec<Value>) -> Vec<Value> {
        let mut seen = BTreeSet::new();
        let mut kept = Vec::with_capacity(resources.len());
        for resource in resources {
            let text = |path: &[&str]| resource.str_at(path).unwrap_or_default().to_owned();
            let kind = text(&["kind"]);
            let (name, namespace) = (text(&["metadata", "name"]), text(&["metadata", "namespace"]));
            if name.is_empty()
                || seen.insert((
                    text(&["apiVersion"]),
                    kind.clone(),
                    namespace.clone(),
                    name.clone(),
                ))
            {
                kept.push(resource);
            } else {
                // Writing to a String cannot fail.
                let _ = writeln!(
                    self.text,
                    "  warning: found duplicated resource {kind} {name} {namespace}"
                );
            }
        }
        kept
    }

    /// What stands for the cluster.
    fn world(
        &self,
        folder: &Path,
        values: &Values,
        user: Option<&UserInfo>,
        resources: &[Value],
        targets: &[Value],
        results: &[Expected],
    ) -> Result<World, Failure> {
        let test = &self.found.test;
        let mut world = World::default();
        for object in resources.iter().chain(targets) {
            world.shelf.put(object);
        }
        let sources = results.iter().map(|one| &one.clone_source).filter(|path| !path.is_empty());
        let paths: BTreeSet<&String> = sources.chain(&test.cluster_resources).collect();
        world.is_whole = !paths.is_empty();
        for path in paths {
            for object in read_objects(folder, path)? {
                match object.at_path(&["spec", "resources"]).and_then(Value::as_list) {
                    Some(inner) if object.str_at(&["kind"]) == Some("ClusterResource") => {
                        for one in inner {
                            world.shelf.put(&kinds::with_namespace(one));
                        }
                    }
                    _ => world.shelf.put(&object),
                }
            }
        }
        world.tell(values, user);
        for (at, mock) in test.api_calls.iter().enumerate() {
            let path = format!("apiCallResponses[{at}]");
            let known = ["url", "urlPath", "method", "response"];
            let fields = Fields::read(mock, &path, &known)?;
            world.calls.push(MockCall::read(&fields)?);
        }
        for (at, entry) in test.global_entries.iter().enumerate() {
            put_entry(entry, at, folder, &mut world)?;
        }
        Ok(world)
    }
}

fn put_entry(entry: &Value, at: usize, folder: &Path, world: &mut World) -> Result<(), Failure> {
    let path = format!("globalContextEntries[{at}]");
    let known = ["name", "data", "resources", "resourceFiles", "fieldPath", "projections"];
    let fields = Fields::read(entry, &path, &known)?;
    let mut items = fields.list("resources")?.to_vec();
    for file in fields.texts("resourceFiles")? {
        items.extend(read_objects(folder, &file)?);
    }
    let mut data = match fields.get("data") {
        Some(data) => data.clone(),
        None => Value::list(items),
    };
    let field = fields.text("fieldPath")?;
    if !field.is_empty() {
        let functions = crate::cli::kyverno::language::functions();
        data = crate::cli::kyverno::language::search(&field, &data, &functions)
            .map_err(|error| Failure::new(format!("{path}.fieldPath: {error}")))?;
    }
    let mut projections = Vec::new();
    for one in fields.maps("projections", &["name", "path"])? {
        projections.push((one.required("name")?, one.required("path")?));
    }
    world.put_entry(&fields.required("name")?, data, &projections).map_err(Failure::new)
}

/// The objects of a file, each in the namespace where the API server would put it.
fn read_objects(folder: &Path, path: &str) -> Result<Vec<Value>, Failure> {
    let documents = input::documents(&[path.to_owned()], Some(folder), &Git::default())?;
    let sorted = Sorted::new(documents, Wanted::Resources, &Settings::default());
    if sorted.broken > 0 {
        return Err(Failure::new(format!("{path}\n{}", sorted.said.trim_end())));
    }
    Ok(objects(&sorted))
}

fn objects(sorted: &Sorted) -> Vec<Value> {
    sorted.resources.iter().map(|one| kinds::with_namespace(&one.written.value)).collect()
}

fn values(test: &TestFile, folder: &Path) -> Result<Values, Failure> {
    if let Some(written) = &test.values {
        return Ok(Values::read(written, "values")?);
    }
    if test.variables.is_empty() {
        return Ok(Values::default());
    }
    let document = input::one_document(&folder.join(&test.variables), "values")?;
    Values::read(&document, "").map_err(|error| in_file(&test.variables, &error))
}

fn in_file(path: &str, error: &crate::cli::kyverno::decode::DecodeError) -> Failure {
    Failure::new(format!("{path}: {error}"))
}
