//! Every operation, and where it is done.

use undercast_kernel::{Cx, Result};

use crate::{
    S3, api, attributes, buckets, complete, copy, delete, list_objects, list_uploads, list_versions, notifications,
    objects, policy, tagging, uploads,
};

impl api::Operations for S3 {
    async fn abort_multipart_upload(
        &self,
        cx: &Cx,
        input: api::AbortMultipartUploadInput,
    ) -> Result<api::AbortMultipartUploadOutput> {
        uploads::abort(cx, input).await
    }

    async fn complete_multipart_upload(
        &self,
        cx: &Cx,
        input: api::CompleteMultipartUploadInput,
    ) -> Result<api::CompleteMultipartUploadOutput> {
        complete::complete(cx, input).await
    }

    async fn copy_object(&self, cx: &Cx, input: api::CopyObjectInput) -> Result<api::CopyObjectOutput> {
        copy::object(cx, input).await
    }

    async fn create_bucket(&self, cx: &Cx, input: api::CreateBucketInput) -> Result<api::CreateBucketOutput> {
        buckets::create(cx, input).await
    }

    async fn create_multipart_upload(
        &self,
        cx: &Cx,
        input: api::CreateMultipartUploadInput,
    ) -> Result<api::CreateMultipartUploadOutput> {
        uploads::create(cx, input).await
    }

    async fn delete_bucket(&self, cx: &Cx, input: api::DeleteBucketInput) -> Result<()> {
        buckets::delete(cx, input).await
    }

    async fn delete_bucket_policy(&self, cx: &Cx, input: api::DeleteBucketPolicyInput) -> Result<()> {
        policy::delete(cx, input).await
    }

    async fn delete_bucket_tagging(&self, cx: &Cx, input: api::DeleteBucketTaggingInput) -> Result<()> {
        buckets::delete_tagging(cx, input).await
    }

    async fn delete_object(&self, cx: &Cx, input: api::DeleteObjectInput) -> Result<api::DeleteObjectOutput> {
        delete::object(cx, input).await
    }

    async fn delete_object_tagging(
        &self,
        cx: &Cx,
        input: api::DeleteObjectTaggingInput,
    ) -> Result<api::DeleteObjectTaggingOutput> {
        tagging::delete(cx, input).await
    }

    async fn delete_objects(&self, cx: &Cx, input: api::DeleteObjectsInput) -> Result<api::DeleteObjectsOutput> {
        delete::objects(self, cx, input).await
    }

    async fn delete_public_access_block(&self, cx: &Cx, input: api::DeletePublicAccessBlockInput) -> Result<()> {
        policy::delete_block(cx, input).await
    }

    async fn get_bucket_acl(&self, cx: &Cx, input: api::GetBucketAclInput) -> Result<api::GetBucketAclOutput> {
        buckets::get_acl(cx, &input)
    }

    async fn get_bucket_location(
        &self,
        cx: &Cx,
        input: api::GetBucketLocationInput,
    ) -> Result<api::GetBucketLocationOutput> {
        buckets::location(cx, &input)
    }

