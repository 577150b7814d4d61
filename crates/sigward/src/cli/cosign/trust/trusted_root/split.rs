//! The flags of `trusted-root create` before each service was one flag: the first key belongs to the first address, and so on.
use super::Create;
use crate::cli::cosign::{Failure, keys};
use clap::Args;
use sigward_sigstore::{
    keys::{Certificate, PublicKey},
    requirement::Timestamp,
    trust::{CertificateAuthority, TransparencyLog, TrustParts, Validity},
};
use std::path::Path;

/// cosign 2's spelling.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SplitFlags {
    /// path to a list of CA certificates in PEM format
    #[arg(long, hide = true)]
    pub(crate) certificate_chain: Vec<String>,
    /// URI of the Fulcio server issuing certificates
    #[arg(long, hide = true)]
    pub(crate) fulcio_uri: Vec<String>,
    /// path to a PEM-encoded public key of a certificate transparency log
    #[arg(long, hide = true)]
    pub(crate) ctfe_key: Vec<String>,
    /// URL of the certificate transparency log
    #[arg(long, hide = true)]
    pub(crate) ctfe_url: Vec<String>,
    /// RFC 3339 string describing validity start time for key use by certificate transparency log
    #[arg(long, hide = true)]
    pub(crate) ctfe_start_time: Vec<String>,
    /// RFC 3339 string describing validity end time for key use by certificate transparency log
    #[arg(long, hide = true)]
    pub(crate) ctfe_end_time: Vec<String>,
    /// path to a PEM-encoded public key of a transparency log; a Rekor 2 log's name stands behind a comma
    #[arg(long, hide = true)]
    pub(crate) rekor_key: Vec<String>,
    /// URL of the transparency log
    #[arg(long = "rekor-url", id = "split_rekor_url", hide = true)]
    pub(crate) rekor_url: Vec<String>,
    /// RFC 3339 string describing validity start time for key use by transparency log
    #[arg(long, hide = true)]
    pub(crate) rekor_start_time: Vec<String>,
    /// RFC 3339 string describing validity end time for key use by transparency log
    #[arg(long, hide = true)]
    pub(crate) rekor_end_time: Vec<String>,
    /// path to PEM-encoded certificate chain file for the RFC3161 timestamp authority
    #[arg(long, hide = true)]
    pub(crate) timestamp_certificate_chain: Vec<String>,
    /// URI of the timestamp authority server
    #[arg(long, hide = true)]
    pub(crate) timestamp_uri: Vec<String>,
}

/// One kind of log.
struct Logs<'a> {
    kind: &'static str,
    keys: &'a [String],
    urls: &'a [String],
    starts: &'a [String],
    ends: &'a [String],
}

impl SplitFlags {
    /// Adds what the flags name.
    ///
    /// COMPAT: cosign 3.1: either spelling of a service and not both; an address or a time without its key is passed
    /// over there and refused here; test: the_split_flags_of_a_trusted_root_mean_the_same
    ///
    /// # Errors
    /// A file cannot be read, a time is none, or something has no key that it could belong to.
    pub(super) fn add(&self, it: &Create, parts: &mut TrustParts) -> Result<(), Failure> {
        let both = [
            ("fulcio", !it.fulcio.is_empty(), self.certificate_chain.len() + self.fulcio_uri.len()),
            ("ctfe", !it.ctfe.is_empty(), self.ctfe().given()),
            ("rekor", !it.rekor.is_empty(), self.rekor().given()),
            (
                "tsa",
                !it.tsa.is_empty(),
                self.timestamp_certificate_chain.len() + self.timestamp_uri.len(),
            ),
        ];
        if let Some((kind, _, _)) = both.into_iter().find(|(_, new, old)| *new && *old > 0) {
            return Err(Failure::new(format!(
                "cannot use --{kind} and old {kind} flags at the same time"
            )));
        }
        let fulcio = authorities("fulcio-uri", &self.certificate_chain, &self.fulcio_uri)?;
        let tsa =
            authorities("timestamp-uri", &self.timestamp_certificate_chain, &self.timestamp_uri)?;
        parts.certificate_authorities.extend(fulcio);
        parts.timestamp_authorities.extend(tsa);
        parts.ctlogs.extend(self.ctfe().read()?);
        parts.tlogs.extend(self.rekor().read()?);
        Ok(())
    }

