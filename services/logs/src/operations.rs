//! The operations, each where its subject is.

use crate::api;
use crate::group::Tagged;
use crate::{Logs, filter, get, group, policies, put, retention, stream};

api::operations! {
    impl api::Operations for Logs; |self, cx, input|
    CreateLogGroup => group::create(cx, input).await,
    CreateLogStream => stream::create(cx, input).await,
    DeleteLogGroup => group::delete(cx, &input.log_group_name).await,
    DeleteLogStream => stream::delete(cx, input).await,
    DeleteResourcePolicy => policies::delete(cx, input).await,
    DeleteRetentionPolicy => retention::set(cx, &input.log_group_name, None).await,
    DescribeLogGroups => group::describe(cx, input).await,
    DescribeLogStreams => stream::describe(cx, input).await,
    DescribeResourcePolicies => policies::describe(cx, &input),
    FilterLogEvents => filter::events(cx, input).await,
    GetLogEvents => get::events(cx, input).await,
    ListTagsForResource => Ok(api::ListTagsForResourceOutput { tags: Some(group::tags(cx, &Tagged::Arn(&input.resource_arn))?) }),
    ListTagsLogGroup => Ok(api::ListTagsLogGroupOutput { tags: Some(group::tags(cx, &Tagged::Name(&input.log_group_name))?) }),
    PutLogEvents => put::events(cx, input).await,
    PutResourcePolicy => policies::put(cx, input).await,
    PutRetentionPolicy => retention::set(cx, &input.log_group_name, Some(input.retention_in_days)).await,
    TagLogGroup => group::tag(cx, Tagged::Name(&input.log_group_name), input.tags).await,
    TagResource => group::tag(cx, Tagged::Arn(&input.resource_arn), input.tags).await,
    UntagLogGroup => group::untag(cx, Tagged::Name(&input.log_group_name), &input.tags).await,
    UntagResource => group::untag(cx, Tagged::Arn(&input.resource_arn), &input.tag_keys).await,
}
