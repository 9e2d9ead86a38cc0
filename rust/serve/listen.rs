//! Listen: connections, with TLS where it is asked for, as many as there is room for.

use crate::serve::audit::{Audit, Entry};
use crate::serve::metrics::Metrics;
use crate::serve::tls::{self, Certificates};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// After an error of `accept`, such as too many open files: what is open may close until then.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are ready before they are taken.
const READY: usize = 16;

/// The other side of a connection: in the extensions of its requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    pub address: SocketAddr,
    /// Of the certificate that was shown and found good.
    pub common_name: Option<Arc<str>>,
}

/// What a connection must pass to be served.
pub struct Door {
    certificates: Option<Certificates>,
    places: Arc<Semaphore>,
    audit: Option<Arc<Audit>>,
    metrics: Arc<Metrics>,
}

/// A connection that is open.
pub struct Connection {
    stream: Stream,
    peer: Peer,
    _place: Place,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One of the places for connections, held while it is open.
struct Place {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

impl Door {
    /// A door for at most `connections` at the same time.
    pub fn new(
        certificates: Option<Certificates>,
        connections: usize,
        audit: Option<Arc<Audit>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Door { certificates, places, audit, metrics }
    }

    /// Connections that pass, until `stop`; those that were handed out before stay open.
    pub fn connections(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> ReceiverStream<io::Result<Connection>> {
        let (ready, connections) = channel(READY);
        tokio::spawn(async move {
            tokio::select! {
                () = Arc::new(self).accept(listener, ready.clone()) => {}
                () = stop => {}
                () = ready.closed() => {}
            }
        });
        ReceiverStream::new(connections)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, ready: Sender<io::Result<Connection>>) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => self.clone().admit(stream, address, &ready),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn admit(self: Arc<Self>, stream: TcpStream, address: SocketAddr, ready: &Sender<io::Result<Connection>>) {
        let Ok(permit) = self.places.clone().try_acquire_owned() else {
            return self.refuse(address, "too many connections");
        };
        self.metrics.connections.inc();
        let place = Place { metrics: self.metrics.clone(), _permit: permit };
        let ready = ready.clone();
        tokio::spawn(async move {
            match self.shake(stream).await {
                Ok((stream, common_name)) => {
                    let connection = Connection { stream, peer: Peer { address, common_name }, _place: place };
                    // Nobody takes it any more when the server stops.
                    let _ = ready.send(Ok(connection)).await;
                }
                Err(error) => self.refuse(address, tls::reason(&error)),
            }
        });
    }

    async fn shake(&self, stream: TcpStream) -> io::Result<(Stream, Option<Arc<str>>)> {
        stream.set_nodelay(true)?;
        let Some(certificates) = &self.certificates else { return Ok((Stream::Plain(stream), None)) };
        let acceptor = TlsAcceptor::from(certificates.now());
        let stream =
            timeout(LONGEST_HANDSHAKE, acceptor.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let name = shown.and_then(tls::common_name).map(Arc::from);
        Ok((Stream::Tls(Box::new(stream)), name))
    }

    fn refuse(&self, address: SocketAddr, reason: &str) {
        self.metrics.handshakes_refused.inc();
        tracing::info!(peer = %address, reason, "refused connection");
        let outcome = format!("refused connection: {reason}");
        let entry = Entry { peer: Some(address), method: "server/connection", outcome: &outcome, ..Entry::default() };
        // A log that cannot be written has said so itself, and this connection is refused in any case.
        let _ = self.audit.as_ref().map(|audit| audit.append_refused(&entry));
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
