//! Block Public Access of an account, and how it joins that of a bucket.
//!
//! Source: "Blocking public access to your Amazon S3 storage" in the user guide: a setting holds where it is on in the
//! account, in the bucket, or in the access point.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Result};

use super::api::{self, input, output};
use super::error;
use super::rows::ACCOUNTS;
use crate::rows::{Block, Bucket};

/// What holds for a bucket: its own settings joined with those of its account, and of the access point through which it
/// was reached.
pub(crate) fn of(from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<Block> {
    let account = ACCOUNTS.get(from, &(&bucket.account,))?.unwrap_or(NONE);
    let point = bucket.via.as_ref().map_or(NONE, |via| via.block);
    Ok(join(join(bucket.block.unwrap_or(NONE), account), point))
}

/// Nothing is blocked.
pub(crate) const NONE: Block = Block { public_acls: false, ignore_acls: false, public_policy: false, restrict: false };

/// Each setting is on where either has it on.
pub(crate) fn join(one: Block, other: Block) -> Block {
    Block {
        public_acls: one.public_acls || other.public_acls,
        ignore_acls: one.ignore_acls || other.ignore_acls,
        public_policy: one.public_policy || other.public_policy,
        restrict: one.restrict || other.restrict,
    }
}

/// The settings of a request; what is not said is off.
pub(crate) fn of_input(configuration: &input::PublicAccessBlockConfiguration) -> Block {
    let on = |setting: Option<bool>| setting == Some(true);
    Block {
        public_acls: on(configuration.block_public_acls),
        ignore_acls: on(configuration.ignore_public_acls),
        public_policy: on(configuration.block_public_policy),
        restrict: on(configuration.restrict_public_buckets),
    }
}

/// The settings as answers show them.
pub(crate) fn shown(block: Block) -> output::PublicAccessBlockConfiguration {
    output::PublicAccessBlockConfiguration {
        block_public_acls: Some(block.public_acls),
        ignore_public_acls: Some(block.ignore_acls),
        block_public_policy: Some(block.public_policy),
        restrict_public_buckets: Some(block.restrict),
    }
}

pub(crate) fn get(cx: &Cx) -> Result<api::GetPublicAccessBlockOutput> {
    let Some(block) = ACCOUNTS.get(&cx.read(), &(cx.account(),))? else {
        let message = "The public access block configuration was not found";
        let error = AwsError::new("NoSuchPublicAccessBlockConfiguration", 404, message);
        return Err(error.with("AccountId", cx.account()).into());
    };
    Ok(api::GetPublicAccessBlockOutput { public_access_block_configuration: Some(shown(block)) })
}

pub(crate) async fn put(cx: &Cx, configuration: &input::PublicAccessBlockConfiguration) -> Result<()> {
    let said = [
        configuration.block_public_acls,
        configuration.ignore_public_acls,
        configuration.block_public_policy,
        configuration.restrict_public_buckets,
    ];
    if said.iter().all(Option::is_none) {
        return Err(error::invalid_request("Must specify at least one configuration.").into());
    }
    let block = of_input(configuration);
    cx.write(|tx| {
        ACCOUNTS.put(tx, &(cx.account(),), &block);
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        ACCOUNTS.delete(tx, &(cx.account(),));
        Ok(())
    })
    .await
}
