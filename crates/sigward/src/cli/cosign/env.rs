//! `env`: cosign's environment variables, and what each expects; those of parts that are not in this build are listed too.
use super::{Failure, Output, pflag::go_bool};
use clap::Args;

/// Prints Cosign environment variables.
#[derive(Args, Clone, Debug)]
pub(crate) struct Env {
    /// show descriptions for environment variables
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) show_descriptions: bool,
    /// show values of sensitive environment variables
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) show_sensitive_values: bool,
}

/// A variable: its name, what it does, what it holds, and whether that is a secret.
struct Variable(&'static str, &'static str, &'static str, bool);

/// Sorted by name.
///
/// COMPAT: cosign 3.1: the same names in the same order; test: the_environment_is_listed_without_its_secrets
const VARIABLES: &[Variable] = &[
    Variable(
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "the bearer token for asking GitHub for an identity token",
        "a token",
        true,
    ),
    Variable("ACTIONS_ID_TOKEN_REQUEST_URL", "where GitHub gives identity tokens", "a URL", false),
    Variable("BUILDKITE_AGENT_ACCESS_TOKEN", "names the Buildkite agent", "a token", true),
    Variable("BUILDKITE_AGENT_ENDPOINT", "where the Buildkite agent is reached", "a URL", false),
    Variable(
        "BUILDKITE_AGENT_LOG_LEVEL",
        "how much the Buildkite agent says",
        "debug, notice, info, error, warn or fatal",
        false,
    ),
    Variable(
        "BUILDKITE_JOB_ID",
        "the Buildkite job that stands in the identity token",
        "a job id",
        false,
    ),
    Variable(
        "COSIGN_DOCKER_MEDIA_TYPES",
        "writes manifests of attached tags in Docker's media types",
        "1 for Docker's (0 by default)",
        false,
    ),
    Variable(
        "COSIGN_EXPERIMENTAL",
        "turns experimental features on",
        "1 for on (0 by default)",
        false,
    ),
    Variable(
        "COSIGN_MAX_ATTACHMENT_SIZE",
        "the largest signature, attestation or bundle that is read (128MiB by default)",
        "a size such as 5120, 20K, 45MiB or 1GB",
        false,
    ),
    Variable(
        "COSIGN_PASSWORD",
        "the password of private keys, in place of a prompt",
        "a password",
        true,
    ),
    Variable(
        "COSIGN_PKCS11_IGNORE_CERTIFICATE",
        "leaves certificates of hardware tokens alone",
        "1 for on (0 by default)",
        false,
    ),
    Variable("COSIGN_PKCS11_MODULE_PATH", "the PKCS #11 module", "a path", false),
    Variable("COSIGN_PKCS11_PIN", "the PIN of a hardware token", "a PIN", true),
    Variable(
        "COSIGN_REPOSITORY",
        "where signatures lie when they do not lie beside the image",
        "a repository",
        false,
    ),
    Variable("GITHUB_HOST", "the GitHub instance", "a URL", false),
    Variable("GITHUB_TOKEN", "logs in to GitHub", "a token", true),
    Variable("GITLAB_HOST", "the GitLab instance", "a URL", false),
    Variable("GITLAB_TOKEN", "logs in to GitLab", "a token", true),
    Variable(
        "GOOGLE_SERVICE_ACCOUNT_NAME",
        "the service account for Google's identity tokens",
        "a name",
        false,
    ),
    Variable(
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
        "the key of the certificate transparency log",
        "a path to PEM",
        false,
    ),
    Variable("SIGSTORE_ID_TOKEN", "the identity token for keyless signing", "a token", true),
    Variable(
        "SIGSTORE_REKOR_PUBLIC_KEY",
        "the key of the transparency log",
        "a path to PEM",
        false,
    ),
    Variable("SIGSTORE_ROOT_FILE", "the certificates of the authority", "a path to PEM", false),
    Variable(
        "SIGSTORE_TSA_CERTIFICATE_FILE",
        "the certificates of the timestamp authority",
        "a path to PEM (leaf, intermediates, root)",
        false,
    ),
    Variable(
        "SOURCE_DATE_EPOCH",
        "the present, for reproducible builds (https://reproducible-builds.org/docs/source-date-epoch/)",
        "seconds since 1970",
        false,
    ),
    Variable("SPIFFE_ENDPOINT_SOCKET", "the socket of the SPIFFE workload API", "a path", false),
    Variable("TUF_MIRROR", "the TUF repository of trusted roots", "a URL", false),
    Variable("TUF_ROOT", "where the TUF repository is kept", "a path to a folder", false),
    Variable(
        "TUF_ROOT_JSON",
        "the root.json that the TUF repository is trusted by",
        "a path",
        false,
    ),
];

/// Prints `NAME=value` for each, with two lines about it in front.
pub(super) fn run(output: &mut Output, it: &Env) -> Result<(), Failure> {
    for Variable(name, does, expects, secret) in VARIABLES {
        if it.show_descriptions {
            output.line(&format!("# {name} {does}\n# Expects: {expects}"))?;
        }
        let value = std::env::var(name).unwrap_or_default();
        let hidden = *secret && !it.show_sensitive_values && !value.is_empty();
        output.line(&format!("{name}={}", if hidden { "******" } else { &value }))?;
    }
    Ok(())
}
