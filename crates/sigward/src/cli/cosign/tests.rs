//! The tree of commands against the table of tests: no flag without a test of its effect or of its refusal.
use clap::Command;
use std::{collections::BTreeSet, fmt::Write as _};

#[path = "../../../tests/cosign/flag_table.rs"]
mod flag_table;

/// The modules of the integration test that the table names.
const MODULES: &[(&str, &str)] = &[
    ("attest", include_str!("../../../tests/cosign/attest.rs")),
    ("beside", include_str!("../../../tests/cosign/beside.rs")),
    ("blob", include_str!("../../../tests/cosign/blob.rs")),
    ("blob_attestation", include_str!("../../../tests/cosign/blob_attestation.rs")),
    ("command_line", include_str!("../../../tests/cosign/command_line.rs")),
    ("faults", include_str!("../../../tests/cosign/faults.rs")),
    ("images_in", include_str!("../../../tests/cosign/images_in.rs")),
    ("keyless", include_str!("../../../tests/cosign/keyless.rs")),
    ("keys", include_str!("../../../tests/cosign/keys.rs")),
    ("look", include_str!("../../../tests/cosign/look.rs")),
    ("policy", include_str!("../../../tests/cosign/policy.rs")),
    ("refused", include_str!("../../../tests/cosign/refused.rs")),
    ("registry", include_str!("../../../tests/cosign/registry.rs")),
    ("report", include_str!("../../../tests/cosign/report.rs")),
    ("services", include_str!("../../../tests/cosign/services.rs")),
    ("sign", include_str!("../../../tests/cosign/sign.rs")),
    ("transfer", include_str!("../../../tests/cosign/transfer.rs")),
    ("trust", include_str!("../../../tests/cosign/trust.rs")),
    ("tuf", include_str!("../../../tests/cosign/tuf.rs")),
    ("verify", include_str!("../../../tests/cosign/verify.rs")),
];

/// Every command and flag of the tree.
fn tree() -> BTreeSet<(String, String)> {
    let mut command = super::command();
    command.build();
    let mut found = BTreeSet::new();
    walk(&command, "", &mut found);
    found
}

/// A command below a command is named `outer/inner`.
fn walk(command: &Command, above: &str, found: &mut BTreeSet<(String, String)>) {
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let name = format!("{above}{}", subcommand.get_name());
        if subcommand.has_subcommands() {
            walk(subcommand, &format!("{name}/"), found);
        } else {
            found.extend(flags(subcommand).into_iter().map(|flag| (name.clone(), flag)));
        }
    }
}

/// `manifest verify` has `verify`'s flags, parsed by the same structure and run by the same function.
fn means(row: &str, command: &str) -> bool {
    row == command || row == "verify" && matches!(command, "manifest/verify" | "dockerfile/verify")
}

fn flags(command: &Command) -> Vec<String> {
    let longs = command.get_arguments().filter_map(clap::Arg::get_long);
    longs.filter(|long| *long != "help").map(str::to_owned).collect()
}

#[test]
fn every_flag_has_a_test() {
    let known = |command: &str, flag: &str| {
        flag_table::FLAGS.iter().any(|(commands, name, _)| {
            *name == flag
                && (*commands == "*" || commands.split(' ').any(|one| means(one, command)))
        })
    };
    let missing: Vec<_> =
        tree().into_iter().filter(|(command, flag)| !known(command, flag)).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}

#[test]
fn every_row_names_a_flag_and_a_test_that_exist() {
    let tree = tree();
    for (commands, flag, test) in flag_table::FLAGS {
        for command in commands.split(' ') {
            let there = tree
                .iter()
                .any(|(known, long)| long == flag && (command == "*" || command == known));
            assert!(there, "{command} has no --{flag}");
        }
        let (module, name) = test.split_once("::").unwrap();
        let source = MODULES.iter().find(|(known, _)| *known == module).map(|(_, text)| *text);
        let declared = format!("#[test]\nfn {name}() {{");
        assert!(source.is_some_and(|text| text.contains(&declared)), "no test {test}");
        assert!(
            source.is_some_and(|text| *test == flag_table::REFUSED
                || text.contains(flag)
                || text.contains(&letter(flag))),
            "{test} does not speak of --{flag}"
        );
    }
}

