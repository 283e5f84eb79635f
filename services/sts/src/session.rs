//! Credentials for a while.

use std::time::Duration;

use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{AwsError, CREDENTIALS, Credential, Cx, Failure, OwnerKind, Result};

use crate::api::{self, output};

/// Makes a session and stores it. `seconds` is how long it lasts.
pub(crate) async fn make(cx: &Cx, mut credential: Credential, seconds: i32) -> Result<output::Credentials> {
    let span = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let expiration = cx.now().checked_add(span).map_err(|e| Failure::broken(e.to_string()))?;
    let access_key_id = cx.random().id("ASIA", 16);
    let token = cx.random().text(356, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    credential.secret = cx.random().text(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    credential.token = Some(token.clone());
    credential.expires = Some(expiration.as_millisecond());
    cx.write(|tx| {
        CREDENTIALS.put(tx, &(&access_key_id,), &credential);
        Ok(())
    })
    .await?;
    Ok(output::Credentials { access_key_id, secret_access_key: credential.secret, session_token: token, expiration })
}

/// `GetSessionToken`: the caller's own rights, for a while.
pub(crate) async fn of_caller(cx: &Cx, input: api::GetSessionTokenInput) -> Result<api::GetSessionTokenOutput> {
    refuse_mfa(input.serial_number.as_ref(), input.token_code.as_ref())?;
    let principal = cx.principal();
    let owner = match &principal.kind {
        PrincipalKind::Root => OwnerKind::Root,
        PrincipalKind::User { name } => OwnerKind::User { name: name.clone() },
        _ => {
            let message = "Cannot call GetSessionToken with session credentials";
            return Err(AwsError::new("AccessDenied", 403, message).into());
        }
    };
    // The root user's sessions last an hour at most, whatever it asks for.
    let asked = input.duration_seconds.unwrap_or(43_200);
    let seconds = if owner == OwnerKind::Root { asked.min(3_600) } else { asked };
    let credential = Credential {
        secret: String::new(),
        account: principal.account.clone(),
        arn: principal.arn.clone(),
        user_id: principal.user_id.clone(),
        owner,
        token: None,
        expires: None,
        session_policies: Vec::new(),
        active: true,
        tags: Vec::new(),
        limited: false,
    };
    let credentials = Some(make(cx, credential, seconds).await?);
    Ok(api::GetSessionTokenOutput { credentials, ..api::GetSessionTokenOutput::default() })
}

/// There are no MFA devices here, so no code can be right.
pub(crate) fn refuse_mfa(serial_number: Option<&String>, token_code: Option<&String>) -> Result<()> {
    match serial_number.or(token_code) {
        Some(_) => Err(AwsError::new(
            "AccessDenied",
            403,
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )
        .into()),
        None => Ok(()),
    }
}
