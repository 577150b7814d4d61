//! Paths to work: Kyverno's paths, so that its webhook configurations point here unchanged.
use crate::{
    Options, Parts,
    admit::{Deadline, decide},
    guard::{Refused, read_json_body, timeout_of},
    log, policy_review,
    respond::{self, Reply},
    review::{self, Answer},
};
use http::{Method, Request as HttpRequest, StatusCode};
use hyper::body::Incoming;
use sigward_policy::{
    request::{Request, Selection, Stage, built_in_kind},
    snapshot::{FailurePolicy, PolicyName},
};
use std::sync::Arc;
use tokio::{sync::Semaphore, time::Instant};
use tracing::Instrument as _;

/// Shared by all connections.
pub(crate) struct Service {
    pub(crate) parts: Parts,
    pub(crate) options: Options,
    pub(crate) decisions: Semaphore,
    pub(crate) detached: Arc<Semaphore>,
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Resource(Stage, Selection),
    Policy,
    PolicyDefaults,
    Liveness,
    Readiness,
    Unknown,
}

impl Route {
    /// For metrics: bounded whatever clients send.
    fn label(&self) -> &'static str {
        match self {
            Self::Resource(Stage::Mutating, _) => "/mutate",
            Self::Resource(_, _) => "/validate",
            Self::Policy => "/policyvalidate",
            Self::PolicyDefaults => "/policymutate",
            Self::Liveness => "/health/liveness",
            Self::Readiness => "/health/readiness",
            Self::Unknown => "other",
        }
    }
}

fn route(path: &str) -> Route {
    let mut segments = path.trim_matches('/').split('/');
    let stage = match segments.next() {
        Some("mutate") => Stage::Mutating,
        Some("validate") => Stage::Validating,
        Some("policyvalidate" | "exceptionvalidate" | "celexception" | "globalcontextvalidate") => {
            return Route::Policy;
        }
        Some("policymutate" | "verifymutate") => return Route::PolicyDefaults,
        Some("health") => {
            return match segments.next() {
                Some("liveness") => Route::Liveness,
                Some("readiness") => Route::Readiness,
                _ => Route::Unknown,
            };
        }
        _ => return Route::Unknown,
    };
    let failure_policy = match segments.next() {
        None => return Route::Resource(stage, Selection::All),
        Some("fail") => FailurePolicy::Fail,
        Some("ignore") => FailurePolicy::Ignore,
        Some(_) => return Route::Unknown,
    };
    match (segments.next(), segments.next(), segments.next(), segments.next()) {
        (None, ..) => Route::Resource(stage, Selection::FailurePolicy(failure_policy)),
        (Some("finegrained"), Some(name), None, _) => {
            let name = PolicyName { namespace: "".into(), name: name.into() };
            Route::Resource(stage, Selection::One(name))
        }
        (Some("finegrained"), Some(namespace), Some(name), None) => {
            let name = PolicyName { namespace: namespace.into(), name: name.into() };
            Route::Resource(stage, Selection::One(name))
        }
        _ => Route::Unknown,
    }
}

