//! Amazon Simple Storage Service, general purpose buckets.
//!
//! Tables (`rows.rs`): `s3.buckets` by name, for names are shared by all accounts and regions; everything inside a bucket
//! by account, region, bucket: `s3.objects` (the current version of each key), `s3.versions` (older ones and delete
//! markers), `s3.annotations`, `s3.uploads`, `s3.parts`, `s3.segments` (what an object of several parts is made of), `s3.settings` (policy,
//! tags, and what is in `settings.rs` and `configurations.rs`), `s3.replications`, `s3.log_lines`,
//! `s3.counted`.
//! Small bodies stand in the row, large ones in the blob store; a copy and a completed upload move no bytes, unless a key of
//! KMS or of a customer encrypts them.
//! Tasks: notifications (`events.rs`), lifecycles, restorations (`archive.rs`), replication, access logs, inventories, access
//! tiers (`tiering.rs`, `tiers.rs`), analyses, and what CloudWatch is told once a day (`storage.rs`); of requests it is told
//! when they are answered (`metrics.rs`). What a
//! writing has for consequence is stored with it: `events::emit` is where all of that begins.
//! Limits: 5 GiB a body, 10,000 parts of at least 5 MiB (but the last), keys of 1,024 bytes, 2 KiB of user metadata.
//! New buckets are what they are on AWS: BucketOwnerEnforced (no ACLs), all public access blocked, no keys of customers.
//!
//! Beside it stands S3 Control (`control`): what is set for an account, access points, batch jobs.
//!
//! Start with `objects.rs` (put and get), `versions.rs` (which version of a key is which) and `permission.rs`.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));

    /// What `RestoreObject` answers, as the wire sees it.
    pub(crate) fn restored() -> &'static undercast_wire::schema::Structure {
        SERVICE.operations.iter().find(|o| o.name == "RestoreObject").map_or(&UNIT, |o| o.output)
    }

    static UNIT: undercast_wire::schema::Structure = undercast_wire::schema::Structure::EMPTY;
}

mod acl;
mod actions;
mod analytics;
mod annotations;
mod archive;
mod attributes;
mod bridge;
mod bucket;
mod buckets;
mod cfn;
mod checksum;
mod complete;
mod conditions;
mod configurations;
mod content;
pub mod control;
mod copy;
mod cors;
mod counts;
mod delete;
mod encryption;
mod encryption_configuration;
mod error;
mod events;
mod filter;
mod form_policy;
mod forms;
mod headers;
mod intake;
mod integrity;
mod inventory;
mod lifecycle;
mod lifecycle_rules;
mod list_objects;
mod list_uploads;
mod list_versions;
mod listing;
mod lock;
mod logging;
mod metrics;
mod mfa;
mod notifications;
mod objects;
mod operations;
mod permission;
mod policy;
mod replicate;
mod replicate_annotations;
mod replication;
mod replication_failures;
mod replication_metrics;
mod reseal;
mod rows;
mod select;
mod settings;
mod storage;
mod subresources;
mod tagging;
mod tiering;
mod tiers;
mod trail;
mod transport;
mod uploads;
mod versions;
mod website;

use std::sync::Arc;

pub use control::S3Control;
use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::policy::MapContext;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::{Remembered, Shared, Snapshot};
use undercast_kernel::{Access, Answer, AwsError, CrossOrigin, Cx, Exchange, Next, Record, Result, Service, Task};
use undercast_wire::check::{Constraint, Violation};
use undercast_wire::decode::Malformed;
use undercast_wire::schema::{Location, Operation, Protocol};
use undercast_wire::{Fields, Request, Response, Value};

use crate::rows::Bucket;
use crate::settings::Setting;

/// Bodies up to this size stand in the row of their object.
const INLINE_BYTES: usize = 4 * 1024;

/// A single body, and a copy's source, may have so many bytes: 5 GiB.
const MOST_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Every part of an upload but the last has at least so many bytes.
const LEAST_PART: u64 = 5 * 1024 * 1024;

