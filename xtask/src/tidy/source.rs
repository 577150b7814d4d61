//! Checks on source files: first lines, sizes, names, places, forbidden marks, and the tags of imitated behaviour.

use std::collections::BTreeSet;

use crate::workspace::SourceFile;

/// The most lines a file may have, tests left out.
const MOST_LINES: usize = 1_000;

/// Files that may be longer, with the reason.
const LONG: &[(&str, &str)] = &[];

/// File and folder names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "managers", "shared",
    "stuff",
];

/// Marks that must not stay in the tree, with the reason. Split so that this file does not find itself.
const MARKS: &[(&str, &str)] = &[
    (concat!("#[ign", "ore"), "a test that does not run proves nothing"),
    (concat!("TO", "DO"), "finish it or file an issue"),
    (concat!("FIX", "ME"), "finish it or file an issue"),
    (concat!("X", "XX"), "finish it or file an issue"),
];

/// Folders of one particular machine. Split so that this file does not find itself.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "wt")];

pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        found.extend(machine_paths(file));
        found.extend(empty_name(&file.path));
        if file.is_rust() {
            found.extend(first_line(file));
            found.extend(too_long(file));
            found.extend(marks(file));
            found.extend(orphan(file, files));
        }
    }
    for (path, _) in LONG {
        if !files.iter().any(|file| file.path == *path) {
            found.push(format!("{path} may be long, says tidy, but does not exist"));
        }
    }
    found
}

fn first_line(file: &SourceFile) -> Option<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|sentence| !sentence.trim().is_empty());
    (!says).then(|| {
        format!(
            "{}:1: the first line is a `//!` sentence that says what the file is for",
            file.path
        )
    })
}

fn too_long(file: &SourceFile) -> Option<String> {
    let lines = file.shipped_lines().len();
    let excused = LONG.iter().any(|(path, _)| *path == file.path);
    (lines > MOST_LINES && !excused).then(|| {
        format!("{}: {lines} lines without tests, more than {MOST_LINES}: what is the second thing in it?", file.path)
    })
}

fn empty_name(path: &str) -> Option<String> {
    if path.ends_with("/mod.rs") {
        return Some(format!("{path}: module files are `x.rs` beside `x/`"));
    }
    path.split('/')
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .find(|part| EMPTY_NAMES.contains(part))
        .map(|part| format!("{path}: `{part}` says nothing about what is inside"))
}

fn marks(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (mark, reason) in MARKS {
            if contains_word(line, mark) {
                found.push(format!("{}:{}: `{mark}`: {reason}", file.path, index + 1));
            }
        }
    }
    found
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        edge(before) && edge(after)
    })
}

fn machine_paths(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for path in MACHINE_PATHS {
            // A path of a machine stands at the start of a word; `https://host/work/` is someone's address.
            let machine = line.match_indices(path).any(|(at, _)| {
                line.get(..at)
                    .and_then(|before| before.chars().next_back())
                    .is_none_or(|c| c.is_whitespace() || "\"'`=(,:<[{".contains(c))
            });
            if machine {
                found.push(format!("{}:{}: a path of one machine: `{path}`", file.path, index + 1));
            }
        }
    }
    found
}

/// A module file that no `mod` line names is not compiled, and looks like cover.
fn orphan(file: &SourceFile, files: &[SourceFile]) -> Option<String> {
    let (before, inside) = file.path.split_once("/src/")?;
    let (folder, name) = inside.rsplit_once('/').unwrap_or(("", inside));
    let stem = name.strip_suffix(".rs")?;
    let is_root = folder.is_empty() && (stem == "lib" || stem == "main") || folder == "bin";
    if is_root {
        return None;
    }
    let parents: Vec<String> = if folder.is_empty() {
        ["lib", "main"].map(|root| format!("{before}/src/{root}.rs")).to_vec()
    } else {
        vec![format!("{before}/src/{folder}.rs")]
    };
    let named = files.iter().filter(|other| parents.contains(&other.path)).any(|parent| {
        parent.text.lines().any(|line| {
            let line = line.trim();
            let after_visibility = line.split_once("mod ").map_or("", |(before, after)| {
                let before = before.trim();
                if before.is_empty() || before.starts_with("pub") { after } else { "" }
            });
            after_visibility.trim_end_matches(['{', ' ']).trim_end_matches(';') == stem
        })
    });
    (!named).then(|| format!("{}: no `mod {stem};` names it, so it is not compiled", file.path))
}