    async fn get_bucket_notification_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketNotificationConfigurationInput,
    ) -> Result<api::GetBucketNotificationConfigurationOutput> {
        notifications::get(cx, &input)
    }

    async fn get_bucket_ownership_controls(
        &self,
        cx: &Cx,
        input: api::GetBucketOwnershipControlsInput,
    ) -> Result<api::GetBucketOwnershipControlsOutput> {
        buckets::get_ownership(cx, &input)
    }

    async fn get_bucket_policy(&self, cx: &Cx, input: api::GetBucketPolicyInput) -> Result<api::GetBucketPolicyOutput> {
        policy::get(cx, &input)
    }

    async fn get_bucket_policy_status(
        &self,
        cx: &Cx,
        input: api::GetBucketPolicyStatusInput,
    ) -> Result<api::GetBucketPolicyStatusOutput> {
        policy::status(cx, &input)
    }

    async fn get_bucket_tagging(
        &self,
        cx: &Cx,
        input: api::GetBucketTaggingInput,
    ) -> Result<api::GetBucketTaggingOutput> {
        buckets::get_tagging(cx, &input)
    }

    async fn get_bucket_versioning(
        &self,
        cx: &Cx,
        input: api::GetBucketVersioningInput,
    ) -> Result<api::GetBucketVersioningOutput> {
        buckets::get_versioning(cx, &input)
    }

    async fn get_object(&self, cx: &Cx, input: api::GetObjectInput) -> Result<api::GetObjectOutput> {
        objects::get(self, cx, input).await
    }

    async fn get_object_acl(&self, cx: &Cx, input: api::GetObjectAclInput) -> Result<api::GetObjectAclOutput> {
        objects::get_acl(cx, &input)
    }

    async fn get_object_attributes(
        &self,
        cx: &Cx,
        input: api::GetObjectAttributesInput,
    ) -> Result<api::GetObjectAttributesOutput> {
        attributes::get(cx, &input)
    }

    async fn get_object_tagging(
        &self,
        cx: &Cx,
        input: api::GetObjectTaggingInput,
    ) -> Result<api::GetObjectTaggingOutput> {
        tagging::get(cx, &input)
    }

    async fn get_public_access_block(
        &self,
        cx: &Cx,
        input: api::GetPublicAccessBlockInput,
    ) -> Result<api::GetPublicAccessBlockOutput> {
        policy::get_block(cx, &input)
    }

    async fn head_bucket(&self, cx: &Cx, input: api::HeadBucketInput) -> Result<api::HeadBucketOutput> {
        buckets::head(cx, &input)
    }

    async fn head_object(&self, cx: &Cx, input: api::HeadObjectInput) -> Result<api::HeadObjectOutput> {
        objects::head(self, cx, &input)
    }

    async fn list_buckets(&self, cx: &Cx, input: api::ListBucketsInput) -> Result<api::ListBucketsOutput> {
        buckets::list(cx, input)
    }

    async fn list_multipart_uploads(
        &self,
        cx: &Cx,
        input: api::ListMultipartUploadsInput,
    ) -> Result<api::ListMultipartUploadsOutput> {
        list_uploads::list(cx, input)
    }

    async fn list_object_versions(
        &self,
        cx: &Cx,
        input: api::ListObjectVersionsInput,
    ) -> Result<api::ListObjectVersionsOutput> {
        list_versions::list(cx, input)
    }

    async fn list_objects(&self, cx: &Cx, input: api::ListObjectsInput) -> Result<api::ListObjectsOutput> {
        list_objects::v1(cx, input)
    }

    async fn list_objects_v2(&self, cx: &Cx, input: api::ListObjectsV2Input) -> Result<api::ListObjectsV2Output> {
        list_objects::v2(cx, input)
    }

    async fn list_parts(&self, cx: &Cx, input: api::ListPartsInput) -> Result<api::ListPartsOutput> {
        list_uploads::parts(cx, input)
    }

    async fn put_bucket_acl(&self, cx: &Cx, input: api::PutBucketAclInput) -> Result<()> {
        buckets::put_acl(cx, &input)
    }

    async fn put_bucket_notification_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketNotificationConfigurationInput,
    ) -> Result<()> {
        notifications::put(cx, input).await
    }

    async fn put_bucket_ownership_controls(&self, cx: &Cx, input: api::PutBucketOwnershipControlsInput) -> Result<()> {
        buckets::put_ownership(cx, &input)
    }

    async fn put_bucket_policy(&self, cx: &Cx, input: api::PutBucketPolicyInput) -> Result<()> {
        policy::put(cx, input).await
    }

    async fn put_bucket_tagging(&self, cx: &Cx, input: api::PutBucketTaggingInput) -> Result<()> {
        buckets::put_tagging(cx, input).await
    }

    async fn put_bucket_versioning(&self, cx: &Cx, input: api::PutBucketVersioningInput) -> Result<()> {
        buckets::put_versioning(cx, input).await
    }

    async fn put_object(&self, cx: &Cx, input: api::PutObjectInput) -> Result<api::PutObjectOutput> {
        objects::put(cx, input).await
    }

    async fn put_object_acl(&self, cx: &Cx, input: api::PutObjectAclInput) -> Result<api::PutObjectAclOutput> {
        objects::put_acl(cx, &input)
    }

    async fn put_object_tagging(
        &self,
        cx: &Cx,
        input: api::PutObjectTaggingInput,
    ) -> Result<api::PutObjectTaggingOutput> {
        tagging::put(cx, input).await
    }

    async fn put_public_access_block(&self, cx: &Cx, input: api::PutPublicAccessBlockInput) -> Result<()> {
        policy::put_block(cx, input).await
    }

    async fn select_object_content(
        &self,
        cx: &Cx,
        input: api::SelectObjectContentInput,
    ) -> Result<api::SelectObjectContentOutput> {
        crate::select::content(self, cx, input).await
    }

    async fn upload_part(&self, cx: &Cx, input: api::UploadPartInput) -> Result<api::UploadPartOutput> {
        uploads::part(cx, input).await
    }

    async fn upload_part_copy(&self, cx: &Cx, input: api::UploadPartCopyInput) -> Result<api::UploadPartCopyOutput> {
        uploads::part_copy(cx, input).await
    }
}