/// The service.
#[derive(Debug, Default)]
pub struct S3 {
    policies: policy::Compiled,
    bucket_keys: encryption::BucketKeys,
    buckets: Remembered<rows::Bucket>,
    counts: Arc<counts::Counts>,
}

impl Service for S3 {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        if let Some(refusal) = control::via::refusal(operation, &input).or_else(|| transport::refusal(cx, &input)) {
            return Box::pin(async { Err(refusal.into()) });
        }
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(self, cx, operation, input)
    }

    fn conditions(
        &self,
        cx: &Cx,
        operation: &'static Operation,
        input: &Fields,
        access: &Access,
    ) -> Result<MapContext> {
        permission::conditions(self, cx, operation, input, access)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &[
            "AbortMultipartUpload",
            "CompleteMultipartUpload",
            "CopyObject",
            "CreateMultipartUpload",
            "DeleteObject",
            "DeleteObjectAnnotation",
            "DeleteObjectTagging",
            "DeleteObjects",
            "GetObject",
            "GetObjectAcl",
            "GetObjectAnnotation",
            "GetObjectAttributes",
            "GetObjectTagging",
            "HeadBucket",
            "HeadObject",
            "ListMultipartUploads",
            "ListObjectAnnotations",
            "ListObjectVersions",
            "ListObjects",
            "ListObjectsV2",
            "ListParts",
            "PutObject",
            "GetObjectLegalHold",
            "GetObjectRetention",
            "PutObjectAcl",
            "PutObjectAnnotation",
            "PutObjectLegalHold",
            "PutObjectRetention",
            "PutObjectTagging",
            "RestoreObject",
            "SelectObjectContent",
            "UpdateObjectEncryption",
            "UploadPart",
            "UploadPartCopy",
        ]
    }

    fn event_name(&self, operation: &'static str) -> &'static str {
        trail::name(operation)
    }

    fn event_parameters(&self, operation: &'static Operation, record: &Record, parameters: &Json) -> Json {
        trail::parameters(operation, &record.host, parameters)
    }

    fn event_resources(&self, from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        trail::resources(from, record, parameters)
    }

    fn shared(&self) -> Vec<Shared> {
        vec![Shared::by_row(&rows::BUCKETS, |bucket| &bucket.account)]
    }

    fn invalid(&self, operation: &'static Operation, violations: &[Violation]) -> AwsError {
        invalid(operation, violations)
    }

    fn observes(&self, from: &Snapshot, request: &Request) -> Option<String> {
        // What a store that cannot be read has to say it says in the answer.
        let bucket = self.named(from, request).ok().flatten()?;
        if !Setting::Logging.is_on(&bucket) && !Setting::Metrics.is_on(&bucket) {
            return None;
        }
        metrics::counting(from, &bucket, request).ok().map(|ids| ids.join("\n"))
    }

    fn answered(&self, cx: &Cx, exchange: &Exchange) {
        let Ok(Some(bucket)) = self.named(&cx.read(), &exchange.request) else { return };
        metrics::observe(cx, &bucket, exchange);
        if Setting::Logging.is_on(&bucket) {
            logging::log(cx, Bucket::clone(&bucket), exchange);
        }
    }

    fn malformed(&self, operation: &'static Operation, protocol: Protocol, why: Malformed) -> AwsError {
        malformed(operation, protocol, why)
    }

    fn throttled(&self, _operation: &'static Operation) -> AwsError {
        error::slow_down()
    }

    fn check_body(&self, operation: &'static Operation, request: &Request, body: &[u8]) -> Result<()> {
        subresources::check(operation, request)?;
        integrity::check(operation, request, body)
    }

    fn cross_origin(&self, from: &Snapshot, request: &Request) -> Option<CrossOrigin> {
        cors::decide(from, request)
    }

    fn form<'a>(&'a self, cx: &'a Cx, request: Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(forms::post(cx, request))
    }

    fn sites(&self) -> &'static [&'static str] {
        &["s3-website"]
    }

    fn serve<'a>(
        &'a self,
        cx: &'a Cx,
        _site: &'a str,
        name: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move { Ok(website::serve(cx, name, &request).await) })
    }

    fn denied(&self, access: &Access, message: String) -> AwsError {
        permission::denied(access, &message)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                "restore" => archive::run(cx, task).await,
                "lifecycle" => lifecycle::run(cx, task).await,
                "replicate" => replicate::run(self, cx, task).await,
                "inventory" => inventory::run(cx, task).await,
                "analytics" => analytics::run(self, cx, task).await,
                "tiering" => tiering::run(cx, task).await,
                "log" => logging::deliver(cx, task).await,
                "replication-metrics" => replication_metrics::run(cx, task).await,
                "storage" => storage::run(cx, task).await,
                "replicate-late" => replicate::late(cx, task).await,
                _ => events::run(cx, task).await,
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Bucket), Box::new(cfn::BucketPolicy)]
    }
}

