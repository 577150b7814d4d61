//! By what certificates, log entries and timestamps are judged: a file, keys of one's own, or the public instance.
use super::{
    read,
    repository::{Local, Network, TRUSTED_ROOT},
};
use crate::cli::cosign::{Failure, keys};
use sigward_sigstore::{
    keys::{Certificate, PublicKey},
    trust::{CertificateAuthority, TransparencyLog, TrustParts, TrustedRoot, Validity},
};
use std::path::{Path, PathBuf};

/// The public instance's trusted root, as of the root of its TUF repository in version 16 (2026), whose signatures by
/// version 14 were checked when it was taken over. What a TUF client keeps on this machine goes before it.
const PUBLIC_GOOD: &[u8] = include_bytes!("public_good.json");
/// The staging instance's, of the same time; only who asks for it by name is judged by it.
const STAGING: &[u8] = include_bytes!("staging.json");

/// What the command line names.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli::cosign) struct Named<'a> {
    /// `--trusted-root`.
    pub(in crate::cli::cosign) trusted_root: Option<&'a Path>,
    /// `--ca-roots`: one root after the other.
    pub(in crate::cli::cosign) roots: Option<&'a str>,
    /// `--ca-intermediates`.
    pub(in crate::cli::cosign) intermediates: Option<&'a str>,
    /// `--certificate-chain`: intermediates, then the root.
    pub(in crate::cli::cosign) chain: Option<&'a str>,
    /// `--timestamp-certificate-chain`: leaf, intermediates, root.
    pub(in crate::cli::cosign) timestamp_chain: Option<&'a Path>,
    /// Whether a TUF mirror may be asked.
    pub(in crate::cli::cosign) network: Network,
}

/// Files of the environment.
///
/// COMPAT: cosign 3.1: any of them, and any of the flags for certificates, turns the TUF repository's trusted root off;
/// test: keys_of_one_s_own_stand_in_for_a_trusted_root
const VARIABLES: [&str; 4] = [
    "SIGSTORE_ROOT_FILE",
    "SIGSTORE_REKOR_PUBLIC_KEY",
    "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
    "SIGSTORE_TSA_CERTIFICATE_FILE",
];

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The trust material of a command line.
///
/// # Errors
/// A file cannot be read, or two flags name the same thing.
pub(in crate::cli::cosign) fn material(named: Named<'_>) -> Result<TrustedRoot, Failure> {
    let authorities = [
        ("--ca-roots", named.roots.is_some()),
        ("--ca-intermediates", named.intermediates.is_some()),
        ("--certificate-chain", named.chain.is_some()),
        ("--timestamp-certificate-chain", named.timestamp_chain.is_some()),
    ];
    if let Some(path) = named.trusted_root {
        return match authorities.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::new(format!(
                "--trusted-root names every authority: {flag} cannot be used with it"
            ))),
            None => read(path),
        };
    }
    if named.intermediates.is_some() && named.roots.is_none() {
        return Err(Failure::new("--ca-intermediates lie below --ca-roots: they need them"));
    }
    let own = authorities.iter().any(|(_, given)| *given) || names_its_own();
    if own {
        return Ok(TrustedRoot::new(parts(named)?)?);
    }
    public_or_cached(named.network)
}

/// The staging instance's trusted root.
///
/// # Errors
/// None: what is built in is tested.
pub(in crate::cli::cosign) fn staging() -> Result<TrustedRoot, Failure> {
    Ok(TrustedRoot::parse(STAGING)?)
}

fn parts(named: Named<'_>) -> Result<TrustParts, Failure> {
    let mut parts = TrustParts::default();
    let above = named.intermediates.map(|path| certificates(Path::new(path))).transpose()?;
    if let Some(path) = named.roots {
        for root in certificates(Path::new(path))? {
            let chain = above.iter().flatten().cloned().chain([root]).collect();
            parts.certificate_authorities.push(authority(chain));
        }
    } else if let Some(path) = named.chain {
        parts.certificate_authorities.push(authority(certificates(Path::new(path))?));
    } else if let Some(path) = variable("SIGSTORE_ROOT_FILE") {
        let (roots, above): (Vec<_>, Vec<_>) =
            certificates(&path)?.into_iter().partition(Certificate::is_self_issued);
        for root in roots {
            let chain = above.iter().cloned().chain([root]).collect();
            parts.certificate_authorities.push(authority(chain));
        }
    }
    let timestamps = named
        .timestamp_chain
        .map(Path::to_path_buf)
        .or_else(|| variable("SIGSTORE_TSA_CERTIFICATE_FILE"));
    if let Some(path) = timestamps {
        parts.timestamp_authorities.push(authority(certificates(&path)?));
    }
    for (name, logs) in [
        ("SIGSTORE_REKOR_PUBLIC_KEY", &mut parts.tlogs),
        ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", &mut parts.ctlogs),
    ] {
        let Some(path) = variable(name) else { continue };
        let pem = text(&path)?;
        let keys = PublicKey::parse_pem_all(&pem)
            .map_err(|error| Failure::new(format!("{name}: {}: {error}", path.display())))?;
        logs.extend(keys.into_iter().map(|key| TransparencyLog::new("", key, Validity::default())));
    }
    Ok(parts)
}

fn authority(chain: Vec<Certificate>) -> CertificateAuthority {
    let subject = chain.last().map(Certificate::subject_words).unwrap_or_default();
    CertificateAuthority { subject, uri: String::new(), chain, valid_for: Validity::default() }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    Certificate::parse_pem_all(&text(path)?)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn text(path: &Path) -> Result<String, Failure> {
    keys::read_file(path).map_err(Failure::new)
}

/// Files or keys of the environment stand in for the TUF repository.
pub(in crate::cli::cosign) fn names_its_own() -> bool {
    VARIABLES.iter().any(|name| variable(name).is_some())
}

/// A target of the TUF repository in use, verified; nothing when nobody initialized one.
///
/// # Errors
/// There is a repository, and it does not give the target.
pub(in crate::cli::cosign) fn kept(target: &str) -> Result<Option<Vec<u8>>, Failure> {
    Local::find()?.target(target, Network::Allowed)
}

/// The trusted root of the TUF repository in use; for the public one, as long as nobody initialized it, what is built in.
fn public_or_cached(network: Network) -> Result<TrustedRoot, Failure> {
    let repository = Local::find()?;
    match repository.target(TRUSTED_ROOT, network)? {
        Some(bytes) => Ok(TrustedRoot::parse(&bytes)?),
        None if repository.is_public() => Ok(TrustedRoot::parse(PUBLIC_GOOD)?),
        None => Err(Failure::new(format!(
            "no trusted root of the TUF repository {} is kept on this machine: `initialize --mirror {0} --root FILE` fetches it, --trusted-root FILE names one",
            repository.mirror
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roots_are_some() {
        for bytes in [PUBLIC_GOOD, STAGING] {
            let root = TrustedRoot::parse(bytes).unwrap();
            assert!(root.unsupported().is_empty());
            assert!(!root.parts().tlogs.is_empty() && !root.parts().ctlogs.is_empty());
        }
    }
}
