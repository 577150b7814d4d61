//! Who else is told about a signature: certificate authority, logs and timestamp authorities, by signing config or by flag.
use super::{files::read_file, party::Flags};
use crate::cli::cosign::{
    Failure,
    evidence::now,
    keys,
    trust::{self, repository::SIGNING_CONFIG},
};
use sigward_remote::{HostOptions, Options, Secret, Services, Unobserved};
use sigward_sigstore::trust::{Service, SigningConfig};
use std::{path::Path, sync::Arc};

/// The public instance, where `--use-signing-config=false` leaves a URL open.
///
/// COMPAT: cosign 2.6 and 3.1: the defaults of `--fulcio-url`, `--rekor-url` and `--oidc-issuer`.
const PUBLIC: [&str; 3] = [
    "https://fulcio.sigstore.dev",
    "https://rekor.sigstore.dev",
    "https://oauth2.sigstore.dev/auth",
];

/// The services of one command line.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) fulcio: Option<String>,
    pub(super) issuer: Option<String>,
    /// Logs with the version of their interface.
    pub(super) logs: Vec<(String, u32)>,
    pub(super) timestamps: Vec<String>,
}

impl Plan {
    /// True when everything that is asked is the public instance's.
    pub(super) fn is_public(&self) -> bool {
        let all = self.fulcio.iter().chain(self.logs.iter().map(|(url, _)| url));
        let mut all = all.chain(&self.timestamps).peekable();
        all.peek().is_some()
            && all.all(|url| {
                let host = url.strip_prefix("https://").unwrap_or_default().split('/').next();
                host.is_some_and(|host| host.ends_with(".sigstore.dev"))
            })
    }
}

/// Checks that the services can be told from the flags.
///
/// # Errors
/// Each names its way out.
pub(in crate::cli::cosign) fn check_services(flags: &Flags<'_>) -> Result<(), Failure> {
    plan(flags).map(drop)
}

/// Which services are asked.
///
/// COMPAT: cosign 3.1: without flags the signing config of the TUF repository counts, here when one is kept on this
/// machine; a log entry is made unless `--tlog-upload=false` or a signing config without logs says otherwise;
/// test: signing_without_saying_no_log_is_refused_with_the_way_out
///
/// # Errors
/// Each names its way out.
pub(super) fn plan(flags: &Flags<'_>) -> Result<Plan, Failure> {
    let source = flags.source;
    let wanted = source.use_signing_config;
    if !source.tlog_upload && (source.signing_config.is_some() || wanted == Some(true)) {
        return Err(Failure::new(
            "--tlog-upload=false is not supported with --signing-config or --use-signing-config. \
             Provide a signing config with --signing-config without a transparency log service",
        ));
    }
    let urls = [
        ("--rekor-url", &source.rekor_url),
        ("--fulcio-url", &flags.fulcio.fulcio_url),
        ("--timestamp-server-url", &flags.timestamp.timestamp_server_url),
    ];
    let url = urls.iter().find(|(_, url)| url.is_some());
    if source.signing_config.is_some() || wanted == Some(true) {
        if !flags.new_bundle_format {
            return Err(Failure::new(
                "must provide --new-bundle-format or --bundle where applicable with --signing-config or --use-signing-config",
            ));
        }
        if let Some((flag, _)) = url {
            return Err(Failure::new(format!(
                "the services are those of the signing config: {flag} cannot be used with one (--use-signing-config=false)"
            )));
        }
    }
    if let Some(path) = &source.signing_config {
        let bytes = read_file(path, "error reading signing config: ")?;
        return of_config(&bytes, &path.display().to_string());
    }
    if wanted == Some(true) || (wanted.is_none() && url.is_none() && source.tlog_upload) {
        if flags.new_bundle_format
            && let Some(bytes) = trust::kept(SIGNING_CONFIG)?
        {
            return of_config(&bytes, SIGNING_CONFIG);
        }
        return Err(Failure::new(if wanted == Some(true) {
            "--use-signing-config needs the TUF repository's signing config, and none is kept on this machine: \
             with --signing-config FILE the services are read from a file"
        } else {
            "signing needs a transparency log, and none is named: --signing-config FILE or --rekor-url URL name one, \
             --use-signing-config=false means the public one, and with --tlog-upload=false the signature is made without one"
        }));
    }
    let [fulcio, rekor, issuer] = PUBLIC.map(str::to_owned);
    let log = source.tlog_upload.then(|| (source.rekor_url.clone().unwrap_or(rekor), 1));
    let keyless = flags.key.is_none() || flags.issue_certificate;
    Ok(Plan {
        fulcio: keyless.then(|| flags.fulcio.fulcio_url.clone().unwrap_or(fulcio)),
        issuer: Some(flags.oidc.oidc_issuer.clone().unwrap_or(issuer)),
        logs: log.into_iter().collect(),
        timestamps: flags.timestamp.timestamp_server_url.iter().cloned().collect(),
    })
}

/// COMPAT: cosign 3.1: Fulcio and issuers of version 1, logs of version 2 before 1.
fn of_config(bytes: &[u8], place: &str) -> Result<Plan, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("error reading signing config: {place}: {error}"))
    };
    let config = SigningConfig::parse(bytes).map_err(|error| failed(&error))?;
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed)?;
    let seed = u64::from_be_bytes(seed);
    let chosen = |error| failed(&error);
    let url = |service: &Service| service.url.clone();
    let logs = config.rekor(&[1, 2], now(), seed).map_err(chosen)?;
    Ok(Plan {
        // Who signs with a key needs neither: a config may list what cannot be used then.
        fulcio: config.ca(&[1], now()).ok().flatten().map(url),
        issuer: config.oidc(&[1], now()).ok().flatten().map(url),
        logs: logs.into_iter().map(|log| (log.url.clone(), log.major_api_version)).collect(),
        timestamps: config.tsa(&[1], now(), seed).map_err(chosen)?.into_iter().map(url).collect(),
    })
}

/// A client for services.
///
/// # Errors
/// None in practice: nothing is configured.
pub(super) fn client() -> Result<Services, Failure> {
    Ok(Services::new(Options::default(), Arc::new(Unobserved))?)
}

/// A client for timestamp authorities, which may want a certificate.
///
/// # Errors
/// A certificate file cannot be read or used.
pub(super) fn timestamp_client(flags: &Flags<'_>) -> Result<Services, Failure> {
    let flags = flags.timestamp;
    let read = |path: &Path| keys::read_file(path).map(String::into_bytes).map_err(Failure::new);
    let client_identity_pem = match (&flags.timestamp_client_cert, &flags.timestamp_client_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, Secret::new(read(key)?))),
        (None, None) => None,
        _ => {
            return Err(Failure::new(
                "--timestamp-client-cert and --timestamp-client-key must be given together",
            ));
        }
    };
    let authority = flags.timestamp_client_cacert.as_deref().map(read).transpose()?;
    let options = Options {
        extra_ca_pem: authority.into_iter().collect(),
        everywhere: HostOptions {
            client_identity_pem,
            server_name: flags.timestamp_server_name.as_deref().map(Into::into),
            ..HostOptions::default()
        },
        ..Options::default()
    };
    Ok(Services::new(options, Arc::new(Unobserved))?)
}

/// A trusted root has to be one, whether or not anything is checked by it.
///
/// # Errors
/// The file cannot be read, or is no trusted root.
pub(in crate::cli::cosign) fn check_trusted_root(path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), |path| trust::read(path).map(drop))
}
