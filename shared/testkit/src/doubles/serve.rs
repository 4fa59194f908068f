//! The server under a double, and the connection that it can cut or watch.
//!
//! A handler of a web framework always answers. A double must also be able to go away without
//! an answer, and to know when the last byte of an answer has left. Both are properties of the
//! stream, so the stream is wrapped: once cut it refuses to write, which ends the connection
//! with nothing sent; and a watcher set before an answer is run at the flush that follows it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::locked;

type Watcher = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Wire {
    cut: bool,
    watcher: Option<Watcher>,
    wrote_since_watched: bool,
}

/// A handler's hold on the connection that its call came by.
#[derive(Clone, Default)]
pub(super) struct Connection(Arc<Mutex<Wire>>);

impl Connection {
    /// Nothing more is sent; the connection ends when the server next tries.
    pub(super) fn cut(&self) {
        locked(&self.0).cut = true;
    }

    /// Runs `watcher` when what is written from now on has left; drops it if the connection
    /// ends before.
    pub(super) fn when_flushed(&self, watcher: impl FnOnce() + Send + 'static) {
        let mut wire = locked(&self.0);
        wire.watcher = Some(Box::new(watcher));
        wire.wrote_since_watched = false;
    }

    fn is_cut(&self) -> bool {
        locked(&self.0).cut
    }

    fn wrote(&self) {
        let mut wire = locked(&self.0);
        wire.wrote_since_watched = wire.watcher.is_some();
    }

    fn flushed(&self) {
        let mut wire = locked(&self.0);
        if !wire.wrote_since_watched {
            return;
        }
        let watcher = wire.watcher.take();
        drop(wire);
        if let Some(watcher) = watcher {
            watcher();
        }
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().connection.clone()
    }
}

pub(super) struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (tcp, addr) = Listener::accept(&mut self.0).await;
        // Small answers must not wait for Nagle; a platform that refuses is only slower.
        drop(tcp.set_nodelay(true));
        let connection = Connection::default();
        (CuttableStream { tcp, connection }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

pub(super) struct CuttableStream {
    tcp: TcpStream,
    connection: Connection,
}

impl Drop for CuttableStream {
    fn drop(&mut self) {
        // The watcher holds what counts a call as in hand; it must not outlive the stream.
        let watcher = locked(&self.connection.0).watcher.take();
        drop(watcher);
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf))?;
        self.connection.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_flush(cx))?;
        self.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A server on loopback that stops when it is dropped: it accepts nothing more, idle
/// connections end at once, and a call in hand ends with its answer.
#[derive(Debug)]
pub(super) struct Server {
    addr: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Serves `router` on 127.0.0.1 at `port`, or at any free port when it is 0.
    pub(super) async fn start(router: Router, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let service = router.into_make_service_with_connect_info::<Connection>();
        let server = axum::serve(CuttableListener(listener), service)
            .with_graceful_shutdown(async move { drop(stopped.await) });
        tokio::spawn(server.into_future());
        Ok(Self { addr, _stop: stop })
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }
}
