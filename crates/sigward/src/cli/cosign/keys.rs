//! Keys by reference: files, environment variables, standard input for the password.
use super::{Failure, Output};
use sigward_sigstore::keys::{
    Entropy, EntropyError, MAX_KEY_FILE, PrivateKey, PublicKey, decrypt_private_key,
};
use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    path::Path,
};
use zeroize::Zeroizing;

/// The operating system's randomness.
#[derive(Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        aws_lc_rs::rand::fill(out).map_err(|_unspecified| EntropyError)
    }
}

/// The key that signs.
///
/// # Errors
/// The reference cannot be read, the password is wrong, or the content is no private key.
pub(super) fn private_key(reference: &str) -> Result<PrivateKey, Failure> {
    let text =
        Zeroizing::new(read(reference).map_err(|why| Failure::new(format!("reading key: {why}")))?);
    // An unencrypted PEM needs no password, and nobody is asked for one.
    let password = if text.contains("-----BEGIN ENCRYPTED ") {
        password(Ask::Once)?
    } else {
        Zeroizing::default()
    };
    decrypt_private_key(&text, &password).map_err(|error| {
        let Failure { message, code } = Failure::from(error);
        Failure { message: format!("reading key: {message}"), code }
    })
}

/// The keys that may have signed: every block of the PEM.
///
/// # Errors
/// The reference cannot be read, or the content is no public key.
pub(super) fn public_keys(reference: &str) -> Result<Vec<PublicKey>, Failure> {
    let loading = |why: String| {
        Failure::new(format!("loading verifier from key opts: loading public key: {why}"))
    };
    let text = read(reference).map_err(loading)?;
    if text.contains("PRIVATE KEY-----") {
        return Ok(vec![
            sigward_sigstore::keys::Signer::public_key(&private_key(reference)?).clone(),
        ]);
    }
    PublicKey::parse_pem_all(&text).map_err(|error| loading(Failure::from(error).message))
}

/// The text behind a reference.
fn read(reference: &str) -> Result<String, String> {
    if let Some(variable) = reference.strip_prefix("env://") {
        return std::env::var(variable)
            .map_err(|_unset| format!("the environment variable {variable} is not set"));
    }
    if let Some((scheme, _)) = reference.split_once("://") {
        return Err(format!(
            "{reference}: keys of the kind `{scheme}://` are not available in this build (files and env:// are)"
        ));
    }
    if reference.starts_with("pkcs11:") {
        return Err(format!("{reference}: keys in hardware are not available in this build"));
    }
    read_file(Path::new(reference))
}

/// A file of at most the size of a key.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let open_error = |error: std::io::Error| format!("open {}: {}", path.display(), reason(&error));
    let file = std::fs::File::open(path).map_err(open_error)?;
    let mut text = String::new();
    let limit = u64::try_from(MAX_KEY_FILE).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_string(&mut text).map_err(open_error)?;
    if text.len() > MAX_KEY_FILE {
        return Err(format!("{} is larger than {MAX_KEY_FILE} bytes: not a key", path.display()));
    }
    Ok(text)
}

/// Go's words for the common reasons, since scripts match on them.
pub(super) fn reason(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        return "no such file or directory".to_owned();
    }
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return "permission denied".to_owned();
    }
    error.to_string()
}

/// How often a password is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// To open a key.
    Once,
    /// To make one.
    Twice,
}

/// `COSIGN_PASSWORD` if it is set, else what is typed on the terminal, else all of standard input.
pub(super) fn password(ask: Ask) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(given) = std::env::var_os("COSIGN_PASSWORD") {
        return Ok(Zeroizing::new(given.into_encoded_bytes()));
    }
    if std::io::stdin().is_terminal() {
        let first = prompt("Enter password for private key: ")?;
        if ask == Ask::Twice && prompt("Enter password for private key again: ")? != first {
            return Err(Failure::new("passwords do not match"));
        }
        return Ok(first);
    }
    let mut piped = Zeroizing::new(Vec::new());
    std::io::stdin().take(64 * 1024).read_to_end(&mut piped)?;
    Ok(piped)
}

fn prompt(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let typed = rpassword::prompt_password(question)?;
    Ok(Zeroizing::new(typed.into_bytes()))
}

/// Asks on standard error; `--yes` answers for the user.
///
/// # Errors
/// Anything but `y` or `yes`: `user declined the prompt`.
pub(super) fn confirm(output: &Output, question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    output.say(question);
    let mut err = std::io::stderr();
    let _closed = write!(err, "Are you sure you would like to continue? [y/N] ");
    let _closed = err.flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new("user declined the prompt")),
    }
}

/// Writes a file, private or for everyone to read, whole or not at all.
pub(super) fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let fail = |error: std::io::Error| {
        Failure::new(format!("open {}: {}", path.display(), reason(&error)))
    };
    let beside = path.with_file_name(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .map_err(fail)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}

/// Writes `PREFIX.key` and `PREFIX.pub`, asking before an old key is lost.
pub(super) fn write_pair(
    output: &Output,
    prefix: &str,
    key: &PrivateKey,
    yes: bool,
) -> Result<(), Failure> {
    let private = format!("{prefix}.key");
    let public = format!("{prefix}.pub");
    if Path::new(&private).exists() {
        confirm(output, &format!("WARNING: File {private} already exists. Overwrite?"), yes)?;
    }
    let password = password(Ask::Twice)?;
    let encrypted = Zeroizing::new(sigward_sigstore::keys::encrypt_private_key(
        key,
        &password,
        &mut SystemEntropy,
    )?);
    write_file(Path::new(&private), encrypted.as_bytes(), 0o600)?;
    output.say(&format!("Private key written to {private}"));
    let pem = sigward_sigstore::keys::Signer::public_key(key).to_pem();
    write_file(Path::new(&public), pem.as_bytes(), 0o644)?;
    output.say(&format!("Public key written to {public}"));
    Ok(())
}
