//! The thread, the listener and the connections of a server on loopback, whatever it answers.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread::JoinHandle,
    time::Duration,
};

use http::{Request, Response, request::Parts};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::registry::Payload;

/// What answers requests. All connections share it.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// A connection was accepted.
    fn connected(&self);

    /// Answers; nothing ends the connection with a reset.
    fn answer(
        self: Arc<Self>,
        parts: Parts,
        body: Incoming,
    ) -> impl Future<Output = Option<Response<Payload>>> + Send;
}

/// How long a handshake may take before the connection is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted: a thousand clients at once must not be told to try again.
const BACKLOG: u32 = 4096;

/// What the owner tells the thread. Each is answered when it is done.
#[derive(Debug)]
enum Order {
    Down(mpsc::Sender<()>),
    Up(mpsc::Sender<io::Result<()>>),
}

/// The owner's end of the thread; dropping it ends the thread and every connection.
#[derive(Debug)]
pub(crate) struct Server<S> {
    pub(crate) state: Arc<S>,
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Answers> Server<S> {
    /// Starts the thread on a port of 127.0.0.1 (0 takes a free one) and returns when the listener is bound; `make` gets its
    /// address.
    pub(crate) fn start(
        name: &str,
        port: u16,
        tls: Option<Arc<ServerConfig>>,
        make: impl FnOnce(SocketAddr) -> S + Send + 'static,
    ) -> io::Result<Self> {
        let (ready, bound) = mpsc::channel();
        let (orders, inbox) = unbounded_channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            runtime.block_on(async move {
                let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
                match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                    Ok((address, listener)) => {
                        let state = Arc::new(make(address));
                        let _ = ready.send(Ok(Arc::clone(&state)));
                        run(state, listener, inbox, tls.map(TlsAcceptor::from)).await;
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        let state = bound.recv().map_err(|_| io::Error::other("the server's thread ended"))??;
        Ok(Self { state, orders: Some(orders), thread: Some(thread) })
    }

    /// Closes the listener and every connection: the next client is refused.
    pub(crate) fn down(&self) {
        let (done, wait) = mpsc::channel();
        if let Some(orders) = &self.orders
            && orders.send(Order::Down(done)).is_ok()
        {
            let _ = wait.recv();
        }
    }

    /// Listens again, on the same port.
    pub(crate) fn up(&self) -> io::Result<()> {
        let gone = || io::Error::other("the server's thread ended");
        let (done, wait) = mpsc::channel();
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(Order::Up(done)).map_err(|_| gone())?;
        wait.recv().map_err(|_| gone())?
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        // The thread ends when nobody can give orders any more.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn run<S: Answers>(
    state: Arc<S>,
    listener: TcpListener,
    mut inbox: UnboundedReceiver<Order>,
    tls: Option<TlsAcceptor>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = inbox.recv() => match order {
                None => break,
                Some(Order::Down(done)) => {
                    listener = None;
                    connections.shutdown().await;
                    let _ = done.send(());
                }
                Some(Order::Up(done)) => {
                    let outcome = match &listener {
                        Some(_) => Ok(()),
                        None => listen(state.address()).map(|bound| listener = Some(bound)),
                    };
                    let _ = done.send(outcome);
                }
            },
            stream = accept(listener.as_ref()) => {
                state.connected();
                connections.spawn(connection(Arc::clone(&state), stream, tls.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    connections.shutdown().await;
}

/// The next connection; never, while the server is down.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, most likely: wait for some to come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection<S: Answers>(state: Arc<S>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let _ = stream.set_nodelay(true);
    let abort = Arc::new(AtomicBool::new(false));
    let wire = Wire { stream, abort: Arc::clone(&abort) };
    let Some(tls) = tls else {
        http1(state, abort, wire).await;
        return;
    };
    let Ok(Ok(wire)) = tokio::time::timeout(HANDSHAKE, tls.accept(wire)).await else { return };
    if wire.get_ref().1.alpn_protocol() == Some(b"h2") {
        let service =
            service_fn(move |request| handle(Arc::clone(&state), Arc::clone(&abort), request));
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(2048)
            .serve_connection(TokioIo::new(wire), service)
            .await;
    } else {
        http1(state, abort, wire).await;
    }
}

async fn http1<S: Answers>(
    state: Arc<S>,
    abort: Arc<AtomicBool>,
    wire: impl AsyncRead + AsyncWrite + Unpin,
) {
    let service =
        service_fn(move |request| handle(Arc::clone(&state), Arc::clone(&abort), request));
    let mut builder = hyper::server::conn::http1::Builder::new();
    // A client that goes away or breaks the protocol ends the connection, and that is all there is to it.
    let _ = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(wire), service).await;
}

/// The connection is to end with a reset.
#[derive(Debug)]
struct ResetOnPurpose;

impl fmt::Display for ResetOnPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is reset on purpose")
    }
}

impl std::error::Error for ResetOnPurpose {}

async fn handle<S: Answers>(
    state: Arc<S>,
    abort: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<Payload>, ResetOnPurpose> {
    let (parts, body) = request.into_parts();
    state.answer(parts, body).await.ok_or_else(|| {
        abort.store(true, Ordering::SeqCst);
        ResetOnPurpose
    })
}

/// A TCP stream that can be told to end with a reset instead of a farewell.
struct Wire {
    stream: TcpStream,
    abort: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.abort.load(Ordering::SeqCst) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
