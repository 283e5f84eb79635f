//! Requests whose services want to know what becomes of them: when bytes came and went, and how many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use undercast_kernel::{Cx, Exchange, Service};
use undercast_wire::schema::Operation;
use undercast_wire::value::Counter;
use undercast_wire::{Body, Request, Response};

/// What came of a request's body so far.
pub(crate) struct Observed {
    began: Instant,
    /// What the service wants to know again.
    note: String,
    received: AtomicU64,
    /// When the last bytes came.
    heard: Mutex<Instant>,
}

impl Observed {
    pub(crate) fn begin(note: String) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self { began: now, note, received: AtomicU64::new(0), heard: Mutex::new(now) })
    }

    /// Bytes came.
    pub(crate) fn heard(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The body of the request, which is heard as it is read.
    pub(crate) fn request(self: &Arc<Self>, body: Body) -> Body {
        body.counted(Heard(self.clone()))
    }

    /// The body of the answer; when it has been sent, the service is told.
    pub(crate) fn answer(
        self: Arc<Self>,
        (cx, service): (&Cx, &Arc<dyn Service>),
        operation: Option<&'static Operation>,
        request: Request,
        response: &mut Response,
        error: Option<String>,
    ) {
        let head = Response { status: response.status, headers: response.headers.clone(), body: Body::empty() };
        let sent = Sent {
            observed: self,
            cx: cx.clone(),
            service: service.clone(),
            operation,
            heads: Some((request, head)),
            error,
            first: None,
            bytes: 0,
        };
        response.body = response.body.take().counted(sent);
    }
}

/// A request without its body.
pub(crate) fn head_of(request: &Request) -> Request {
    Request {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: Body::empty(),
    }
}

struct Heard(Arc<Observed>);

impl Counter for Heard {
    fn count(&mut self, bytes: usize) {
        self.0.heard(bytes);
    }
}

/// An answer on its way. What became of it is told when it is dropped.
struct Sent {
    observed: Arc<Observed>,
    cx: Cx,
    service: Arc<dyn Service>,
    operation: Option<&'static Operation>,
    heads: Option<(Request, Response)>,
    error: Option<String>,
    first: Option<Instant>,
    bytes: u64,
}

impl Counter for Sent {
    fn count(&mut self, bytes: usize) {
        self.first.get_or_insert_with(Instant::now);
        self.bytes += bytes as u64;
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let now = Instant::now();
        let heard = *self.observed.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((request, response)) = self.heads.take() else { return };
        let exchange = Exchange {
            operation: self.operation,
            note: self.observed.note.clone(),
            request,
            response,
            error: self.error.take(),
            received: self.observed.received.load(Ordering::Relaxed),
            sent: self.bytes,
            processing: self.first.unwrap_or(now).checked_duration_since(heard).unwrap_or(Duration::ZERO),
            total: now - self.observed.began,
        };
        self.service.answered(&self.cx, &exchange);
    }
}
