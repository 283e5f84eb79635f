//! Credentials for a while.

use std::time::Duration;

use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{AwsError, Begun, CREDENTIALS, Coded, Credential, Cx, Failure, MfaCode, OwnerKind, Result};

use crate::api::{self, output};

/// Makes a session and stores it. `seconds` is how long it lasts; `code` was given for it, and is used up with it.
pub(crate) async fn make(
    cx: &Cx,
    mut credential: Credential,
    seconds: i32,
    code: Option<MfaCode<'_>>,
) -> Result<output::Credentials> {
    let span = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let expiration = cx.now().checked_add(span).map_err(|e| Failure::broken(e.to_string()))?;
    let access_key_id = cx.random().id("ASIA", 16);
    let token = cx.random().text(356, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    credential.secret = cx.random().text(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    credential.token = Some(token.clone());
    credential.expires = Some(expiration.as_millisecond());
    credential.mfa = code.map(|_| cx.now_millis());
    cx.write(|tx| {
        if let Some(code) = code {
            good(cx.use_mfa(tx, code)?)?;
        }
        CREDENTIALS.put(tx, &(&access_key_id,), &credential);
        Ok(())
    })
    .await?;
    Ok(output::Credentials { access_key_id, secret_access_key: credential.secret, session_token: token, expiration })
}

/// `GetSessionToken`: the caller's own rights, for a while.
pub(crate) async fn of_caller(cx: &Cx, input: api::GetSessionTokenInput) -> Result<api::GetSessionTokenOutput> {
    let code = code(input.serial_number.as_deref(), input.token_code.as_deref())?;
    let principal = cx.principal();
    let owner = match &principal.kind {
        PrincipalKind::Root if cx.temporary().is_none() => OwnerKind::Root,
        PrincipalKind::User { name } if cx.temporary().is_none() => OwnerKind::User { name: name.clone() },
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
        mfa: None,
        begun: Some(Begun { at: cx.now_millis(), ..Begun::default() }),
    };
    let credentials = Some(make(cx, credential, seconds, code).await?);
    Ok(api::GetSessionTokenOutput { credentials, ..api::GetSessionTokenOutput::default() })
}

fn failed(why: &str) -> AwsError {
    AwsError::new("AccessDenied", 403, format!("MultiFactorAuthentication failed{why}"))
}

/// The code of an MFA device, where a request has one.
pub(crate) fn code<'a>(serial: Option<&'a str>, code: Option<&'a str>) -> Result<Option<MfaCode<'a>>> {
    match (serial, code) {
        (None, None) => Ok(None),
        (Some(serial), Some(code)) => Ok(Some(MfaCode { serial, code })),
        _ => Err(failed(", must provide both MFA serial number and one time pass code.").into()),
    }
}

/// Refuses what is no code that the caller's device shows.
pub(crate) fn good(coded: Coded) -> Result<()> {
    match coded {
        Coded::Good => Ok(()),
        Coded::Wrong => Err(failed(" with invalid MFA one time pass code.").into()),
        Coded::NoDevice => {
            let why = ", unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.";
            Err(failed(why).into())
        }
    }
}
