//! `apply`: policies against resources from files or a cluster.
mod exceptions;
mod print;
mod report;
mod show;

use super::{
    cluster::{Live, PageError},
    input::{self, Git, Loaded, Sorted, Wanted},
    kinds,
    processor::{Processor, Response},
    registry,
    values::{UserInfo, Values},
    world::World,
};
use crate::{
    cli::{cosign::Failure, trusted_root},
    exit_code,
    shelf::Documents,
    sources::Sources,
};
use clap::{Args, ValueEnum};
use print::Counts;
use report::ReportGroup;
use show::Show;
use sigward_document::Value;
use sigward_policy::snapshot::Settings;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// Apply policies to resources, from files or from a cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct Apply {
    /// policy files, folders or git repositories; `-` is standard input
    #[arg(value_name = "POLICY")]
    policies: Vec<String>,
    /// resource files or folders; Secrets, ConfigMaps and Namespaces among them are at hand for the policies
    #[arg(short, long, value_delimiter = ',')]
    resource: Vec<String>,
    /// more of them
    #[arg(long, value_delimiter = ',')]
    resources: Vec<String>,
    /// objects that mutate rules may change besides the resources
    #[arg(long, value_delimiter = ',')]
    target_resource: Vec<String>,
    /// folders of them
    #[arg(long, value_delimiter = ',')]
    target_resources: Vec<String>,
    /// policy exceptions
    #[arg(short, long, value_delimiter = ',')]
    exception: Vec<String>,
    /// more of them
    #[arg(long, value_delimiter = ',')]
    exceptions: Vec<String>,
    /// take exceptions from the resource files too
    #[arg(long, alias = "exceptions-with-resources")]
    exceptions_within_resources: bool,
    /// take exceptions from the policy files too
    #[arg(long)]
    exceptions_within_policies: bool,
    /// take the resources of a live cluster
    #[arg(short, long)]
    cluster: bool,
    /// the cluster; `KUBECONFIG` or `~/.kube/config` when absent
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// context of the kubeconfig
    #[arg(long)]
    context: Option<String>,
    /// only resources of this namespace
    #[arg(short, long, default_value = "")]
    namespace: String,
    /// kinds without namespace too
    #[arg(long)]
    cluster_wide_resources: bool,
    /// resources of one page
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch_size: u32,
    /// accepted for the peer's sake: resources are evaluated on all cores
    #[arg(long, default_value_t = 1)]
    concurrent: u32,
    /// go on when a kind cannot be listed
    #[arg(long, action = clap::ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    continue_on_error: bool,
    /// say how many resources were loaded, and how fast
    #[arg(long)]
    show_performance: bool,
    /// definitions of custom resources: they say which kinds have no namespace
    #[arg(long, alias = "crd-path", value_delimiter = ',')]
    crd_paths: Vec<String>,
    #[command(flatten)]
    cel: OnlyCel,
    /// who makes the requests
    #[arg(short, long, default_value = "")]
    userinfo: String,
    /// values for variables
    #[arg(short = 's', long, value_delimiter = ',', value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// a file of values for variables
    #[arg(short = 'f', long, alias = "values", default_value = "")]
    values_file: String,
    /// print a policy report
    #[arg(short, long)]
    policy_report: bool,
    /// of the report: yaml or json; sarif and github print findings instead of the usual text
    #[arg(long, default_value = "yaml")]
    output_format: ReportFormat,
    /// API group of the report
    #[arg(long, default_value = "openreports.io")]
    report_group: ReportGroup,
    /// print a policy exception for each violation
    #[arg(long)]
    generate_exceptions: bool,
    /// how long those exceptions hold
    #[arg(long, default_value = "720h")]
    generated_exception_ttl: String,
    /// write mutated objects to a file or folder
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// print the mutated resources only
    #[arg(short = 'i', long)]
    stdin: bool,
    /// branch of git repositories
    #[arg(short = 'b', long, default_value = "")]
    git_branch: String,
    /// user name for git repositories
    #[arg(long, default_value = "")]
    username: String,
    /// password for git repositories
    #[arg(long, default_value = "", hide_env_values = true)]
    password: String,
    /// failures of Audit rules are warnings
    #[arg(long)]
    audit_warn: bool,
    /// exit code when there are warnings and nothing worse
    #[arg(long, default_value_t = 0)]
    warn_exit_code: u8,
    /// raise that exit code when no resource satisfies a policy
    #[arg(long)]
    warn_no_pass: bool,
    /// deprecated kinds are errors
    #[arg(long)]
    warnings_as_errors: bool,
    /// go on with the next resource when one cannot be evaluated (this build always does)
    #[arg(long)]
    continue_on_fail: bool,
    /// print results as a table
    #[arg(short, long)]
    table: bool,
    /// no colours
    #[arg(long)]
    remove_color: bool,
    /// print each rule and image, not only failures
    #[arg(long, alias = "detailed-results")]
    explain: bool,
    /// let context entries ask registries (image verification always does)
    #[arg(long)]
    registry: bool,
    /// signatures made with keys need no transparency log entry: for private infrastructure
    #[arg(long)]
    insecure_ignore_tlog_for_keys: bool,
    /// what certificates, log entries and timestamps are judged by (`trusted_root.json`)
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// allow registries that speak plain HTTP
    #[arg(long = "allowInsecureRegistry", alias = "allow-insecure-registry")]
    allow_insecure_registry: bool,
}