    fn ctfe(&self) -> Logs<'_> {
        Logs {
            kind: "ctfe",
            keys: &self.ctfe_key,
            urls: &self.ctfe_url,
            starts: &self.ctfe_start_time,
            ends: &self.ctfe_end_time,
        }
    }

    fn rekor(&self) -> Logs<'_> {
        Logs {
            kind: "rekor",
            keys: &self.rekor_key,
            urls: &self.rekor_url,
            starts: &self.rekor_start_time,
            ends: &self.rekor_end_time,
        }
    }
}

/// The root's certificate says from when on.
fn authorities(
    flag: &str,
    chains: &[String],
    uris: &[String],
) -> Result<Vec<CertificateAuthority>, Failure> {
    no_more(flag, uris, chains)?;
    let read = |(at, path): (usize, &String)| {
        let pem = keys::read_file(Path::new(path)).map_err(Failure::new)?;
        let uri = uris.get(at).map(String::as_str).unwrap_or_default();
        let mut authority = CertificateAuthority::from_pem(uri, &pem, Validity::default())
            .map_err(|error| Failure::new(format!("{path}: {error}")))?;
        authority.valid_for.start = authority.chain.last().map(Certificate::not_before);
        Ok(authority)
    };
    chains.iter().enumerate().map(read).collect()
}

fn no_more(flag: &str, given: &[String], of: &[String]) -> Result<(), Failure> {
    if given.len() <= of.len() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--{flag} is given {} times, and there are {} keys or chains for it",
        given.len(),
        of.len()
    )))
}

impl Logs<'_> {
    fn given(&self) -> usize {
        self.keys.len() + self.urls.len() + self.starts.len() + self.ends.len()
    }

    fn read(&self) -> Result<Vec<TransparencyLog>, Failure> {
        for (flag, given) in
            [("url", self.urls), ("start-time", self.starts), ("end-time", self.ends)]
        {
            no_more(&format!("{}-{flag}", self.kind), given, self.keys)?;
        }
        (0..self.keys.len()).zip(self.keys).map(|(at, key)| self.one(at, key)).collect()
    }

    fn one(&self, at: usize, key: &str) -> Result<TransparencyLog, Failure> {
        let (path, origin) = key.split_once(',').map_or((key, None), |(path, it)| (path, Some(it)));
        let pem = keys::read_file(Path::new(path)).map_err(Failure::new)?;
        let key =
            PublicKey::parse_pem(&pem).map_err(|error| Failure::new(format!("{path}: {error}")))?;
        let time = |flag: &str, given: &[String]| {
            let read = |text: &String| {
                Timestamp::parse_rfc3339(text).ok_or_else(|| {
                    Failure::new(format!("--{}-{flag} {text:?} is not RFC 3339", self.kind))
                })
            };
            given.get(at).map(read).transpose()
        };
        // COMPAT: cosign 3.1: from 1970 on when nothing else is said; test: the_split_flags_of_a_trusted_root_mean_the_same
        let start = time("start-time", self.starts)?.unwrap_or(Timestamp(0));
        let validity = Validity { start: Some(start), end: time("end-time", self.ends)? };
        let url = self.urls.get(at).map(String::as_str).unwrap_or_default();
        Ok(match origin.filter(|origin| !origin.is_empty()) {
            Some(origin) => TransparencyLog::with_origin(url, origin, key, validity),
            None => TransparencyLog::new(url, key, validity),
        })
    }
}
