//! Where things are: the workspace, its crates and files, the cache, and how programs are called.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root folder of the workspace this program was built from.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// One crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// The folder, relative to the root: `crates/policy`.
    pub folder: String,
    /// The package's name: `sigward-policy`.
    pub name: String,
}

impl Package {
    /// The folder's own name, which is how the design speaks of the crate: `policy`.
    pub fn short(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

/// All crates of the workspace, by folder.
pub fn packages() -> Result<Vec<Package>> {
    let mut folders = vec!["testkit".to_owned(), "xtask".to_owned()];
    for entry in fs::read_dir(root().join("crates")).context("cannot list crates/")? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            folders.push(format!("crates/{}", entry.file_name().to_string_lossy()));
        }
    }
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        let path = root().join(&folder).join("Cargo.toml");
        let manifest =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .with_context(|| format!("{} names no package", path.display()))?
            .to_owned();
        found.push(Package { folder, name });
    }
    Ok(found)
}

/// A file of the tree that a check reads.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The path relative to the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl SourceFile {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        Path::new(&self.path).extension() == Some(OsStr::new("rs"))
    }

    /// Whether the whole file is test code by its place.
    pub fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| matches!(part, "tests" | "benches" | "fuzz") || part == "tests.rs")
    }

    /// The lines that ship, with their numbers: blocks under `#[cfg(test)]` are left out.
    pub fn shipped_lines(&self) -> Vec<(usize, &str)> {
        if self.is_test() {
            return Vec::new();
        }
        let mut kept = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            if line.trim() != "#[cfg(test)]" {
                kept.push((index + 1, line));
                continue;
            }
            // rustfmt closes an item at the indentation it was opened with, and CI runs it first.
            let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
            let end = format!("{indent}}}");
            for (_, inner) in lines.by_ref() {
                let one_line = inner.trim_end().ends_with(';')
                    && inner.starts_with(&indent)
                    && !inner.trim_start_matches(&*indent).starts_with(char::is_whitespace);
                if inner == end || one_line {
                    break;
                }
            }
        }
        kept
    }
}

/// All text files of the tree that git knows or would add, by path; build output, binaries and locks are left out.
pub fn files() -> Result<Vec<SourceFile>> {
    let listed = output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(root()),
    )?;
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut found = Vec::new();
    for path in paths {
        // A file deleted in the work tree is still listed; binary files have no lines to check.
        let Ok(bytes) = fs::read(root().join(path)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        found.push(SourceFile { path: path.to_owned(), text });
    }
    Ok(found)
}

/// The folder that outlives clones: `$SIGWARD_CACHE`, else `$XDG_CACHE_HOME/sigward`, else `~/.cache/sigward`.
pub fn cache() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = set("SIGWARD_CACHE") {
        return Ok(own);
    }
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(base.context("neither SIGWARD_CACHE, XDG_CACHE_HOME nor HOME is set")?.join("sigward"))
}

/// Whether this is the continuous integration, where nothing may be skipped.
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// The conformance data beside the clone, or where `SIGWARD_SHARED` says; none when a stranger has none.
pub fn shared() -> Option<PathBuf> {
    let folder =
        env::var_os("SIGWARD_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// The program's path if one of the folders of `PATH` has it.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    // Where distributions and Go's own archive put programs that a short PATH leaves out.
    folders.extend(["/usr/local/go/bin", "/usr/sbin", "/usr/bin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A command that runs the cargo which runs us, in the root folder.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").as_deref().unwrap_or(OsStr::new("cargo")));
    command.current_dir(root());
    command
}

/// Runs a command to its end and gives its standard output; a failure carries the standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    if !done.status.success() {
        bail!(
            "{} ended with {}\n{}",
            describe(command),
            done.status,
            String::from_utf8_lossy(&done.stderr).trim_end()
        );
    }
    String::from_utf8(done.stdout)
        .with_context(|| format!("{} printed something that is not UTF-8", describe(command)))
}

/// Runs a command to its end with its output going where ours goes.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", describe(command));
    }
    Ok(())
}

/// The command as one would type it, for messages.
pub fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(text: &str) -> Vec<usize> {
        let file = SourceFile { path: "crates/x/src/a.rs".to_owned(), text: text.to_owned() };
        file.shipped_lines().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn a_test_module_is_not_shipped() {
        assert_eq!(shipped("fn a() {}\n#[cfg(test)]\nmod tests {\n    x\n}\nfn b() {}\n"), [1, 6]);
    }

    #[test]
    fn a_test_module_in_its_own_file_hides_nothing_else() {
        assert_eq!(shipped("#[cfg(test)]\nmod tests;\nfn b() {}\n"), [3]);
    }

    #[test]
    fn every_crate_folder_has_a_package_named_after_it() {
        for package in packages().unwrap() {
            let expected = if package.short() == "sigward" {
                "sigward".to_owned()
            } else {
                format!("sigward-{}", package.short())
            };
            assert_eq!(package.name, expected);
        }
    }
}