/// Flags that only policies with CEL can use; each is refused by name.
#[derive(Args, Clone, Debug)]
struct OnlyCel {
    #[arg(long, hide = true)]
    json: Vec<String>,
    #[arg(long, hide = true)]
    http_payload: Vec<String>,
    #[arg(long, hide = true)]
    envoy_payload: Vec<String>,
    #[arg(long, hide = true)]
    parameter_resource: Vec<String>,
    #[arg(long, hide = true)]
    context_file: Vec<String>,
}

impl OnlyCel {
    /// The first that was given.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--json", &self.json),
            ("--http-payload", &self.http_payload),
            ("--envoy-payload", &self.envoy_payload),
            ("--parameter-resource", &self.parameter_resource),
            ("--context-file", &self.context_file),
        ];
        flags.into_iter().find(|(_, values)| !values.is_empty()).map(|(name, _)| name)
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Yaml,
    Json,
    Sarif,
    Github,
}

/// A resource, and where it was read: nowhere when it is of a cluster.
#[derive(Debug)]
struct Subject {
    file: PathBuf,
    line: u32,
    resource: Value,
}

/// A resource and what the policies said about it.
#[derive(Debug)]
struct Judged {
    subject: Subject,
    responses: Vec<Response>,
}

impl Apply {
    /// Exit code 0 when nothing failed; 1 on violations, errors, or input that cannot be used.
    pub(crate) fn run(self) -> ExitCode {
        let end = |message: &str| {
            let _closed = writeln!(std::io::stderr(), "Error: {message}");
            ExitCode::from(exit_code::FAILURE)
        };
        match self.apply() {
            Ok(counts) if counts.fail > 0 => end("exit as there are policy violations"),
            Ok(counts) if counts.error > 0 => end("exit as there are policy errors"),
            Ok(counts) if counts.warn > 0 && self.warn_exit_code != 0 => {
                ExitCode::from(self.warn_exit_code)
            }
            Ok(counts) if counts.pass == 0 && self.warn_no_pass => {
                ExitCode::from(self.warn_exit_code)
            }
            Ok(_) => ExitCode::from(exit_code::SUCCESS),
            Err(Failure { message, .. }) => end(&message),
        }
    }

