//! Whom a certificate must name.
use super::{Certificate, Extension, SubjectName};
use regex::Regex;
use sigward_document::wildcard;
use smol_str::SmolStr;
use std::{cmp::Ordering, hash::Hash};

/// Longest pattern in bytes.
pub const MAX_PATTERN: usize = 4096;

/// How a text must look.
#[derive(Clone, Debug)]
pub struct Pattern {
    kind: Kind,
    source: SmolStr,
    compiled: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Exact,
    Wildcard,
    Regex,
}

/// Why a regular expression is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad regular expression {pattern:?}: {problem}")]
pub struct PatternError {
    /// The expression.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Pattern {
    /// This text and no other.
    pub fn exact(text: &str) -> Self {
        Self { kind: Kind::Exact, source: SmolStr::new(text), compiled: None }
    }

    /// With `*` and `?`, as Kyverno's policies have them.
    pub fn wildcard(text: &str) -> Self {
        Self { kind: Kind::Wildcard, source: SmolStr::new(text), compiled: None }
    }

    /// A regular expression that may match anywhere in the text.
    ///
    /// COMPAT: cosign 3.1.1: unanchored. test: a_regular_expression_matches_anywhere
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        let error = |problem: String| PatternError { pattern: text.to_owned(), problem };
        if text.len() > MAX_PATTERN {
            return Err(error(format!("is longer than {MAX_PATTERN} bytes")));
        }
        let compiled = Regex::new(text).map_err(|e| error(e.to_string()))?;
        Ok(Self { kind: Kind::Regex, source: SmolStr::new(text), compiled: Some(compiled) })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// True when it is a regular expression.
    pub fn is_regex(&self) -> bool {
        self.kind == Kind::Regex
    }

    /// True when the text looks so.
    pub fn matches(&self, text: &str) -> bool {
        match self.kind {
            Kind::Exact => self.source == text,
            Kind::Wildcard => wildcard::matches(&self.source, text),
            Kind::Regex => self.compiled.as_ref().is_some_and(|regex| regex.is_match(text)),
        }
    }

    fn identity(&self) -> (Kind, &str) {
        (self.kind, &self.source)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

/// Several patterns for one text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Patterns {
    /// All must match one and the same text; none means that nothing is demanded.
    All(Vec<Pattern>),
    /// One is enough.
    Any(Vec<Pattern>),
}

impl Default for Patterns {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Patterns {
    /// This one.
    pub fn one(pattern: Pattern) -> Self {
        Self::All(vec![pattern])
    }

    /// True when nothing is demanded.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::All(list) if list.is_empty())
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::All(list) => list.iter().all(|pattern| pattern.matches(text)),
            Self::Any(list) => list.iter().any(|pattern| pattern.matches(text)),
        }
    }

    /// For messages.
    fn words(&self) -> SmolStr {
        let (Self::All(list) | Self::Any(list)) = self;
        let words: Vec<_> = list.iter().map(Pattern::source).collect();
        SmolStr::new(words.join(", "))
    }
}

/// Whom a certificate must name; all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Issuer of the identity token.
    pub issuer: Patterns,
    /// One of the names of the certificate. A certificate without a name matches nothing but an
    /// empty demand.
    ///
    /// COMPAT: Kyverno 1.19: lets a certificate without a name pass.
    /// test: a_certificate_without_a_name_is_not_the_wanted_one
    pub subject: Patterns,
    /// What else Fulcio must have written, sorted by the maker.
    pub extensions: Vec<(Extension, Pattern)>,
}

/// In what a certificate differs from the wanted identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityMismatch {
    /// Another issuer.
    #[error("expected issuer value {expected:?}, got {found:?}")]
    Issuer {
        /// The patterns.
        expected: SmolStr,
        /// In the certificate; empty when there is none.
        found: SmolStr,
    },
    /// Another subject.
    #[error("expected SAN value {expected:?}, got {found:?}")]
    Subject {
        /// The patterns.
        expected: SmolStr,
        /// The names in the certificate.
        found: SmolStr,
    },
    /// Another extension.
    #[error("expected {name} to be {expected:?}, got {found:?}")]
    Extension {
        /// How Fulcio calls it.
        name: SmolStr,
        /// The pattern.
        expected: SmolStr,
        /// In the certificate; empty when it is not there.
        found: SmolStr,
    },
}

impl Identity {
    /// This issuer and this subject, literally.
    pub fn exact(issuer: &str, subject: &str) -> Self {
        Self {
            issuer: Patterns::one(Pattern::exact(issuer)),
            subject: Patterns::one(Pattern::exact(subject)),
            extensions: Vec::new(),
        }
    }

    /// Compares; the first difference is the error.
    pub fn check(&self, certificate: &Certificate) -> Result<(), IdentityMismatch> {
        let fulcio = certificate.fulcio();
        let issuer = fulcio.issuer();
        if !self.issuer.is_empty() && !issuer.is_some_and(|text| self.issuer.matches(text)) {
            return Err(IdentityMismatch::Issuer {
                expected: self.issuer.words(),
                found: SmolStr::new(issuer.unwrap_or_default()),
            });
        }
        let names = certificate.subject_names();
        if !self.subject.is_empty() && !names.iter().any(|n| self.subject.matches(n.as_str())) {
            let found: Vec<_> = names.iter().map(SubjectName::as_str).collect();
            return Err(IdentityMismatch::Subject {
                expected: self.subject.words(),
                found: crate::encoding::printable(&found.join(", ")),
            });
        }
        for (extension, pattern) in &self.extensions {
            let found = fulcio.get(*extension);
            if !found.is_some_and(|text| pattern.matches(text)) {
                return Err(IdentityMismatch::Extension {
                    name: extension.name().map_or_else(|| extension.oid().into(), SmolStr::new),
                    expected: pattern.source.clone(),
                    found: crate::encoding::printable(found.unwrap_or_default()),
                });
            }
        }
        Ok(())
    }
}