/// What a flag of the table needs, when it is refused.
fn refusal(command: &str, flag: &str) -> &'static str {
    let last = command.rsplit('/').next().unwrap_or_default();
    let id = flag.replace('-', "_");
    super::refuse::reason(last, &id).unwrap_or("not available")
}

/// The table as people read it.
fn document() -> String {
    let mut text = String::from(
        "# cosign's commands and flags\n\n\
         Every command and flag of cosign 3.1 and 2.6 that Sigward knows, with the test of its effect or what it needs that is \
         not there: such a flag is refused by name, none is accepted and ignored. A test compares this page with the tree of \
         commands; `SIGWARD_WRITE_DOCS=1 cargo test -p sigward --bin sigward the_page_of_flags` writes it anew.\n\n\
         | command | flag | effect | test |\n|---|---|---|---|\n",
    );
    let mut command = super::command();
    command.build();
    let mut commands = BTreeSet::new();
    names(&command, "", &mut commands);
    let tree = tree();
    for name in commands {
        let own: Vec<&String> =
            tree.iter().filter(|(command, _)| *command == name).map(|(_, flag)| flag).collect();
        let shown = name.replace('/', " ");
        let _ = writeln!(text, "| `{shown}` | | command | |");
        for flag in own {
            let row = |exact: bool| {
                flag_table::FLAGS.iter().find(|(commands, known, _)| {
                    known == flag
                        && (if exact {
                            commands.split(' ').any(|one| means(one, &name))
                        } else {
                            *commands == "*"
                        })
                })
            };
            let Some((_, _, test)) = row(true).or_else(|| row(false)) else { continue };
            let effect = if *test == flag_table::REFUSED {
                format!("refused: needs {}", refusal(&name, flag))
            } else {
                "as in cosign, or COMPAT.md".to_owned()
            };
            let _ = writeln!(text, "| `{shown}` | `--{flag}` | {effect} | `{test}` |");
        }
    }
    text.push_str("\n## Not in the tree\n\n| command | flag | why |\n|---|---|---|\n");
    for (command, flag, why) in flag_table::ABSENT {
        let flag = if *flag == "*" { "all".to_owned() } else { format!("`--{flag}`") };
        let _ = writeln!(text, "| `{}` | {flag} | {why} |", command.replace('/', " "));
    }
    text
}

/// Every command without commands below it.
fn names(command: &Command, above: &str, found: &mut BTreeSet<String>) {
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let name = format!("{above}{}", subcommand.get_name());
        if subcommand.has_subcommands() {
            names(subcommand, &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn the_page_of_flags_is_this_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cosign-flags.md");
    let text = document();
    if std::env::var_os("SIGWARD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == text, "docs/cosign-flags.md is not what the tree of commands says");
}

#[test]
fn what_is_absent_is_not_there() {
    let tree = tree();
    for (command, flag, _) in flag_table::ABSENT {
        let there =
            tree.iter().any(|(known, long)| known == command && (*flag == "*" || long == flag));
        assert!(!there, "{command} has --{flag}");
    }
}

/// Tests may write a flag by its letter.
fn letter(flag: &str) -> String {
    let mut command = super::command();
    command.build();
    let letters = command
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter(|arg| arg.get_long() == Some(flag))
        .filter_map(clap::Arg::get_short);
    letters.map(|letter| format!("\"-{letter}\"")).next().unwrap_or_else(|| "\0".to_owned())
}

#[test]
fn the_tree_is_sound() {
    super::command().debug_assert();
    crate::cli::command().debug_assert();
}

#[test]
fn the_flags_of_a_command_are_made_when_it_is_asked_for() {
    let verify = |tree: &Command| {
        let found = tree.find_subcommand("verify").cloned();
        found.map(|verify| verify.get_arguments().any(|arg| arg.get_long() == Some("key")))
    };
    let mut tree = super::command();
    assert_eq!(verify(&tree), Some(false));
    tree.build();
    assert_eq!(verify(&tree), Some(true));
    let key = tree.find_subcommand("verify").and_then(|verify| {
        verify
            .get_arguments()
            .find(|arg| arg.get_long() == Some("key"))
            .and_then(clap::Arg::get_env)
    });
    assert_eq!(key, Some(std::ffi::OsStr::new("COSIGN_KEY")), "with its twin in the environment");
}
