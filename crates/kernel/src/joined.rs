//! Calls from inside that take effect with the writes of their caller: either all of it is permanent, or nothing.
//!
//! A call is checked and allowed beforehand, as any other is, and done within a transaction of the caller. A service says
//! which of its operations can be done so ([`crate::Service::prepare`]).

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;
use undercast_store::Tx;
use undercast_wire::schema::Operation;
use undercast_wire::{AwsError, Protocol, Value, Write, Writer, check};

use crate::enriched::Met;
use crate::{Cx, Result, Service, json};

/// A call that is checked, and waits for a transaction to be done in.
pub trait Ready: Send + Sync {
    /// Does it with the writes of a transaction, which may run again. What it refuses it refuses before it writes.
    ///
    /// # Errors
    /// Those of the operation.
    fn write(&self, tx: &mut Tx<'_>) -> Result<()>;

    /// The transaction is permanent: bells are rung.
    fn done(&self);
}

/// A call that takes effect with the writes of its caller.
pub struct Joined {
    cx: Cx,
    service: Arc<dyn Service>,
    operation: &'static Operation,
    ready: Box<dyn Ready>,
    parameters: Option<Json>,
    started: Instant,
    met: Met,
}

impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.service.api().name, self.operation.name)
    }
}

/// What is told of a joined call: that it was done. Its answer nobody reads.
struct Nothing;

impl Write for Nothing {
    fn write(&self, _writer: &mut dyn Writer) {}
}

impl Joined {
    /// Does it with the writes of a transaction.
    ///
    /// # Errors
    /// Those of the operation; nothing of it is written then.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        self.ready.write(tx)
    }

    /// The transaction is permanent: it is recorded, and those who wait for it are told.
    pub fn done(self) {
        self.ready.done();
        let answer: Result<Box<dyn Write>> = Ok(Box::new(Nothing));
        let kernel = self.cx.kernel();
        kernel.used(&self.cx, self.service.api(), self.operation);
        let wanted = kernel.trail().is_wanted(&*self.service, self.operation);
        let (of, parameters) = (self.operation, self.parameters);
        kernel.record(&self.cx, &self.service, of, self.started, &answer, wanted, parameters, self.met, &[]);
    }
}

impl Cx {
    /// Prepares a call of another service that shall take effect with this one's own writes. `None`: it cannot be done so, and
    /// is to be made as a call of its own: the service or the operation does not know how, or a fault rule is about it.
    ///
    /// # Errors
    /// Those of the operation, as far as they are known before it is done: refused, denied, malformed.
    pub fn join(&self, service: &str, operation: &str, input: Json) -> Result<Option<Joined>> {
        let started = Instant::now();
        let Some(found) = self.kernel().service(service) else { return Ok(None) };
        let api = found.api();
        let Some(index) = api.operations.iter().position(|o| o.name == operation) else { return Ok(None) };
        let operation = &api.operations[index];
        if self.kernel().faults().concern(self, api.name, operation.name) {
            return Ok(None);
        }
        let decoded = json::decode(input, operation.input).map_err(|e| e.into_error(Protocol::Json))?;
        if let Some(name) = decoded.unknown.first() {
            let message = format!("{service}.{} has no member `{name}`", operation.name);
            return Err(AwsError::new("ValidationException", 400, message).into());
        }
        let violations = check::violations(&decoded);
        if !violations.is_empty() {
            return Err(found.invalid(operation, &violations).into());
        }
        if check::refused(&decoded.input).is_some() {
            return Ok(None);
        }
        let mut met = Met::default();
        self.kernel().authorise(self, found, operation, &decoded, &mut met)?;
        let parameters = Some(json::encode_for_trail(&decoded.input));
        let Some(ready) = found.prepare(self, index, Value::Structure(decoded.input))? else { return Ok(None) };
        let cx = Self { event_id: Some(self.random().uuid().into()), ..self.clone() };
        Ok(Some(Joined { cx, service: found.clone(), operation, ready, parameters, started, met }))
    }
}
