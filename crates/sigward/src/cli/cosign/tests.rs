//! The tree of commands against the table of tests: no flag without a test of its effect or of its refusal.
use clap::Command;
use std::collections::BTreeSet;

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
    ("sign", include_str!("../../../tests/cosign/sign.rs")),
    ("transfer", include_str!("../../../tests/cosign/transfer.rs")),
    ("trust", include_str!("../../../tests/cosign/trust.rs")),
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
