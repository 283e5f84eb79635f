//! What tests see of what services promise: operations that answered, input members that were set in calls that were
//! answered, errors that were given. `./x test` asks for it and compares it with what is promised.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value as Json;
use undercast_kernel::{Keeper, Kernel, Record, Service};
use undercast_wire::schema::{Operation, Shape, Structure};

/// The folder that takes what is seen, one file a process.
const FOLDER: &str = "UNDERCAST_SEEN";

/// It is kept by the kernel, and so must not keep the kernel in turn: a cloud that has gone lets go of its directory.
struct Seen {
    services: Vec<Arc<dyn Service>>,
}

/// Has what is called in this cloud written down, if somebody asks for it.
pub fn watch(kernel: &Kernel) {
    if std::env::var_os(FOLDER).is_some() {
        kernel.trail().tell(Arc::new(Seen { services: kernel.services().to_vec() }));
    }
}

impl Keeper for Seen {
    fn keep(&self, record: &Record) {
        let Some(service) = self.services.iter().find(|s| s.api().name == record.service) else { return };
        let Some(operation) = service.api().operations.iter().find(|o| o.name == record.operation) else { return };
        let mut lines = Vec::new();
        match &record.error {
            None => lines.push(format!("{}.{}", record.service, record.operation)),
            Some((code, _)) => lines
                .extend(error(operation, code).map(|name| format!("{}.{}!{name}", record.service, record.operation))),
        }
        // A member in a call that broke before it was read proves nothing; one that was refused in AWS's words was read.
        if record.status < 500
            && let Some(parameters) = &record.parameters
        {
            structure(record.service, operation.input, parameters, &mut lines);
        }
        write(&lines);
    }
}

/// An error's shape, by its code.
fn error(operation: &Operation, code: &str) -> Option<&'static str> {
    operation.errors.iter().find(|e| e.code == code || e.name == code).map(|e| e.name)
}

fn structure(service: &str, of: &Structure, json: &Json, lines: &mut Vec<String>) {
    for (name, json) in json.as_object().into_iter().flatten() {
        if let Some(member) = of.members.iter().find(|m| m.name == name) {
            lines.push(format!("{service}.{}.{name}", of.name));
            value(service, &member.shape, json, lines);
        }
    }
}

fn value(service: &str, shape: &Shape, json: &Json, lines: &mut Vec<String>) {
    match (shape, json) {
        (Shape::Structure(of), json) => structure(service, of, json, lines),
        (Shape::List(of), Json::Array(items)) => items.iter().for_each(|j| value(service, &of.item, j, lines)),
        (Shape::Map(of), Json::Object(entries)) => entries.values().for_each(|j| value(service, &of.value, j, lines)),
        _ => {}
    }
}

/// Writes the lines that are new in this process.
fn write(lines: &[String]) {
    static WRITTEN: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();
    let mut written = WRITTEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let new: String = lines.iter().filter(|l| written.insert((*l).clone())).map(|l| format!("{l}\n")).collect();
    if new.is_empty() {
        return;
    }
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let path = folder.join(std::process::id().to_string());
    let file = std::fs::File::options().create(true).append(true).open(&path);
    file.and_then(|mut f| f.write_all(new.as_bytes())).expect("a folder that takes what is seen");
}
