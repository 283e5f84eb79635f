//! Every operation of S3 Control, and where it is done.

use undercast_kernel::{Cx, Result};

use super::{S3Control, api, block, error, jobs, multi_region, points, requests, tags};

/// Requests are for the caller's own account.
fn own(cx: &Cx, account: &str) -> Result<()> {
    if account == cx.account() { Ok(()) } else { Err(error::access_denied().into()) }
}

impl api::Operations for S3Control {
    async fn delete_public_access_block(&self, cx: &Cx, input: api::DeletePublicAccessBlockInput) -> Result<()> {
        own(cx, &input.account_id)?;
        block::delete(cx).await
    }

    async fn get_public_access_block(
        &self,
        cx: &Cx,
        input: api::GetPublicAccessBlockInput,
    ) -> Result<api::GetPublicAccessBlockOutput> {
        own(cx, &input.account_id)?;
        block::get(cx)
    }

    async fn put_public_access_block(&self, cx: &Cx, input: api::PutPublicAccessBlockInput) -> Result<()> {
        own(cx, &input.account_id)?;
        block::put(cx, &input.public_access_block_configuration).await
    }

    async fn create_access_point(
        &self,
        cx: &Cx,
        input: api::CreateAccessPointInput,
    ) -> Result<api::CreateAccessPointOutput> {
        own(cx, &input.account_id)?;
        points::create(cx, input).await
    }

    async fn delete_access_point(&self, cx: &Cx, input: api::DeleteAccessPointInput) -> Result<()> {
        own(cx, &input.account_id)?;
        points::delete(cx, &input.name).await
    }

    async fn delete_access_point_policy(&self, cx: &Cx, input: api::DeleteAccessPointPolicyInput) -> Result<()> {
        own(cx, &input.account_id)?;
        points::delete_policy(cx, &input.name).await
    }

    async fn get_access_point(&self, cx: &Cx, input: api::GetAccessPointInput) -> Result<api::GetAccessPointOutput> {
        own(cx, &input.account_id)?;
        points::get(cx, &input.name)
    }

    async fn get_access_point_policy(
        &self,
        cx: &Cx,
        input: api::GetAccessPointPolicyInput,
    ) -> Result<api::GetAccessPointPolicyOutput> {
        own(cx, &input.account_id)?;
        points::get_policy(cx, &input.name)
    }

    async fn get_access_point_policy_status(
        &self,
        cx: &Cx,
        input: api::GetAccessPointPolicyStatusInput,
    ) -> Result<api::GetAccessPointPolicyStatusOutput> {
        own(cx, &input.account_id)?;
        points::policy_status(cx, &input.name)
    }

    async fn list_access_points(
        &self,
        cx: &Cx,
        input: api::ListAccessPointsInput,
    ) -> Result<api::ListAccessPointsOutput> {
        own(cx, &input.account_id)?;
        points::list(cx, &input)
    }

    async fn list_tags_for_resource(
        &self,
        cx: &Cx,
        input: api::ListTagsForResourceInput,
    ) -> Result<api::ListTagsForResourceOutput> {
        own(cx, &input.account_id)?;
        tags::list(cx, &input.resource_arn)
    }

    async fn put_access_point_policy(&self, cx: &Cx, input: api::PutAccessPointPolicyInput) -> Result<()> {
        own(cx, &input.account_id)?;
        points::put_policy(cx, &input.name, &input.policy).await
    }

    async fn tag_resource(&self, cx: &Cx, input: api::TagResourceInput) -> Result<()> {
        own(cx, &input.account_id)?;
        tags::add(cx, input).await
    }

    async fn untag_resource(&self, cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
        own(cx, &input.account_id)?;
        tags::remove(cx, &input).await
    }

    async fn create_job(&self, cx: &Cx, input: api::CreateJobInput) -> Result<api::CreateJobOutput> {
        own(cx, &input.account_id)?;
        jobs::create(cx, input).await
    }

    async fn delete_job_tagging(&self, cx: &Cx, input: api::DeleteJobTaggingInput) -> Result<()> {
        own(cx, &input.account_id)?;
        jobs::delete_tagging(cx, &input.job_id).await
    }

    async fn describe_job(&self, cx: &Cx, input: api::DescribeJobInput) -> Result<api::DescribeJobOutput> {
        own(cx, &input.account_id)?;
        jobs::describe(cx, &input.job_id)
    }

    async fn get_job_tagging(&self, cx: &Cx, input: api::GetJobTaggingInput) -> Result<api::GetJobTaggingOutput> {
        own(cx, &input.account_id)?;
        jobs::get_tagging(cx, &input.job_id)
    }

