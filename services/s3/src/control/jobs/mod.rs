//! Batch jobs: one operation on every object of a list.
//!
//! A job is a row and a task of the kernel that goes from status to status ([`run`]): it reads its list into rows
//! ([`manifest`]), works on them a few at a time under the job's role ([`work`]), and each time commits what was done with
//! the lines of the report, so that a crash repeats at most the few that were being worked on. At the end the lines
//! become a report ([`report`]). Of two jobs of an account in a region the one of higher priority goes first.
//!
//! Source: "Performing object operations in bulk with Batch Operations" in the S3 user guide.

mod csv;
mod manage;
mod manifest;
mod report;
mod request;
mod rows;
pub(crate) mod run;
mod sums;
mod work;

pub(crate) use manage::{
    create, delete_tagging, describe, get_tagging, list, put_tagging, update_priority, update_status,
};
pub(crate) use rows::JOBS;
use serde_json::Value as Json;
use undercast_kernel::json;
use undercast_wire::{Write, Writer};

use super::api::S_JOB_DESCRIPTOR;

/// The principal that is to assume the roles of jobs.
pub(crate) const PRINCIPAL: &str = "batchoperations.s3.amazonaws.com";

/// Why a job is suspended.
pub(crate) const AWAITING: &str = "AWAITING_CONFIRMATION";

/// A job as answers describe it, in JSON by the names of the model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Described(pub(crate) Json);

impl Write for Described {
    fn write(&self, w: &mut dyn Writer) {
        match json::decode(self.0.clone(), &S_JOB_DESCRIPTOR) {
            Ok(decoded) => decoded.input.write(w),
            // It was made of what a request was decoded into.
            Err(_) => ().write(w),
        }
    }
}
