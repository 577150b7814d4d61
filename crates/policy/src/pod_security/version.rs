//! The release whose standards hold: `latest`, or `v1.N`.

/// A release of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Newer than any number.
    Latest,
    /// `v1.N`
    Minor(u32),
}

impl Version {
    /// Reads `latest`, nothing (which means it) or `v1.N`; `None` for everything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text == "latest" {
            return Some(Self::Latest);
        }
        let minor = text.strip_prefix("v1.")?;
        let canonical = minor == "0" || !minor.starts_with('0');
        let digits = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
        if canonical && digits { minor.parse().ok().map(Self::Minor) } else { None }
    }

    /// Whether what came with `v1.N` is there.
    pub(crate) fn has(self, minor: u32) -> bool {
        match self {
            Self::Latest => true,
            Self::Minor(own) => own >= minor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_latest_or_v1_and_a_number() {
        assert_eq!(Version::parse(""), Some(Version::Latest));
        assert_eq!(Version::parse("latest"), Some(Version::Latest));
        assert_eq!(Version::parse("v1.0"), Some(Version::Minor(0)));
        assert_eq!(Version::parse("v1.32"), Some(Version::Minor(32)));
        for bad in
            ["1.24", "v1", "v1.", "v1.024", "v2.1", "v1.24.1", "v1.+1", "v1.99999999999", "Latest"]
        {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
