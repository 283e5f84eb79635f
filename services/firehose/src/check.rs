//! What a destination may be: what is wrong with one is said before anything is made.
//!
//! Source: the API reference of CreateDeliveryStream, and "Understand custom prefixes for Amazon S3 objects", "Enable dynamic
//! partitioning" and "Enable record format conversion" in the developer guide. Where AWS's words are not known they say what the page says.

use jiff::tz::TimeZone;
use undercast_kernel::{Cx, Result};

use crate::PRINCIPAL;
use crate::api::kept::{
    BufferingHints, CloudWatchLoggingOptions, EncryptionConfiguration,
    ExtendedS3DestinationConfiguration as Destination, ProcessingConfiguration, S3DestinationConfiguration,
};
use crate::convert::Conversion;
use crate::error::invalid;
use crate::prefix::Prefix;
use crate::processing::Steps;

/// The least buffer of a stream that converts records, or partitions them, in MiB.
const LEAST_LARGE: i32 = 64;
/// The buffer of a stream that converts records, where nothing else is said.
const CONVERTING: i32 = 128;

/// The destination of the older parameter, which knows no processing.
pub(crate) fn of_plain(given: S3DestinationConfiguration) -> Destination {
    Destination {
        role_arn: given.role_arn,
        bucket_arn: given.bucket_arn,
        prefix: given.prefix,
        error_output_prefix: given.error_output_prefix,
        buffering_hints: given.buffering_hints,
        compression_format: given.compression_format,
        encryption_configuration: given.encryption_configuration,
        cloud_watch_logging_options: given.cloud_watch_logging_options,
        ..Destination::default()
    }
}

pub(crate) fn converts(of: &Destination) -> bool {
    of.data_format_conversion_configuration.as_ref().is_some_and(|given| given.enabled != Some(false))
}

pub(crate) fn partitions(of: &Destination) -> bool {
    of.dynamic_partitioning_configuration.as_ref().is_some_and(|given| given.enabled == Some(true))
}

pub(crate) fn processing(of: &Destination) -> Option<&ProcessingConfiguration> {
    of.processing_configuration.as_ref().filter(|given| given.enabled == Some(true))
}

/// Refuses roles that Firehose cannot assume.
pub(crate) fn roles(cx: &Cx, stream: &str, of: &Destination) -> Result<()> {
    let schema = of.data_format_conversion_configuration.as_ref().and_then(|given| given.schema_configuration.as_ref());
    let backup = of.s3_backup_configuration.as_ref().map(|given| given.role_arn.as_str());
    let function = processing(of).map(Steps::of).transpose()?.and_then(|steps| steps.function);
    let mut all = vec![of.role_arn.as_str()];
    all.extend(schema.and_then(|given| given.role_arn.as_deref()));
    all.extend(backup);
    all.extend(function.as_ref().and_then(|function| function.role.as_deref()));
    all.into_iter().try_for_each(|role| assumable(cx, stream, role))
}

/// Refuses a role that Firehose cannot assume for a stream, of which this is the ARN.
pub(crate) fn assumable(cx: &Cx, stream: &str, role: &str) -> Result<()> {
    if cx.is_assumable(PRINCIPAL, role, Some(stream))? {
        return Ok(());
    }
    Err(invalid(format!("Firehose is unable to assume role {role}. Please check the role provided.")))
}

/// A destination with the defaults where nothing was said.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn filled(mut of: Destination) -> Result<Destination> {
    let converts = converts(&of);
    let hints = of.buffering_hints.get_or_insert_with(BufferingHints::default);
    let size = *hints.size_in_mbs.get_or_insert(if converts { CONVERTING } else { 5 });
    hints.interval_in_seconds.get_or_insert(300);
    let none =
        || EncryptionConfiguration { no_encryption_config: Some("NoEncryption".to_owned()), ..Default::default() };
    let encryption = of.encryption_configuration.get_or_insert_with(none);
    if encryption.no_encryption_config.is_some() && encryption.kms_encryption_config.is_some() {
        return Err(invalid("Only one of NoEncryptionConfig and KMSEncryptionConfig can be specified."));
    }
    of.cloud_watch_logging_options
        .get_or_insert_with(|| CloudWatchLoggingOptions { enabled: Some(false), ..Default::default() });
    of.compression_format.get_or_insert_with(|| "UNCOMPRESSED".to_owned());
    of.s3_backup_mode.get_or_insert_with(|| "Disabled".to_owned());
    if let Some(backup) = of.s3_backup_configuration.take() {
        of.s3_backup_configuration = Some(as_plain(filled(of_plain(backup))?));
    }
    check_logging(&of)?;
    check_names(&of)?;
    if (converts || partitions(&of)) && size < LEAST_LARGE {
        let what = if converts { "DataFormatConversion" } else { "Dynamic partitioning" };
        return Err(invalid(format!(
            "BufferingHints.SizeInMBs must be at least {LEAST_LARGE} when {what} is enabled."
        )));
    }
    if converts {
        if of.compression_format.as_deref() != Some("UNCOMPRESSED") {
            return Err(invalid("CompressionFormat must be UNCOMPRESSED when DataFormatConversion is enabled."));
        }
        Conversion::of(&of)?;
    }
    if of.s3_backup_mode.as_deref() == Some("Enabled") && of.s3_backup_configuration.is_none() {
        return Err(invalid("S3BackupConfiguration must be specified when S3BackupMode is Enabled."));
    }
    check_processing(&of)?;
    Ok(of)
}

