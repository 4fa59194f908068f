//! The handle of a double: where it listens, what it got, what goes wrong.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    Call, Clock, Ended, Fault, FaultError, Fired, Incoming, KillsOverHttp, Reply, System, control,
    exchange::{Desk, Exchange},
    locked,
    serve::{Connection, Server},
};

/// The largest body read, in bytes. Records are a few KB; API gateways stop at 10 MB.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A running double of the system `S`. It stops when it is dropped.
pub struct Double<S> {
    pub(super) exchange: Arc<Exchange<S>>,
    /// `None`: reached by [`call`](Double::call) only.
    server: Option<Server>,
}

impl<S: System> Double<S> {
    /// Serves `system` on 127.0.0.1 at `port`, or at any free port when it is 0, with the
    /// routes under `/_double/` that every double has. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn serve(
        system: S,
        clock: Clock,
        port: u16,
        kills: KillsOverHttp,
    ) -> io::Result<Self> {
        Self::serve_with(system, clock, port, kills, Router::new()).await
    }

    pub(super) async fn serve_with(
        system: S,
        clock: Clock,
        port: u16,
        kills: KillsOverHttp,
        own: Router<Arc<Exchange<S>>>,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::new(clock));
        let exchange = Arc::new(Exchange { system, desk });
        let router = own
            .with_state(Arc::clone(&exchange))
            .merge(control::routes(Arc::clone(&exchange.desk), kills))
            .fallback(receive::<S>)
            .with_state(Arc::clone(&exchange));
        let server = Server::start(router, port).await?;
        Ok(Self {
            exchange,
            server: Some(server),
        })
    }

    /// The system without a server: for simulations in virtual time, which do no real I/O.
    pub(super) fn unserved(system: S, clock: Clock) -> Self {
        let desk = Arc::new(Desk::new(clock));
        let exchange = Arc::new(Exchange { system, desk });
        Self {
            exchange,
            server: None,
        }
    }

    /// Where it listens; port 0 when it does not.
    pub const fn addr(&self) -> SocketAddr {
        match &self.server {
            Some(server) => server.addr(),
            None => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        }
    }

    /// Base URL without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Takes one call without a socket, as simulations in virtual time need it: past the log and the
    /// faults like any other. None when the double goes away without an answer. Faults that come
    /// after an answer has left do not strike, since nothing leaves.
    pub async fn call(&self, call: Incoming) -> Option<Reply> {
        Arc::clone(&self.exchange)
            .run(call, Connection::default())
            .await
    }

    /// Every call that is kept (the last 150,000), in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.calls_between(i64::MIN, i64::MAX)
    }

    /// The calls that arrived in `[from_ms, until_ms)` on the double's clock.
    pub fn calls_between(&self, from_ms: i64, until_ms: i64) -> Vec<Call> {
        locked(&self.exchange.desk.log).between(from_ms, until_ms)
    }

    /// Sets a fault and gives its number.
    ///
    /// # Errors
    /// When the fault could never do what it says.
    pub fn set_fault(&self, fault: Fault) -> Result<u64, FaultError> {
        locked(&self.exchange.desk.script).set(fault)
    }

    /// Takes back every fault. A call that a fault already holds stays held.
    pub fn clear_faults(&self) {
        locked(&self.exchange.desk.script).clear();
    }

    /// What struck which call, in order.
    pub fn fired(&self) -> Vec<Fired> {
        locked(&self.exchange.desk.script).fired()
    }

    pub(super) fn system(&self) -> &S {
        &self.exchange.system
    }

    pub(super) fn now_ms(&self) -> i64 {
        (self.exchange.desk.clock)()
    }
}

/// Takes any request that no route under `/_double/` takes.
async fn receive<S: System>(
    State(exchange): State<Arc<Exchange<S>>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/_double/") {
        return control::refused(StatusCode::NOT_FOUND, "there is no such control");
    }
    let body = to_bytes(body, MAX_BODY_BYTES).await;
    let too_large = body.is_err();
    let call = Incoming {
        method: parts.method.as_str().to_owned(),
        uri: parts.uri,
        headers: parts.headers,
        body: body.unwrap_or_default(),
    };
    if too_large {
        let subject = exchange.system.subject(&call);
        let facts = exchange.desk.arrive(&call, subject);
        exchange.desk.end(facts.seq, Ended::Answered(413));
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    match tokio::spawn(exchange.run(call, connection)).await {
        Ok(Some(reply)) => reply.into_response(),
        // Never sent: the connection refuses to write.
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response
            .body(self.body.into())
            .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}
