//! Whose credentials a question may use, by name: the bytes stay behind the source.
use smol_str::SmolStr;

/// Whose credentials may be used, by name; the bytes stay behind the source.
///
/// Two questions with equal `Access` are the same question: the value is part of cache keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Access {
    /// Pull secrets as (namespace, name), in the order in which they are tried.
    pub secrets: Vec<(SmolStr, SmolStr)>,
    /// Credential helpers by Kyverno's names: `default`, `google`, `amazon`, `azure`, `github`.
    pub helpers: Vec<SmolStr>,
    /// Plain HTTP is allowed for this question (`allowInsecureRegistry`).
    pub insecure_plain_http: bool,
}

impl Access {
    /// True when nothing was named, so that the process-wide credentials apply.
    ///
    /// COMPAT: Kyverno 1.19: secrets or helpers of a rule replace the global client, they do not
    /// add to it; test: `secrets_of_a_rule_replace_the_ambient_credentials`.
    pub fn is_ambient(&self) -> bool {
        self.secrets.is_empty() && self.helpers.is_empty()
    }
}
