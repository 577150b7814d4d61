//! Policies, resources and exceptions from files, folders, standard input and git repositories.
use super::{diagnostics, kinds};
use crate::{
    cli::cosign::Failure,
    shelf::{Document, Documents},
};
use sigward_document::Value;
use sigward_policy::{
    compile::{Diagnostic, Exception, Policy, Severity, compile_exception, compile_policy},
    snapshot::Settings,
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// A policy as it was read and as it was compiled.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// As written.
    pub(crate) document: Document,
    /// Why it is not evaluated, or the policy.
    pub(crate) compiled: Result<Arc<Policy>, String>,
}

impl Loaded {
    /// `metadata.name`.
    pub(crate) fn name(&self) -> &str {
        self.document.written.value.str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// An annotation, empty when it is missing.
    pub(crate) fn annotation(&self, name: &str) -> &str {
        let path = ["metadata", "annotations", name];
        self.document.written.value.str_at(&path).unwrap_or_default()
    }
}

/// Everything that was read from some paths, by what it is.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Policies, in the order of files and documents.
    pub(crate) policies: Vec<Loaded>,
    /// Exceptions.
    pub(crate) exceptions: Vec<Arc<Exception>>,
    /// Policies of kinds that this build has not, as `kind name`.
    pub(crate) unsupported: Vec<String>,
    /// Everything else.
    pub(crate) resources: Vec<Document>,
    /// What is to be said on standard error: warnings, what could not be read, what does not compile.
    pub(crate) said: String,
    /// How many documents could not be used.
    pub(crate) broken: usize,
}

/// What of the documents is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Policies; exceptions beside them only when asked for.
    Policies,
    /// Exceptions.
    Exceptions,
    /// Resources: policies and exceptions are resources here.
    Resources,
}

impl Sorted {
    /// Sorts documents and compiles what is to be compiled.
    pub(crate) fn new(documents: Documents, wanted: Wanted, settings: &Settings) -> Self {
        let mut sorted = Self::default();
        for one in &documents.broken {
            sorted.said.push_str(&diagnostics::broken(one));
            sorted.broken += 1;
        }
        for document in documents.read {
            sorted.take(document, wanted, settings);
        }
        sorted
    }

    fn take(&mut self, document: Document, wanted: Wanted, settings: &Settings) {
        let value = &document.written.value;
        let text = |path: &[&str]| value.str_at(path).unwrap_or_default();
        match (kinds::role(value), wanted) {
            (kinds::Role::Policy, Wanted::Policies) => {
                let compiled = compile_policy(value, settings);
                self.say(&document, &compiled.diagnostics);
                let compiled = match compiled.value {
                    Some(policy) => Ok(Arc::new(policy)),
                    None => Err(first_error(&compiled.diagnostics)),
                };
                self.policies.push(Loaded { document, compiled });
            }
            (kinds::Role::Exception, Wanted::Policies | Wanted::Exceptions) => {
                let compiled = compile_exception(value, settings);
                self.say(&document, &compiled.diagnostics);
                match compiled.value {
                    Some(exception) => self.exceptions.push(Arc::new(exception)),
                    None => self.broken += 1,
                }
            }
            (kinds::Role::Unsupported, Wanted::Policies) => {
                self.unsupported.push(format!(
                    "{} {}",
                    text(&["kind"]),
                    text(&["metadata", "name"])
                ));
            }
            (kinds::Role::UnknownVersion, Wanted::Policies) => {
                let version = text(&["apiVersion"]);
                let message =
                    format!("there is no version `{version}` of policies: write kyverno.io/v1");
                self.unusable(&document, "apiVersion", &message);
            }
            (_, Wanted::Resources) => self.open(document),
            (_, Wanted::Policies | Wanted::Exceptions) => {
                let what = if wanted == Wanted::Policies { "policy" } else { "exception" };
                let diagnostic = Diagnostic {
                    severity: Severity::Warning,
                    path: "kind".to_owned(),
                    message: format!(
                        "`{}` of `{}` is no {what}: it is passed over",
                        text(&["kind"]),
                        text(&["apiVersion"])
                    ),
                    help: None,
                };
                self.say(&document, &[diagnostic]);
            }
        }
    }

    /// A resource, or those of a list.
    fn open(&mut self, document: Document) {
        let value = &document.written.value;
        let kind = value.str_at(&["kind"]).unwrap_or_default();
        if let Some(items) = value.get("items").and_then(Value::as_list)
            && kind.ends_with("List")
        {
            for item in items {
                let mut one = document.clone();
                one.written.value = item.clone();
                self.open(one);
            }
            return;
        }
        if kind.is_empty() {
            self.unusable(&document, "kind", "a resource needs a `kind`");
        } else if value.str_at(&["apiVersion"]).unwrap_or_default().is_empty() {
            self.unusable(&document, "apiVersion", "a resource needs an `apiVersion`");
        } else {
            self.resources.push(document);
        }
    }

