//! Lists: repositories, tags, and the manifests that refer to a digest, in pages.

use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{Call, not_found, unsupported};
use crate::{
    digest,
    registry::{
        answer::{Answer, Code},
        names::encode,
        store::{Manifest, Reading},
    },
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const JSON: &str = "application/json; charset=utf-8";
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(super) fn catalog(call: &Call<'_>) -> Answer {
    if *call.method != Method::GET {
        return unsupported();
    }
    let all: Vec<String> = call.state.store().repositories().map(str::to_owned).collect();
    let (page, link) = page(call, "/v2/_catalog", all);
    linked(Answer::json(StatusCode::OK, JSON, &json!({ "repositories": page })), link)
}

pub(super) fn tags(call: &Call<'_>, repository: &str) -> Answer {
    if *call.method != Method::GET {
        return unsupported();
    }
    let Some(all) = call.state.store().tags(repository) else {
        return Answer::error(Code::NameUnknown, json!({ "name": repository }));
    };
    let (page, link) = page(call, &format!("/v2/{repository}/tags/list"), all);
    linked(Answer::json(StatusCode::OK, JSON, &json!({ "name": repository, "tags": page })), link)
}

/// The part of a sorted list that `n` and `last` ask for, and the link to what follows.
fn page(call: &Call<'_>, path: &str, all: Vec<String>) -> (Vec<String>, Option<String>) {
    let limit = call.parameter("n").and_then(|n| n.parse::<usize>().ok());
    let last = call.parameter("last").unwrap_or_default();
    let mut rest: Vec<String> =
        all.into_iter().filter(|name| last.is_empty() || name.as_str() > last).collect();
    let Some(limit) = limit.filter(|&limit| limit < rest.len()) else { return (rest, None) };
    rest.truncate(limit);
    let link =
        rest.last().map(|last| format!("<{path}?last={}&n={limit}>; rel=\"next\"", encode(last)));
    (rest, link)
}

fn linked(answer: Answer, link: Option<String>) -> Answer {
    match link {
        Some(link) => answer.header(header::LINK, &link),
        None => answer,
    }
}

// SPEC: OCI distribution 1.1, "Listing Referrers".
pub(super) fn referrers(call: &Call<'_>, repository: &str, subject: &str) -> Answer {
    if !call.state.referrers_api() {
        return not_found();
    }
    if *call.method != Method::GET {
        return unsupported();
    }
    if !digest::is_digest(subject) {
        return Answer::error(Code::DigestInvalid, json!(subject));
    }
    let filter = call.parameter("artifactType").filter(|filter| !filter.is_empty());
    let store = call.state.store();
    let mut all: Vec<Value> =
        store.referrers(repository, subject).into_iter().map(descriptor).collect();
    if let Some(filter) = filter {
        all.retain(|entry| entry.get("artifactType").and_then(Value::as_str) == Some(filter));
    }
    let start = call
        .parameter("page")
        .and_then(|page| page.parse::<usize>().ok())
        .unwrap_or_default()
        .min(all.len());
    let mut rest = all.split_off(start);
    let size = call.state.options.referrers_page;
    let mut link = None;
    if size > 0 && rest.len() > size {
        rest.truncate(size);
        let filter =
            filter.map(|filter| format!("&artifactType={}", encode(filter))).unwrap_or_default();
        link = Some(format!(
            "</v2/{repository}/referrers/{subject}?page={}{filter}>; rel=\"next\"",
            start + size
        ));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": rest });
    let answer = linked(Answer::json(StatusCode::OK, INDEX, &index), link);
    if filter.is_some() { answer.header(FILTERS_APPLIED, "artifactType") } else { answer }
}

/// The entry of a manifest in the list of referrers.
fn descriptor(manifest: &Manifest) -> Value {
    let reading = Reading::of(&manifest.bytes).unwrap_or_default();
    let mut entry = json!({ "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len() });
    if let Some(fields) = entry.as_object_mut() {
        if let Some(artifact_type) = reading.artifact_type {
            fields.insert("artifactType".to_owned(), Value::String(artifact_type));
        }
        if let Some(annotations) = reading.annotations {
            fields.insert("annotations".to_owned(), annotations);
        }
    }
    entry
}
