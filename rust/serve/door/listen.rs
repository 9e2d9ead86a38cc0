//! Listen: connections, with TLS where it is asked for, as many as there is room for.

use crate::serve::door::connection::{Connection, Peer, Place, Stream};
use crate::serve::door::tls::{self, Certificates};
use crate::serve::telling::audit::{Audit, Entry};
use crate::serve::telling::metrics::Metrics;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::either::Either;

const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// After an error of `accept`, such as too many open files: what is open may close until then.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are ready before they are taken.
const READY: usize = 16;

/// What a connection must pass to be served.
pub struct Door {
    certificates: Option<Certificates>,
    places: Arc<Semaphore>,
    audit: Option<Arc<Audit>>,
    metrics: Arc<Metrics>,
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
        let place = Place::taken(permit, &self.metrics);
        let ready = ready.clone();
        tokio::spawn(async move {
            match self.shake(stream).await {
                Ok((stream, common_name)) => {
                    let connection = Connection::new(stream, Peer { address, common_name }, place);
                    // Nobody takes it any more when the server stops.
                    let _ = ready.send(Ok(connection)).await;
                }
                Err(error) => self.refuse(address, tls::reason(&error)),
            }
        });
    }

    async fn shake(&self, stream: TcpStream) -> io::Result<(Stream, Option<Arc<str>>)> {
        stream.set_nodelay(true)?;
        let Some(certificates) = &self.certificates else { return Ok((Either::Left(stream), None)) };
        let acceptor = TlsAcceptor::from(certificates.now());
        let stream =
            timeout(LONGEST_HANDSHAKE, acceptor.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let name = shown.and_then(tls::common_name).map(Arc::from);
        Ok((Either::Right(Box::new(stream)), name))
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
