//! What is asked of an export, and whether there can be one.

use super::filter::Filter;
use super::{Export, Format, Target, What, view};
use crate::DynamoDb;
use crate::api::ExportTableToPointInTimeInput;
use crate::api::input::IncrementalExportSpecification;
use crate::error::{Error, Result};
use crate::jobs::{self, State};
use crate::request::scope;
use crate::table::Table;
use crate::tables::describe::moment;
use undercast_kernel::{Cx, Deferred, Timestamp};
use undercast_store::Tx;

/// The shortest while whose writes are exported, in milliseconds.
const SHORTEST: i64 = 15 * 60_000;
/// The longest.
const LONGEST: i64 = 24 * 3_600_000;

/// What is asked for, as far as it can be told without the table.
pub(super) struct Asked {
    /// The ARN of the table, as it is given.
    pub(super) table: String,
    at: Option<i64>,
    while_: Option<While>,
    format: Format,
    target: Target,
    type_named: bool,
    filter: Option<Filter>,
}

/// The while whose writes are asked for.
#[derive(Clone, Copy)]
struct While {
    from: i64,
    to: Option<i64>,
    old_images: bool,
}

impl Asked {
    /// What a request asks for.
    ///
    /// # Errors
    /// What AWS says of members that do not go together.
    pub(super) fn of(cx: &Cx, input: ExportTableToPointInTimeInput) -> Result<Self> {
        jobs::table_of_arn(cx, &input.table_arn)?;
        let kms = input.s3_sse_algorithm.as_deref() == Some("KMS");
        if input.s3_sse_kms_key_id.is_some() && !kms {
            return Err(Error::validation("Invalid Request: KMS Key Id is not supported for this encryption type"));
        }
        let incremental = input.export_type.as_deref() == Some("INCREMENTAL_EXPORT");
        let type_named = input.export_type.is_some();
        let while_ = match (incremental, input.incremental_export_specification) {
            (true, Some(given)) => Some(While::of(&given)?),
            (true, None) => {
                return Err(Error::validation(
                    "Invalid Request: Incremental Export Specification expected when export type is set as Incremental \
                     Export",
                ));
            }
            // The blank before the comma is AWS's.
            (false, Some(_)) if type_named => {
                return Err(Error::validation(
                    "Invalid Request: When Export Type is Full Export , Incremental Export Specification should not be \
                     provided",
                ));
            }
            (false, Some(_)) => {
                return Err(Error::validation(
                    "Invalid Request: Export Type expected to be Incremental Export when incremental export specification \
                     is provided",
                ));
            }
            (false, None) => None,
        };
        if while_.is_some() && input.export_time.is_some() {
            return Err(Error::validation("Invalid Request: ExportTime can only be provided for a Full Export"));
        }
        let filter = input.filter_specification.map(Filter::of).transpose()?;
        Ok(Self {
            table: input.table_arn,
            at: input.export_time.map(Timestamp::as_millisecond),
            while_,
            format: if input.export_format.as_deref() == Some("ION") { Format::Ion } else { Format::Json },
            target: Target {
                bucket: input.s3_bucket,
                owner: input.s3_bucket_owner,
                prefix: input.s3_prefix,
                kms,
                key: input.s3_sse_kms_key_id,
            },
            type_named,
            filter,
        })
    }

    /// What tells the request from others.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        let period = self.while_.map(|given| (given.from, given.to, view(given.old_images)));
        let target = &self.target;
        let where_to = (&target.bucket, &target.owner, &target.prefix, target.kms, &target.key);
        let mut bytes = Vec::new();
        // Writing to a vector cannot fail.
        let _infallible =
            minicbor::encode(((&self.table, self.at, period), self.format, where_to, &self.filter), &mut bytes);
        bytes
    }

    /// The export, if the table can be exported so.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(super) fn begin(
        &self,
        service: &DynamoDb,
        cx: &Cx,
        tx: &Tx<'_>,
        id: &str,
        token: &str,
        by: &Deferred,
    ) -> Result<Export> {
        let name = jobs::table_of_arn(cx, &self.table)?;
        let table = service.descriptions.get(tx, scope(cx), name)?;
        let table = table.ok_or_else(|| Error::table_of_backups_not_found(&self.table))?;
        let now = cx.now_millis();
        if let Some(while_) = &self.while_ {
            while_.check(&table, now)?;
        }
        let recovery = table.recovery.as_ref().ok_or_else(|| Error::no_recovery(&table.name))?;
        // Callers know the earliest moment to the second.
        let first = recovery.earliest(now).div_euclid(1000) * 1000;
        let what = match self.while_ {
            Some(While { from, to, old_images }) => {
                if from < first {
                    return Err(Error::invalid_export_time(
                        "Point in Time Recovery is not available for specified export time",
                    ));
                }
                What::Incremental { from, to: to.unwrap_or(now), old_images }
            }
            None => {
                let at = self.at.unwrap_or(now);
                if at > now || at < first {
                    return Err(Error::invalid_export_time("Export Time is invalid"));
                }
                What::Full(at)
            }
        };
        let export = Export {
            id: id.to_owned(),
            token: token.to_owned(),
            table: (*table).clone(),
            started: now,
            ended: None,
            what,
            format: self.format,
            target: self.target.clone(),
            state: State::InProgress,
            type_named: self.type_named,
            by: by.clone(),
            items: 0,
            billed: 0,
            filter: self.filter.clone(),
        };
        export.choice()?;
        Ok(export)
    }
}

impl While {
    fn of(given: &IncrementalExportSpecification) -> Result<Self> {
        let from = given.export_from_time.ok_or_else(|| {
            Error::validation("Invalid Request: ExportFromTime must be provided in IncrementalExportSpecification")
        })?;
        Ok(Self {
            from: from.as_millisecond(),
            to: given.export_to_time.map(Timestamp::as_millisecond),
            old_images: given.export_view_type.as_deref() != Some("NEW_IMAGE"),
        })
    }

    /// In the order in which AWS looks.
    fn check(&self, table: &Table, now: i64) -> Result<()> {
        let second = |millis: i64| moment(millis.div_euclid(1000) * 1000);
        let to = self.to.unwrap_or(now);
        // The moment of creation is told to the second.
        if self.from < table.created.div_euclid(1000) * 1000 {
            return Err(Error::invalid_export_time(format_args!(
                "Incremental export period from time cannot be less than the table creation time : {}",
                second(self.from)
            )));
        }
        if to > now {
            return Err(Error::invalid_export_time(format_args!(
                "Incremental export period to time cannot be greater than the current time : {}",
                second(to)
            )));
        }
        if to - self.from < SHORTEST {
            return Err(Error::invalid_export_time(
                "Difference between export period from time and export period to time is less than 15 minutes",
            ));
        }
        if to - self.from > LONGEST {
            return Err(Error::invalid_export_time(
                "Difference between export period from time and export period to time is greater than 24 hours",
            ));
        }
        Ok(())
    }
}
