//! `signing-config create`: which services a signature is given to.
use super::service::Spec;
use crate::cli::cosign::{Failure, Output, pflag::go_bool, signing};
use clap::{Args, Subcommand};
use sigward_sigstore::trust::{Selector, Service, SigningConfig};
use std::path::PathBuf;

/// Tool for interacting with a Sigstore protobuf signing config.
#[derive(Args, Clone, Debug)]
pub(crate) struct SigningConfigCommand {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is done with it.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    Create(Create),
}

/// Create a Sigstore protobuf signing config.
#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// path to base signing config file to use as starting point. Service flags will replace services from the base config
    #[arg(long)]
    pub(crate) base_config: Option<PathBuf>,
    /// fulcio service specification: url=,api-version=,start-time=,operator=[,end-time=]
    #[arg(long)]
    pub(crate) fulcio: Vec<String>,
    /// rekor service specification: url=,api-version=,start-time=,operator=[,end-time=]
    #[arg(long)]
    pub(crate) rekor: Vec<String>,
    /// oidc provider specification: url=,api-version=,start-time=,operator=[,end-time=]
    #[arg(long = "oidc-provider", id = "oidc_providers")]
    pub(crate) oidc_provider: Vec<String>,
    /// timestamping authority specification: url=,api-version=,start-time=,operator=[,end-time=]
    #[arg(long)]
    pub(crate) tsa: Vec<String>,
    /// rekor configuration. Required if --rekor is provided. One of: ANY, ALL, EXACT:<count>
    #[arg(long)]
    pub(crate) rekor_config: Option<String>,
    /// timestamping authority configuration. Required if --tsa is provided. One of: ANY, ALL, EXACT:<count>
    #[arg(long)]
    pub(crate) tsa_config: Option<String>,
    /// use the Sigstore TUF root as default values to populate the signing config
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) with_default_services: bool,
    /// use the Sigstore TUF root, with the Rekor v2 service, as default values to populate the signing config
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) with_default_rekor_v2: bool,
    /// removes the default Fulcio URLs from the signing config
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_fulcio: bool,
    /// removes the default OIDC provider URLs from the signing config
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_oidc: bool,
    /// removes the default Rekor URLs from the signing config
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_rekor: bool,
    /// removes the default TSA URLs from the signing config
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_tsa: bool,
    /// path to output signing config
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

/// Prints the file, or writes it.
pub(in crate::cli::cosign) fn run(
    output: &mut Output,
    it: &SigningConfigCommand,
) -> Result<(), Failure> {
    let Verb::Create(it) = &it.verb;
    let mut config = base(it)?;
    replace(&mut config.ca_urls, "fulcio", &it.fulcio)?;
    replace(&mut config.oidc_urls, "oidc-provider", &it.oidc_provider)?;
    replace(&mut config.rekor_tlog_urls, "rekor", &it.rekor)?;
    replace(&mut config.tsa_urls, "tsa", &it.tsa)?;
    if let Some(text) = &it.rekor_config {
        config.rekor_tlog_config = Some(selector("rekor-config", text)?);
    }
    if let Some(text) = &it.tsa_config {
        config.tsa_config = Some(selector("tsa-config", text)?);
    }
    let selected = [
        ("rekor", config.rekor_tlog_urls.is_empty(), config.rekor_tlog_config),
        ("tsa", config.tsa_urls.is_empty(), config.tsa_config),
    ];
    for (kind, absent, selector) in selected {
        if !absent && selector.is_none() {
            return Err(Failure::new(format!(
                "creating signing config: --{kind}-config is required with --{kind} (ANY, ALL or EXACT:<count>)"
            )));
        }
    }
    super::write(output, it.out.as_ref(), &config.to_json())
}

fn base(it: &Create) -> Result<SigningConfig, Failure> {
    if it.with_default_services || it.with_default_rekor_v2 {
        return Err(Failure::new(
            "default services need the TUF repository, which is not available in this build: --base-config FILE starts from a signing config at hand",
        ));
    }
    let without = [
        ("--no-default-fulcio", it.no_default_fulcio),
        ("--no-default-oidc", it.no_default_oidc),
        ("--no-default-rekor", it.no_default_rekor),
        ("--no-default-tsa", it.no_default_tsa),
    ];
    let Some(path) = &it.base_config else {
        return match without.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::new(format!(
                "{flag} takes something from other services: it needs --base-config or --with-default-services"
            ))),
            None => Ok(SigningConfig::default()),
        };
    };
    let bytes = signing::read_file(path, "loading base config: ")?;
    let mut config = SigningConfig::parse(&bytes).map_err(|error| {
        Failure::new(format!("loading base config from {}: {error}", path.display()))
    })?;
    if it.no_default_fulcio {
        config.ca_urls.clear();
    }
    if it.no_default_oidc {
        config.oidc_urls.clear();
    }
    if it.no_default_rekor {
        (config.rekor_tlog_urls, config.rekor_tlog_config) = (Vec::new(), None);
    }
    if it.no_default_tsa {
        (config.tsa_urls, config.tsa_config) = (Vec::new(), None);
    }
    Ok(config)
}

/// Services of the command line stand in place of those that were there.
fn replace(
    services: &mut Vec<Service>,
    kind: &'static str,
    given: &[String],
) -> Result<(), Failure> {
    if given.is_empty() {
        return Ok(());
    }
    *services = given.iter().map(|text| service(kind, text)).collect::<Result<_, _>>()?;
    Ok(())
}

fn service(kind: &'static str, text: &str) -> Result<Service, Failure> {
    let required = ["url", "api-version", "start-time", "operator"];
    let spec = Spec::parse(kind, text, &required, &["end-time"])?;
    let version = spec.text("api-version");
    Ok(Service {
        url: spec.text("url").to_owned(),
        major_api_version: version
            .parse()
            .map_err(|_wrong| spec.wrong("api-version", &format!("{version:?} is no number")))?,
        valid_for: spec.validity()?,
        operator: spec.text("operator").to_owned(),
    })
}

/// `ANY`, `ALL` or `EXACT:<count>`.
fn selector(flag: &str, text: &str) -> Result<Selector, Failure> {
    let (mode, count) = text.split_once(':').map_or((text, None), |(mode, n)| (mode, Some(n)));
    let wrong = |why: String| Failure::new(format!("parsing {flag}: {why}"));
    match (mode.to_ascii_uppercase().as_str(), count) {
        ("ANY", None) => Ok(Selector::Any),
        ("ALL", None) => Ok(Selector::All),
        (mode @ ("ANY" | "ALL"), Some(_)) => {
            Err(wrong(format!("mode {mode} does not accept a count")))
        }
        ("EXACT", None) => Err(wrong("mode EXACT requires a count, e.g. EXACT:2".to_owned())),
        ("EXACT", Some(count)) => count
            .parse()
            .map(Selector::Exact)
            .map_err(|_wrong| wrong(format!("invalid count for EXACT mode: {count:?}"))),
        (other, _) => Err(wrong(format!("invalid service config mode: {other}"))),
    }
}