/// Answers one HTTP request; never fails, and never waits past its deadline.
pub(crate) async fn answer(service: &Service, request: HttpRequest<Incoming>) -> Reply {
    let started = Instant::now();
    let route = route(request.uri().path());
    let label = route.label();
    let (method, reply) = match (request.method().clone(), route) {
        (Method::GET | Method::HEAD, Route::Liveness) => {
            ("GET", respond::text(StatusCode::OK, "ok"))
        }
        (Method::GET | Method::HEAD, Route::Readiness) => ("GET", readiness(service)),
        (Method::POST, Route::Resource(stage, selection)) => {
            ("POST", resource(service, request, stage, selection, started).await)
        }
        (Method::POST, Route::Policy) => ("POST", policy(service, request, true).await),
        (Method::POST, Route::PolicyDefaults) => ("POST", policy(service, request, false).await),
        (_, Route::Unknown) => ("other", respond::text(StatusCode::NOT_FOUND, "no such path")),
        _ => ("other", respond::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")),
    };
    service.parts.metrics.http(method, label, started.elapsed());
    reply
}

fn readiness(service: &Service) -> Reply {
    let readiness = (service.parts.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond::text(status, readiness.detail)
}

async fn resource(
    service: &Service,
    http: HttpRequest<Incoming>,
    stage: Stage,
    selection: Selection,
    started: Instant,
) -> Reply {
    let Ok(_permit) = service.decisions.try_acquire() else {
        service.parts.metrics.overloaded.inc();
        return respond::overloaded(service.options.max_decisions);
    };
    let timeout = timeout_of(http.uri().query()).unwrap_or(service.options.default_timeout);
    let (head, body) = http.into_parts();
    let body = match read_json_body(
        &head.headers,
        body,
        service.options.max_body,
        service.options.read_timeout,
    )
    .await
    {
        Ok(body) => body,
        Err(Refused { status, reason }) => return respond::text(status, reason),
    };
    let request = match review::parse(&body, stage, selection, (service.parts.moment)()) {
        Ok(request) => Arc::new(with_parent(request, &service.parts)),
        Err(error) => return respond::text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    drop(body);
    let Some(snapshot) = service.parts.snapshots.load_full() else {
        return respond::text(StatusCode::SERVICE_UNAVAILABLE, "policies are not loaded yet");
    };
    service.parts.metrics.decisions.inc();
    let deadline = Deadline::new(started, timeout, &service.options);
    let decision =
        decide(&service.parts, snapshot, Arc::clone(&request), deadline, &service.detached)
            .instrument(span(&request))
            .await;
    service.parts.metrics.decisions.dec();
    let reply = reply(&request.uid, &Answer::from(&decision));
    service.parts.metrics.decided(&request, &decision, started.elapsed());
    log::decided(&request, &decision);
    service.parts.audience.decided(&request, &Arc::new(decision));
    reply
}

/// A part of an object (`pods/exec`) comes under a kind of its own: policies speak of the object.
fn with_parent(mut request: Request, parts: &Parts) -> Request {
    if !request.sub_resource.is_empty() {
        request.parent =
            (parts.kinds)(&request.resource).or_else(|| built_in_kind(&request.resource));
    }
    request
}

/// The span of one decision, named as Kyverno names its own; nobody's where spans are not sent.
fn span(request: &Request) -> tracing::Span {
    tracing::debug_span!(
        target: crate::TRACE,
        "admission",
        otel.name = if request.stage == Stage::Validating { "VALIDATE" } else { "MUTATE" },
        uid = %request.uid,
        operation = request.operation.as_str(),
        kind = %request.kind.kind,
        namespace = %request.namespace,
        name = %request.name,
    )
}

async fn policy(service: &Service, http: HttpRequest<Incoming>, judged: bool) -> Reply {
    let (head, body) = http.into_parts();
    let body = match read_json_body(
        &head.headers,
        body,
        service.options.max_body,
        service.options.read_timeout,
    )
    .await
    {
        Ok(body) => body,
        Err(Refused { status, reason }) => return respond::text(status, reason),
    };
    let request =
        match review::parse(&body, Stage::Validating, Selection::All, (service.parts.moment)()) {
            Ok(request) => request,
            Err(error) => return respond::text(StatusCode::BAD_REQUEST, error.to_string()),
        };
    let answer = if judged {
        let snapshot = service.parts.snapshots.load_full();
        let settings =
            snapshot.as_ref().map_or(service.parts.settings.as_ref(), |known| known.settings());
        policy_review::judge(&request, settings)
    } else {
        Answer { allowed: true, ..Answer::default() }
    };
    reply(&request.uid, &answer)
}

fn reply(uid: &str, answer: &Answer) -> Reply {
    match review::render(uid, answer) {
        Ok(body) => respond::json(body),
        Err(error) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_kyvernos_paths() {
        let check = |path: &str, expected: Route| assert_eq!(route(path), expected, "{path}");
        let fail = || Selection::FailurePolicy(FailurePolicy::Fail);
        let one = |namespace: &str, name: &str| {
            Selection::One(PolicyName { namespace: namespace.into(), name: name.into() })
        };
        check("/mutate/fail", Route::Resource(Stage::Mutating, fail()));
        check("/validate/fail", Route::Resource(Stage::Validating, fail()));
        check(
            "/mutate/ignore",
            Route::Resource(Stage::Mutating, Selection::FailurePolicy(FailurePolicy::Ignore)),
        );
        check("/mutate", Route::Resource(Stage::Mutating, Selection::All));
        check("/mutate/fail/finegrained/p", Route::Resource(Stage::Mutating, one("", "p")));
        check(
            "/validate/fail/finegrained/ns/p",
            Route::Resource(Stage::Validating, one("ns", "p")),
        );
        check("/policyvalidate", Route::Policy);
        check("/policymutate", Route::PolicyDefaults);
        check("/exceptionvalidate", Route::Policy);
        check("/health/liveness", Route::Liveness);
        check("/health/readiness", Route::Readiness);
        check("/mutate/else", Route::Unknown);
        check("/mutate/fail/finegrained", Route::Unknown);
        check("/mutate/fail/finegrained/a/b/c", Route::Unknown);
        check("/", Route::Unknown);
    }
}
