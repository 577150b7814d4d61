//! Checks on the project's documents: what they name must exist.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use crate::workspace::{Package, SourceFile, root};

/// The peer's finer points, each with its test or with what it waits for.
const POINTS: &str = "docs/kyverno-semantics.md";

/// Whether a row may say what it waits for in place of a test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Never,
    WithReason,
}

pub(super) fn check(
    files: &[SourceFile],
    packages: &[Package],
    tests: &BTreeSet<String>,
) -> Vec<String> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let mut found = Vec::new();
    if let Some(map) = find("ARCHITECTURE.md") {
        found.extend(missing_paths(map, |path| root().join(path).exists()));
        found.extend(unnamed_crates(map, packages));
    }
    for document in
        files.iter().filter(|file| Path::new(&file.path).extension() == Some(OsStr::new("md")))
    {
        let folder = Path::new(&document.path)
            .parent()
            .map(|folder| root().join(folder))
            .unwrap_or_default();
        found.extend(missing_links(document, |target| folder.join(target).exists()));
    }
    if let Some(ledger) = find("COMPAT.md") {
        found.extend(unproved_rows(ledger, tests, Waiting::Never));
    }
    match find(POINTS) {
        Some(ledger) => found.extend(unproved_rows(ledger, tests, Waiting::WithReason)),
        None => found.push(format!("{POINTS} does not exist")),
    }
    found
}

/// The words between backticks, with the number of their line; fenced blocks count as prose.
fn code_words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("```")).flat_map(
        |(index, line)| line.split('`').skip(1).step_by(2).map(move |word| (index + 1, word)),
    )
}

/// Whether a word between backticks means a file or folder of ours and not an API path or a crate of others.
fn is_path(word: &str) -> bool {
    const TOP: &[&str] = &[
        "crates",
        "testkit",
        "conformance",
        "bench",
        "fuzz",
        "deploy",
        "docs",
        "xtask",
        ".ci",
        ".cargo",
    ];
    let plain =
        !word.contains(char::is_whitespace) && !word.contains(['*', '<', '{', '…', '$', ':']);
    let (first, more) = word.split_once('/').map_or((word, false), |(first, _)| (first, true));
    plain && more && TOP.contains(&first)
}

fn missing_paths(document: &SourceFile, exists: impl Fn(&str) -> bool) -> Vec<String> {
    code_words(&document.text)
        .filter(|(_, word)| is_path(word) && !exists(word))
        .map(|(number, word)| format!("{}:{number}: `{word}` does not exist", document.path))
        .collect()
}

fn missing_links(document: &SourceFile, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') && !exists(target) {
                found.push(format!(
                    "{}:{}: the link to `{target}` leads nowhere",
                    document.path,
                    index + 1
                ));
            }
        }
    }
    found
}

fn unnamed_crates(document: &SourceFile, packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter(|package| {
            let words = [package.folder.as_str(), package.short()];
            !code_words(&document.text).any(|(_, word)| {
                words.contains(&word.trim_end_matches('/'))
                    || word.starts_with(&format!("{}/", package.folder))
            })
        })
        .map(|package| format!("{} does not name the crate `{}`", document.path, package.folder))
        .collect()
}

/// Each row of a table with a column "test" must name at least one test there, and each that it names must exist.
fn unproved_rows(document: &SourceFile, tests: &BTreeSet<String>, waiting: Waiting) -> Vec<String> {
    let mut found = Vec::new();
    let mut column = None;
    for (index, line) in document.text.lines().enumerate() {
        let line = line.trim();
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        let cells = cells(line);
        let Some(at) = column else {
            column = cells
                .iter()
                .position(|cell| matches!(cell.to_lowercase().as_str(), "test" | "tests"));
            continue;
        };
        if cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':' | ' '))) {
            continue;
        }
        let place = format!("{}:{}", document.path, index + 1);
        let cell = cells.get(at).map(String::as_str).unwrap_or_default();
        if waiting == Waiting::WithReason
            && cell.strip_prefix("waits for ").is_some_and(|what| !what.trim().is_empty())
        {
            continue;
        }
        let named: Vec<&str> =
            code_words(cell).map(|(_, word)| word.rsplit("::").next().unwrap_or(word)).collect();
        if named.is_empty() {
            found.push(format!("{place}: the row names no test"));
        }
        for name in named.into_iter().filter(|name| !tests.contains(*name)) {
            found.push(format!("{place}: there is no test `{name}`"));
        }
    }
    found
}

/// The cells of a table's row; a bar behind a backslash or between backticks belongs to its cell.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for c in line.trim().trim_start_matches('|').chars() {
        match c {
            '|' if !quoted && !escaped => cells.push(String::new()),
            _ => {
                quoted ^= c == '`';
                if let Some(last) = cells.last_mut() {
                    last.push(c);
                }
            }
        }
        escaped = c == '\\' && !escaped;
    }
    if cells.last().is_some_and(|last| last.trim().is_empty()) {
        cells.pop();
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "D.md".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_named_path_that_is_not_there_is_found() {
        let document =
            file("see `crates/policy/src/gone.rs`, `/v2/`, `https://x/y` and `crates/here`\n");
        assert_eq!(missing_paths(&document, |path| path == "crates/here").len(), 1);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let document = file("[a](docs/a.md) [b](https://b.example) [c](docs/c.md#part)\n");
        assert_eq!(
            missing_links(&document, |path| path == "docs/a.md"),
            ["D.md:1: the link to `docs/c.md` leads nowhere"]
        );
    }

    #[test]
    fn the_map_names_every_crate() {
        let packages = [
            Package { folder: "crates/oci".to_owned(), name: "sigward-oci".to_owned() },
            Package { folder: "crates/api".to_owned(), name: "sigward-api".to_owned() },
        ];
        assert_eq!(unnamed_crates(&file("`crates/oci/` holds names\n"), &packages).len(), 1);
    }

    #[test]
    fn a_row_without_a_living_test_is_found() {
        let tests = BTreeSet::from(["lives".to_owned()]);
        let table = "| what | test |\n|---|---|\n| a `x|y` | `lives` |\n| b | `dead` |\n| c | |\n\n| other | table |\n|---|---|\n| d | e |\n";
        let found = unproved_rows(&file(table), &tests, Waiting::Never);
        assert_eq!(found, ["D.md:4: there is no test `dead`", "D.md:5: the row names no test"]);
    }

    #[test]
    fn a_row_may_wait_only_where_that_is_allowed_and_for_something() {
        let tests = BTreeSet::new();
        let table = file("| what | test |\n|---|---|\n| a | waits for `b` |\n| c | waits for |\n");
        let found = |waiting| unproved_rows(&table, &tests, waiting);
        assert_eq!(found(Waiting::WithReason), ["D.md:4: the row names no test"]);
        assert_eq!(
            found(Waiting::Never),
            ["D.md:3: there is no test `b`", "D.md:4: the row names no test"]
        );
    }
}
