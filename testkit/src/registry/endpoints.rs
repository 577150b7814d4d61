//! The endpoints of the distribution API over the store.

// SPEC: OCI distribution 1.1, "API": every endpoint of the table, plus `_catalog` of Docker's API v2.

mod blobs;
mod lists;
mod manifests;

use http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Code},
    auth::Grant,
    names::{self, Route},
    state::State,
};

/// Header that names the digest of what is sent.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Header that names the protocol.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Largest form that the token service reads.
const MAX_FORM: usize = 64 * 1024;

/// A request with everything that an endpoint looks at.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a State,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) grant: Grant,
}

impl Call<'_> {
    /// The first value of a parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        names::first(&self.query, name)
    }

    /// An absolute address of this registry, or a relative one where the options ask for it.
    pub(crate) fn location(&self, path: &str) -> String {
        if self.state.options.relative_locations {
            return path.to_owned();
        }
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match host {
            Some(host) => format!("{}://{host}{path}", self.state.scheme()),
            None => format!("{}{path}", self.state.url()),
        }
    }
}

/// Answers a request by its route.
pub(crate) async fn dispatch(
    state: &State,
    route: &Route,
    parts: &Parts,
    body: Incoming,
) -> Answer {
    let query = names::pairs(parts.uri.query().unwrap_or_default());
    let auth = state.auth();
    if *route == Route::Token {
        let form = match read(body, MAX_FORM).await {
            Ok(form) => names::pairs(&String::from_utf8_lossy(&form)),
            Err(answer) => return answer,
        };
        return auth.token(&parts.method, &query, &form, &parts.headers);
    }
    let own_token_service = format!("{}/token", state.url());
    let admitted = auth.admit(
        &parts.method,
        route,
        &parts.headers,
        &own_token_service,
        state.tokens_valid_from(),
    );
    let grant = match admitted {
        Ok(grant) => grant,
        Err(answer) => return (*answer).header(API_VERSION, "registry/2.0"),
    };
    let call = Call { state, method: &parts.method, headers: &parts.headers, query, grant };
    if let Some(name) = route.repository()
        && !names::is_repository(name)
    {
        return Answer::error(Code::NameInvalid, json!({ "name": name }));
    }
    let answer = match route {
        Route::Base => Answer::json(StatusCode::OK, "application/json; charset=utf-8", &json!({})),
        Route::Catalog => lists::catalog(&call),
        Route::Tags { repository } => lists::tags(&call, repository),
        Route::Referrers { repository, digest } => lists::referrers(&call, repository, digest),
        Route::Manifest { repository, reference } => {
            manifests::answer(&call, repository, reference, body).await
        }
        Route::Blob { repository, digest } => blobs::answer(&call, repository, digest),
        Route::Uploads { repository } => blobs::start(&call, repository, body).await,
        Route::Upload { repository, id } => blobs::proceed(&call, repository, id, body).await,
        Route::Token | Route::Unknown => not_found(),
    };
    answer.header(API_VERSION, "registry/2.0")
}

/// What distribution's router says about a path that it does not know, the referrers of old versions among them.
pub(crate) fn not_found() -> Answer {
    Answer::with_body(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n")
}

/// The answer to a method that the endpoint does not have.
fn unsupported() -> Answer {
    Answer::error(Code::Unsupported, Value::Null)
}

/// The whole body, or the answer to one that is too long or breaks off.
async fn read(body: Incoming, cap: usize) -> Result<bytes::Bytes, Answer> {
    match Limited::new(body, cap).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(cause) if cause.is::<LengthLimitError>() => {
            Err(Answer::error(Code::SizeInvalid, json!({ "limit": cap })))
        }
        Err(_) => Err(Answer::error(Code::BlobUploadInvalid, json!("the body broke off"))),
    }
}