    fn unusable(&mut self, document: &Document, path: &str, message: &str) {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            path: path.to_owned(),
            message: message.to_owned(),
            help: None,
        };
        self.say(document, &[diagnostic]);
        self.broken += 1;
    }

    fn say(&mut self, document: &Document, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            diagnostics::draw(document, diagnostic, &mut self.said);
        }
    }
}

fn first_error(diagnostics: &[Diagnostic]) -> String {
    let error = diagnostics.iter().find(|one| one.severity == Severity::Error);
    error.map_or_else(String::new, |error| match error.path.as_str() {
        "" => error.message.clone(),
        path => format!("{path}: {}", error.message),
    })
}

/// How to reach git repositories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Git {
    /// `--git-branch`.
    pub(crate) branch: String,
    /// `--username`.
    pub(crate) username: String,
    /// `--password`.
    pub(crate) password: String,
}

/// Why a path or address cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The address does not name a repository.
    #[error(
        "invalid URL path {address} - expected https://HOST/:owner/:repository/:branch (without --git-branch flag) OR https://HOST/:owner/:repository/:directory (with --git-branch flag)"
    )]
    Address {
        /// As given.
        address: String,
    },
    /// A single file behind HTTP.
    #[error(
        "{address} is not a repository: files are read from folders and git repositories only; download it first"
    )]
    File {
        /// As given.
        address: String,
    },
    /// `git` is not installed.
    #[error("cannot start the program `git`")]
    NoGit(#[source] std::io::Error),
    /// A folder for the clone could not be made.
    #[error("cannot make {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The repository or the branch is not there, or may not be read.
    #[error("cannot clone {address}: {said}")]
    Clone {
        /// As given.
        address: String,
        /// The last line of what git said.
        said: String,
    },
    /// The repository lacks the folder.
    #[error("{address}: there is no {folder} on branch {branch}")]
    NoFolder {
        /// As given.
        address: String,
        /// Inside the repository.
        folder: String,
        /// What was cloned.
        branch: String,
    },
}

/// A clone that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Clone {
    root: PathBuf,
    /// The folder that the address named.
    pub(crate) folder: PathBuf,
}

impl Drop for Clone {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _gone = std::fs::remove_dir_all(&self.root);
    }
}

/// Whether a path is the address of a repository or of a file somewhere else.
pub(crate) fn is_address(path: &str) -> bool {
    ["https://", "http://", "ssh://", "git://", "file://", "git@"]
        .iter()
        .any(|scheme| path.starts_with(scheme))
}

/// Owner, repository, and what comes behind: a branch, or a folder when a branch is given apart.
fn repository(address: &str, git: &Git) -> Result<(String, String, String), SourceError> {
    let invalid = || SourceError::Address { address: address.to_owned() };
    if let Some(end) = address.find(".git").map(|at| at + ".git".len()) {
        let (url, rest) = address.split_at_checked(end).ok_or_else(invalid)?;
        return Ok(named(url, rest.trim_matches('/'), git));
    }
    if address.starts_with("file://") {
        return Ok(named(address, "", git));
    }
    if [".yaml", ".yml", ".json"].iter().any(|suffix| address.ends_with(suffix)) {
        return Err(SourceError::File { address: address.to_owned() });
    }
    let (scheme, rest) = address.split_once("://").ok_or_else(invalid)?;
    let mut parts = rest.splitn(4, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(owner), Some(name))
            if ![host, owner, name].iter().any(|part| part.is_empty()) =>
        {
            let url = format!("{scheme}://{host}/{owner}/{name}");
            Ok(named(&url, parts.next().unwrap_or_default().trim_matches('/'), git))
        }
        _ => Err(invalid()),
    }
}

fn named(url: &str, rest: &str, git: &Git) -> (String, String, String) {
    if git.branch.is_empty() {
        let branch = if rest.is_empty() { "main" } else { rest };
        (url.to_owned(), branch.to_owned(), String::new())
    } else {
        (url.to_owned(), git.branch.clone(), rest.to_owned())
    }
}

