//! CreateDeliveryStream and DeleteDeliveryStream.

use undercast_kernel::{Cx, Failure, Result};

use crate::api;
use crate::api::kept::{
    ExtendedS3DestinationConfiguration as Destination, HttpEndpointDestinationConfiguration as Endpoint,
};
use crate::error::{self, invalid};
use crate::stream::{New, STREAMS, Source, Stream, arn};
use crate::{Firehose, SERVICE, buffer, check, deliver, encryption, endpoint, source, tags};

/// Where records come from, and whether that fits the type of the stream.
fn source_of(input: &api::CreateDeliveryStreamInput) -> Result<Source> {
    let kind = input.delivery_stream_type.as_deref();
    match (&input.kinesis_stream_source_configuration, &input.direct_put_source_configuration) {
        (Some(_), Some(_)) => Err(invalid("Only one source configuration can be specified.")),
        (Some(given), None) if kind == Some("KinesisStreamAsSource") => {
            Ok(Source::Kinesis { arn: given.kinesis_stream_arn.clone(), role: given.role_arn.clone() })
        }
        (Some(_), None) => {
            Err(invalid("KinesisStreamSourceConfig is only applicable for KinesisStreamAsSource stream type."))
        }
        (None, given) => match kind {
            None | Some("DirectPut") => {
                Ok(Source::Put { hint: given.as_ref().map(|given| given.throughput_hint_in_mbs) })
            }
            Some("KinesisStreamAsSource") => {
                Err(invalid("KinesisStreamSourceConfig must be specified for KinesisStreamAsSource stream type."))
            }
            Some(other) => Err(Failure::not_built(format!("the source {other}"))),
        },
    }
}

pub(crate) async fn create(
    service: &Firehose,
    cx: &Cx,
    input: api::CreateDeliveryStreamInput,
) -> Result<api::CreateDeliveryStreamOutput> {
    let source = source_of(&input)?;
    let name = input.delivery_stream_name;
    let (endpoint, destination, plain): (Option<Endpoint>, Destination, bool) = match (
        input.extended_s3_destination_configuration,
        input.s3_destination_configuration,
        input.http_endpoint_destination_configuration,
    ) {
        (Some(given), None, None) => (None, check::filled(given)?, false),
        (None, Some(given), None) => (None, check::filled(check::of_plain(given))?, true),
        (None, None, Some(given)) => {
            let (endpoint, destination) = endpoint::filled(given)?;
            (Some(endpoint), destination, false)
        }
        _ => return Err(invalid("Exactly one destination configuration is supported for a Firehose.")),
    };
    check::roles(cx, &arn(cx, &name), &destination)?;
    if let Some(role) = endpoint.as_ref().and_then(|endpoint| endpoint.role_arn.as_ref()) {
        check::assumable(cx, &arn(cx, &name), role)?;
    }
    if let Source::Kinesis { role, .. } = &source {
        check::assumable(cx, &arn(cx, &name), role)?;
    }
    let tags = tags::map(input.tags.unwrap_or_else(Vec::new));
    tags::check(&tags, &tags::Tags::new())?;
    if STREAMS.has(&cx.read(), &cx.key(&name))? {
        return Err(error::exists(cx, &name).into());
    }
    let wanted = input.delivery_stream_encryption_configuration_input;
    if wanted.is_some() && matches!(source, Source::Kinesis { .. }) {
        return Err(invalid("Encryption is that of the Kinesis stream for KinesisStreamAsSource stream type."));
    }
    source::check(cx, &source).await?;
    let encryption = encryption::wanted(cx, &arn(cx, &name), wanted).await?;
    let new =
        New { name: &name, source, destination: &destination, plain, tags, encryption, endpoint: endpoint.as_ref() };
    let stream = Stream::new(cx, new)?;
    let stored = cx
        .write(|tx| {
            if STREAMS.has(tx, &cx.key(&name))? {
                return Err(error::exists(cx, &name).into());
            }
            STREAMS.put(tx, &cx.key(&name), &stream);
            Ok(())
        })
        .await;
    if let Err(failure) = stored {
        encryption::retire(cx, stream.encryption.as_ref()).await?;
        return Err(failure);
    }
    source::apply(&service.readers, cx, &stream);
    Ok(api::CreateDeliveryStreamOutput { delivery_stream_arn: Some(stream.arn(cx)) })
}

/// Deletes a stream with what waits in it. `AllowForceDelete` is for keys of KMS that are gone, which never hold a deletion up here.
pub(crate) async fn delete(service: &Firehose, cx: &Cx, input: &api::DeleteDeliveryStreamInput) -> Result<()> {
    let stream = cx
        .write(|tx| {
            let stream = Stream::find(cx, tx, &input.delivery_stream_name)?;
            STREAMS.delete(tx, &cx.key(&stream.name));
            buffer::clear(cx, tx, &stream)?;
            deliver::forget(cx, tx, &stream)?;
            source::forget(cx, tx, &stream)?;
            cx.tasks().cancel(tx, SERVICE, &deliver::task_id(cx, &stream))?;
            Ok(stream)
        })
        .await?;
    source::stop(&service.readers, &stream.id);
    encryption::retire(cx, stream.encryption.as_ref()).await
}
