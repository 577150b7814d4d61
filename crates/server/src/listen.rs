//! The accept loop: connections have a permit, a handshake limit and an age; shutdown drains them.
use crate::{
    Options, Parts,
    route::{Service, answer},
    tls::Certificates,
};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The TLS library refused its configuration.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// A server that is listening.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    loop_task: JoinHandle<()>,
}

impl Running {
    /// Where it listens; the port is real even where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connections, lets requests in flight finish within [`Options::drain`], and ends.
    pub async fn shutdown(self) {
        let _gone = self.stop.send(true);
        let _panicked = self.loop_task.await;
    }
}

/// Listens and answers until [`Running::shutdown`].
///
/// # Errors
/// The address cannot be bound, or TLS cannot be set up.
pub async fn serve(
    parts: Parts,
    options: Options,
    certificates: &Certificates,
) -> Result<Running, ServeError> {
    let tls = TlsAcceptor::from(Arc::new(certificates.server_config().map_err(ServeError::Tls)?));
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|source| ServeError::Listen { address: options.listen, source })?;
    let address = listener
        .local_addr()
        .map_err(|source| ServeError::Listen { address: options.listen, source })?;
    let (stop, stopped) = watch::channel(false);
    let service = Arc::new(Service {
        decisions: Semaphore::new(options.max_decisions),
        detached: Arc::new(Semaphore::new(options.max_detached)),
        parts,
        options,
    });
    let loop_task = tokio::spawn(accept(listener, tls, service, stopped));
    Ok(Running { address, stop, loop_task })
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(service.options.max_connections));
    loop {
        let permit = tokio::select! {
            _ = stopped.changed() => break,
            permit = Arc::clone(&connections).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: a pause, not a busy loop.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Each handshake in a task of its own: one silent peer must not hold up the others.
        tokio::spawn(connection(
            stream,
            tls.clone(),
            Arc::clone(&service),
            permit,
            stopped.clone(),
        ));
    }
    drop(listener);
    // INVARIANT: each connection holds one permit, so all of them together mean that none is left.
    let all = u32::try_from(service.options.max_connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(service.options.drain, connections.acquire_many(all)).await.is_err() {
        tracing::warn!("connections were still open at the end of the drain time");
    }
}

async fn connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    service: Arc<Service>,
    permit: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<bool>,
) {
    let _permit = permit;
    let _latency_matters = stream.set_nodelay(true);
    let Ok(Ok(stream)) =
        tokio::time::timeout(service.options.read_timeout, tls.accept(stream)).await
    else {
        return;
    };
    service.parts.metrics.connections.inc();
    let handled = Arc::clone(&service);
    let handler = service_fn(move |request| {
        let service = Arc::clone(&handled);
        async move { Ok::<_, Infallible>(answer(&service, request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(service.options.connection_age)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .max_header_list_size(64 * 1024);
    let connection = builder.serve_connection(TokioIo::new(stream), handler);
    tokio::pin!(connection);
    let retired = tokio::time::sleep(service.options.connection_age);
    tokio::pin!(retired);
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                break;
            }
            () = &mut retired, if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = stopped.changed(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
    service.parts.metrics.connections.dec();
}