/// A request that could not be read: of what is not in the body S3 says where it was wrong.
fn malformed(operation: &'static Operation, protocol: Protocol, why: Malformed) -> AwsError {
    match &why.at {
        Some(at) => error::malformed_argument(operation, at),
        None => why.into_error(protocol),
    }
}

/// S3 has no sentence for broken constraints: each header and element has its own.
fn invalid(operation: &'static Operation, violations: &[Violation]) -> AwsError {
    let Some(first) = violations.first() else { return error::malformed_xml() };
    let value = first.value.clone().unwrap_or_default();
    let name = first.path.split('.').next().unwrap_or(&first.path);
    let member = operation.input.members.iter().find(|m| m.name.eq_ignore_ascii_case(name));
    let header = member.map_or(name, |m| m.wire);
    let beside = member.is_some_and(|m| matches!(m.location, Location::Query | Location::Header));
    match (&first.constraint, name) {
        (Constraint::Required, _) if operation.name == "SelectObjectContent" => select::missing(&first.path),
        (Constraint::Required, _) if first.path.contains('.') => error::malformed_xml(),
        (Constraint::Required, "annotationName") => annotations::unnamed(),
        (Constraint::Required, "objectAttributes") => error::invalid_request(
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        ),
        (Constraint::Required, _) if beside => {
            error::invalid_request(format!("Missing required parameter for this request: {header}"))
        }
        (Constraint::Required, _) => AwsError::new("MissingRequestBodyError", 400, "Request Body is empty"),
        (_, "storageClass") => {
            AwsError::new("InvalidStorageClass", 400, "The storage class you specified is not valid")
                .with("StorageClassRequested", value)
        }
        (_, "encodingType") => error::invalid_argument("Invalid Encoding Method specified in Request", header, &value),
        (_, "metadataDirective") => error::invalid_argument("Unknown metadata directive.", header, &value),
        (_, "annotationDirective") => {
            let message = "The annotation directive is not valid. Valid values are COPY and EXCLUDE.";
            error::invalid_argument(message, header, &value)
        }
        (_, "maxAnnotationResults") => {
            let message = format!("Argument {header} must be an integer between 1 and 1000");
            error::invalid_argument(message, header, &value)
        }
        (_, "taggingDirective") => error::invalid_argument("Unknown tagging directive.", header, &value),
        (_, "checksumAlgorithm") => checksum::unsupported(),
        (_, "createBucketConfiguration") if first.path.ends_with("locationConstraint") => {
            let error =
                AwsError::new("InvalidLocationConstraint", 400, "The specified location-constraint is not valid");
            error.with("LocationConstraint", value)
        }
        (_, "notificationConfiguration") if first.path.contains("events") => notifications::unknown_event(&value),
        (_, "notificationConfiguration") if first.path.ends_with("name") => {
            error::invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", &value)
        }
        (Constraint::MinLength(_), "key") => error::no_such_key(&value),
        (_, "aCL" | "objectOwnership" | "objectAttributes") => {
            error::invalid_argument("Argument format not recognized", header, &value)
        }
        _ if first.path.contains('.') => error::malformed_xml(),
        _ => error::invalid_argument("Invalid argument", header, &value),
    }
}