/// Every tag of imitated behaviour has the form `COMPAT: <peer> <version>: …; test: <name>` and its test exists.
pub(super) fn compat_tags(files: &[SourceFile], tests: &BTreeSet<String>) -> Vec<String> {
    let tag = concat!("// COM", "PAT:");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((before, start)) = line.split_once(tag) else { continue };
            if !before.trim().is_empty() {
                continue;
            }
            // The tag may go on over the comment lines below it.
            let mut text = start.trim().to_owned();
            for more in lines.iter().skip(index + 1) {
                match more.trim().strip_prefix("//") {
                    Some(rest)
                        if !rest.starts_with(" SPEC:")
                            && !rest.starts_with(tag.trim_start_matches("//")) =>
                    {
                        text.push(' ');
                        text.push_str(rest.trim());
                    }
                    _ => break,
                }
            }
            let place = format!("{}:{}", file.path, index + 1);
            let Some((_, named)) =
                text.rsplit_once("test: ").or_else(|| text.rsplit_once("tests: "))
            else {
                found.push(format!("{place}: the tag ends with `; test: <name>`"));
                continue;
            };
            // A sentence may follow the names.
            for name in named.split('.').next().unwrap_or(named).split(',') {
                let name: String = name
                    .trim()
                    .trim_matches('`')
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if !tests.contains(&name) {
                    found.push(format!("{place}: there is no test `{name}`"));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_file_without_a_first_sentence_is_named() {
        assert!(first_line(&file("a.rs", "fn a() {}\n")).is_some());
        assert!(first_line(&file("a.rs", "//! \n")).is_some());
        assert!(first_line(&file("a.rs", "//! What it is for.\n")).is_none());
    }

    #[test]
    fn a_long_file_is_named_and_its_tests_are_not_counted() {
        let code = "x\n".repeat(MOST_LINES);
        let tested = format!("{code}#[cfg(test)]\nmod tests {{\n    x\n}}\n");
        assert!(too_long(&file("a/src/a.rs", &tested)).is_none());
        assert!(too_long(&file("a/src/a.rs", &format!("{code}x\n"))).is_some());
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        assert!(empty_name("crates/a/src/utils.rs").is_some());
        assert!(empty_name("crates/a/src/helpers/x.rs").is_some());
        assert!(empty_name("crates/a/src/x/mod.rs").is_some());
        assert!(empty_name("crates/a/src/common_name.rs").is_none());
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_an_address_is_not() {
        let path = MACHINE_PATHS[0];
        assert_eq!(machine_paths(&file("a.md", &format!("see `{path}x`\n"))).len(), 1);
        assert_eq!(machine_paths(&file("a.md", &format!("https://host{path}x\n"))).len(), 0);
    }

    #[test]
    fn a_module_that_nothing_names_is_an_orphan() {
        let root = file("crates/a/src/lib.rs", "//! A.\npub mod b;\nmod c {\n}\n");
        let b = file("crates/a/src/b.rs", "//! B.\n#[cfg(test)]\nmod tests;\n");
        let tests = file("crates/a/src/b/tests.rs", "//! T.\n");
        let lost = file("crates/a/src/lost.rs", "//! L.\n");
        let all = [root, b, tests, lost];
        let orphans: Vec<String> = all.iter().filter_map(|file| orphan(file, &all)).collect();
        assert_eq!(orphans.len(), 1, "{orphans:?}");
        assert!(orphans[0].starts_with("crates/a/src/lost.rs"));
    }

    #[test]
    fn a_compat_tag_must_name_a_test_that_exists() {
        let tests = BTreeSet::from(["prints_as_go".to_owned()]);
        let tag = concat!("// COM", "PAT:");
        let check = |rest: &str| {
            compat_tags(&[file("a.rs", &format!("    {tag} {rest}\nfn a() {{}}\n"))], &tests).len()
        };
        assert_eq!(check("cosign 3.1.3: odd; test: prints_as_go"), 0);
        assert_eq!(check("cosign 3.1.3: odd,\n    // and long; test: prints_as_go"), 0);
        assert_eq!(check("cosign 3.1.3: odd.\n    // tests: prints_as_go, prints_as_go"), 0);
        assert_eq!(check("cosign 3.1.3: odd; test: prints_as_go. Not theirs: this, and `that`"), 0);
        assert_eq!(check("cosign 3.1.3: odd; test: nowhere"), 1);
        assert_eq!(check("cosign 3.1.3: odd"), 1);
    }

    #[test]
    fn a_skipped_test_is_found() {
        let line = format!("{}]\n", MARKS[0].0);
        assert_eq!(marks(&file("a.rs", &line)).len(), 1);
    }
}