    async fn list_jobs(&self, cx: &Cx, input: api::ListJobsInput) -> Result<api::ListJobsOutput> {
        own(cx, &input.account_id)?;
        jobs::list(cx, &input)
    }

    async fn put_job_tagging(&self, cx: &Cx, input: api::PutJobTaggingInput) -> Result<()> {
        own(cx, &input.account_id)?;
        jobs::put_tagging(cx, input).await
    }

    async fn update_job_priority(
        &self,
        cx: &Cx,
        input: api::UpdateJobPriorityInput,
    ) -> Result<api::UpdateJobPriorityOutput> {
        own(cx, &input.account_id)?;
        jobs::update_priority(cx, input).await
    }

    async fn update_job_status(&self, cx: &Cx, input: api::UpdateJobStatusInput) -> Result<api::UpdateJobStatusOutput> {
        own(cx, &input.account_id)?;
        jobs::update_status(cx, input).await
    }

    async fn create_multi_region_access_point(
        &self,
        cx: &Cx,
        input: api::CreateMultiRegionAccessPointInput,
    ) -> Result<api::CreateMultiRegionAccessPointOutput> {
        own(cx, &input.account_id)?;
        let token = requests::create(cx, &input.client_token, input.details).await?;
        Ok(api::CreateMultiRegionAccessPointOutput { request_token_arn: Some(token) })
    }

    async fn delete_multi_region_access_point(
        &self,
        cx: &Cx,
        input: api::DeleteMultiRegionAccessPointInput,
    ) -> Result<api::DeleteMultiRegionAccessPointOutput> {
        own(cx, &input.account_id)?;
        let token = requests::delete(cx, &input.client_token, input.details).await?;
        Ok(api::DeleteMultiRegionAccessPointOutput { request_token_arn: Some(token) })
    }

    async fn put_multi_region_access_point_policy(
        &self,
        cx: &Cx,
        input: api::PutMultiRegionAccessPointPolicyInput,
    ) -> Result<api::PutMultiRegionAccessPointPolicyOutput> {
        own(cx, &input.account_id)?;
        let token = requests::put_policy(cx, &input.client_token, input.details).await?;
        Ok(api::PutMultiRegionAccessPointPolicyOutput { request_token_arn: Some(token) })
    }

    async fn describe_multi_region_access_point_operation(
        &self,
        cx: &Cx,
        input: api::DescribeMultiRegionAccessPointOperationInput,
    ) -> Result<api::DescribeMultiRegionAccessPointOperationOutput> {
        own(cx, &input.account_id)?;
        requests::describe(cx, &input.request_token_arn)
    }

    async fn get_multi_region_access_point(
        &self,
        cx: &Cx,
        input: api::GetMultiRegionAccessPointInput,
    ) -> Result<api::GetMultiRegionAccessPointOutput> {
        own(cx, &input.account_id)?;
        multi_region::get(cx, &input.name)
    }

    async fn get_multi_region_access_point_policy(
        &self,
        cx: &Cx,
        input: api::GetMultiRegionAccessPointPolicyInput,
    ) -> Result<api::GetMultiRegionAccessPointPolicyOutput> {
        own(cx, &input.account_id)?;
        multi_region::get_policy(cx, &input.name)
    }

    async fn get_multi_region_access_point_policy_status(
        &self,
        cx: &Cx,
        input: api::GetMultiRegionAccessPointPolicyStatusInput,
    ) -> Result<api::GetMultiRegionAccessPointPolicyStatusOutput> {
        own(cx, &input.account_id)?;
        multi_region::policy_status(cx, &input.name)
    }

    async fn get_multi_region_access_point_routes(
        &self,
        cx: &Cx,
        input: api::GetMultiRegionAccessPointRoutesInput,
    ) -> Result<api::GetMultiRegionAccessPointRoutesOutput> {
        own(cx, &input.account_id)?;
        multi_region::routes(cx, &input.mrap)
    }

    async fn list_multi_region_access_points(
        &self,
        cx: &Cx,
        input: api::ListMultiRegionAccessPointsInput,
    ) -> Result<api::ListMultiRegionAccessPointsOutput> {
        own(cx, &input.account_id)?;
        multi_region::list(cx)
    }

    async fn submit_multi_region_access_point_routes(
        &self,
        cx: &Cx,
        input: api::SubmitMultiRegionAccessPointRoutesInput,
    ) -> Result<()> {
        own(cx, &input.account_id)?;
        multi_region::submit_routes(cx, &input.mrap, &input.route_updates).await
    }
}
