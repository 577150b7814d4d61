//! cosign's flag groups, as typed. Names, defaults and spellings are those of 3.1 and 2.x.
use super::pflag::{go_bool, go_int};
use clap::Args;
use std::path::PathBuf;

/// Flags of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// log output to a file instead of standard output
    #[arg(long, global = true)]
    pub(crate) output_file: Option<PathBuf>,
    /// timeout for commands
    #[arg(long, short = 't', default_value = "3m0s", global = true)]
    pub(crate) timeout: String,
    /// log debug output
    #[arg(long, short = 'd', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, global = true)]
    pub(crate) verbose: bool,
}

/// How registries are spoken to.
#[derive(Args, Clone, Debug)]
pub(crate) struct RegistryFlags {
    /// whether to allow using HTTP protocol while connecting to registries. Don't use this for anything but testing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) allow_http_registry: bool,
    /// whether to allow insecure connections to registries (e.g., with expired or self-signed TLS certificates). Don't use this for anything but testing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) allow_insecure_registry: bool,
    /// whether to use the kubernetes keychain instead of the default keychain (supports workload identity)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) k8s_keychain: bool,
    /// registry basic auth username
    #[arg(long)]
    pub(crate) registry_username: Option<String>,
    /// registry basic auth password
    #[arg(long)]
    pub(crate) registry_password: Option<String>,
    /// registry bearer auth token
    #[arg(long)]
    pub(crate) registry_token: Option<String>,
    /// path to the X.509 CA certificate file in PEM format to be used for the connection to the registry
    #[arg(long)]
    pub(crate) registry_cacert: Option<PathBuf>,
    /// path to the X.509 certificate file in PEM format to be used for the connection to the registry
    #[arg(long)]
    pub(crate) registry_client_cert: Option<PathBuf>,
    /// path to the X.509 private key file in PEM format to be used, together with the registry-client-cert value, for the connection to the registry
    #[arg(long)]
    pub(crate) registry_client_key: Option<PathBuf>,
    /// SAN name to use as the 'ServerName' tls.Config field to verify the connection to the registry
    #[arg(long)]
    pub(crate) registry_server_name: Option<String>,
    /// optional custom prefix to use for attached image tags. Attachment images are tagged as: `[AttachmentTagPrefix]sha256-[TargetImageDigest].[AttachmentName]`
    #[arg(long, hide = true)]
    pub(crate) attachment_tag_prefix: Option<String>,
}

/// Whose certificate is accepted: keyless verification.
#[derive(Args, Clone, Debug)]
pub(crate) struct CertificateVerifyFlags {
    /// the identity expected in a valid Fulcio certificate
    #[arg(long, alias = "cert-identity")]
    pub(crate) certificate_identity: Option<String>,
    /// a regular expression alternative to --certificate-identity
    #[arg(long)]
    pub(crate) certificate_identity_regexp: Option<String>,
    /// the OIDC issuer expected in a valid Fulcio certificate
    #[arg(long, alias = "cert-oidc-issuer")]
    pub(crate) certificate_oidc_issuer: Option<String>,
    /// a regular expression alternative to --certificate-oidc-issuer
    #[arg(long)]
    pub(crate) certificate_oidc_issuer_regexp: Option<String>,
    /// contains the event_name claim from the GitHub OIDC Identity token that contains the name of the event that triggered the workflow run
    #[arg(long)]
    pub(crate) certificate_github_workflow_trigger: Option<String>,
    /// contains the sha claim from the GitHub OIDC Identity token that contains the commit SHA that the workflow run was based upon
    #[arg(long)]
    pub(crate) certificate_github_workflow_sha: Option<String>,
    /// contains the workflow claim from the GitHub OIDC Identity token that contains the name of the executed workflow
    #[arg(long)]
    pub(crate) certificate_github_workflow_name: Option<String>,
    /// contains the repository claim from the GitHub OIDC Identity token that contains the repository that the workflow run was based upon
    #[arg(long)]
    pub(crate) certificate_github_workflow_repository: Option<String>,
    /// contains the ref claim from the GitHub OIDC Identity token that contains the git ref that the workflow run was based upon
    #[arg(long)]
    pub(crate) certificate_github_workflow_ref: Option<String>,
    /// when set, verification will not check that a certificate contains an embedded SCT, a proof of inclusion in a certificate transparency log
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) insecure_ignore_sct: bool,
    /// path to the public certificate
    #[arg(long, alias = "cert", hide = true)]
    pub(crate) certificate: Option<String>,
    /// path to a list of CA certificates in PEM format
    #[arg(long, alias = "cert-chain", hide = true)]
    pub(crate) certificate_chain: Option<String>,
    /// path to a bundle file of CA certificates in PEM format
    #[arg(long, hide = true, conflicts_with = "certificate_chain")]
    pub(crate) ca_roots: Option<String>,
    /// path to a file of intermediate CA certificates in PEM format
    #[arg(long, hide = true, conflicts_with = "certificate_chain")]
    pub(crate) ca_intermediates: Option<String>,
    /// path to a detached Signed Certificate Timestamp
    #[arg(long, hide = true)]
    pub(crate) sct: Option<String>,
}

