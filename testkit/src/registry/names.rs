//! Paths of the distribution API, taken apart: which endpoint, which repository, which reference.

/// One endpoint of the registry with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`.
    Base,
    /// `/token`, the token service of bearer authentication.
    Token,
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/NAME/tags/list`.
    Tags { repository: String },
    /// `/v2/NAME/manifests/REFERENCE`.
    Manifest { repository: String, reference: String },
    /// `/v2/NAME/blobs/DIGEST`.
    Blob { repository: String, digest: String },
    /// `/v2/NAME/blobs/uploads/`.
    Uploads { repository: String },
    /// `/v2/NAME/blobs/uploads/ID`.
    Upload { repository: String, id: String },
    /// `/v2/NAME/referrers/DIGEST`.
    Referrers { repository: String, digest: String },
    /// Anything else.
    Unknown,
}

/// What kind of request it is, for counting and for aiming faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// `/v2/`, the version check.
    Base,
    /// The token service.
    Token,
    /// The list of repositories.
    Catalog,
    /// The list of tags of a repository.
    Tags,
    /// A manifest asked for by tag.
    ManifestByTag,
    /// A manifest asked for by digest.
    ManifestByDigest,
    /// A blob.
    Blob,
    /// Any part of an upload.
    Upload,
    /// The referrers of a digest.
    Referrers,
    /// A path that is none of these.
    Other,
}

impl Route {
    /// Takes a path (no query) apart. Names are matched from the right, since a repository may itself be called `a/manifests/b`.
    pub(crate) fn parse(path: &str) -> Self {
        let path = decode(path, false);
        match path.as_str() {
            "/v2/" | "/v2" => return Self::Base,
            "/token" => return Self::Token,
            "/v2/_catalog" => return Self::Catalog,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Self::Unknown };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Self::Tags { repository: name.to_owned() };
        }
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
        {
            return Self::Uploads { repository: name.to_owned() };
        }
        let Some((front, last)) = rest.rsplit_once('/') else { return Self::Unknown };
        let last = last.to_owned();
        if let Some(name) = front.strip_suffix("/blobs/uploads") {
            return Self::Upload { repository: name.to_owned(), id: last };
        }
        if let Some(name) = front.strip_suffix("/manifests") {
            return Self::Manifest { repository: name.to_owned(), reference: last };
        }
        if let Some(name) = front.strip_suffix("/blobs") {
            return Self::Blob { repository: name.to_owned(), digest: last };
        }
        if let Some(name) = front.strip_suffix("/referrers") {
            return Self::Referrers { repository: name.to_owned(), digest: last };
        }
        Self::Unknown
    }

    /// The class that this route is counted under.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Base => Class::Base,
            Self::Token => Class::Token,
            Self::Catalog => Class::Catalog,
            Self::Tags { .. } => Class::Tags,
            Self::Manifest { reference, .. } if reference.contains(':') => Class::ManifestByDigest,
            Self::Manifest { .. } => Class::ManifestByTag,
            Self::Blob { .. } => Class::Blob,
            Self::Uploads { .. } | Self::Upload { .. } => Class::Upload,
            Self::Referrers { .. } => Class::Referrers,
            Self::Unknown => Class::Other,
        }
    }

    /// The repository that the path names, if it names one.
    pub(crate) fn repository(&self) -> Option<&str> {
        match self {
            Self::Tags { repository }
            | Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Referrers { repository, .. } => Some(repository),
            Self::Base | Self::Token | Self::Catalog | Self::Unknown => None,
        }
    }
}

/// Whether `name` is a repository name.
// SPEC: OCI distribution 1.1, "Pulling manifests": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
pub(crate) fn is_repository(name: &str) -> bool {
    name.len() <= 255 && name.split('/').all(is_component)
}

fn is_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separator = Vec::new();
    let mut seen = false;
    for byte in component.bytes() {
        if alphanumeric(byte) {
            let fits = match separator.as_slice() {
                [] | [b'.' | b'_'] | [b'_', b'_'] => true,
                dashes => dashes.iter().all(|&dash| dash == b'-'),
            };
            if !fits || (!seen && !separator.is_empty()) {
                return false;
            }
            separator.clear();
            seen = true;
        } else if matches!(byte, b'.' | b'_' | b'-') {
            separator.push(byte);
        } else {
            return false;
        }
    }
    seen && separator.is_empty()
}

/// Whether `tag` is a tag.
// SPEC: OCI distribution 1.1, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The pairs of a query or of a form, decoded, in order.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// The first value of `name` among `pairs`.
pub(crate) fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Percent decoding; what is not a valid escape stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                if let [high, low, tail @ ..] = after
                    && let (Some(high), Some(low)) = (nibble(*high), nibble(*low))
                {
                    bytes.push(high << 4 | low);
                    rest = tail;
                } else {
                    bytes.push(byte);
                }
            }
            b'+' if plus_is_space => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Percent encoding of everything but unreserved characters, for links that the registry writes.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(path: &str, expected: Class, repository: Option<&str>) {
        let route = Route::parse(path);
        assert_eq!(route.class(), expected, "{path}");
        assert_eq!(route.repository(), repository, "{path}");
    }

    #[test]
    fn each_endpoint_is_recognised_by_its_path() {
        check("/v2/", Class::Base, None);
        check("/v2/_catalog", Class::Catalog, None);
        check("/v2/shop/web/tags/list", Class::Tags, Some("shop/web"));
        check("/v2/shop/web/manifests/v1", Class::ManifestByTag, Some("shop/web"));
        check("/v2/web/manifests/sha256%3Aabc", Class::ManifestByDigest, Some("web"));
        check("/v2/web/blobs/sha256:abc", Class::Blob, Some("web"));
        check("/v2/web/blobs/uploads/", Class::Upload, Some("web"));
        check("/v2/web/blobs/uploads/7", Class::Upload, Some("web"));
        check("/v2/web/referrers/sha256:abc", Class::Referrers, Some("web"));
        check("/v1/search", Class::Other, None);
    }

    #[test]
    fn a_repository_may_be_called_like_an_endpoint() {
        check("/v2/a/manifests/b/manifests/v1", Class::ManifestByTag, Some("a/manifests/b"));
        check("/v2/a/tags/list/blobs/sha256:1", Class::Blob, Some("a/tags/list"));
    }

    #[test]
    fn repository_names_follow_the_distribution_grammar() {
        for good in ["a", "a/b", "a.b/c_d", "a__b", "a---b", "0/1"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in ["", "A", "a//b", "/a", "a/", "a..b", "a___b", "a._b", "-a", "a-", "a b", "é"] {
            assert!(!is_repository(bad), "{bad}");
        }
    }

    #[test]
    fn tags_follow_the_distribution_grammar() {
        assert!(is_tag("v1.0_x-Y") && is_tag("_"));
        assert!(!is_tag("") && !is_tag(".a") && !is_tag("a:b") && !is_tag(&"a".repeat(129)));
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(
            pairs("a=%zz&b=%2&c=%41+b&d"),
            [("a", "%zz"), ("b", "%2"), ("c", "A b"), ("d", "")].map(|(a, b)| (a.into(), b.into()))
        );
    }

    proptest! {
        #[test]
        fn any_path_and_any_query_is_taken_apart(text in ".{0,80}") {
            let route = Route::parse(&text);
            prop_assert_eq!(route.repository().is_none(), matches!(route.class(), Class::Base | Class::Token | Class::Catalog | Class::Other));
            pairs(&text);
        }

        #[test]
        fn what_is_encoded_is_decoded_to_the_same(name in ".{0,20}", value in ".{0,20}") {
            prop_assume!(!name.is_empty() || !value.is_empty());
            let query = format!("{}={}", encode(&name), encode(&value));
            prop_assert_eq!(pairs(&query), [(name, value)]);
        }
    }
}
