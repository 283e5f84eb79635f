//! Every operation, and where it is done.

use undercast_kernel::{Cx, Result};

use crate::settings::Setting;
use crate::{
    S3, analytics, annotations, api, archive, attributes, buckets, complete, copy, cors, delete,
    encryption_configuration, inventory, lifecycle, list_objects, list_uploads, list_versions, lock, logging, metrics,
    notifications, objects, policy, replication, reseal, select, tagging, tiering, uploads, website,
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
        copy::object(self, cx, input).await
    }

    async fn create_bucket(&self, cx: &Cx, input: api::CreateBucketInput) -> Result<api::CreateBucketOutput> {
        buckets::create(cx, input).await
    }

    async fn create_multipart_upload(
        &self,
        cx: &Cx,
        input: api::CreateMultipartUploadInput,
    ) -> Result<api::CreateMultipartUploadOutput> {
        uploads::create(self, cx, input).await
    }

    async fn delete_bucket(&self, cx: &Cx, input: api::DeleteBucketInput) -> Result<()> {
        buckets::delete(cx, input).await
    }

    async fn delete_bucket_analytics_configuration(
        &self,
        cx: &Cx,
        input: api::DeleteBucketAnalyticsConfigurationInput,
    ) -> Result<()> {
        analytics::delete(self, cx, input).await
    }

    async fn delete_bucket_cors(&self, cx: &Cx, input: api::DeleteBucketCorsInput) -> Result<()> {
        Setting::Cors.delete(cx, &input.bucket, input.expected_bucket_owner.as_deref()).await
    }

    async fn delete_bucket_encryption(&self, cx: &Cx, input: api::DeleteBucketEncryptionInput) -> Result<()> {
        encryption_configuration::delete(cx, input).await
    }

    async fn delete_bucket_intelligent_tiering_configuration(
        &self,
        cx: &Cx,
        input: api::DeleteBucketIntelligentTieringConfigurationInput,
    ) -> Result<()> {
        tiering::delete(cx, input).await
    }

    async fn delete_bucket_inventory_configuration(
        &self,
        cx: &Cx,
        input: api::DeleteBucketInventoryConfigurationInput,
    ) -> Result<()> {
        inventory::delete(cx, input).await
    }

    async fn delete_bucket_metrics_configuration(
        &self,
        cx: &Cx,
        input: api::DeleteBucketMetricsConfigurationInput,
    ) -> Result<()> {
        metrics::delete(cx, input).await
    }

    async fn delete_bucket_lifecycle(&self, cx: &Cx, input: api::DeleteBucketLifecycleInput) -> Result<()> {
        lifecycle::delete(cx, input).await
    }

    async fn delete_bucket_ownership_controls(
        &self,
        cx: &Cx,
        input: api::DeleteBucketOwnershipControlsInput,
    ) -> Result<()> {
        buckets::delete_ownership(cx, input).await
    }

    async fn delete_bucket_policy(&self, cx: &Cx, input: api::DeleteBucketPolicyInput) -> Result<()> {
        policy::delete(cx, input).await
    }

    async fn delete_bucket_replication(&self, cx: &Cx, input: api::DeleteBucketReplicationInput) -> Result<()> {
        Setting::Replication.delete(cx, &input.bucket, input.expected_bucket_owner.as_deref()).await
    }

    async fn delete_bucket_tagging(&self, cx: &Cx, input: api::DeleteBucketTaggingInput) -> Result<()> {
        buckets::delete_tagging(cx, input).await
    }

    async fn delete_bucket_website(&self, cx: &Cx, input: api::DeleteBucketWebsiteInput) -> Result<()> {
        Setting::Website.delete(cx, &input.bucket, input.expected_bucket_owner.as_deref()).await
    }

    async fn delete_object(&self, cx: &Cx, input: api::DeleteObjectInput) -> Result<api::DeleteObjectOutput> {
        delete::object(self, cx, input).await
    }

    async fn delete_object_annotation(
        &self,
        cx: &Cx,
        input: api::DeleteObjectAnnotationInput,
    ) -> Result<api::DeleteObjectAnnotationOutput> {
        annotations::delete(self, cx, input).await
    }

    async fn get_object_annotation(
        &self,
        cx: &Cx,
        input: api::GetObjectAnnotationInput,
    ) -> Result<api::GetObjectAnnotationOutput> {
        annotations::get(self, cx, input).await
    }

    async fn list_object_annotations(
        &self,
        cx: &Cx,
        input: api::ListObjectAnnotationsInput,
    ) -> Result<api::ListObjectAnnotationsOutput> {
        annotations::list(cx, input)
    }

    async fn put_object_annotation(
        &self,
        cx: &Cx,
        input: api::PutObjectAnnotationInput,
    ) -> Result<api::PutObjectAnnotationOutput> {
        annotations::put(self, cx, input).await
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

    async fn get_bucket_abac(&self, cx: &Cx, input: api::GetBucketAbacInput) -> Result<api::GetBucketAbacOutput> {
        buckets::get_abac(cx, &input)
    }

    async fn get_bucket_accelerate_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketAccelerateConfigurationInput,
    ) -> Result<api::GetBucketAccelerateConfigurationOutput> {
        buckets::get_accelerate(cx, &input)
    }

    async fn get_bucket_acl(&self, cx: &Cx, input: api::GetBucketAclInput) -> Result<api::GetBucketAclOutput> {
        buckets::get_acl(cx, &input)
    }

    async fn get_bucket_analytics_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketAnalyticsConfigurationInput,
    ) -> Result<api::GetBucketAnalyticsConfigurationOutput> {
        analytics::get(cx, &input)
    }

    async fn get_bucket_cors(&self, cx: &Cx, input: api::GetBucketCorsInput) -> Result<api::GetBucketCorsOutput> {
        cors::get(cx, &input)
    }

    async fn get_bucket_encryption(
        &self,
        cx: &Cx,
        input: api::GetBucketEncryptionInput,
    ) -> Result<api::GetBucketEncryptionOutput> {
        encryption_configuration::get(cx, &input)
    }

    async fn get_bucket_intelligent_tiering_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketIntelligentTieringConfigurationInput,
    ) -> Result<api::GetBucketIntelligentTieringConfigurationOutput> {
        tiering::get(cx, &input)
    }

    async fn get_bucket_inventory_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketInventoryConfigurationInput,
    ) -> Result<api::GetBucketInventoryConfigurationOutput> {
        inventory::get(cx, &input)
    }

    async fn get_bucket_metrics_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketMetricsConfigurationInput,
    ) -> Result<api::GetBucketMetricsConfigurationOutput> {
        metrics::get(cx, &input)
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        cx: &Cx,
        input: api::GetBucketLifecycleConfigurationInput,
    ) -> Result<api::GetBucketLifecycleConfigurationOutput> {
        lifecycle::get(cx, &input)
    }

    async fn get_bucket_location(
        &self,
        cx: &Cx,
        input: api::GetBucketLocationInput,
    ) -> Result<api::GetBucketLocationOutput> {
        buckets::location(cx, &input)
    }

    async fn get_bucket_logging(
        &self,
        cx: &Cx,
        input: api::GetBucketLoggingInput,
    ) -> Result<api::GetBucketLoggingOutput> {
        logging::get(cx, &input)
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

    async fn get_bucket_replication(
        &self,
        cx: &Cx,
        input: api::GetBucketReplicationInput,
    ) -> Result<api::GetBucketReplicationOutput> {
        replication::get(cx, &input)
    }

    async fn get_bucket_request_payment(
        &self,
        cx: &Cx,
        input: api::GetBucketRequestPaymentInput,
    ) -> Result<api::GetBucketRequestPaymentOutput> {
        buckets::get_payment(cx, &input)
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

    async fn get_bucket_website(
        &self,
        cx: &Cx,
        input: api::GetBucketWebsiteInput,
    ) -> Result<api::GetBucketWebsiteOutput> {
        website::get(cx, &input)
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

    async fn get_object_legal_hold(
        &self,
        cx: &Cx,
        input: api::GetObjectLegalHoldInput,
    ) -> Result<api::GetObjectLegalHoldOutput> {
        lock::get_hold(cx, &input)
    }

    async fn get_object_lock_configuration(
        &self,
        cx: &Cx,
        input: api::GetObjectLockConfigurationInput,
    ) -> Result<api::GetObjectLockConfigurationOutput> {
        lock::get_configuration(cx, &input)
    }

    async fn get_object_retention(
        &self,
        cx: &Cx,
        input: api::GetObjectRetentionInput,
    ) -> Result<api::GetObjectRetentionOutput> {
        lock::get_retention(cx, &input)
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

    async fn list_bucket_analytics_configurations(
        &self,
        cx: &Cx,
        input: api::ListBucketAnalyticsConfigurationsInput,
    ) -> Result<api::ListBucketAnalyticsConfigurationsOutput> {
        analytics::list(cx, input)
    }

    async fn list_bucket_intelligent_tiering_configurations(
        &self,
        cx: &Cx,
        input: api::ListBucketIntelligentTieringConfigurationsInput,
    ) -> Result<api::ListBucketIntelligentTieringConfigurationsOutput> {
        tiering::list(cx, input)
    }

    async fn list_bucket_inventory_configurations(
        &self,
        cx: &Cx,
        input: api::ListBucketInventoryConfigurationsInput,
    ) -> Result<api::ListBucketInventoryConfigurationsOutput> {
        inventory::list(cx, input)
    }

    async fn list_bucket_metrics_configurations(
        &self,
        cx: &Cx,
        input: api::ListBucketMetricsConfigurationsInput,
    ) -> Result<api::ListBucketMetricsConfigurationsOutput> {
        metrics::list(cx, input)
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

    async fn put_bucket_abac(&self, cx: &Cx, input: api::PutBucketAbacInput) -> Result<()> {
        buckets::put_abac(cx, input).await
    }

    async fn put_bucket_accelerate_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketAccelerateConfigurationInput,
    ) -> Result<()> {
        buckets::put_accelerate(cx, input).await
    }

    async fn put_bucket_acl(&self, cx: &Cx, input: api::PutBucketAclInput) -> Result<()> {
        buckets::put_acl(cx, input).await
    }

    async fn put_bucket_analytics_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketAnalyticsConfigurationInput,
    ) -> Result<()> {
        analytics::put(cx, input).await
    }

    async fn put_bucket_cors(&self, cx: &Cx, input: api::PutBucketCorsInput) -> Result<()> {
        cors::put(cx, input).await
    }

    async fn put_bucket_encryption(&self, cx: &Cx, input: api::PutBucketEncryptionInput) -> Result<()> {
        encryption_configuration::put(cx, input).await
    }

    async fn put_bucket_intelligent_tiering_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketIntelligentTieringConfigurationInput,
    ) -> Result<()> {
        tiering::put(cx, input).await
    }

    async fn put_bucket_inventory_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketInventoryConfigurationInput,
    ) -> Result<()> {
        inventory::put(cx, input).await
    }

    async fn put_bucket_metrics_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketMetricsConfigurationInput,
    ) -> Result<()> {
        metrics::put(cx, input).await
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketLifecycleConfigurationInput,
    ) -> Result<api::PutBucketLifecycleConfigurationOutput> {
        lifecycle::put(cx, input).await
    }

    async fn put_bucket_logging(&self, cx: &Cx, input: api::PutBucketLoggingInput) -> Result<()> {
        logging::put(cx, input).await
    }

    async fn put_bucket_notification_configuration(
        &self,
        cx: &Cx,
        input: api::PutBucketNotificationConfigurationInput,
    ) -> Result<()> {
        notifications::put(cx, input).await
    }

    async fn put_bucket_ownership_controls(&self, cx: &Cx, input: api::PutBucketOwnershipControlsInput) -> Result<()> {
        buckets::put_ownership(cx, input).await
    }

    async fn put_bucket_policy(&self, cx: &Cx, input: api::PutBucketPolicyInput) -> Result<()> {
        policy::put(cx, input).await
    }

    async fn put_bucket_replication(&self, cx: &Cx, input: api::PutBucketReplicationInput) -> Result<()> {
        replication::put(cx, input).await
    }

    async fn put_bucket_request_payment(&self, cx: &Cx, input: api::PutBucketRequestPaymentInput) -> Result<()> {
        buckets::put_payment(cx, input).await
    }

    async fn put_bucket_tagging(&self, cx: &Cx, input: api::PutBucketTaggingInput) -> Result<()> {
        buckets::put_tagging(cx, input).await
    }

    async fn put_bucket_versioning(&self, cx: &Cx, input: api::PutBucketVersioningInput) -> Result<()> {
        buckets::put_versioning(cx, input).await
    }

    async fn put_bucket_website(&self, cx: &Cx, input: api::PutBucketWebsiteInput) -> Result<()> {
        website::put(cx, input).await
    }

    async fn put_object(&self, cx: &Cx, input: api::PutObjectInput) -> Result<api::PutObjectOutput> {
        objects::put(self, cx, input).await
    }

    async fn put_object_acl(&self, cx: &Cx, input: api::PutObjectAclInput) -> Result<api::PutObjectAclOutput> {
        objects::put_acl(cx, input).await
    }

    async fn put_object_legal_hold(
        &self,
        cx: &Cx,
        input: api::PutObjectLegalHoldInput,
    ) -> Result<api::PutObjectLegalHoldOutput> {
        lock::put_hold(cx, input).await
    }

    async fn put_object_lock_configuration(
        &self,
        cx: &Cx,
        input: api::PutObjectLockConfigurationInput,
    ) -> Result<api::PutObjectLockConfigurationOutput> {
        lock::put_configuration(cx, input).await
    }

    async fn put_object_retention(
        &self,
        cx: &Cx,
        input: api::PutObjectRetentionInput,
    ) -> Result<api::PutObjectRetentionOutput> {
        lock::put_retention(self, cx, input).await
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

    async fn restore_object(&self, cx: &Cx, input: api::RestoreObjectInput) -> Result<api::RestoreObjectOutput> {
        archive::restore(cx, input).await
    }

    async fn select_object_content(
        &self,
        cx: &Cx,
        input: api::SelectObjectContentInput,
    ) -> Result<api::SelectObjectContentOutput> {
        select::content(self, cx, input).await
    }

    async fn update_object_encryption(
        &self,
        cx: &Cx,
        input: api::UpdateObjectEncryptionInput,
    ) -> Result<api::UpdateObjectEncryptionOutput> {
        reseal::update(self, cx, input).await
    }

    async fn upload_part(&self, cx: &Cx, input: api::UploadPartInput) -> Result<api::UploadPartOutput> {
        uploads::part(self, cx, input).await
    }

    async fn upload_part_copy(&self, cx: &Cx, input: api::UploadPartCopyInput) -> Result<api::UploadPartCopyOutput> {
        uploads::part_copy(self, cx, input).await
    }
}
