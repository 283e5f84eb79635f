//! The operations, each where its subject is.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::group::Tagged;
use crate::{Logs, filter, get, group, put, retention, stream};

impl api::Operations for Logs {
    async fn create_log_group(&self, cx: &Cx, input: api::CreateLogGroupInput) -> Result<()> {
        group::create(cx, input).await
    }

    async fn create_log_stream(&self, cx: &Cx, input: api::CreateLogStreamInput) -> Result<()> {
        stream::create(cx, input).await
    }

    async fn delete_log_group(&self, cx: &Cx, input: api::DeleteLogGroupInput) -> Result<()> {
        group::delete(cx, &input.log_group_name).await
    }

    async fn delete_log_stream(&self, cx: &Cx, input: api::DeleteLogStreamInput) -> Result<()> {
        stream::delete(cx, input).await
    }

    async fn delete_retention_policy(&self, cx: &Cx, input: api::DeleteRetentionPolicyInput) -> Result<()> {
        retention::set(cx, &input.log_group_name, None).await
    }

    async fn describe_log_groups(
        &self,
        cx: &Cx,
        input: api::DescribeLogGroupsInput,
    ) -> Result<api::DescribeLogGroupsOutput> {
        group::describe(cx, input).await
    }

    async fn describe_log_streams(
        &self,
        cx: &Cx,
        input: api::DescribeLogStreamsInput,
    ) -> Result<api::DescribeLogStreamsOutput> {
        stream::describe(cx, input).await
    }

    async fn filter_log_events(&self, cx: &Cx, input: api::FilterLogEventsInput) -> Result<api::FilterLogEventsOutput> {
        filter::events(cx, input).await
    }

    async fn get_log_events(&self, cx: &Cx, input: api::GetLogEventsInput) -> Result<api::GetLogEventsOutput> {
        get::events(cx, input).await
    }

    async fn list_tags_for_resource(
        &self,
        cx: &Cx,
        input: api::ListTagsForResourceInput,
    ) -> Result<api::ListTagsForResourceOutput> {
        Ok(api::ListTagsForResourceOutput { tags: Some(group::tags(cx, &Tagged::Arn(&input.resource_arn))?) })
    }

    async fn list_tags_log_group(
        &self,
        cx: &Cx,
        input: api::ListTagsLogGroupInput,
    ) -> Result<api::ListTagsLogGroupOutput> {
        Ok(api::ListTagsLogGroupOutput { tags: Some(group::tags(cx, &Tagged::Name(&input.log_group_name))?) })
    }

    async fn put_log_events(&self, cx: &Cx, input: api::PutLogEventsInput) -> Result<api::PutLogEventsOutput> {
        put::events(cx, input).await
    }

    async fn put_retention_policy(&self, cx: &Cx, input: api::PutRetentionPolicyInput) -> Result<()> {
        retention::set(cx, &input.log_group_name, Some(input.retention_in_days)).await
    }

    async fn tag_log_group(&self, cx: &Cx, input: api::TagLogGroupInput) -> Result<()> {
        group::tag(cx, Tagged::Name(&input.log_group_name), input.tags).await
    }

    async fn tag_resource(&self, cx: &Cx, input: api::TagResourceInput) -> Result<()> {
        group::tag(cx, Tagged::Arn(&input.resource_arn), input.tags).await
    }

    async fn untag_log_group(&self, cx: &Cx, input: api::UntagLogGroupInput) -> Result<()> {
        group::untag(cx, Tagged::Name(&input.log_group_name), &input.tags).await
    }

    async fn untag_resource(&self, cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
        group::untag(cx, Tagged::Arn(&input.resource_arn), &input.tag_keys).await
    }
}
