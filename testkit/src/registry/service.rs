//! One request to the registry: noted, perhaps spoiled, answered, noted again.

use std::{net::SocketAddr, sync::Arc};

use http::{Response, header, request::Parts, uri::PathAndQuery};
use hyper::body::Incoming;

use super::{
    answer::Payload,
    endpoints,
    faults::{self, Before},
    log::Entry,
    names::Route,
    state::State,
};
use crate::server::Answers;

/// Counts a request as under way until it is answered or given up.
struct InFlight(Arc<State>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.log().ended();
    }
}

impl Answers for State {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn connected(&self) {
        self.log().connected();
    }

    async fn answer(self: Arc<Self>, parts: Parts, body: Incoming) -> Option<Response<Payload>> {
        let route = Route::parse(parts.uri.path());
        let text =
            |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let ticket = self.log().begin(Entry {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            class: route.class(),
            repository: route.repository().map(str::to_owned),
            user_agent: text(header::USER_AGENT),
            had_authorization: parts.headers.contains_key(header::AUTHORIZATION),
            status: None,
        });
        let _in_flight = InFlight(Arc::clone(&self));
        let path_and_query = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let effects = self.faults().of(&parts.method, parts.uri.path(), route.class());
        let answer = match faults::before(&effects, path_and_query).await {
            Before::Proceed => endpoints::dispatch(&self, &route, &parts, body).await,
            Before::Instead(answer) => answer,
            Before::Reset => return None,
        };
        let answer = faults::after(&self, &effects, &route, path_and_query, answer);
        self.log().answered(ticket, answer.status.as_u16());
        Some(answer.into_response(parts.method == http::Method::HEAD))
    }
}
