//! Images as typed, and the client that speaks to their registries.
use super::{Failure, Output, flags::RegistryFlags, keys::reason};
use crate::exit_code;
use sigward_oci::{Access, DigestReference, GoReference, TagReference, go_reference, resolve_host};
use sigward_remote::{
    FetchError, HostOptions, Key, Login, NoSecrets, Observer, Operation, Options, Registry, Secret,
    Unobserved, docker_configs,
};
use smol_str::SmolStr;
use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

/// Where signatures lie when not beside the image.
const REPOSITORY_VARIABLE: &str = "COSIGN_REPOSITORY";
/// Largest signature, attestation or bundle that is read.
const MAX_ATTACHMENT_VARIABLE: &str = "COSIGN_MAX_ATTACHMENT_SIZE";
const DEFAULT_MAX_ATTACHMENT: u64 = 128 << 20;

/// One image of a command line: resolved once, and from then on a digest.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// As typed, completed.
    pub(super) named: GoReference,
    /// What its name stood for when the command began.
    pub(super) digest: DigestReference,
}

/// A client that speaks as the flags say.
///
/// # Errors
/// A certificate file cannot be read or used, or half of a login is missing.
pub(super) fn client(
    output: &Output,
    flags: &RegistryFlags,
    images: &[GoReference],
) -> Result<Registry, Failure> {
    client_with(output, flags, images, None)
}

/// A client that moves whole images: blobs of any size that fits, and hours for each.
///
/// # Errors
/// As [`client`].
pub(super) fn client_for_images(
    output: &Output,
    flags: &RegistryFlags,
    images: &[GoReference],
) -> Result<Registry, Failure> {
    let mut options = options(flags, images)?;
    options.caps.attachment = super::transfer::MAX_BLOB;
    options.caps.referrers = 100_000;
    options.times.work = Duration::from_hours(6);
    // What is moved is not asked for twice.
    options.cache_bytes = 0;
    make(output, options)
}

/// A client that sends at most so many requests to a host at a time (`--max-workers`).
///
/// # Errors
/// As [`client`].
pub(super) fn client_with(
    output: &Output,
    flags: &RegistryFlags,
    images: &[GoReference],
    workers: Option<usize>,
) -> Result<Registry, Failure> {
    let mut options = options(flags, images)?;
    if let Some(workers) = workers {
        options.per_host = workers;
    }
    options.caps.attachment = attachment_limit()?;
    make(output, options)
}

fn make(output: &Output, options: Options) -> Result<Registry, Failure> {
    let observer: Arc<dyn Observer> =
        if output.verbose { Arc::new(Trace) } else { Arc::new(Unobserved) };
    Ok(Registry::new(options, Arc::new(NoSecrets), observer)?)
}

fn options(flags: &RegistryFlags, images: &[GoReference]) -> Result<Options, Failure> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::new(format!("open {}: {}", path.display(), reason(&error))))
    };
    let client_identity_pem = match (&flags.registry_client_cert, &flags.registry_client_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, Secret::new(read(key)?))),
        (None, None) => None,
        _ => {
            return Err(Failure::new(
                "--registry-client-cert and --registry-client-key must be given together",
            ));
        }
    };
    let everywhere = HostOptions {
        client_identity_pem,
        server_name: flags.registry_server_name.as_deref().map(SmolStr::new),
        insecure_skip_tls_verify: flags.allow_insecure_registry,
        insecure_plain_http: flags.allow_http_registry || flags.allow_insecure_registry,
    };
    Ok(Options {
        everywhere,
        extra_ca_pem: flags.registry_cacert.as_deref().map(read).transpose()?.into_iter().collect(),
        docker_configs: docker_configs(|variable| std::env::var_os(variable)),
        login: login(flags, images)?,
        ..Options::default()
    })
}

/// `--verbose`: one line on standard error for each request.
#[derive(Debug)]
struct Trace;

impl Observer for Trace {
    fn request(&self, host: &str, operation: Operation, status: Option<u16>, took: Duration) {
        let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let _closed = writeln!(
            std::io::stderr(),
            "{host} {}: {status} in {} ms",
            operation.as_str(),
            took.as_millis()
        );
    }

    fn retry(&self, host: &str, operation: Operation) {
        let _closed = writeln!(std::io::stderr(), "{host} {}: again", operation.as_str());
    }
}

fn login(flags: &RegistryFlags, images: &[GoReference]) -> Result<Option<Login>, Failure> {
    let hosts: Vec<SmolStr> = images.iter().map(|image| image.registry.clone()).collect();
    let key = match (&flags.registry_token, &flags.registry_username, &flags.registry_password) {
        (Some(token), None, None) => Key::Bearer(Secret::new(token.as_bytes())),
        (None, Some(username), Some(password)) => {
            Key::Basic { username: username.into(), password: Secret::new(password.as_bytes()) }
        }
        (None, None, None) => return Ok(None),
        (Some(_), ..) => {
            return Err(Failure::new(
                "--registry-token cannot be used with --registry-username or --registry-password",
            ));
        }
        _ => {
            return Err(Failure::new(
                "--registry-username and --registry-password must be given together",
            ));
        }
    };
    Ok(Some(Login { hosts, key }))
}

