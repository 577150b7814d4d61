//! `/metrics` on a port of its own, plain HTTP, as scrapers expect it.
use crate::{
    ServeError,
    respond::{self, Reply},
};
use http::{Method, Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};

/// Scrapers that are answered at one time.
const MAX_CONNECTIONS: usize = 32;
/// A scrape is short; a peer that keeps silent is let go.
const CONNECTION_AGE: Duration = Duration::from_mins(5);

/// Serves the registry's metrics until the process ends; answers where it listens.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve_metrics(
    address: SocketAddr,
    registry: Arc<Registry>,
) -> Result<SocketAddr, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::spawn(async move {
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let Ok((stream, _peer)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let registry = Arc::clone(&registry);
            tokio::spawn(async move {
                let _permit = permit;
                let handler = service_fn(move |request| {
                    let registry = Arc::clone(&registry);
                    async move { Ok::<_, Infallible>(answer(&request, &registry)) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(30))
                    .serve_connection(TokioIo::new(stream), handler);
                let _ended = tokio::time::timeout(CONNECTION_AGE, connection).await;
            });
        }
    });
    Ok(bound)
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> Reply {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let mut text = String::new();
            match encode(&mut text, registry) {
                Ok(()) => respond::open_metrics(text),
                Err(error) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }
        }
        _ => respond::text(StatusCode::NOT_FOUND, "see /metrics"),
    }
}
