//! Why a registry could not be asked, or did not answer: typed, with host, path and its own words.
use sigward_sigstore::outcome::{Cause, CauseKind};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

/// Where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Host, with `:port` when there is one.
    pub host: SmolStr,
    /// Path of the request, without its query (which may carry signatures of a storage service).
    pub path: SmolStr,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.host, self.path)
    }
}

/// The error below, kept for the chain; shared, since answers are shared.
#[derive(Clone, Debug)]
pub struct Underlying(pub(crate) Arc<dyn StdError + Send + Sync>);

impl fmt::Display for Underlying {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl StdError for Underlying {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// Why there was no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The name has no address.
    Dns,
    /// Refused, unroutable, or no answer to the connection attempt in time.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Closed before the answer was complete.
    Reset,
    /// Not tried: connections to this host failed several times in a row just now.
    BreakerOpen,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dns => "no such host",
            Self::Connect => "connection failed",
            Self::Tls => "TLS handshake failed",
            Self::Reset => "connection closed before the answer was complete",
            Self::BreakerOpen => "not asked, since connections to this host keep failing",
        })
    }
}

/// What of an answer could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The content does not hash to the digest that was asked for.
    DigestMismatch,
    /// `Docker-Content-Digest` is not a digest, or contradicts the content.
    DigestHeader,
    /// Longer or shorter than its descriptor says.
    Size,
    /// Not a manifest or index.
    Manifest,
    /// Not HTTP.
    Http,
    /// A redirect without a usable target, or more than five of them.
    Redirect,
    /// `WWW-Authenticate` names no scheme that can be used.
    Challenge,
    /// The token endpoint's answer holds no token.
    Token,
    /// A `Link` to the next page that cannot be followed.
    Link,
    /// An upload answer without a usable `Location`.
    Upload,
    /// An index without a manifest for the platform.
    Platform,
    /// The name of the image or host cannot be made into a URL.
    Name,
    /// A status that has no meaning here.
    Status(u16),
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DigestMismatch => "content does not match the digest asked for",
            Self::DigestHeader => "wrong Docker-Content-Digest header",
            Self::Size => "content does not have the size that its descriptor claims",
            Self::Manifest => "malformed manifest",
            Self::Http => "malformed HTTP answer",
            Self::Redirect => "unusable redirect",
            Self::Challenge => "unusable WWW-Authenticate header",
            Self::Token => "malformed answer of the token endpoint",
            Self::Link => "unusable Link header",
            Self::Upload => "unusable Location of an upload",
            Self::Platform => "no manifest for linux/amd64 in the index",
            Self::Name => "name that does not fit into a URL",
            Self::Status(status) => return write!(formatter, "unexpected status {status}"),
        })
    }
}

/// Which of our own guards refused to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A token realm at a private, loopback or link-local address of another host.
    PrivateRealm,
    /// A redirect to a private, loopback or link-local address of another host.
    PrivateRedirect,
    /// A link-local address: metadata services live there, registries do not.
    LinkLocal,
    /// A redirect that would carry a credential to another host.
    CredentialRedirect,
    /// From https to http.
    Downgrade,
}

impl fmt::Display for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PrivateRealm => {
                "token realm at a private address of another host \
                 (list the host in insecure_private_realms if it is yours)"
            }
            Self::PrivateRedirect => "redirect to a private address of another host",
            Self::CredentialRedirect => "redirect that would carry a credential to another host",
            Self::LinkLocal => "link-local address",
            Self::Downgrade => "redirect or realm that leaves https for http",
        })
    }
}

/// Why a fetch or a push gave no answer. Absence (404) is not among them: it is an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// 401 or 403, after every credential that fits was tried.
    #[error("{place}: access denied ({status}){}", Tail(said))]
    Denied {
        /// Where.
        place: Place,
        /// 401 or 403.
        status: u16,
        /// The registry's words.
        said: Option<SmolStr>,
    },
    /// 429, for longer than could be waited.
    #[error("{place}: too many requests{}", Tail(said))]
    Throttled {
        /// Where.
        place: Place,
        /// What the registry asks us to wait.
        retry_after: Option<Duration>,
        /// The registry's words.
        said: Option<SmolStr>,
    },
    /// 5xx.
    #[error("{place}: registry failed ({status}){}", Tail(said))]
    Unavailable {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// The registry's words.
        said: Option<SmolStr>,
    },
    /// No connection, or one that broke.
    #[error("{place}: {because}")]
    Unreachable {
        /// Where.
        place: Place,
        /// What failed.
        because: Unreachable,
        /// The error below.
        #[source]
        source: Option<Underlying>,
    },
    /// The registry took longer than a request may take.
    #[error("{place}: timed out after {} s{}", waited.as_secs_f32(), Tail(last))]
    TimedOut {
        /// Where.
        place: Place,
        /// How long was waited.
        waited: Duration,
        /// What went wrong before, when it was retried.
        last: Option<SmolStr>,
    },
    /// The caller's own deadline passed; the work goes on and the next caller may find it done.
    #[error("{place}: deadline passed{}", Tail(last))]
    Deadline {
        /// Where.
        place: Place,
        /// What went wrong until then.
        last: Option<SmolStr>,
    },
    /// An answer that cannot be used.
    #[error("{place}: {what}{}", Tail(said))]
    Malformed {
        /// Where.
        place: Place,
        /// What of it.
        what: Malformed,
        /// Details.
        said: Option<SmolStr>,
    },
    /// More bytes, pages or entries than are read.
    #[error("{place}: {what} over the limit of {limit}")]
    TooLarge {
        /// Where.
        place: Place,
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit of `what`.
        limit: u64,
    },
    /// Our own guard refused.
    #[error("{place}: refused to ask: {guard}")]
    Forbidden {
        /// Where we would have gone.
        place: Place,
        /// Which guard.
        guard: Guard,
    },
    /// Another 4xx.
    #[error("{place}: request refused ({status}){}", Tail(said))]
    Rejected {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// The registry's words.
        said: Option<SmolStr>,
    },
    /// A credential that was named could not be read.
    #[error("{place}: cannot read credentials: {said}")]
    Credentials {
        /// Where they were needed.
        place: Place,
        /// Why.
        said: SmolStr,
    },
}

