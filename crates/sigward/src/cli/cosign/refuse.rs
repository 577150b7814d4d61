//! Command lines that cannot be run, and the sentence each of them gets.
use super::Failure;
use clap::{
    ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use std::error::Error as _;

/// Those that sign.
const SIGNING: &[&str] = &["sign", "attest", "sign-blob", "attest-blob"];
/// Those that verify images (`manifest verify` and `dockerfile verify` end in `verify`).
const IMAGES: &[&str] = &["verify", "verify-attestation"];

/// What a flag needs that this build does not have, the commands that it is about (none: all of them), and the flags.
/// No flag is accepted and ignored.
const UNAVAILABLE: &[(&str, &[&str], &[&str])] = &[
    ("certificates that do not lie beside the signature", IMAGES, &["certificate", "sct"]),
    ("certificate chains in bundles", &[], &["allow_certificate_chain"]),
    (
        "a file for timestamps by themselves (bundles hold them)",
        SIGNING,
        &["rfc3161_timestamp", "rfc3161_timestamp_bundle"],
    ),
    (
        "a transparency log that is asked",
        &["verify-blob", "verify-blob-attestation", "create"],
        &["rekor_url"],
    ),
    ("another kind of log entry", &[], &["rekor_entry_type"]),
    ("hardware keys", &[], &["sk", "slot"]),
    ("attachments other than the image itself", &[], &["attachment"]),
    (
        "an image, since files have no referrers",
        &["verify-blob", "verify-blob-attestation"],
        &["experimental_oci11"],
    ),
    ("the Kubernetes key chain", &[], &["k8s_keychain"]),
    ("a key management service", &[], &["kms"]),
];

/// What a flag needs that this build does not have.
#[cfg(test)]
pub(super) fn reason(command: &str, id: &str) -> Option<&'static str> {
    let about = |commands: &[&str]| commands.is_empty() || commands.contains(&command);
    UNAVAILABLE
        .iter()
        .find(|(_, commands, ids)| about(commands) && ids.contains(&id))
        .map(|(needs, _, _)| *needs)
}

/// Refuses a command line that sets a flag of a part this build does not have.
///
/// # Errors
/// The first such flag, in the order of the table, and what it needs.
pub(super) fn keyless_flags(matches: &ArgMatches) -> Result<(), Failure> {
    let mut command = matches;
    while let Some((name, inner)) = command.subcommand() {
        let about = |commands: &&[&str]| commands.is_empty() || commands.contains(&name);
        for (needs, _, ids) in UNAVAILABLE.iter().filter(|(_, commands, _)| about(commands)) {
            for id in *ids {
                let given = inner.try_contains_id(id).is_ok_and(|known| known)
                    && matches!(
                        inner.value_source(id),
                        Some(ValueSource::CommandLine | ValueSource::EnvVariable)
                    );
                if given {
                    let flag = id.replace('_', "-");
                    return Err(Failure::new(format!(
                        "--{flag} needs {needs}, which is not available in this build"
                    )));
                }
            }
        }
        command = inner;
    }
    Ok(())
}

/// `-r, --recursive` for a flag that has a letter.
fn with_letter(tree: &Command, flag: &str) -> String {
    let long = flag.trim_start_matches('-');
    let own = tree.get_arguments().find(|arg| arg.get_long() == Some(long));
    let below = tree.get_subcommands().flat_map(Command::get_arguments);
    let mut known = own.into_iter().chain(below.filter(|arg| arg.get_long() == Some(long)));
    match known.find_map(clap::Arg::get_short) {
        Some(letter) => format!("-{letter}, {flag}"),
        None => flag.to_owned(),
    }
}

/// The peer's words for a command line that does not parse.
///
/// COMPAT: cosign 3.1: `unknown flag: --x`, `requires at least 1 arg(s), only received 0`; test: words_of_a_wrong_command_line_are_the_peer_s
pub(super) fn usage_message(error: &clap::Error, tree: &Command) -> String {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(value)) => value.clone(),
        Some(ContextValue::Strings(values)) => values.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    // `--flag=<VALUE>`, `-f, --flag`: what stands before the value.
    let flag = |kind: ContextKind| {
        let text = text(kind);
        text.split([' ', '=', '[']).next().unwrap_or_default().to_owned()
    };
    let kind = error.kind();
    if kind == ErrorKind::UnknownArgument {
        return unknown_argument(&text(ContextKind::InvalidArg));
    }
    if kind == ErrorKind::ArgumentConflict {
        let name = |kind| flag(kind).trim_start_matches('-').to_owned();
        let mut group = [name(ContextKind::InvalidArg), name(ContextKind::PriorArg)];
        let typed = group.join(" ");
        group.sort_by(|a, b| b.cmp(a));
        return format!(
            "if any flags in the group [{}] are set none of the others can be; [{typed}] were all set",
            group.join(" ")
        );
    }
    if kind == ErrorKind::InvalidSubcommand {
        let command = text(ContextKind::InvalidSubcommand);
        return format!("unknown command {command:?} for \"{}\"", tree.get_name());
    }
    if kind == ErrorKind::MissingRequiredArgument {
        return "requires at least 1 arg(s), only received 0".to_owned();
    }
    if matches!(kind, ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        let (flag, value) = (flag(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
        if kind == ErrorKind::InvalidValue && value.is_empty() {
            return format!("flag needs an argument: {flag}");
        }
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        return format!(
            "invalid argument {value:?} for {:?} flag{cause}",
            with_letter(tree, &flag)
        );
    }
    let rendered = error.to_string();
    rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn unknown_argument(argument: &str) -> String {
    match argument.strip_prefix('-') {
        Some(rest) if !rest.starts_with('-') => {
            let letter: String = rest.chars().take(1).collect();
            format!("unknown shorthand flag: '{letter}' in {argument}")
        }
        Some(_) => format!("unknown flag: {argument}"),
        None => format!("accepts fewer arguments: unexpected argument {argument:?}"),
    }
}
