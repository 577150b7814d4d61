//! Faults: what a registry does wrong, to which requests, and how often.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::{
    answer::{Answer, Code, Payload},
    endpoints::CONTENT_DIGEST,
    names::{Class, Route},
    state::State,
};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The answer comes later by this much.
    Latency(Duration),
    /// There is no answer until the client gives up.
    Hang,
    /// The connection ends with a TCP reset before anything is answered (on HTTP/2, the stream is reset).
    Reset,
    /// Another status with an error body in distribution's shape.
    Status {
        /// The status code.
        code: u16,
        /// The value of `Retry-After`, seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// A whole answer of the test's own, in place of the real one.
    Respond {
        /// The status code.
        code: u16,
        /// Names and values of headers; invalid ones are left out.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// 307 to the same path and query behind another base address, such as `http://127.0.0.1:1234`.
    Redirect {
        /// Scheme and host (and the front of a path), without a slash at the end.
        base: String,
    },
    /// The real answer with another body; its headers, the digest among them, stay.
    Body(Bytes),
    /// The real answer with one bit of its body turned over.
    WrongBytes,
    /// The real answer with another `Docker-Content-Digest`.
    WrongDigestHeader(String),
    /// The real answer with a header set.
    Header {
        /// The header's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The real answer with a header `x-padding` of this many bytes.
    HugeHeader(usize),
    /// The real answer in drops: so many bytes each time.
    Drip {
        /// Bytes in one drop.
        bytes: usize,
        /// Pause between two drops.
        every: Duration,
    },
    /// The real answer, cut off after so many bytes of its body although all were announced.
    Truncate(usize),
    /// The real status and headers with a body of so many spaces.
    Oversized {
        /// Bytes in the body.
        bytes: u64,
        /// Whether `Content-Length` says so.
        declared: bool,
    },
    /// The real answer with a link to a next page that is as full as this one, without end.
    EndlessPages,
    /// The real answer; after it, the tag in the path points to this digest.
    MoveTag {
        /// Where the tag points next.
        to: String,
    },
}

/// An [`Effect`] with the requests that it is for. Made with [`Fault::new`]: every request, always; the other methods narrow it.
#[derive(Debug, Clone)]
pub struct Fault {
    effect: Effect,
    method: Option<Method>,
    path: Option<String>,
    class: Option<Class>,
    skip: u64,
    times: Option<u64>,
}

impl Fault {
    /// A fault for every request.
    pub fn new(effect: Effect) -> Self {
        Self { effect, method: None, path: None, class: None, skip: 0, times: None }
    }

    /// Only for requests with this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only for paths that match; `*` stands for any characters, slashes among them.
    #[must_use]
    pub fn path(mut self, pattern: impl Into<String>) -> Self {
        self.path = Some(pattern.into());
        self
    }

    /// Only for requests of this class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    /// Leaves the first `skip` matching requests alone.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Happens so many times, then never again.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn fires(&mut self, method: &Method, path: &str, class: Class) -> bool {
        let meant = self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.class.is_none_or(|wanted| wanted == class)
            && self.path.as_ref().is_none_or(|pattern| glob(pattern, path));
        if !meant || self.times == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        true
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any characters. Linear in the text for each star.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The faults that are set, in order. Every one that matches takes part; of those that answer themselves, the first wins.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The effects for one request; each is counted as used.
    pub(crate) fn of(&mut self, method: &Method, path: &str, class: Class) -> Vec<Effect> {
        self.0
            .iter_mut()
            .filter_map(|fault| fault.fires(method, path, class).then(|| fault.effect.clone()))
            .collect()
    }
}

/// What happens before, or in place of, the real answer.
pub(crate) enum Before {
    /// Nothing: the endpoint answers.
    Proceed,
    /// This answer.
    Instead(Answer),
    /// A reset.
    Reset,
}

/// Waits and answers as the effects say.
pub(crate) async fn before(effects: &[Effect], path_and_query: &str) -> Before {
    for effect in effects {
        match effect {
            Effect::Latency(time) => tokio::time::sleep(*time).await,
            Effect::Hang => std::future::pending().await,
            Effect::Reset => return Before::Reset,
            Effect::Status { code, retry_after } => {
                let status =
                    StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let answer =
                    Answer::error_with_status(status, Code::of_status(status), Value::Null);
                return Before::Instead(match retry_after {
                    Some(when) => answer.header(header::RETRY_AFTER, when),
                    None => answer,
                });
            }
            Effect::Respond { code, headers, body } => {
                let mut answer = Answer::new(
                    StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                );
                answer.body = Payload::bytes(body.clone());
                for (name, value) in headers {
                    append(&mut answer, name, value);
                }
                return Before::Instead(answer);
            }
            Effect::Redirect { base } => {
                let location = format!("{base}{path_and_query}");
                return Before::Instead(
                    Answer::new(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, &location),
                );
            }
            Effect::Body(_)
            | Effect::WrongBytes
            | Effect::WrongDigestHeader(_)
            | Effect::Header { .. }
            | Effect::HugeHeader(_)
            | Effect::Drip { .. }
            | Effect::Truncate(_)
            | Effect::Oversized { .. }
            | Effect::EndlessPages
            | Effect::MoveTag { .. } => {}
        }
    }
    Before::Proceed
}

/// Changes the registry's real answer as the effects say.
pub(crate) fn after(
    state: &State,
    effects: &[Effect],
    route: &Route,
    path_and_query: &str,
    answer: Answer,
) -> Answer {
    let mut answer = change(effects, answer);
    for effect in effects {
        match effect {
            Effect::WrongDigestHeader(digest) => answer = answer.header(CONTENT_DIGEST, digest),
            Effect::EndlessPages => {
                let separator = if path_and_query.contains('?') { '&' } else { '?' };
                answer = answer.header(
                    header::LINK,
                    &format!("<{path_and_query}{separator}more=1>; rel=\"next\""),
                );
            }
            Effect::MoveTag { to } => {
                if let Route::Manifest { repository, reference } = route {
                    state.store().set_tag(repository, reference, to);
                }
            }
            Effect::Latency(_)
            | Effect::Hang
            | Effect::Reset
            | Effect::Status { .. }
            | Effect::Respond { .. }
            | Effect::Redirect { .. }
            | Effect::Body(_)
            | Effect::WrongBytes
            | Effect::Header { .. }
            | Effect::HugeHeader(_)
            | Effect::Drip { .. }
            | Effect::Truncate(_)
            | Effect::Oversized { .. } => {}
        }
    }
    answer
}

/// Changes the real answer of any server as the effects say; those that only a registry can have do nothing.
pub(crate) fn change(effects: &[Effect], mut answer: Answer) -> Answer {
    for effect in effects {
        match effect {
            Effect::Body(bytes) => answer.body = Payload::bytes(bytes.clone()),
            Effect::WrongBytes => {
                if let Some(bytes) = answer.body.whole() {
                    let mut bytes = bytes.to_vec();
                    if let Some(last) = bytes.last_mut() {
                        *last ^= 1;
                    }
                    answer.body = Payload::bytes(bytes.into());
                }
            }
            Effect::Header { name, value } => {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    answer = answer.header(name, value);
                }
            }
            Effect::HugeHeader(length) => {
                answer = answer.header(HeaderName::from_static("x-padding"), &"a".repeat(*length));
            }
            Effect::Drip { bytes: step, every } => {
                if let Some(bytes) = answer.body.whole() {
                    answer.body = Payload::drip(bytes.clone(), *step, *every);
                }
            }
            Effect::Truncate(keep) => {
                if let Some(bytes) = answer.body.whole() {
                    answer.body = Payload::broken(bytes, *keep);
                }
            }
            Effect::Oversized { bytes, declared } => {
                answer.body = Payload::filler(*bytes, *declared);
            }
            Effect::Latency(_)
            | Effect::Hang
            | Effect::Reset
            | Effect::Status { .. }
            | Effect::Respond { .. }
            | Effect::Redirect { .. }
            | Effect::WrongDigestHeader(_)
            | Effect::EndlessPages
            | Effect::MoveTag { .. } => {}
        }
    }
    answer
}

fn append(answer: &mut Answer, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) =
        (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
    {
        answer.headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in [
            ("*", ""),
            ("/v2/*", "/v2/a/b"),
            ("*/manifests/*", "/v2/a/manifests/x"),
            ("a*b*c", "a1b2bc"),
            ("a", "a"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("*/blobs/*", "/v2/a/manifests/x"), ("a*b*c", "acb"), ("ab*ba", "aba")]
        {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_fault_waits_then_happens_as_often_as_it_says() {
        let mut fault = Fault::new(Effect::Hang).after(1).times(2).method(Method::GET);
        let fired: Vec<bool> =
            (0..5).map(|_| fault.fires(&Method::GET, "/v2/", Class::Base)).collect();
        assert_eq!(fired, [false, true, true, false, false]);
        assert!(!Fault::new(Effect::Hang).class(Class::Blob).fires(
            &Method::GET,
            "/v2/",
            Class::Base
        ));
    }

    proptest! {
        #[test]
        fn stars_agree_with_a_slow_matcher(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let mut reachable = vec![false; text.len() + 1];
            reachable[0] = true;
            for symbol in pattern.bytes() {
                let mut next = vec![false; text.len() + 1];
                for place in 0..=text.len() {
                    if symbol == b'*' {
                        next[place] = reachable[..=place].contains(&true);
                    } else if place > 0 {
                        next[place] = reachable[place - 1] && text.as_bytes()[place - 1] == symbol;
                    }
                }
                reachable = next;
            }
            prop_assert_eq!(glob(&pattern, &text), reachable[text.len()]);
        }
    }
}
