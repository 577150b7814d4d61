//! `trusted-root create`: a trusted root put together from keys and certificates.
mod split;

use super::service::Spec;
use crate::cli::cosign::{Failure, Output, pflag::go_bool};
use clap::{Args, Subcommand};
use sigward_sigstore::{
    keys::Certificate,
    trust::{CertificateAuthority, TransparencyLog, TrustParts, TrustedRoot, Validity},
};
use std::path::PathBuf;

/// Tools for interacting with a Sigstore protobuf trusted root.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrustedRootCommand {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is done with it.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    Create(Create),
}

/// Create a Sigstore protobuf trusted root.
#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// fulcio service specification: url=,certificate-chain=[,start-time=,end-time=]
    #[arg(long)]
    pub(crate) fulcio: Vec<String>,
    /// ctfe service specification: url=,public-key=,start-time=[,end-time=,origin=]
    #[arg(long)]
    pub(crate) ctfe: Vec<String>,
    /// rekor service specification: url=,public-key=,start-time=[,end-time=,origin=]
    #[arg(long)]
    pub(crate) rekor: Vec<String>,
    /// timestamping authority specification: url=,certificate-chain=[,start-time=,end-time=]
    #[arg(long)]
    pub(crate) tsa: Vec<String>,
    /// use the Sigstore TUF root as default values to populate the trusted root
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) with_default_services: bool,
    /// removes the default Fulcio URLs from the trusted root
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_fulcio: bool,
    /// removes the default CTFE URLs from the trusted root
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_ctfe: bool,
    /// removes the default Rekor URLs from the trusted root
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_rekor: bool,
    /// removes the default TSA URLs from the trusted root
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_default_tsa: bool,
    /// path to output trusted root
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) split: split::SplitFlags,
}

/// Prints the file, or writes it.
pub(in crate::cli::cosign) fn run(
    output: &mut Output,
    it: &TrustedRootCommand,
) -> Result<(), Failure> {
    let Verb::Create(it) = &it.verb;
    let mut parts = defaults(it)?;
    it.split.add(it, &mut parts)?;
    for text in &it.fulcio {
        parts.certificate_authorities.push(authority("fulcio", text)?);
    }
    for text in &it.tsa {
        let authority = authority("tsa", text)?;
        if authority.chain.len() < 2 {
            return Err(Failure::new(
                "parsing tsa spec: certificate chain must have at least two certificates, the leaf first",
            ));
        }
        parts.timestamp_authorities.push(authority);
    }
    for text in &it.ctfe {
        parts.ctlogs.push(log("ctfe", text)?);
    }
    for text in &it.rekor {
        parts.tlogs.push(log("rekor", text)?);
    }
    let root = TrustedRoot::new(parts)?;
    super::write(output, it.out.as_ref(), &root.to_json())
}

/// What `--with-default-services` starts from.
fn defaults(it: &Create) -> Result<TrustParts, Failure> {
    let without = [
        ("--no-default-fulcio", it.no_default_fulcio),
        ("--no-default-ctfe", it.no_default_ctfe),
        ("--no-default-rekor", it.no_default_rekor),
        ("--no-default-tsa", it.no_default_tsa),
    ];
    if it.with_default_services {
        return Err(Failure::new(
            "--with-default-services needs the TUF repository, which is not available in this build: `trust export --from FILE` starts from a trusted root at hand",
        ));
    }
    // COMPAT: cosign 3.1: means nothing without default services, and is accepted; test: a_trusted_root_is_put_together_from_flags
    match without.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::new(format!(
            "{flag} takes something from the default services: it needs --with-default-services"
        ))),
        None => Ok(TrustParts::default()),
    }
}

/// COMPAT: cosign 3.1: without a `start-time` an authority is believed from the day on which its root's certificate
/// begins (a timestamp authority: its leaf's); test: a_trusted_root_is_put_together_from_flags
fn authority(kind: &'static str, text: &str) -> Result<CertificateAuthority, Failure> {
    let spec = Spec::parse(kind, text, &["url", "certificate-chain"], &["start-time", "end-time"])?;
    let pem = spec.pem("certificate-chain")?;
    let validity = spec.validity()?;
    let mut authority = CertificateAuthority::from_pem(spec.text("url"), &pem, validity)
        .map_err(|error| spec.wrong("certificate-chain", &error.to_string()))?;
    let dated = match kind {
        "tsa" => authority.chain.first(),
        _ => authority.chain.last(),
    };
    let begins = dated.map(Certificate::not_before);
    authority.valid_for = Validity { start: validity.start.or(begins), ..validity };
    Ok(authority)
}

fn log(kind: &'static str, text: &str) -> Result<TransparencyLog, Failure> {
    let required = ["url", "public-key", "start-time"];
    let spec = Spec::parse(kind, text, &required, &["end-time", "origin"])?;
    let (url, key, validity) = (spec.text("url"), spec.public_key()?, spec.validity()?);
    Ok(match spec.get("origin") {
        Some(origin) => TransparencyLog::with_origin(url, origin, key, validity),
        None => TransparencyLog::new(url, key, validity),
    })
}
