//! Bytes back: answers, refusals, plain texts.
use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;

pub(crate) type Reply = Response<Full<Bytes>>;

pub(crate) fn json(body: Vec<u8>) -> Reply {
    with(StatusCode::OK, "application/json", body.into())
}

pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Reply {
    with(status, "text/plain; charset=utf-8", Bytes::from(body.into()))
}

pub(crate) fn open_metrics(text: String) -> Reply {
    with(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text.into())
}

/// Turned away for load: the API server applies its own failure policy.
pub(crate) fn overloaded(limit: usize) -> Reply {
    let mut reply = text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("overloaded: {limit} decisions are in progress, try again"),
    );
    reply.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    reply
}

fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    reply
}
