//! Request metrics: what CloudWatch is told of the requests for a bucket, or for some of its objects, by configurations.
//!
//! Source: "Monitoring metrics with Amazon CloudWatch" and "Metrics and dimensions" in the user guide.

use std::collections::BTreeMap;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Exchange, Metric, Result};
use undercast_wire::Request;
use undercast_wire::text::percent_decode;

use crate::api;
use crate::api::kept::MetricsConfiguration;
use crate::configurations::{self, Kind};
use crate::filter::{And, Filter};
use crate::rows::{Bucket, OBJECTS, Object};
use crate::settings::Setting;
use crate::{bucket, tagging};

const KIND: Kind = Kind("metrics");

pub(crate) async fn put(cx: &Cx, input: api::PutBucketMetricsConfigurationInput) -> Result<()> {
    let configuration = input.metrics_configuration;
    KIND.check_id(&input.id, &configuration.id)?;
    if configuration.filter.is_some() {
        filter(&configuration).check()?;
    }
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        KIND.put(tx, &bucket, &input.id, &configuration)?;
        Setting::Metrics.mark(tx, &mut bucket, true);
        Ok(())
    })
    .await
}

fn filter(configuration: &MetricsConfiguration) -> Filter<'_> {
    configuration.filter.as_ref().map_or(Filter::ALL, |f| Filter {
        prefix: f.prefix.as_deref(),
        tag: f.tag.as_ref(),
        point: f.access_point_arn.as_deref(),
        and: f.and.as_ref().map(|a| And {
            prefix: a.prefix.as_deref(),
            point: a.access_point_arn.as_deref(),
            tags: a.tags.as_deref().unwrap_or_default(),
        }),
    })
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetBucketMetricsConfigurationInput,
) -> Result<api::GetBucketMetricsConfigurationOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let found = KIND.get(&from, &bucket, &input.id)?;
    Ok(api::GetBucketMetricsConfigurationOutput { metrics_configuration: Some(found) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketMetricsConfigurationInput) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        KIND.delete(tx, &bucket, &input.id)?;
        let left = KIND.has_any(tx, &bucket)?;
        Setting::Metrics.mark(tx, &mut bucket, left);
        Ok(())
    })
    .await
}

pub(crate) fn list(
    cx: &Cx,
    input: api::ListBucketMetricsConfigurationsInput,
) -> Result<api::ListBucketMetricsConfigurationsOutput> {
    let (owner, token) = (input.expected_bucket_owner.as_deref(), input.continuation_token.as_deref());
    let page = configurations::list(cx, KIND, &input.bucket, owner, token)?;
    Ok(api::ListBucketMetricsConfigurationsOutput {
        continuation_token: input.continuation_token,
        is_truncated: Some(page.truncated),
        metrics_configuration_list: page.list,
        next_continuation_token: page.next,
    })
}

/// The ids of the configurations that count this request.
pub(crate) fn counting(from: &(impl Read + ?Sized), bucket: &Bucket, request: &Request) -> Result<Vec<String>> {
    if !Setting::Metrics.is_on(bucket) {
        return Ok(Vec::new());
    }
    let all = KIND.all::<MetricsConfiguration>(from, bucket)?;
    let path = request.path.get(1..).and_then(|p| p.split_once('/')).map(|(_, key)| key);
    let key = path.filter(|key| !key.is_empty()).and_then(|key| percent_decode(key, false));
    let said = request.header("x-amz-tagging").filter(|_| request.method == "PUT");
    let tags = match (said, &key) {
        // What is wrong with the header is said in the answer.
        (Some(said), _) => tagging::of_header(said).unwrap_or_default(),
        (None, Some(key)) => OBJECTS.get(from, &bucket.key(key))?.map(|o| o.tags).unwrap_or_default(),
        (None, None) => BTreeMap::new(),
    };
    let point = bucket.via.as_ref().map(|via| via.arn.as_str());
    let counting = all.into_iter().filter(|c| filter(c).counts(key.as_deref(), &tags, point));
    Ok(counting.map(|c| c.id).collect())
}

/// Observes something about an object beside the requests of which the gateway tells.
pub(crate) fn observe_object(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    (key, object): (&str, &Object),
    figures: &[(&str, &str, f64)],
) -> Result<()> {
    if !Setting::Metrics.is_on(bucket) {
        return Ok(());
    }
    let cx = cx.elsewhere(&bucket.account, &bucket.region);
    let point = bucket.via.as_ref().map(|via| via.arn.as_str());
    let all = KIND.all::<MetricsConfiguration>(from, bucket)?;
    for configuration in all.iter().filter(|c| filter(c).counts(Some(key), &object.tags, point)) {
        for (name, unit, value) in figures {
            Filtered { cx: &cx, bucket, id: &configuration.id }.observe(name, unit, *value);
        }
    }
    Ok(())
}

/// The metrics of a bucket and a filter.
struct Filtered<'a> {
    cx: &'a Cx,
    bucket: &'a Bucket,
    id: &'a str,
}

impl Filtered<'_> {
    fn observe(&self, name: &str, unit: &str, value: f64) {
        let dimensions = [("BucketName", self.bucket.name.as_str()), ("FilterId", self.id)];
        self.cx.observe(&Metric { namespace: "AWS/S3", name, dimensions: &dimensions, unit }, value);
    }
}

/// Which of the metrics that count requests an operation belongs to, beside all.
fn kind(exchange: &Exchange) -> Option<&'static str> {
    let Some(operation) = exchange.operation else { return Some("PostRequests") };
    let of_object = operation.http.uri.contains("{Key+}");
    match operation.name {
        "ListObjects" | "ListObjectsV2" | "ListObjectVersions" => Some("ListRequests"),
        "DeleteObjects" => Some("DeleteRequests"),
        "SelectObjectContent" => Some("SelectRequests"),
        _ if !of_object => None,
        _ => match operation.http.method {
            "GET" => Some("GetRequests"),
            "PUT" => Some("PutRequests"),
            "DELETE" => Some("DeleteRequests"),
            "HEAD" => Some("HeadRequests"),
            "POST" => Some("PostRequests"),
            _ => None,
        },
    }
}

/// Observes an exchange, for the configurations that count it.
pub(crate) fn observe(cx: &Cx, bucket: &Bucket, exchange: &Exchange) {
    if exchange.note.is_empty() {
        return;
    }
    let cx = cx.elsewhere(&bucket.account, &bucket.region);
    let kind = kind(exchange);
    let error = |hundred: u16| if exchange.response.status / 100 == hundred { 1.0 } else { 0.0 };
    let millis = |span: std::time::Duration| span.as_secs_f64() * 1000.0;
    for id in exchange.note.lines() {
        let filtered = Filtered { cx: &cx, bucket, id };
        let observe = |name, unit, value| filtered.observe(name, unit, value);
        observe("AllRequests", "Count", 1.0);
        if let Some(kind) = kind {
            observe(kind, "Count", 1.0);
        }
        observe("4xxErrors", "Count", error(4));
        observe("5xxErrors", "Count", error(5));
        observe("FirstByteLatency", "Milliseconds", millis(exchange.processing));
        observe("TotalRequestLatency", "Milliseconds", millis(exchange.total));
        if exchange.received > 0 {
            observe("BytesUploaded", "Bytes", exchange.received as f64);
        }
        if exchange.sent > 0 {
            observe("BytesDownloaded", "Bytes", exchange.sent as f64);
        }
    }
}
