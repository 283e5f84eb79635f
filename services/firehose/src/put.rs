//! PutRecord and PutRecordBatch.

use std::time::Instant;

use undercast_kernel::{Bytes, Cx, Result};

use crate::api::{self, errors, output};
use crate::buffer::{self, Record};
use crate::error::invalid;
use crate::processing::DECOMPRESSION;
use crate::stream::Stream;
use crate::{Firehose, check, metrics};

/// The most bytes of one record, and of one call.
const MOST_BYTES: usize = 1_024_000;
const MOST_BATCH: usize = 4 * 1024 * 1024;
/// How long a record's id is.
const ID: usize = 224;

fn id(cx: &Cx) -> String {
    cx.random().text(ID, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}

/// Whether a stream unpacks what CloudWatch Logs sends.
fn unpacks(stream: &Stream) -> Result<bool> {
    let destination = stream.destination()?;
    let processors = check::processing(&destination).and_then(|given| given.processors.as_ref());
    Ok(processors.into_iter().flatten().any(|processor| processor.type_ == DECOMPRESSION))
}

/// Whether CloudWatch Logs calls, with a role that it was given.
fn is_logs(cx: &Cx) -> bool {
    cx.origin().service.as_ref().is_some_and(|(service, _)| service.starts_with("logs."))
}

/// A stream into which records can be put.
fn writable(cx: &Cx, name: &str) -> Result<Stream> {
    let stream = Stream::find(cx, &cx.read(), name)?;
    stream.check_puts()?;
    if unpacks(&stream)? && !is_logs(cx) {
        let message = "Only requests from CloudWatch Logs are supported when CloudWatch Logs decompression is enabled.";
        return Err(errors::invalid_source_exception(message).with("code", "InvalidSource").into());
    }
    Ok(stream)
}

fn check_size(data: &[u8]) -> Result<()> {
    if data.len() > MOST_BYTES {
        return Err(invalid(format!("Record size exceeds the limit of {MOST_BYTES} bytes.")));
    }
    Ok(())
}

/// Stores records, and says which stream has them.
async fn store(service: &Firehose, cx: &Cx, seen: Stream, data: Vec<Bytes>) -> Result<Stream> {
    let arrived = cx.now_millis();
    let records: Vec<Record> =
        data.into_iter().map(|data| Record { data: data.to_vec(), arrived, origin: None }).collect();
    let packed = buffer::pack(&records)?;
    let mut seen = seen;
    loop {
        let sealed = service.vault.seal(cx, &seen, packed.clone()).await?;
        let now = cx
            .write(|tx| {
                let now = Stream::find(cx, tx, &seen.name)?;
                if (&now.id, &now.encryption) == (&seen.id, &seen.encryption) {
                    buffer::add(cx, tx, &now, &records, sealed.clone())?;
                }
                Ok(now)
            })
            .await?;
        if (&now.id, &now.encryption) == (&seen.id, &seen.encryption) {
            return Ok(now);
        }
        // It is sealed otherwise by now.
        seen = now;
    }
}

pub(crate) async fn one(service: &Firehose, cx: &Cx, input: api::PutRecordInput) -> Result<api::PutRecordOutput> {
    let began = Instant::now();
    let stream = writable(cx, &input.delivery_stream_name)?;
    let data = input.record.data;
    check_size(&data)?;
    let bytes = data.len();
    let stream = store(service, cx, stream, vec![data]).await?;
    metrics::incoming(cx, &stream, "PutRecord", (1, bytes), began);
    Ok(api::PutRecordOutput { record_id: id(cx), encrypted: Some(stream.encryption.is_some()) })
}

pub(crate) async fn many(
    service: &Firehose,
    cx: &Cx,
    input: api::PutRecordBatchInput,
) -> Result<api::PutRecordBatchOutput> {
    let began = Instant::now();
    let stream = writable(cx, &input.delivery_stream_name)?;
    let data: Vec<Bytes> = input.records.into_iter().map(|record| record.data).collect();
    data.iter().try_for_each(|data| check_size(data))?;
    let (count, bytes) = (data.len(), data.iter().map(Bytes::len).sum());
    if bytes > MOST_BATCH {
        return Err(errors::invalid_argument_exception("Records size exceeds 4 MB limit").into());
    }
    let stream = store(service, cx, stream, data).await?;
    metrics::incoming(cx, &stream, "PutRecordBatch", (count, bytes), began);
    let entry =
        |_| output::PutRecordBatchResponseEntry { record_id: Some(id(cx)), error_code: None, error_message: None };
    Ok(api::PutRecordBatchOutput {
        failed_put_count: 0,
        encrypted: Some(stream.encryption.is_some()),
        request_responses: (0..count).map(entry).collect(),
    })
}
