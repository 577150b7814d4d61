//! Go's flag habits that clap does not have: `-flag`, `--f`, `--flag=true`, environment twins.
use super::Failure;
use clap::{Arg, Command};
use std::ffi::OsString;

/// Rewrites one-dash long flags and two-dash short ones, with the warning that goes to stderr for each.
///
/// COMPAT: cosign 3.1: `-key x` is taken as `--key x` and `--o x` as `-o x`; `-version` is the `version` command; test: rewrites_one_dash_long_flags
pub(crate) fn normalise(args: Vec<OsString>) -> (Vec<OsString>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut after_dashes = false;
    let rewritten = args
        .into_iter()
        .enumerate()
        .map(|(position, arg)| {
            if position == 0 || after_dashes {
                return arg;
            }
            let Some(text) = arg.to_str() else { return arg };
            if text == "--" {
                after_dashes = true;
                return arg;
            }
            match rewrite(text) {
                Some(new) => {
                    if new != "version" {
                        warnings.push(format!("WARNING: the {} flag is deprecated and will be removed in a future release. Please use the {} flag instead.", flag_of(text), flag_of(&new)));
                    }
                    new.into()
                }
                None => arg,
            }
        })
        .collect();
    (rewritten, warnings)
}

/// The flag without a value behind `=`.
fn flag_of(text: &str) -> &str {
    text.split_once('=').map_or(text, |(flag, _)| flag)
}

fn rewrite(text: &str) -> Option<String> {
    if text == "-version" || text == "--version" {
        return Some("version".to_owned());
    }
    let name = |rest: &str| rest.split('=').next().unwrap_or_default().to_owned();
    if let Some(rest) = text.strip_prefix("--") {
        // A lone letter behind two dashes.
        return (name(rest).chars().count() == 1
            && rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        .then(|| format!("-{rest}"));
    }
    let rest = text.strip_prefix('-')?;
    let flag = name(rest);
    // `-abc` of clap's bundled short flags does not exist in cosign: more than one letter is a long flag,
    // except where a value is glued to a short one (`-ojson`), which starts with a known short letter and is no known word.
    (flag.chars().count() > 1 && LONG_FLAGS_SEEN_WITH_ONE_DASH.contains(&flag.as_str()))
        .then(|| format!("--{rest}"))
}

/// The long flags of cosign 1.x, when one dash was the way to write them.
const LONG_FLAGS_SEEN_WITH_ONE_DASH: &[&str] = &[
    "key",
    "kms",
    "output",
    "output-file",
    "predicate",
    "type",
    "payload",
    "signature",
    "upload",
    "cert",
    "annotations",
    "recursive",
    "check-claims",
    "rekor-url",
    "fulcio-url",
    "oidc-issuer",
    "slot",
    "sk",
    "f",
    "outfile",
    "cert-email",
    "attachment",
    "allow-insecure-registry",
    "no-tlog-upload",
    "local-image",
    "policy",
    "timestamp",
    "verbose",
    "timeout",
];

/// Gives every flag its `COSIGN_…` twin: a flag on the command line wins.
pub(crate) fn with_environment(command: Command) -> Command {
    command
        .mut_args(|arg: Arg| {
            let skip = arg.is_positional() || arg.get_env().is_some();
            match (skip, arg.get_long()) {
                (false, Some(long)) if long != "help" => {
                    let variable = format!("COSIGN_{}", long.to_uppercase().replace('-', "_"));
                    arg.env(clap::builder::OsStr::from(variable)).hide_env(true)
                }
                _ => arg,
            }
        })
        .mut_subcommands(with_environment)
}

/// Go's `strconv.ParseBool`.
pub(crate) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// The one argument of a command that takes one.
///
/// # Errors
/// cobra's words for any other number.
pub(crate) fn exactly_one<T>(arguments: &[T]) -> Result<&T, Failure> {
    match arguments {
        [one] => Ok(one),
        other => Err(Failure::new(format!("accepts 1 arg(s), received {}", other.len()))),
    }
}

/// Go's `strconv.ParseInt` for a decimal number.
pub(crate) fn go_int(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_not_a_number| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[&str], expected: &[&str], warnings: usize) {
        let (rewritten, said) = normalise(given.iter().map(OsString::from).collect());
        assert_eq!(rewritten, expected.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(said.len(), warnings, "{said:?}");
    }

    #[test]
    fn rewrites_one_dash_long_flags() {
        check(&["cosign", "sign", "-key", "k"], &["cosign", "sign", "--key", "k"], 1);
        check(&["cosign", "verify", "-key=k", "i"], &["cosign", "verify", "--key=k", "i"], 1);
        check(&["cosign", "verify", "--o", "json"], &["cosign", "verify", "-o", "json"], 1);
        check(&["cosign", "-version"], &["cosign", "version"], 0);
    }

    #[test]
    fn leaves_today_s_spellings_alone() {
        check(
            &["cosign", "verify", "-o", "json", "-ojson"],
            &["cosign", "verify", "-o", "json", "-ojson"],
            0,
        );
        check(&["cosign", "sign", "--", "-key"], &["cosign", "sign", "--", "-key"], 0);
        check(&["-key"], &["-key"], 0);
    }

    #[test]
    fn reads_booleans_as_go_does() {
        assert_eq!(go_bool("T"), Ok(true));
        assert_eq!(go_bool("False"), Ok(false));
        assert!(go_bool("yes").is_err());
    }
}