    fn apply(&self) -> Result<Counts, Failure> {
        let resource_paths: Vec<String> =
            self.resource.iter().chain(&self.resources).cloned().collect();
        if self.policies.is_empty() {
            return Err(Failure::new("require policy"));
        }
        if resource_paths.is_empty() && !self.cluster {
            return Err(Failure::new("resource file(s) or cluster required"));
        }
        if let Some(flag) = self.cel.given() {
            return Err(Failure::new(format!(
                "{flag} is for policies that need CEL, which is not supported in this build"
            )));
        }
        let standard_input = |path: &&String| path.as_str() == "-";
        if self.policies.iter().chain(&resource_paths).filter(standard_input).count() > 1 {
            return Err(Failure::new(
                "a stdin pipe can be used for either policies or resources, not both",
            ));
        }
        let settings = Arc::new(Settings {
            insecure_ignore_tlog_for_keys: self.insecure_ignore_tlog_for_keys,
            allow_insecure_registry: self.allow_insecure_registry,
            exceptions_enabled: true,
            answers_services: true,
            update_requests: true,
            exception_namespace: "*".into(),
            trust: trusted_root(self.trusted_root.as_deref())?,
            ..Settings::default()
        });
        let mut counts = Counts::default();
        let git = Git {
            branch: self.git_branch.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
        };
        let policies = self.read(&self.policies, Wanted::Policies, &git, &settings, &mut counts)?;
        let resources =
            self.read(&resource_paths, Wanted::Resources, &git, &settings, &mut counts)?;
        let targets: Vec<String> =
            self.target_resource.iter().chain(&self.target_resources).cloned().collect();
        let targets = self.read(&targets, Wanted::Resources, &git, &settings, &mut counts)?;
        let definitions =
            self.read(&self.crd_paths, Wanted::Resources, &git, &settings, &mut counts)?;
        let scopes = kinds::Scopes::of(definitions.resources.iter().map(|one| &one.written.value));
        let exceptions = self.exceptions(&policies, &resources, &settings, &mut counts)?;
        if policies.policies.is_empty() && policies.unsupported.is_empty() && counts.error == 0 {
            return Err(Failure::new(
                "no policies found: expected ClusterPolicy or Policy of kyverno.io/v1",
            ));
        }
        let (values, user) = self.inputs()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let live = if self.cluster {
            let context = self.context.as_deref();
            Some(runtime.block_on(Live::connect(self.kubeconfig.as_deref(), context))?)
        } else {
            None
        };
        let cluster = live.as_ref().map(|live| Arc::clone(&live.cluster));
        let mut world = World { cluster, ..World::default() };
        for document in resources.resources.iter().chain(&targets.resources) {
            world.shelf.put(&scopes.with_namespace(&document.written.value));
        }
        world.tell(&values, user.as_ref());
        let quiet = self.is_quiet();
        let mut show = Show::new(self, &policies.policies, counts);
        if !quiet && live.is_none() {
            print::header(&policies.policies, resources.resources.len(), exceptions.len());
        }
        show.counts.error += print::unusable(&policies, quiet);
        let sources = Arc::new(Sources {
            registry: registry(self.allow_insecure_registry)?,
            objects: Arc::new(world),
            image_data: self.registry,
        });
        let processor = Processor::new(
            &policies.policies,
            exceptions,
            settings,
            sources,
            &values,
            user.as_ref(),
            runtime.handle().clone(),
        );
        let from_files = resources.resources.iter().map(|document| Subject {
            file: document.path.clone(),
            line: document.line_of("").0,
            resource: scopes.with_namespace(&document.written.value),
        });
        show.batch(&judge_all(from_files.collect(), &processor))?;
        let mut judged = resources.resources.len();
        if let Some(live) = &live {
            judged += self.walk(live, &policies.policies, &processor, &runtime, &mut show)?;
            if !quiet {
                print::header(&policies.policies, judged, 0);
            }
        }
        let counts = show.end()?;
        runtime.shutdown_background();
        Ok(counts)
    }

    /// Whether headings and counts would be in the way of what is printed.
    fn is_quiet(&self) -> bool {
        self.stdin
            || self.policy_report
            || self.generate_exceptions
            || self.output_format == ReportFormat::Sarif
    }

    /// Every resource of the cluster that some policy is about, page by page: no more than a page is held.
    fn walk(
        &self,
        live: &Live,
        policies: &[Loaded],
        processor: &Processor<'_>,
        runtime: &tokio::runtime::Runtime,
        show: &mut Show<'_>,
    ) -> Result<usize, Failure> {
        let started = Instant::now();
        let (mut resources, mut pages) = (0, 0);
        for kind in live.kinds(policies, self.cluster_wide_resources) {
            let mut from = String::new();
            loop {
                let page = live.page(&kind, &self.namespace, self.batch_size, &from);
                let page = match runtime.block_on(page) {
                    Ok(page) => page,
                    Err(PageError::NotListable) => break,
                    Err(error) => {
                        let Failure { message, .. } = Failure::from(error);
                        let message = format!("{} cannot be listed: {message}", kind.path());
                        if !self.continue_on_error {
                            return Err(Failure::new(message));
                        }
                        let _closed = writeln!(std::io::stderr(), "Error: {message}");
                        show.counts.error += 1;
                        break;
                    }
                };
                pages += 1;
                resources += page.items.len();
                let subjects = page.items.into_iter().map(|resource| Subject {
                    file: PathBuf::new(),
                    line: 0,
                    resource,
                });
                show.batch(&judge_all(subjects.collect(), processor))?;
                if page.next.is_empty() {
                    break;
                }
                from = page.next;
            }
        }
        if self.show_performance {
            let seconds = started.elapsed().as_secs_f64();
            let _closed = writeln!(
                std::io::stderr(),
                "loaded and evaluated {resources} resource(s) in {pages} page(s) in {seconds:.3} s"
            );
        }
        Ok(resources)
    }

