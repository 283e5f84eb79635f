//! `GetAccessKeyInfo`: whose an access key is.

use undercast_kernel::auth::{account_of_key, looks_real};
use undercast_kernel::{AuthMode, AwsError, CREDENTIALS, Cx, Result};

use crate::api;

pub(crate) fn info(cx: &Cx, key: &str) -> Result<api::GetAccessKeyInfoOutput> {
    let issued = if looks_real(key) { CREDENTIALS.get(&cx.read(), &(key,))? } else { None };
    let account = match issued {
        Some(credential) => credential.account,
        // A key that was not issued here is an account's root user, where such keys are accepted.
        None if cx.kernel().settings().auth == AuthMode::Open => account_of_key(key).to_owned(),
        None => {
            let message = format!("The access key {key} was not issued here.");
            return Err(AwsError::new("ValidationError", 400, message).into());
        }
    };
    Ok(api::GetAccessKeyInfoOutput { account: Some(account) })
}
