//! The distribution grammar for names of images, by hand: linear, without regular expressions.
//!
//! SPEC: distribution/reference, package comment: `name [":" tag] ["@" digest]`, where a name is
//! an optional domain and path components.
use super::ReferenceError;
use crate::Digest;

/// Longest text that is looked at: 255 of path, 128 of tag, 135 of digest and a domain fit.
const LONGEST: usize = 1024;
/// Longest path, from the distribution library.
const LONGEST_PATH: usize = 255;
/// Longest tag, from the grammar.
const LONGEST_TAG: usize = 128;

/// The parts of a text that is in the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// The domain with its port, when the first element can be one and more follows.
    pub(super) domain: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<Digest>,
}

/// Takes a text apart; the first element is a domain whenever it can be one.
pub(super) fn parse(text: &str) -> Result<Parts<'_>, ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    if text.len() > LONGEST {
        return Err(ReferenceError::TooLong);
    }
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (text, None),
    };
    // A colon behind the last slash starts a tag; one before it is a port.
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    let (domain, path) = split_name(name).ok_or_else(|| {
        // The library tells a name that only fails by its case apart from nonsense.
        if split_name(&name.to_lowercase()).is_some() {
            ReferenceError::Uppercase
        } else {
            ReferenceError::Format
        }
    })?;
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(ReferenceError::Format);
    }
    let digest = digest.map(Digest::parse).transpose()?;
    if path.len() > LONGEST_PATH {
        return Err(ReferenceError::NameTooLong);
    }
    Ok(Parts { domain, path, tag, digest })
}

fn split_name(name: &str) -> Option<(Option<&str>, &str)> {
    if let Some((domain, path)) = name.split_once('/')
        && is_domain(domain)
        && is_path(path)
    {
        return Some((Some(domain), path));
    }
    is_path(name).then_some((None, name))
}

/// `domain-component ("." domain-component)* [":" port]`, or an IPv6 address in brackets.
pub(super) fn is_domain(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        if address.is_empty()
            || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
        {
            return false;
        }
        return after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    port.is_none_or(is_port) && host.split('.').all(is_domain_component)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_domain_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Path components, separated by slashes.
pub(super) fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

/// `[a-z0-9]+ (separator [a-z0-9]+)*` with separator `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(is_word) || !bytes.last().is_some_and(is_word) {
        return false;
    }
    bytes
        .split(is_word)
        // Between words there are empty pieces; the others are the separators.
        .filter(|separator| !separator.is_empty())
        .all(|separator| {
            matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-')
        })
}

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
pub(super) fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}
