//! Blobs: read whole or in part, pushed at once, in pieces, or mounted from another repository.

use http::{HeaderName, Method, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{CONTENT_DIGEST, Call, read, unsupported};
use crate::{
    digest,
    registry::answer::{Answer, Code},
};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `GET`, `HEAD` and `DELETE` of a blob.
pub(super) fn answer(call: &Call<'_>, repository: &str, digest: &str) -> Answer {
    if !digest::is_digest(digest) {
        return Answer::error(Code::DigestInvalid, json!(digest));
    }
    if *call.method == Method::DELETE {
        let removed = call.state.store().remove_blob(repository, digest);
        return if removed {
            Answer::new(StatusCode::ACCEPTED)
        } else {
            Answer::error(Code::BlobUnknown, json!(digest))
        };
    }
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return unsupported();
    }
    let Some(bytes) = call.state.store().blob(repository, digest) else {
        return Answer::error(Code::BlobUnknown, json!(digest));
    };
    let total = bytes.len();
    let range = call
        .headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| span(text, total));
    let answer = match range {
        Some(Err(())) => return Answer::error(Code::RangeInvalid, json!({ "size": total })),
        Some(Ok((start, end))) => Answer::with_body(
            StatusCode::PARTIAL_CONTENT,
            "application/octet-stream",
            bytes.slice(start..=end),
        )
        .header(header::CONTENT_RANGE, &format!("bytes {start}-{end}/{total}")),
        None => Answer::with_body(StatusCode::OK, "application/octet-stream", bytes),
    };
    answer
        .header(CONTENT_DIGEST, digest)
        .header(header::ETAG, &format!("\"{digest}\""))
        .header(header::CACHE_CONTROL, "max-age=31536000")
        .header(header::ACCEPT_RANGES, "bytes")
}

/// The first and last byte that a `Range` header asks for: nothing when it is not one simple range of bytes (the whole is sent
/// then), an error when it lies outside.
fn span(text: &str, total: usize) -> Option<Result<(usize, usize), ()>> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let last = total.checked_sub(1);
    let pair = match (start.trim(), end.trim()) {
        ("", suffix) => {
            let wanted: usize = suffix.parse().ok()?;
            last.filter(|_| wanted > 0).map(|last| (total.saturating_sub(wanted), last))
        }
        (start, "") => Some((start.parse().ok()?, last.unwrap_or_default())),
        (start, end) => {
            Some((start.parse().ok()?, end.parse::<usize>().ok()?.min(last.unwrap_or_default())))
        }
    };
    Some(pair.filter(|(start, end)| start <= end && *start < total).ok_or(()))
}

/// `POST` to the uploads of a repository: everything at once, a mount, or the start of an upload.
// SPEC: OCI distribution 1.1, "Pushing blobs" and "Mounting a blob from another repository".
pub(super) async fn start(call: &Call<'_>, repository: &str, body: Incoming) -> Answer {
    if *call.method != Method::POST {
        return unsupported();
    }
    if let Some(digest) = call.parameter("mount") {
        let mut store = call.state.store();
        let source = match call.parameter("from") {
            Some(from) if call.grant.allows(from, "pull") => store.blob(from, digest),
            _ => None,
        };
        if let Some(bytes) = source {
            store.put_blob(repository, digest, bytes);
            return created(call, repository, digest);
        }
    } else if let Some(digest) = call.parameter("digest") {
        return match read(body, call.state.options.max_blob_bytes).await {
            Ok(bytes) => finish(call, repository, digest, bytes),
            Err(answer) => answer,
        };
    }
    let id = call.state.store().open_upload(repository);
    progress(call, repository, &id, 0, StatusCode::ACCEPTED)
}

/// `PATCH`, `PUT`, `GET` and `DELETE` of an upload under way.
pub(super) async fn proceed(call: &Call<'_>, repository: &str, id: &str, body: Incoming) -> Answer {
    let Some(length) = call.state.store().upload_length(repository, id) else { return unknown(id) };
    match *call.method {
        Method::GET => progress(call, repository, id, length, StatusCode::NO_CONTENT),
        Method::DELETE => {
            call.state.store().close_upload(repository, id);
            Answer::new(StatusCode::NO_CONTENT)
        }
        Method::PATCH | Method::PUT => {
            if starts_elsewhere(call, length) {
                return progress(call, repository, id, length, StatusCode::RANGE_NOT_SATISFIABLE);
            }
            let cap = call.state.options.max_blob_bytes.saturating_sub(length);
            let bytes = match read(body, cap).await {
                Ok(bytes) => bytes,
                Err(answer) => return answer,
            };
            let Some(length) = call.state.store().append(repository, id, &bytes) else {
                return unknown(id);
            };
            if *call.method == Method::PATCH {
                return progress(call, repository, id, length, StatusCode::ACCEPTED);
            }
            let Some(digest) = call.parameter("digest") else {
                return Answer::error(Code::DigestInvalid, json!("digest missing"));
            };
            let Some(bytes) = call.state.store().close_upload(repository, id) else {
                return unknown(id);
            };
            finish(call, repository, digest, bytes)
        }
        _ => unsupported(),
    }
}

/// Whether a piece says that it begins where the upload does not end.
fn starts_elsewhere(call: &Call<'_>, length: usize) -> bool {
    let range = call.headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range
        .and_then(|range| range.trim_start_matches("bytes ").split_once('-'))
        .map(|(start, _)| start.trim());
    start.is_some_and(|start| start.parse() != Ok(length))
}

fn unknown(id: &str) -> Answer {
    Answer::error(Code::BlobUploadUnknown, json!({ "id": id }))
}

/// Where an upload stands. The location carries a query, as distribution's does: a client has to append to it with care.
fn progress(
    call: &Call<'_>,
    repository: &str,
    id: &str,
    length: usize,
    status: StatusCode,
) -> Answer {
    let location = call.location(&format!("/v2/{repository}/blobs/uploads/{id}?_state={length}"));
    let end = length.saturating_sub(1);
    Answer::new(status)
        .header(header::LOCATION, &location)
        .header(header::RANGE, &format!("0-{end}"))
        .header(UPLOAD_UUID, id)
}

fn finish(call: &Call<'_>, repository: &str, digest: &str, bytes: bytes::Bytes) -> Answer {
    if !digest::is_digest(digest) || !digest::matches(digest, &bytes) {
        return Answer::error(Code::DigestInvalid, Value::Null);
    }
    call.state.store().put_blob(repository, digest, bytes);
    created(call, repository, digest)
}

fn created(call: &Call<'_>, repository: &str, digest: &str) -> Answer {
    let location = call.location(&format!("/v2/{repository}/blobs/{digest}"));
    Answer::new(StatusCode::CREATED)
        .header(header::LOCATION, &location)
        .header(CONTENT_DIGEST, digest)
}
