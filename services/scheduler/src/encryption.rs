//! Inputs of targets that are encrypted with a key of KMS.
//!
//! Whoever makes the schedule has KMS make a data key; the schedule keeps it as ciphertext. The role of the target must be
//! allowed to decrypt it when the schedule is due, and so must those who ask for the schedule.
//! Source: "Encryption at rest" in the user guide.

use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::error::validation;
use crate::rows::Input;

/// The name in the encryption context.
const CONTEXT: &str = "aws:scheduler:schedule:arn";

/// The refusal of KMS as Scheduler tells it.
fn refused(failure: Failure) -> Failure {
    match failure {
        Failure::Aws(error) if error.code.starts_with("AccessDenied") => {
            AwsError::new("AccessDeniedException", 403, error.message).into()
        }
        Failure::Aws(error) => validation(error.message),
        other => other,
    }
}

/// An input as it is kept: sealed, where there is a key.
pub(crate) async fn seal(cx: &Cx, schedule_arn: &str, key: Option<&str>, input: Option<&str>) -> Result<Input> {
    let Some(key) = key else {
        return Ok(input.map_or(Input::Default, |input| Input::Plain(input.to_owned())));
    };
    let plain = input.unwrap_or("").as_bytes();
    let sealed = undercast_sealing::seal(&cx.through(PRINCIPAL), key, (CONTEXT, schedule_arn), plain).await;
    Ok(Input::Sealed(sealed.map_err(refused)?, input.is_some()))
}

/// An input as it is, for the role that `cx` has. `None`: there is none.
pub(crate) async fn open(cx: &Cx, schedule_arn: &str, input: &Input) -> Result<Option<String>> {
    match input {
        Input::Default => Ok(None),
        Input::Plain(plain) => Ok(Some(plain.clone())),
        Input::Sealed(envelope, given) => {
            let plain = undercast_sealing::open(cx, (CONTEXT, schedule_arn), envelope).await?;
            let plain = String::from_utf8(plain).map_err(Failure::broken)?;
            Ok(given.then_some(plain))
        }
    }
}

/// The same for whoever asks for the schedule.
pub(crate) async fn open_for_caller(cx: &Cx, schedule_arn: &str, input: &Input) -> Result<Option<String>> {
    open(&cx.through(PRINCIPAL), schedule_arn, input).await.map_err(refused)
}