/// Bytes of the largest signature, attestation or bundle that is read (`COSIGN_MAX_ATTACHMENT_SIZE`).
///
/// # Errors
/// The variable is no size.
pub(super) fn attachment_limit() -> Result<u64, Failure> {
    max_attachment(std::env::var(MAX_ATTACHMENT_VARIABLE).ok().as_deref())
}

/// `128MiB`, `10MB`, or a number of bytes.
fn max_attachment(text: Option<&str>) -> Result<u64, Failure> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_MAX_ATTACHMENT);
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text.strip_prefix(digits).unwrap_or_default().trim().to_ascii_lowercase();
    let factor: Option<u64> = match unit.as_str() {
        "" | "b" => Some(1),
        "k" | "kb" => Some(1000),
        "kib" | "ki" => Some(1 << 10),
        "m" | "mb" => Some(1_000_000),
        "mib" | "mi" => Some(1 << 20),
        "g" | "gb" => Some(1_000_000_000),
        "gib" | "gi" => Some(1 << 30),
        _ => None,
    };
    let bytes = factor
        .zip(digits.trim().parse::<u64>().ok())
        .and_then(|(factor, number)| number.checked_mul(factor));
    bytes.ok_or_else(|| {
        Failure::new(format!("{MAX_ATTACHMENT_VARIABLE}: {text:?} is not a size such as 128MiB"))
    })
}

/// The name as typed, completed as cosign completes it.
///
/// # Errors
/// Not a name of an image.
pub(super) fn parse(image: &str) -> Result<GoReference, Failure> {
    go_reference(image).map_err(|error| {
        Failure::new(format!("parsing reference: could not parse reference: {image}: {error}"))
    })
}

/// Resolves a name to its digest: the only question that carries a tag.
///
/// # Errors
/// The registry has no such tag or repository, or it could not be told.
pub(super) async fn resolve(registry: &Registry, named: GoReference) -> Result<Subject, Failure> {
    match find(registry, named).await? {
        Ok(subject) => Ok(subject),
        Err(Missing { url, said }) => Err(Failure::new(format!("GET {url}: {said}"))),
    }
}

/// The same for `verify`, whose exit code tells what is missing.
///
/// COMPAT: cosign 3.1: exit code 11 and `image tag not found: …MANIFEST_UNKNOWN…`, for `verify` alone; test: a_missing_tag_ends_with_code_11
///
/// # Errors
/// As [`resolve`].
pub(super) async fn resolve_for_verify(
    registry: &Registry,
    named: GoReference,
) -> Result<Subject, Failure> {
    match find(registry, named).await? {
        Ok(subject) => Ok(subject),
        Err(Missing { url, said }) => Err(Failure {
            message: format!("image tag not found: GET {url}: {said}"),
            code: exit_code::IMAGE_TAG_NOT_FOUND,
        }),
    }
}

async fn find(
    registry: &Registry,
    named: GoReference,
) -> Result<Result<Subject, Missing>, Failure> {
    let repository = named.repository();
    let digest = match (&named.digest, &named.tag) {
        (Some(digest), _) => digest.clone(),
        (None, tag) => {
            let tag = TagReference {
                repository: repository.clone(),
                tag: tag.clone().unwrap_or_else(|| "latest".into()),
            };
            match registry.resolve_tag(&tag, &Access::default()).await {
                Ok(Some(digest)) => digest,
                Ok(None) => return Ok(Err(missing(&tag.repository, &tag.tag))),
                Err(error) => return Err(fetch_failure(&error)),
            }
        }
    };
    Ok(Ok(Subject { digest: DigestReference { repository, digest }, named }))
}

/// A manifest that is not there, in the words of a registry's answer.
pub(super) struct Missing {
    /// Where it was looked for.
    pub(super) url: String,
    /// What distribution's registries say.
    pub(super) said: String,
}

/// Describes the answer 404 for a tag or a digest.
pub(super) fn missing(repository: &str, reference: &str) -> Missing {
    let location = resolve_host(repository);
    let kind = if reference.contains(':') { "Digest" } else { "Tag" };
    Missing {
        url: format!("https://{}/v2/{}/manifests/{reference}", location.host, location.path),
        said: format!("MANIFEST_UNKNOWN: manifest unknown; map[{kind}:{reference}]"),
    }
}

/// A registry that could not be asked: never "unsigned".
pub(super) fn fetch_failure(error: &FetchError) -> Failure {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        message.push_str(": ");
        message.push_str(&next.to_string());
        cause = next.source();
    }
    Failure::new(message)
}

/// `COSIGN_REPOSITORY`, as a repository in its normal form.
///
/// # Errors
/// It is set, and is no repository.
pub(super) fn signature_repository() -> Result<Option<SmolStr>, Failure> {
    let Some(text) = std::env::var(REPOSITORY_VARIABLE).ok().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let named = parse(&text).map_err(|Failure { message, .. }| {
        Failure::new(format!("{REPOSITORY_VARIABLE}: {message}"))
    })?;
    Ok(Some(named.repository()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_as_people_write_them() {
        let check = |text: Option<&str>, expected: Option<u64>| {
            assert_eq!(max_attachment(text).ok(), expected, "{text:?}");
        };
        check(None, Some(128 << 20));
        check(Some("10"), Some(10));
        check(Some("128MiB"), Some(128 << 20));
        check(Some("1 GB"), Some(1_000_000_000));
        check(Some("99999999999999999GiB"), None);
        check(Some("much"), None);
        check(Some("-1"), None);
    }
}
