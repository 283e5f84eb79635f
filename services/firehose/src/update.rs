//! UpdateDestination.

use undercast_kernel::{Cx, Result};

use crate::api::kept::{
    ExtendedS3DestinationConfiguration as Destination, HttpEndpointDestinationConfiguration as Endpoint,
    S3DestinationConfiguration,
};
use crate::api::{self, errors, input};
use crate::check;
use crate::describe::DESTINATION;
use crate::endpoint;
use crate::error::invalid;
use crate::stream::{STREAMS, Stream};

/// What is said takes the place of what was; what is not said stays.
fn plain(mut of: S3DestinationConfiguration, with: input::S3DestinationUpdate) -> S3DestinationConfiguration {
    of.role_arn = with.role_arn.unwrap_or(of.role_arn);
    of.bucket_arn = with.bucket_arn.unwrap_or(of.bucket_arn);
    of.prefix = with.prefix.or(of.prefix);
    of.error_output_prefix = with.error_output_prefix.or(of.error_output_prefix);
    of.buffering_hints = with.buffering_hints.or(of.buffering_hints);
    of.compression_format = with.compression_format.or(of.compression_format);
    of.encryption_configuration = with.encryption_configuration.or(of.encryption_configuration);
    of.cloud_watch_logging_options = with.cloud_watch_logging_options.or(of.cloud_watch_logging_options);
    of
}

fn extended(of: Destination, with: input::ExtendedS3DestinationUpdate) -> Result<Destination> {
    let backup = match (of.s3_backup_configuration.clone(), with.s3_backup_update) {
        (there, None) => there,
        (Some(there), Some(update)) => Some(plain(there, update)),
        (None, Some(update)) if update.role_arn.is_none() || update.bucket_arn.is_none() => {
            return Err(invalid("RoleARN and BucketARN of S3BackupUpdate must be specified."));
        }
        (None, Some(update)) => Some(plain(S3DestinationConfiguration::default(), update)),
    };
    let was_partitioned = check::partitions(&of);
    let after = Destination {
        role_arn: with.role_arn.unwrap_or(of.role_arn),
        bucket_arn: with.bucket_arn.unwrap_or(of.bucket_arn),
        prefix: with.prefix.or(of.prefix),
        error_output_prefix: with.error_output_prefix.or(of.error_output_prefix),
        buffering_hints: with.buffering_hints.or(of.buffering_hints),
        compression_format: with.compression_format.or(of.compression_format),
        encryption_configuration: with.encryption_configuration.or(of.encryption_configuration),
        cloud_watch_logging_options: with.cloud_watch_logging_options.or(of.cloud_watch_logging_options),
        processing_configuration: with.processing_configuration.or(of.processing_configuration),
        s3_backup_mode: with.s3_backup_mode.or(of.s3_backup_mode),
        s3_backup_configuration: backup,
        data_format_conversion_configuration: with
            .data_format_conversion_configuration
            .or(of.data_format_conversion_configuration),
        dynamic_partitioning_configuration: with
            .dynamic_partitioning_configuration
            .or(of.dynamic_partitioning_configuration),
        file_extension: with.file_extension.or(of.file_extension),
        custom_time_zone: with.custom_time_zone.or(of.custom_time_zone),
    };
    // "Once you enable dynamic partitioning on a Firehose stream, it cannot be disabled on this stream", nor the other way round.
    if check::partitions(&after) != was_partitioned {
        return Err(invalid("Dynamic partitioning can only be enabled or disabled when a Firehose stream is created."));
    }
    Ok(after)
}

fn to_endpoint(of: Endpoint, with: input::HttpEndpointDestinationUpdate) -> Endpoint {
    Endpoint {
        endpoint_configuration: with.endpoint_configuration.unwrap_or(of.endpoint_configuration),
        buffering_hints: with.buffering_hints.or(of.buffering_hints),
        cloud_watch_logging_options: with.cloud_watch_logging_options.or(of.cloud_watch_logging_options),
        request_configuration: with.request_configuration.or(of.request_configuration),
        processing_configuration: with.processing_configuration.or(of.processing_configuration),
        role_arn: with.role_arn.or(of.role_arn),
        retry_options: with.retry_options.or(of.retry_options),
        s3_backup_mode: with.s3_backup_mode.or(of.s3_backup_mode),
        s3_configuration: match with.s3_update {
            Some(update) => plain(of.s3_configuration, update),
            None => of.s3_configuration,
        },
    }
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateDestinationInput) -> Result<()> {
    let before = Stream::find(cx, &cx.read(), &input.delivery_stream_name)?;
    if input.destination_id != DESTINATION {
        return Err(invalid(format!("Destination Id {} not found", input.destination_id)));
    }
    let there = before.destination()?;
    let mut endpoint = None;
    let after = match (
        input.extended_s3_destination_update,
        input.s3_destination_update,
        input.http_endpoint_destination_update,
    ) {
        (None, None, Some(with)) => {
            let there = before.endpoint(cx)?.ok_or_else(|| invalid("The destination is not an HTTP endpoint."))?;
            let (after, destination) = endpoint::filled(to_endpoint(there, with))?;
            endpoint = Some(after);
            destination
        }
        _ if before.has_endpoint() => return Err(invalid("The destination is an HTTP endpoint.")),
        (Some(with), None, None) => extended(there, with)?,
        (None, Some(with), None) => {
            let changed = check::of_plain(plain(check::as_plain(there.clone()), with));
            Destination {
                role_arn: changed.role_arn,
                bucket_arn: changed.bucket_arn,
                prefix: changed.prefix,
                error_output_prefix: changed.error_output_prefix,
                buffering_hints: changed.buffering_hints,
                compression_format: changed.compression_format,
                encryption_configuration: changed.encryption_configuration,
                cloud_watch_logging_options: changed.cloud_watch_logging_options,
                ..there
            }
        }
        _ => return Err(invalid("Exactly one destination update must be specified.")),
    };
    let after = check::filled(after)?;
    check::roles(cx, &before.arn(cx), &after)?;
    cx.write(|tx| {
        let mut stream = Stream::find(cx, tx, &before.name)?;
        if stream.id != before.id || stream.version.to_string() != input.current_delivery_stream_version_id {
            let message = format!(
                "Cannot update firehose: {} since the current version id: {} and specified version id: {} do not match",
                stream.name, stream.version, input.current_delivery_stream_version_id
            );
            return Err(errors::concurrent_modification_exception(message).into());
        }
        stream.set_destination(&after)?;
        if let Some(endpoint) = &endpoint {
            stream.set_endpoint(cx, endpoint)?;
        }
        stream.version += 1;
        stream.updated = Some(cx.now_millis());
        STREAMS.put(tx, &cx.key(&stream.name), &stream);
        Ok(())
    })
    .await
}
