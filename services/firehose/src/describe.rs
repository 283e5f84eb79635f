//! DescribeDeliveryStream and ListDeliveryStreams.

use undercast_kernel::{Cx, Result};

use crate::api::kept::{
    ExtendedS3DestinationConfiguration as Destination, HttpEndpointDestinationConfiguration as Endpoint,
    S3DestinationConfiguration,
};
use crate::api::{self, output};
use crate::stream::{Encryption, STREAMS, Source, Stream, moment};

/// The only destination of a stream.
pub(crate) const DESTINATION: &str = "destinationId-000000000001";
/// Streams of one page, where nothing else is said.
const PAGE: i32 = 10;

fn plain(of: S3DestinationConfiguration) -> output::S3DestinationDescription {
    output::S3DestinationDescription {
        role_arn: of.role_arn,
        bucket_arn: of.bucket_arn,
        prefix: of.prefix,
        error_output_prefix: of.error_output_prefix,
        buffering_hints: of.buffering_hints.unwrap_or_default(),
        compression_format: of.compression_format.unwrap_or_default(),
        encryption_configuration: of.encryption_configuration.unwrap_or_default(),
        cloud_watch_logging_options: of.cloud_watch_logging_options,
    }
}

fn extended(of: Destination) -> output::ExtendedS3DestinationDescription {
    output::ExtendedS3DestinationDescription {
        role_arn: of.role_arn,
        bucket_arn: of.bucket_arn,
        prefix: of.prefix,
        error_output_prefix: of.error_output_prefix,
        buffering_hints: of.buffering_hints.unwrap_or_default(),
        compression_format: of.compression_format.unwrap_or_default(),
        encryption_configuration: of.encryption_configuration.unwrap_or_default(),
        cloud_watch_logging_options: of.cloud_watch_logging_options,
        processing_configuration: of.processing_configuration,
        s3_backup_mode: of.s3_backup_mode,
        s3_backup_description: of.s3_backup_configuration.map(plain),
        data_format_conversion_configuration: of.data_format_conversion_configuration,
        dynamic_partitioning_configuration: of.dynamic_partitioning_configuration,
        file_extension: of.file_extension,
        custom_time_zone: of.custom_time_zone,
    }
}

/// An endpoint, without the key that it is sent.
fn endpoint(of: Endpoint) -> output::HttpEndpointDestinationDescription {
    output::HttpEndpointDestinationDescription {
        endpoint_configuration: Some(output::HttpEndpointDescription {
            url: Some(of.endpoint_configuration.url),
            name: of.endpoint_configuration.name,
        }),
        buffering_hints: of.buffering_hints,
        cloud_watch_logging_options: of.cloud_watch_logging_options,
        request_configuration: of.request_configuration,
        processing_configuration: of.processing_configuration,
        role_arn: of.role_arn,
        retry_options: of.retry_options,
        s3_backup_mode: of.s3_backup_mode,
        s3_destination_description: Some(plain(of.s3_configuration)),
        secrets_manager_configuration: None,
    }
}

fn encryption(stream: &Stream) -> Option<output::DeliveryStreamEncryptionConfiguration> {
    let (key_arn, key_type, status) = match &stream.encryption {
        Some(Encryption::Owned) => (None, Some("AWS_OWNED_CMK"), "ENABLED"),
        Some(Encryption::Customer { arn, .. }) => (Some(arn.clone()), Some("CUSTOMER_MANAGED_CMK"), "ENABLED"),
        None => (None, None, "DISABLED"),
    };
    Some(output::DeliveryStreamEncryptionConfiguration {
        key_arn,
        key_type: key_type.map(ToOwned::to_owned),
        status: Some(status.to_owned()),
        failure_description: None,
    })
}

fn source(stream: &Stream) -> Option<output::SourceDescription> {
    match &stream.source {
        Source::Put { hint } => hint.map(|hint| output::SourceDescription {
            direct_put_source_description: Some(output::DirectPutSourceDescription {
                throughput_hint_in_mbs: Some(hint),
            }),
            ..Default::default()
        }),
        Source::Kinesis { arn, role } => Some(output::SourceDescription {
            kinesis_stream_source_description: Some(output::KinesisStreamSourceDescription {
                kinesis_stream_arn: Some(arn.clone()),
                role_arn: Some(role.clone()),
                delivery_start_timestamp: Some(moment(stream.created)),
            }),
            ..Default::default()
        }),
    }
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeDeliveryStreamInput) -> Result<api::DescribeDeliveryStreamOutput> {
    let stream = Stream::find(cx, &cx.read(), &input.delivery_stream_name)?;
    // There is one destination alone: a page of one holds it, and the one behind it is empty.
    let wanted = input.exclusive_start_destination_id.as_deref().is_none_or(|after| after < DESTINATION)
        && input.limit.is_none_or(|limit| limit > 0);
    let of = stream.destination()?;
    let to_bucket = !stream.has_endpoint();
    let destination = output::DestinationDescription {
        destination_id: DESTINATION.to_owned(),
        s3_destination_description: to_bucket.then(|| plain(crate::check::as_plain(of.clone()))),
        extended_s3_destination_description: (to_bucket && !stream.plain).then(|| extended(of)),
        http_endpoint_destination_description: stream.endpoint(cx)?.map(endpoint),
        ..Default::default()
    };
    let described = output::DeliveryStreamDescription {
        delivery_stream_name: stream.name.clone(),
        delivery_stream_arn: stream.arn(cx),
        delivery_stream_status: "ACTIVE".to_owned(),
        failure_description: None,
        delivery_stream_encryption_configuration: encryption(&stream),
        delivery_stream_type: stream.source.name().to_owned(),
        version_id: stream.version.to_string(),
        create_timestamp: Some(moment(stream.created)),
        last_update_timestamp: stream.updated.map(moment),
        source: source(&stream),
        destinations: wanted.then_some(destination).into_iter().collect(),
        has_more_destinations: false,
    };
    Ok(api::DescribeDeliveryStreamOutput { delivery_stream_description: described })
}

pub(crate) fn list(cx: &Cx, input: &api::ListDeliveryStreamsInput) -> Result<api::ListDeliveryStreamsOutput> {
    let rows = STREAMS.all(&cx.read(), &(cx.account(), cx.region()))?;
    let mut names: Vec<String> = rows
        .into_iter()
        .map(|entry| entry.row)
        .filter(|stream| input.delivery_stream_type.as_deref().is_none_or(|wanted| wanted == stream.source.name()))
        .filter(|stream| input.exclusive_start_delivery_stream_name.as_ref().is_none_or(|after| stream.name > *after))
        .map(|stream| stream.name)
        .collect();
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let has_more_delivery_streams = names.len() > limit;
    names.truncate(limit);
    Ok(api::ListDeliveryStreamsOutput { delivery_stream_names: names, has_more_delivery_streams })
}
