//! What the registry sends back: status, headers, a body that may misbehave on purpose, and errors in distribution's shape.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep, sleep_until};

/// An error of the distribution API: code, status and message belong together.
// SPEC: OCI distribution 1.1, "Error Codes"; statuses and messages as distribution 2.8 has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadUnknown,
    BlobUploadInvalid,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unknown,
    Unsupported,
}

impl Code {
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BlobUnknown => (404, "BLOB_UNKNOWN", "blob unknown to registry"),
            Self::BlobUploadUnknown => {
                (404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
            }
            Self::BlobUploadInvalid => (404, "BLOB_UPLOAD_INVALID", "blob upload invalid"),
            Self::Denied => (403, "DENIED", "requested access to the resource is denied"),
            Self::DigestInvalid => {
                (400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            }
            Self::ManifestBlobUnknown => (400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
            Self::ManifestInvalid => (400, "MANIFEST_INVALID", "manifest invalid"),
            Self::ManifestUnknown => (404, "MANIFEST_UNKNOWN", "manifest unknown"),
            Self::NameInvalid => (400, "NAME_INVALID", "invalid repository name"),
            Self::NameUnknown => (404, "NAME_UNKNOWN", "repository name not known to registry"),
            Self::RangeInvalid => (416, "RANGE_INVALID", "invalid content range"),
            Self::SizeInvalid => {
                (413, "SIZE_INVALID", "provided length did not match content length")
            }
            Self::TagInvalid => (400, "TAG_INVALID", "manifest tag did not match URI"),
            Self::TooManyRequests => (429, "TOOMANYREQUESTS", "too many requests"),
            Self::Unauthorized => (401, "UNAUTHORIZED", "authentication required"),
            Self::Unavailable => (503, "UNAVAILABLE", "service unavailable"),
            Self::Unknown => (500, "UNKNOWN", "unknown error"),
            Self::Unsupported => (405, "UNSUPPORTED", "The operation is unsupported."),
        }
    }

    /// The code that real registries send with `status`, for faults that name only a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Denied,
            404 => Self::ManifestUnknown,
            405 => Self::Unsupported,
            413 => Self::SizeInvalid,
            416 => Self::RangeInvalid,
            429 => Self::TooManyRequests,
            502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

/// A response in the making.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload,
}

impl Answer {
    /// An empty answer.
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Payload::bytes(Bytes::new()) }
    }

    /// An answer with a body of the given type.
    pub(crate) fn with_body(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self::new(status);
        answer.body = Payload::bytes(body.into());
        answer.header(header::CONTENT_TYPE, media_type)
    }

    /// A JSON document.
    pub(crate) fn json(status: StatusCode, media_type: &str, value: &Value) -> Self {
        Self::with_body(status, media_type, value.to_string())
    }

    /// An error as distribution writes it, with the `detail` that it gives.
    pub(crate) fn error(code: Code, detail: Value) -> Self {
        let (status, _, _) = code.parts();
        Self::error_with_status(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            detail,
        )
    }

    /// The same with another status.
    pub(crate) fn error_with_status(status: StatusCode, code: Code, detail: Value) -> Self {
        let (_, name, message) = code.parts();
        let mut error = json!({ "code": name, "message": message });
        if let (false, Some(fields)) = (detail.is_null(), error.as_object_mut()) {
            fields.insert("detail".to_owned(), detail);
        }
        let mut body = json!({ "errors": [error] }).to_string();
        body.push('\n');
        Self::with_body(status, "application/json; charset=utf-8", body)
    }

    /// Sets a header; a value that HTTP forbids is left out.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The response for hyper. `head` leaves the body out and keeps its length.
    pub(crate) fn into_response(mut self, head: bool) -> Response<Payload> {
        if let Some(length) = self.body.declared()
            && self.status != StatusCode::NO_CONTENT
        {
            self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let body = if head { Payload::bytes(Bytes::new()) } else { self.body };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// How a body comes out.
#[derive(Debug)]
enum Flow {
    /// At once.
    Whole(Bytes),
    /// A few bytes at a time.
    Drip { rest: Bytes, step: usize, every: Duration, timer: Pin<Box<Sleep>> },
    /// That many spaces, made on the way.
    Filler { left: u64, declared: bool },
    /// These bytes, then the connection breaks although more was announced.
    Broken { bytes: Option<Bytes>, announced: u64, sent: bool },
}

/// A response body.
#[derive(Debug)]
pub(crate) struct Payload(Flow);

/// Size of the pieces in which filler is made.
const PIECE: usize = 64 * 1024;
static SPACES: [u8; PIECE] = [b' '; PIECE];

impl Payload {
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self(Flow::Whole(bytes))
    }

    /// `bytes`, `step` at a time, one step at once and then one after each `every`.
    pub(crate) fn drip(bytes: Bytes, step: usize, every: Duration) -> Self {
        Self(Flow::Drip {
            rest: bytes,
            step: step.max(1),
            every,
            timer: Box::pin(sleep_until(Instant::now())),
        })
    }

    /// `length` spaces, which take no memory; announced in `Content-Length` or not.
    pub(crate) fn filler(length: u64, declared: bool) -> Self {
        Self(Flow::Filler { left: length, declared })
    }

    /// The first `keep` of `bytes`, with all of them announced.
    pub(crate) fn broken(bytes: &Bytes, keep: usize) -> Self {
        let kept = bytes.slice(..keep.min(bytes.len()));
        // A body that is cut off at its very end would not be cut off.
        let announced = (bytes.len() as u64).max(kept.len() as u64 + 1);
        Self(Flow::Broken { bytes: Some(kept), announced, sent: false })
    }

    /// The bytes, when the body is whole; nothing when it misbehaves already.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Flow::Whole(bytes) => Some(bytes),
            Flow::Drip { .. } | Flow::Filler { .. } | Flow::Broken { .. } => None,
        }
    }

    /// What `Content-Length` says.
    fn declared(&self) -> Option<u64> {
        match &self.0 {
            Flow::Whole(bytes) => Some(bytes.len() as u64),
            Flow::Drip { rest, .. } => Some(rest.len() as u64),
            Flow::Filler { left, declared } => declared.then_some(*left),
            Flow::Broken { announced, .. } => Some(*announced),
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Flow::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Flow::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Flow::Drip { rest, .. } if rest.is_empty() => Poll::Ready(None),
            Flow::Drip { rest, step, every, timer } => {
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                timer.as_mut().reset(Instant::now() + *every);
                let drop = rest.split_to((*step).min(rest.len()));
                Poll::Ready(Some(Ok(Frame::data(drop))))
            }
            Flow::Filler { left: 0, .. } => Poll::Ready(None),
            Flow::Filler { left, .. } => {
                let piece = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
                *left -= piece as u64;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&SPACES).slice(..piece)))))
            }
            Flow::Broken { bytes, sent, .. } => match bytes.take() {
                Some(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ if *sent => {
                    Poll::Ready(Some(Err(io::Error::other("the body is cut off on purpose"))))
                }
                // hyper forgets what it has not sent when a body fails: one pause lets it send the headers and the front.
                _ => {
                    *sent = true;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Flow::Whole(bytes) => bytes.is_empty(),
            Flow::Drip { rest, .. } => rest.is_empty(),
            Flow::Filler { left, .. } => *left == 0,
            Flow::Broken { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.declared().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