/// Which proofs are demanded.
#[derive(Args, Clone, Debug)]
pub(crate) struct CommonVerifyFlags {
    /// path to a Sigstore TrustedRoot JSON file
    #[arg(long)]
    pub(crate) trusted_root: Option<PathBuf>,
    /// ignore transparency log verification, to be used when an artifact signature has not been uploaded to the transparency log. Artifacts cannot be publicly verified when not included in a log
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) insecure_ignore_tlog: bool,
    /// verify rfc3161 timestamps
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) use_signed_timestamps: bool,
    /// allow X.509 certificate chains in bundle verification material for v0.3+ bundles
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) allow_certificate_chain: bool,
    /// the amount of maximum workers for parallel executions
    #[arg(long, default_value = "10", allow_negative_numbers = true, value_parser = go_int)]
    pub(crate) max_workers: i64,
    /// only allow offline verification
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) offline: bool,
    /// expect the signature/attestation to be packaged in a Sigstore bundle
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) new_bundle_format: bool,
    /// skip transparency log verification when verifying artifacts in a privately deployed infrastructure
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) private_infrastructure: bool,
    /// set to true to enable experimental OCI 1.1 behaviour
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) experimental_oci11: bool,
    /// path to PEM-encoded certificate chain file for the RFC3161 timestamp authority
    #[arg(long, hide = true)]
    pub(crate) timestamp_certificate_chain: Option<PathBuf>,
}

/// The flags of services as they are when nobody typed any: the public instance is asked.
pub(super) fn services_of_nobody() -> (OidcFlags, FulcioFlags, TimestampFlags, SigningSourceFlags) {
    (
        OidcFlags {
            oidc_client_id: None,
            oidc_client_secret_file: None,
            oidc_redirect_url: None,
            oidc_provider: None,
            oidc_disable_ambient_providers: false,
            oidc_issuer: None,
        },
        FulcioFlags {
            identity_token: None,
            fulcio_auth_flow: None,
            fulcio_url: None,
            insecure_skip_verify: false,
        },
        TimestampFlags {
            timestamp_client_cacert: None,
            timestamp_client_cert: None,
            timestamp_client_key: None,
            timestamp_server_name: None,
            timestamp_server_url: None,
        },
        SigningSourceFlags {
            use_signing_config: Some(false),
            signing_config: None,
            trusted_root: None,
            tlog_upload: true,
            rekor_url: None,
        },
    )
}

/// Hardware tokens.
#[derive(Args, Clone, Debug)]
pub(crate) struct SecurityKeyFlags {
    /// whether to use a hardware security key
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) sk: bool,
    /// security key slot to use for generated key (authentication|signature|card-authentication|key-management)
    #[arg(long)]
    pub(crate) slot: Option<String>,
}

/// The certificate authority of keyless signing.
#[derive(Args, Clone, Debug)]
pub(crate) struct FulcioFlags {
    /// identity token to use for certificate from fulcio. the token or a path to a file containing the token is accepted
    #[arg(long)]
    pub(crate) identity_token: Option<String>,
    /// fulcio interactive oauth2 flow to use for certificate from fulcio (normal|device|token|client_credentials)
    #[arg(long)]
    pub(crate) fulcio_auth_flow: Option<String>,
    /// address of sigstore PKI server
    #[arg(long, hide = true)]
    pub(crate) fulcio_url: Option<String>,
    /// skip verifying fulcio published to the SCT (this should only be used for testing)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) insecure_skip_verify: bool,
}

/// The identity provider of keyless signing.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "clap makes the flags of the names")]
pub(crate) struct OidcFlags {
    /// OIDC client ID for application
    #[arg(long)]
    pub(crate) oidc_client_id: Option<String>,
    /// path to file containing OIDC client secret for application
    #[arg(long)]
    pub(crate) oidc_client_secret_file: Option<PathBuf>,
    /// OIDC redirect URL
    #[arg(long)]
    pub(crate) oidc_redirect_url: Option<String>,
    /// specify the provider to get the OIDC token from (spiffe|google|github-actions|filesystem|buildkite-agent)
    #[arg(long)]
    pub(crate) oidc_provider: Option<String>,
    /// disable ambient OIDC providers. When true, ambient credentials will not be read
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) oidc_disable_ambient_providers: bool,
    /// OIDC provider to be used to issue ID token
    #[arg(long, hide = true)]
    pub(crate) oidc_issuer: Option<String>,
}

/// The timestamp authority.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "clap makes the flags of the names")]
pub(crate) struct TimestampFlags {
    /// path to the X.509 CA certificate file in PEM format to be used for the connection to the TSA Server
    #[arg(long)]
    pub(crate) timestamp_client_cacert: Option<PathBuf>,
    /// path to the X.509 certificate file in PEM format to be used for the connection to the TSA Server
    #[arg(long)]
    pub(crate) timestamp_client_cert: Option<PathBuf>,
    /// path to the X.509 private key file in PEM format to be used, together with the timestamp-client-cert value
    #[arg(long)]
    pub(crate) timestamp_client_key: Option<PathBuf>,
    /// SAN name to use as the 'ServerName' tls.Config field to verify the connection to the TSA Server
    #[arg(long)]
    pub(crate) timestamp_server_name: Option<String>,
    /// url to the Timestamp RFC3161 server
    #[arg(long, hide = true)]
    pub(crate) timestamp_server_url: Option<String>,
}

/// Which services a signature is given to.
#[derive(Args, Clone, Debug)]
pub(crate) struct SigningSourceFlags {
    /// whether to use a TUF-provided signing config for the service URLs
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) use_signing_config: Option<bool>,
    /// path to a signing config file
    #[arg(long, conflicts_with = "use_signing_config")]
    pub(crate) signing_config: Option<PathBuf>,
    /// optional path to a TrustedRoot JSON file to verify a signature after signing
    #[arg(long)]
    pub(crate) trusted_root: Option<PathBuf>,
    /// whether or not to upload to the tlog
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) tlog_upload: bool,
    /// address of rekor STL server
    #[arg(long, hide = true)]
    pub(crate) rekor_url: Option<String>,
}