/// The same, as the older parameter has it.
pub(crate) fn as_plain(of: Destination) -> S3DestinationConfiguration {
    S3DestinationConfiguration {
        role_arn: of.role_arn,
        bucket_arn: of.bucket_arn,
        prefix: of.prefix,
        error_output_prefix: of.error_output_prefix,
        buffering_hints: of.buffering_hints,
        compression_format: of.compression_format,
        encryption_configuration: of.encryption_configuration,
        cloud_watch_logging_options: of.cloud_watch_logging_options,
    }
}

fn check_logging(of: &Destination) -> Result<()> {
    let Some(logging) = of.cloud_watch_logging_options.as_ref().filter(|given| given.enabled == Some(true)) else {
        return Ok(());
    };
    if logging.log_group_name.is_none() || logging.log_stream_name.is_none() {
        let message = "LogGroupName and LogStreamName must be specified when CloudWatchLoggingOptions are enabled.";
        return Err(invalid(message));
    }
    Ok(())
}

/// Checks prefixes and the zone of their moments.
fn check_names(of: &Destination) -> Result<()> {
    let read = |member: &str, text: Option<&str>| {
        Prefix::parse(text.unwrap_or_default()).map_err(|why| invalid(format!("{member} is not valid: {why}.")))
    };
    let prefix = read("Prefix", of.prefix.as_deref())?;
    let errors = of.error_output_prefix.as_deref().filter(|text| !text.is_empty());
    let errors = errors.map(|text| read("ErrorOutputPrefix", Some(text))).transpose()?;
    if prefix.names_error() {
        return Err(invalid("Prefix cannot contain !{firehose:error-output-type}."));
    }
    if prefix.has_expressions() && errors.is_none() {
        return Err(invalid("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions."));
    }
    if let Some(errors) = &errors {
        if errors.has_expressions() && !errors.names_error() {
            let message = "ErrorOutputPrefix with expressions must contain !{firehose:error-output-type}.";
            return Err(invalid(message));
        }
        if errors.names_partition() {
            return Err(invalid("ErrorOutputPrefix cannot contain partition keys."));
        }
    }
    if prefix.names_partition() != partitions(of) {
        let message = if partitions(of) {
            "Prefix must contain partitionKeyFromQuery or partitionKeyFromLambda when dynamic partitioning is enabled."
        } else {
            "Prefix cannot contain partition keys when dynamic partitioning is not enabled."
        };
        return Err(invalid(message));
    }
    zone(of).map(drop)
}

/// The zone in which moments of names are.
pub(crate) fn zone(of: &Destination) -> Result<TimeZone> {
    match of.custom_time_zone.as_deref().filter(|name| !name.is_empty()) {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| invalid(format!("CustomTimeZone {name} is not supported."))),
    }
}

fn check_processing(of: &Destination) -> Result<()> {
    let Some(given) = processing(of) else {
        // What is not enabled must make sense all the same.
        return of.processing_configuration.as_ref().map_or(Ok(()), |given| Steps::of(given).map(drop));
    };
    let steps = Steps::of(given)?;
    let prefix = Prefix::parse(of.prefix.as_deref().unwrap_or_default()).map_err(invalid)?;
    let (queried, by_function) = prefix.partition_keys();
    match &steps.query {
        None if !queried.is_empty() => {
            return Err(invalid("Prefix has partitionKeyFromQuery, and there is no MetadataExtraction processor."));
        }
        // A query that makes nothing of an empty record may make something of another.
        Some(query) if !query.keys.is_empty() => {
            if let Some(missing) = queried.iter().find(|key| !query.keys.iter().any(|known| known == *key)) {
                let message = format!("MetadataExtractionQuery does not find the partition key {missing} of Prefix.");
                return Err(invalid(message));
            }
        }
        _ => {}
    }
    if !by_function.is_empty() && steps.function.is_none() {
        return Err(invalid("Prefix has partitionKeyFromLambda, and there is no Lambda processor."));
    }
    Ok(())
}
