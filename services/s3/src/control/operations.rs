//! Every operation of S3 Control, and where it is done.

use undercast_kernel::{Cx, Result};

use super::{S3Control, api, block, error};

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
}
