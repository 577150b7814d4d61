//! Manifests: read, pushed and deleted, by tag and by digest.

use http::{HeaderName, Method, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{CONTENT_DIGEST, Call, read, unsupported};
use crate::{
    digest,
    registry::{
        answer::{Answer, Code},
        names,
        store::{Manifest, Reading},
    },
};

/// Largest manifest that is taken.
// SPEC: OCI distribution 1.1, "Pushing Manifests": a registry should take at least 4 MiB.
const MAX_MANIFEST: usize = 4 * 1024 * 1024;
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

pub(super) async fn answer(
    call: &Call<'_>,
    repository: &str,
    reference: &str,
    body: Incoming,
) -> Answer {
    let by_digest = reference.contains(':');
    if by_digest && !digest::is_digest(reference) {
        return Answer::error(Code::DigestInvalid, json!(reference));
    }
    if !by_digest && !names::is_tag(reference) {
        return Answer::error(Code::TagInvalid, json!({ "tag": reference }));
    }
    match *call.method {
        Method::GET | Method::HEAD => get(call, repository, reference),
        Method::PUT => match read(body, MAX_MANIFEST).await {
            Ok(bytes) => put(call, repository, reference, bytes),
            Err(answer) => answer,
        },
        Method::DELETE => delete(call, repository, reference),
        _ => unsupported(),
    }
}

fn get(call: &Call<'_>, repository: &str, reference: &str) -> Answer {
    let store = call.state.store();
    let Some(manifest) = store.manifest(repository, reference) else {
        return unknown(repository, reference);
    };
    if call.state.options.strict_accept && !accepts(call, &manifest.media_type) {
        // As distribution 2.8 answers a client that does not say that it reads OCI manifests.
        return Answer::error(
            Code::ManifestUnknown,
            json!("the Accept header does not support the manifest's media type"),
        );
    }
    found(manifest)
}

/// The answer that carries a manifest.
fn found(manifest: &Manifest) -> Answer {
    Answer::with_body(StatusCode::OK, &manifest.media_type, manifest.bytes.clone())
        .header(CONTENT_DIGEST, &manifest.digest)
        .header(header::ETAG, &format!("\"{}\"", manifest.digest))
}

fn unknown(repository: &str, reference: &str) -> Answer {
    let detail = if reference.contains(':') {
        json!({ "Name": repository, "Revision": reference })
    } else {
        json!({ "Tag": reference })
    };
    Answer::error(Code::ManifestUnknown, detail)
}

fn accepts(call: &Call<'_>, media_type: &str) -> bool {
    call.headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            range == media_type || range == "*/*" || range == "application/*"
        })
}

fn put(call: &Call<'_>, repository: &str, reference: &str, bytes: bytes::Bytes) -> Answer {
    let by_digest = reference.contains(':');
    if by_digest && !digest::matches(reference, &bytes) {
        return Answer::error(Code::DigestInvalid, Value::Null);
    }
    let Some(reading) = Reading::of(&bytes) else {
        return Answer::error(Code::ManifestInvalid, json!("the manifest is not a JSON object"));
    };
    let Some(media_type) =
        call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return Answer::error(Code::ManifestInvalid, json!("no Content-Type"));
    };
    let digest = if by_digest { reference.to_owned() } else { digest::sha256(&bytes) };
    {
        let mut store = call.state.store();
        if let Some(missing) = store.missing(repository, &reading) {
            return Answer::error(Code::ManifestBlobUnknown, json!({ "digest": missing }));
        }
        store.put_manifest(repository, &digest, media_type, bytes);
        if !by_digest {
            store.set_tag(repository, reference, &digest);
        }
    }
    let location = call.location(&format!("/v2/{repository}/manifests/{digest}"));
    let answer = Answer::new(StatusCode::CREATED)
        .header(header::LOCATION, &location)
        .header(CONTENT_DIGEST, &digest);
    match reading.subject {
        // SPEC: OCI distribution 1.1, "Pushing Manifests with Subject": the header says that the referrers API will list it.
        Some(subject) if call.state.referrers_api() => answer.header(OCI_SUBJECT, &subject),
        _ => answer,
    }
}

fn delete(call: &Call<'_>, repository: &str, reference: &str) -> Answer {
    let mut store = call.state.store();
    let removed = if reference.contains(':') {
        store.remove_manifest(repository, reference)
    } else {
        store.remove_tag(repository, reference)
    };
    if removed { Answer::new(StatusCode::ACCEPTED) } else { unknown(repository, reference) }
}
