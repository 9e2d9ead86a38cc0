//! Connection: an open stream of a peer, and an end that lets the peer read what was sent last.

use crate::serve::telling::metrics::Metrics;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tonic::transport::server::Connected;

/// How long a peer may take to read what was sent last, and to close.
const FAREWELL: Duration = Duration::from_secs(2);
const SCRATCH_BYTES: usize = 8 << 10;

/// The other side of a connection: in the extensions of its requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    pub address: SocketAddr,
    /// Of the certificate that was shown and found good.
    pub common_name: Option<Arc<str>>,
}

/// A connection that is open.
///
/// A socket that is closed with something unread in it is reset, and a reset takes answers away that the peer has not
/// read yet. So its end waits until the peer closes, and drops what still comes.
pub struct Connection {
    stream: Stream,
    peer: Peer,
    /// Set once everything was sent.
    farewell: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

/// Plain on the left, TLS on the right.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// One of the places for connections, held while it is open.
pub struct Place {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

impl Place {
    pub fn taken(permit: OwnedSemaphorePermit, metrics: &Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Place { metrics: metrics.clone(), _permit: permit }
    }
}

impl Connection {
    pub fn new(stream: Stream, peer: Peer, place: Place) -> Self {
        Connection { stream, peer, farewell: None, _place: place }
    }

    /// Drops what comes, until the peer closes or its time is over.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let farewell = self.farewell.get_or_insert_with(|| Box::pin(sleep(FAREWELL)));
        if farewell.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let mut scratch = [0; SCRATCH_BYTES];
            let mut unheard = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unheard));
            if read.is_err() || unheard.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_farewell(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn a_peer_that_reads_late_gets_all_although_it_said_what_nobody_read() {
        let answer = vec![7; 128 << 10];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(&[1; 4096]).await.unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        let metrics = Arc::<Metrics>::default();
        let place = Place::taken(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), &metrics);
        let mut served = Connection::new(Either::Left(stream), Peer { address, common_name: None }, place);
        let sent = answer.clone();
        let server = tokio::spawn(async move {
            served.write_all(&sent).await.unwrap();
            served.shutdown().await.unwrap();
        });

        sleep(Duration::from_millis(50)).await;
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert!(heard == answer, "{} of {} bytes", heard.len(), answer.len());
        drop(client);
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_closes_is_left_in_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let place = Place::taken(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), &Arc::default());
        let mut served = Connection::new(Either::Left(stream), Peer { address, common_name: None }, place);

        served.shutdown().await.unwrap();
    }
}
