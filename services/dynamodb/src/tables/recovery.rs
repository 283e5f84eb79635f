//! DescribeContinuousBackups and UpdateContinuousBackups. No past moment can be restored here, and nobody is told so.

use crate::DynamoDb;
use crate::api::output::{ContinuousBackupsDescription, PointInTimeRecoveryDescription};
use crate::api::{
    DescribeContinuousBackupsOutput, DescribeKinesisStreamingDestinationOutput, UpdateContinuousBackupsInput,
    UpdateContinuousBackupsOutput,
};
use crate::error::{Error, Result};
use crate::request::{scope, table_name};
use undercast_kernel::Cx;

impl DynamoDb {
    /// Whether a table can be restored to a moment of the past.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) fn describe_recovery(&self, cx: &Cx, given: &str) -> Result<DescribeContinuousBackupsOutput> {
        self.check_backed_up(cx, given)?;
        Ok(DescribeContinuousBackupsOutput { continuous_backups_description: Some(disabled()) })
    }

    /// Agrees that no moment of the past can be restored, and to nothing else.
    ///
    /// # Errors
    /// When there is no such table or more is wanted, and when the store fails.
    pub(crate) fn update_recovery(
        &self,
        cx: &Cx,
        input: &UpdateContinuousBackupsInput,
    ) -> Result<UpdateContinuousBackupsOutput> {
        self.check_backed_up(cx, &input.table_name)?;
        let wanted = &input.point_in_time_recovery_specification;
        if wanted.point_in_time_recovery_enabled || wanted.recovery_period_in_days.is_some() {
            return Err(Error::NotBuilt("point-in-time recovery"));
        }
        Ok(UpdateContinuousBackupsOutput { continuous_backups_description: Some(disabled()) })
    }

    /// Where the writes of a table go besides: nowhere.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) fn describe_destinations(
        &self,
        cx: &Cx,
        given: &str,
    ) -> Result<DescribeKinesisStreamingDestinationOutput> {
        let table = self.table_of(cx, &cx.read(), given)?;
        Ok(DescribeKinesisStreamingDestinationOutput {
            table_name: Some(table.name.clone()),
            kinesis_data_stream_destinations: Some(Vec::new()),
        })
    }

    fn check_backed_up(&self, cx: &Cx, given: &str) -> Result<()> {
        let name = table_name(cx, given)?;
        let found = self.descriptions.get(&cx.read(), scope(cx), name)?;
        found.map(drop).ok_or_else(|| Error::table_of_backups_not_found(name))
    }
}

/// AWS says `ENABLED` of the status as a whole for every table there is.
fn disabled() -> ContinuousBackupsDescription {
    ContinuousBackupsDescription {
        continuous_backups_status: "ENABLED".to_owned(),
        point_in_time_recovery_description: Some(PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some("DISABLED".to_owned()),
            ..PointInTimeRecoveryDescription::default()
        }),
    }
}
