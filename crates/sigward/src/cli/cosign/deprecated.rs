//! What is said when somebody uses a flag or a command that the peer is about to give up.
use super::Output;
use clap::{ArgMatches, parser::ValueSource};

/// Commands, flag and advice. An empty command stands for all.
///
/// COMPAT: cosign 3.1: one line for each such flag on the command line, none for its environment twin; Sigward keeps
/// them, so the advice is how to do without; test: deprecated_flags_are_said_to_be_so
const FLAGS: &[(&[&str], &str, &str)] = &[
    (&[], "tlog_upload", "prefer using a --signing-config file with no transparency log services"),
    (&[], "new_bundle_format", "the bundle format is the default"),
    (&[], "attachment_tag_prefix", "please use OCI referrers"),
    (&[], "private_infrastructure", "please use --insecure-ignore-tlog instead"),
    (&[], "offline", "verification asks nobody but the registry"),
    (
        &[],
        "signature_digest_algorithm",
        "each sound combination of key and digest algorithm is tried",
    ),
    (&["sign"], "output_signature", "please use --bundle, which will include the signature"),
    (&["sign"], "output_payload", "please use --bundle, which will include the payload"),
    (&["sign"], "payload", "the payload is generated from the image"),
    (&["sign"], "sign_container_identity", "not possible with OCI referrers"),
    (&["sign", "attest"], "record_creation_timestamp", "not used with the bundle format"),
    (&["attest"], "replace", "not needed with OCI referrers"),
    (&["sign-blob"], "output", "please use --bundle, which will include the signature"),
    (&["sign-blob"], "output_signature", "please use --bundle, which will include the signature"),
    (&["sign-blob"], "b64", "please use --bundle, which encodes content as appropriate"),
    (&["verify"], "payload", "the payload is read from the registry"),
    (&["verify"], "signature", "signatures are read from the registry"),
    (&["verify-blob"], "signature", "please use --bundle to provide a signature"),
];

/// Commands that the peer is about to give up, and what does the same.
const COMMANDS: &[(&str, &str)] = &[
    ("triangulate", "please use `tree` to show referring artifacts"),
    ("copy", "please use `save` and `load`, or a tool that copies referrers"),
    ("attach", "please use `sign` and `attest`, or a tool that pushes referrers"),
    ("generate", "please use in-toto tooling"),
    ("upload", "please use a tool that pushes artifacts"),
    ("dockerfile", "please use `verify` with the images of the file"),
    ("manifest", "please use `verify` with the images of the file, or a policy"),
];

/// Says so for each flag of the command that was typed.
pub(super) fn flags(output: &Output, matches: &ArgMatches) {
    let Some((name, mut inner)) = matches.subcommand() else { return };
    while let Some((_, nested)) = inner.subcommand() {
        inner = nested;
    }
    for (commands, id, advice) in FLAGS {
        let typed = (commands.is_empty() || commands.contains(&name))
            && inner.try_contains_id(id).is_ok_and(|known| known)
            && inner.value_source(id) == Some(ValueSource::CommandLine);
        if typed {
            output.say(&format!("Flag --{} has been deprecated, {advice}", id.replace('_', "-")));
        }
    }
    if let Some((name, advice)) = COMMANDS.iter().find(|(command, _)| *command == name) {
        output.say(&format!("Command {name:?} is deprecated, {advice}"));
    }
}