/// `: words` behind a message, or nothing.
struct Tail<'a>(&'a Option<SmolStr>);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(said) => write!(formatter, ": {said}"),
            None => Ok(()),
        }
    }
}

impl FetchError {
    /// Where it happened.
    pub fn place(&self) -> &Place {
        match self {
            Self::Denied { place, .. }
            | Self::Throttled { place, .. }
            | Self::Unavailable { place, .. }
            | Self::Unreachable { place, .. }
            | Self::TimedOut { place, .. }
            | Self::Deadline { place, .. }
            | Self::Malformed { place, .. }
            | Self::TooLarge { place, .. }
            | Self::Forbidden { place, .. }
            | Self::Rejected { place, .. }
            | Self::Credentials { place, .. } => place,
        }
    }

    /// The same as the cause of an undetermined outcome.
    pub fn cause(&self) -> Cause {
        let (kind, said) = match self {
            Self::Denied { said, .. } => (CauseKind::Denied, said.clone()),
            Self::Throttled { retry_after, said, .. } => {
                let wait = retry_after.unwrap_or_default().as_millis();
                let retry_after_ms = u32::try_from(wait).unwrap_or(u32::MAX);
                (CauseKind::Throttled { retry_after_ms }, said.clone())
            }
            Self::Unavailable { status, said, .. } | Self::Rejected { status, said, .. } => {
                let words = said.as_deref().map_or_else(
                    || format_smolstr!("status {status}"),
                    |said| format_smolstr!("status {status}: {said}"),
                );
                (CauseKind::Unavailable, Some(words))
            }
            Self::Unreachable { because, source, .. } => {
                let words = source.as_ref().map_or_else(
                    || because.to_smolstr(),
                    |source| format_smolstr!("{because}: {}", innermost(source)),
                );
                (CauseKind::Unreachable, Some(clean(&words)))
            }
            Self::TimedOut { last, .. } => (CauseKind::TimedOut, last.clone()),
            Self::Deadline { last, .. } => (CauseKind::Deadline, last.clone()),
            Self::Malformed { what, said, .. } => {
                let words = said
                    .as_deref()
                    .map_or_else(|| what.to_smolstr(), |said| format_smolstr!("{what}: {said}"));
                (CauseKind::Malformed, Some(words))
            }
            Self::TooLarge { what, limit, .. } => {
                (CauseKind::TooLarge, Some(format_smolstr!("{what} over the limit of {limit}")))
            }
            Self::Forbidden { guard, .. } => (CauseKind::Forbidden, Some(guard.to_smolstr())),
            Self::Credentials { said, .. } => (CauseKind::Unavailable, Some(said.clone())),
        };
        Cause { kind, place: self.place().to_smolstr(), said }
    }

    /// True for what counts against a host in its circuit breaker: connections that were not made.
    pub(crate) fn is_connection_failure(&self) -> bool {
        matches!(
            self,
            Self::Unreachable {
                because: Unreachable::Dns | Unreachable::Connect | Unreachable::Tls,
                ..
            }
        )
    }
}

/// The text at the end of a chain: "connection refused" rather than "client error".
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    // Bounded: a chain that loops would be a defect of a library, not a reason to hang.
    for _ in 0..16 {
        let Some(next) = last.source() else { break };
        last = next;
    }
    last.to_string()
}

/// Foreign words, fit for a message: one line, no control characters, at most 512 characters.
pub(crate) fn clean(text: &str) -> SmolStr {
    let mut words = String::with_capacity(text.len().min(512));
    for character in text.chars().take(512) {
        // Right-to-left overrides and their kin can make a message read as something else.
        let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        words.push(if character.is_control() || hidden { ' ' } else { character });
    }
    words.trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { host: "r.example".into(), path: "/v2/a/manifests/v1".into() }
    }

    fn check(error: &FetchError, kind: CauseKind, text: &str) {
        assert_eq!(error.cause().kind, kind);
        assert_eq!(error.cause().place, "r.example/v2/a/manifests/v1");
        assert_eq!(error.to_string(), format!("r.example/v2/a/manifests/v1: {text}"));
    }

    #[test]
    fn every_cause_names_host_path_and_the_registrys_words() {
        let said = Some(SmolStr::new("UNAUTHORIZED: no"));
        check(
            &FetchError::Denied { place: place(), status: 401, said: said.clone() },
            CauseKind::Denied,
            "access denied (401): UNAUTHORIZED: no",
        );
        check(
            &FetchError::Throttled {
                place: place(),
                retry_after: Some(Duration::from_secs(3)),
                said,
            },
            CauseKind::Throttled { retry_after_ms: 3000 },
            "too many requests: UNAUTHORIZED: no",
        );
        check(
            &FetchError::TooLarge { place: place(), what: "manifest bytes", limit: 7 },
            CauseKind::TooLarge,
            "manifest bytes over the limit of 7",
        );
    }

    #[test]
    fn foreign_words_cannot_forge_a_message() {
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}c"), "a b [31m c");
        assert_eq!(clean(&"x".repeat(10_000)).len(), 512);
    }
}
