//! The tidy checks: what the house asks of its files, documents and dependencies, and the compiler cannot know.

mod dependencies;
mod documents;
mod source;

use std::collections::BTreeSet;

use anyhow::Result;

use crate::workspace::{self, SourceFile};

/// Everything that is out of order, one line each; empty when the house is tidy.
pub fn check() -> Result<Vec<String>> {
    let files = workspace::files()?;
    let packages = workspace::packages()?;
    let tests = function_names(&files);
    let mut found = source::check(&files);
    found.extend(source::compat_tags(&files, &tests));
    found.extend(documents::check(&files, &packages, &tests));
    found.extend(dependencies::manifests(&files, &packages));
    found.extend(dependencies::linked()?);
    Ok(found)
}

/// The names of all test functions, of end-to-end cases and of property tests, in the whole tree.
fn function_names(files: &[SourceFile]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let shipped: BTreeSet<usize> =
            file.shipped_lines().into_iter().map(|(number, _)| number).collect();
        let is_case = file.path.starts_with("xtask/src/e2e/");
        for (index, line) in file.text.lines().enumerate() {
            // Only what runs as a test counts: a function that ships proves nothing.
            if shipped.contains(&(index + 1)) && !is_case {
                continue;
            }
            let line = line.trim_start();
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            if let Some(rest) = line.strip_prefix("fn ") {
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !name.is_empty() {
                    names.insert(name);
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_and_cases_count_as_proof() {
        let file =
            |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let names = function_names(&[
            file(
                "crates/a/src/a.rs",
                "fn ships() {}\n#[cfg(test)]\nmod tests {\n    fn proves() {}\n}\n",
            ),
            file("xtask/src/e2e/articles.rs", "pub(super) fn runs() {}\n"),
        ]);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["proves", "runs"]);
    }
}
