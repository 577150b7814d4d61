//! `initialize`: fills the TUF cache that verification takes its trusted root from.
use super::{
    Failure, Output,
    evidence::now,
    trust::repository::{
        self, PUBLIC_MIRROR, PUBLIC_ROOT, SIGNING_CONFIG, STAGING_MIRROR, STAGING_ROOT,
        TRUSTED_ROOT,
    },
};
use clap::Args;
use sigward_remote::{Services, TufMirror};
use sigward_sigstore::{trust::TrustedRoot, tuf::MAX_ROOT};
use std::path::Path;

/// Initializes SigStore root to retrieve trusted certificate and key targets for verification
#[derive(Args, Clone, Debug)]
pub(crate) struct Initialize {
    /// HTTP(S) base URL of a TUF repository, or file:/// for a folder (air gap)
    #[arg(long, default_value = PUBLIC_MIRROR)]
    pub(crate) mirror: String,
    /// path or URL of the trusted initial root; the one that is built in when absent
    #[arg(long)]
    pub(crate) root: Option<String>,
    /// checksum of the initial root: SHA-256, or sha512:HEX
    #[arg(long)]
    pub(crate) root_checksum: Option<String>,
    /// use the staging TUF repository
    #[arg(long)]
    pub(crate) staging: bool,
}

/// Metadata, trusted root and signing config of the mirror, verified; then the mirror is the one in use.
///
/// COMPAT: cosign 3.1: nothing is printed when all went well, and `--staging` goes before the other flags; test:
/// initialize_fills_the_cache_and_says_nothing
///
/// # Errors
/// The root cannot be read or is not the one that was said; the mirror cannot be asked or is not to be trusted.
pub(super) async fn run(output: &mut Output, it: &Initialize) -> Result<(), Failure> {
    let services = repository::services()?;
    let cache = repository::cache()
        .ok_or_else(|| Failure::new("TUF_ROOT or HOME must say where the TUF cache is"))?;
    let (url, given) = if it.staging {
        (STAGING_MIRROR, Some(STAGING_ROOT.to_vec()))
    } else {
        (it.mirror.as_str(), given_root(output, &services, it).await?)
    };
    let mut kept = cache.kept(url)?;
    // Whoever names a root trusts that one, whatever was trusted before.
    let root = given.or_else(|| kept.root.take()).unwrap_or_else(|| PUBLIC_ROOT.to_vec());
    let mirror = TufMirror::new(services, url);
    let mut repository = mirror.update(&root, kept, now()).await?;
    let trusted_root = mirror.target(&mut repository, TRUSTED_ROOT).await?;
    TrustedRoot::parse(&trusted_root)?;
    match mirror.target(&mut repository, SIGNING_CONFIG).await {
        Ok(bytes) => cache.keep_target(url, SIGNING_CONFIG, &bytes)?,
        Err(error) => output.say(&format!(
            "WARNING: Could not fetch signing_config.json from the TUF mirror (encountered error: {}). It is recommended to use a signing config file rather than provide service URLs when signing.",
            Failure::from(error).message
        )),
    }
    cache.keep(url, &repository, now())?;
    cache.keep_target(url, TRUSTED_ROOT, &trusted_root)?;
    cache.set_mirror(url)?;
    Ok(())
}

/// `--root`, from a file or an address, checked against `--root-checksum`.
async fn given_root(
    output: &Output,
    services: &Services,
    it: &Initialize,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(name) = it.root.as_deref().filter(|root| !root.is_empty()) else { return Ok(None) };
    let checksum = it.root_checksum.as_deref().filter(|sum| !sum.is_empty());
    let bytes = if name.starts_with("http://") || name.starts_with("https://") {
        if checksum.is_none() {
            output.say("WARNING: Fetching initial root from URL without providing its checksum is deprecated and will be disallowed in a future Cosign release. Please provide the initial root checksum via the --root-checksum argument.");
        }
        let found = services.get("TUF root", name, MAX_ROOT).await?;
        found
            .ok_or_else(|| Failure::new(format!("loading URL {name}: server returned HTTP 404")))?
            .to_vec()
    } else {
        repository::read_root(Path::new(name))?
    };
    if let Some(checksum) = checksum {
        check(name, checksum, &bytes)?;
    }
    Ok(Some(bytes))
}

fn check(name: &str, checksum: &str, bytes: &[u8]) -> Result<(), Failure> {
    use aws_lc_rs::digest::{SHA256, SHA512, digest};
    use std::fmt::Write as _;
    let (algorithm, expected) = match checksum.split_once(':') {
        Some(("sha512", hex)) => (&SHA512, hex),
        Some(("sha256", hex)) => (&SHA256, hex),
        Some((other, _)) => {
            return Err(Failure::new(format!(
                "--root-checksum: unsupported hash algorithm {other:?}: sha256 or sha512"
            )));
        }
        None => (&SHA256, checksum),
    };
    let mut found = String::new();
    for byte in digest(algorithm, bytes).as_ref() {
        // Writing to a String cannot fail.
        let _written = write!(found, "{byte:02x}");
    }
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "incorrect checksum for file {name}: expected {expected} but got {found}"
    )))
}