    /// Reads paths; what is to be said goes to standard error, what cannot be used is counted.
    fn read(
        &self,
        paths: &[String],
        wanted: Wanted,
        git: &Git,
        settings: &Settings,
        counts: &mut Counts,
    ) -> Result<Sorted, Failure> {
        let documents = input::documents(paths, None, git)?;
        if wanted != Wanted::Resources {
            self.warn(&documents)?;
        }
        let sorted = Sorted::new(documents, wanted, settings);
        let _closed = std::io::stderr().write_all(sorted.said.as_bytes());
        counts.error += sorted.broken;
        Ok(sorted)
    }

    fn warn(&self, documents: &Documents) -> Result<(), Failure> {
        for warning in documents.read.iter().filter_map(input::deprecation) {
            let _closed = writeln!(std::io::stderr(), "{warning}");
            if self.warnings_as_errors {
                return Err(Failure::new("a deprecated kind, and warnings are errors"));
            }
        }
        Ok(())
    }

    /// The exceptions of all places that were named.
    fn exceptions(
        &self,
        policies: &Sorted,
        resources: &Sorted,
        settings: &Settings,
        counts: &mut Counts,
    ) -> Result<Vec<Arc<sigward_policy::compile::Exception>>, Failure> {
        let paths: Vec<String> = self.exception.iter().chain(&self.exceptions).cloned().collect();
        let git = Git::default();
        let mut all = self.read(&paths, Wanted::Exceptions, &git, settings, counts)?.exceptions;
        if self.exceptions_within_policies {
            all.extend(policies.exceptions.iter().cloned());
        }
        if self.exceptions_within_resources {
            let read = resources
                .resources
                .iter()
                .filter(|one| kinds::role(&one.written.value) == kinds::Role::Exception)
                .cloned()
                .collect();
            let documents = Documents { read, broken: Vec::new() };
            let sorted = Sorted::new(documents, Wanted::Exceptions, settings);
            let _closed = std::io::stderr().write_all(sorted.said.as_bytes());
            counts.error += sorted.broken;
            all.extend(sorted.exceptions);
        }
        Ok(all)
    }

    fn inputs(&self) -> Result<(Values, Option<UserInfo>), Failure> {
        let in_file =
            |path: &str, error: &dyn std::fmt::Display| Failure::new(format!("{path}: {error}"));
        let mut values = if self.values_file.is_empty() {
            Values::default()
        } else {
            let document = input::one_document(Path::new(&self.values_file), "values")?;
            Values::read(&document, "").map_err(|error| in_file(&self.values_file, &error))?
        };
        for text in &self.set {
            values.set(text).map_err(Failure::new)?;
        }
        let user = if self.userinfo.is_empty() {
            None
        } else {
            let document = input::one_document(Path::new(&self.userinfo), "user info")?;
            Some(UserInfo::read(&document).map_err(|error| in_file(&self.userinfo, &error))?)
        };
        Ok((values, user))
    }
}

/// Asks the policies about all resources, on all cores; the answers come in the order of the resources.
fn judge_all(subjects: Vec<Subject>, processor: &Processor<'_>) -> Vec<Judged> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(subjects.len());
    let next = AtomicUsize::new(0);
    let answers: Mutex<Vec<(usize, Vec<Response>)>> = Mutex::new(Vec::new());
    let work = || {
        let mut own = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(subject) = subjects.get(at) else { break };
            own.push((at, processor.apply(&subject.resource, None)));
        }
        answers.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    subjects
        .into_iter()
        .zip(answers)
        .map(|(subject, (_, responses))| Judged { subject, responses })
        .collect()
}