/// Clones one branch of a repository, without its history.
pub(crate) fn clone(address: &str, git: &Git) -> Result<Clone, SourceError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (url, branch, folder) = repository(address, git)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let root = std::env::temp_dir().join(format!("sigward-git-{}-{number}", std::process::id()));
    std::fs::create_dir(&root)
        .map_err(|source| SourceError::Folder { path: root.clone(), source })?;
    let clone = Clone { folder: root.join(&folder), root };
    let mut command = Command::new("git");
    command
        .args(["clone", "--quiet", "--depth", "1", "--single-branch", "--branch", &branch, "--"])
        .arg(&url)
        .arg(&clone.root)
        .stdin(Stdio::null())
        .env("GIT_TERMINAL_PROMPT", "0");
    if !git.username.is_empty() || !git.password.is_empty() {
        // By environment: the command line of a process is for everyone to read.
        let pair = format!("{}:{}", git.username, git.password);
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {encoded}"));
    }
    let output = command.output().map_err(SourceError::NoGit)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("git failed");
        return Err(SourceError::Clone { address: address.to_owned(), said: said.to_owned() });
    }
    let inside = clone.folder.canonicalize().is_ok_and(|folder| {
        clone.root.canonicalize().is_ok_and(|root| folder.starts_with(root)) && folder.exists()
    });
    if !inside {
        return Err(SourceError::NoFolder { address: address.to_owned(), folder, branch });
    }
    Ok(clone)
}

/// Reads all documents of some paths; relative ones below a folder, addresses by git.
pub(crate) fn documents(
    paths: &[String],
    below: Option<&Path>,
    git: &Git,
) -> Result<Documents, Failure> {
    let mut all = Documents::default();
    for path in paths {
        if is_address(path) {
            let clone = clone(path, git)?;
            let read = Documents::read(std::slice::from_ref(&clone.folder))?;
            all.read.extend(read.read);
            all.broken.extend(read.broken);
            continue;
        }
        let path = match below {
            Some(folder) if path != "-" => folder.join(path),
            _ => PathBuf::from(path),
        };
        let read = Documents::read(&[path])?;
        all.read.extend(read.read);
        all.broken.extend(read.broken);
    }
    Ok(all)
}

/// The one document of a file.
pub(crate) fn one_document(path: &Path, what: &str) -> Result<Value, Failure> {
    let failed = |error: String| Failure::new(format!("failed to load {what} ({error})"));
    let documents = Documents::read(&[path.to_owned()])
        .map_err(|error| failed(Failure::from(error).message))?;
    if let Some(broken) = documents.broken.first() {
        return Err(failed(broken.to_string()));
    }
    match documents.read.as_slice() {
        [one] => Ok(one.written.value.clone()),
        other => {
            Err(failed(format!("{}: expected one document, found {}", path.display(), other.len())))
        }
    }
}

/// The peer's warning that kinds of `kyverno.io` are on their way out.
// COMPAT: Kyverno 1.19: the warning and its wording; test: a_deprecated_kind_is_warned_of_as_upstream_does
pub(crate) fn deprecation(document: &Document) -> Option<String> {
    let value = &document.written.value;
    let version = value.str_at(&["apiVersion"])?;
    let kind = value.str_at(&["kind"])?;
    let successor = match kind {
        "ClusterPolicy" => {
            "ValidatingPolicy, MutatingPolicy, GeneratingPolicy or ImageValidatingPolicy (policies.kyverno.io)"
        }
        "Policy" => {
            "NamespacedValidatingPolicy and the other namespaced policy types (policies.kyverno.io)"
        }
        "PolicyException" => "PolicyException (policies.kyverno.io)",
        _ => return None,
    };
    if kinds::group_version(version).0 != "kyverno.io" {
        return None;
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "Warning: {}: {version} {kind} is deprecated and will be removed in a future release; migrate to {successor}, see https://kyverno.io/docs/guides/migration-to-cel/",
        document.path.display()
    );
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, branch: &str, expected: Option<(&str, &str, &str)>) {
        let git = Git { branch: branch.to_owned(), ..Git::default() };
        let found = repository(address, &git).ok();
        let owned = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(found, expected.map(owned), "{address}");
    }

    #[test]
    fn an_address_is_a_repository_and_a_branch_or_a_folder() {
        let repository = "https://git.example/kyverno/policies";
        check(repository, "", Some((repository, "main", "")));
        check(&format!("{repository}/v1.19"), "", Some((repository, "v1.19", "")));
        check(&format!("{repository}/a/b"), "dev", Some((repository, "dev", "a/b")));
        check("https://git.example/kyverno", "", None);
        check("https://git.example/x/y/policy.yaml", "", None);
        check("file:///tmp/r.git/sub", "main", Some(("file:///tmp/r.git", "main", "sub")));
    }
}
