//! Other systems without a socket.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::Value;
use tidegate_engine::ports::{Http, Request, Sent, TransportError};

use super::locked;

type Answers = Box<dyn Fn(&Request) -> Result<Sent, TransportError> + Send + Sync>;

/// Answers as a test says, and keeps every request.
pub struct MemoryHttp {
    answers: Mutex<Answers>,
    requests: Mutex<Vec<Request>>,
    hangs: AtomicBool,
}

impl MemoryHttp {
    /// Answers each request from now on by this function.
    pub fn answer(
        &self,
        answers: impl Fn(&Request) -> Result<Sent, TransportError> + Send + Sync + 'static,
    ) {
        *locked(&self.answers) = Box::new(answers);
    }

    /// Lets every request from now on wait for ever, or be answered again.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    /// An answer of this status and body.
    pub fn json(status: u16, body: Value) -> Sent {
        Sent {
            status,
            headers: Vec::new(),
            body: Some(body),
        }
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.requests).clone()
    }
}

impl Default for MemoryHttp {
    /// Nobody answers.
    fn default() -> Self {
        Self {
            answers: Mutex::new(Box::new(|_| Err(TransportError::NotConnected))),
            requests: Mutex::default(),
            hangs: AtomicBool::new(false),
        }
    }
}

impl fmt::Debug for MemoryHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHttp")
            .field("requests", &locked(&self.requests).len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Http for MemoryHttp {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        locked(&self.requests).push(request.clone());
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        locked(&self.answers)(request)
    }
}
