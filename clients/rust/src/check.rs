//! What holds is said; the first untrue thing ends the program.

use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

pub static CHECKED: AtomicU32 = AtomicU32::new(0);

pub fn holds(what: &str) {
    CHECKED.fetch_add(1, Ordering::Relaxed);
    println!("  holds: {what}");
}

pub fn same<T: PartialEq<W> + Debug, W: Debug>(what: &str, found: T, wanted: W) -> Outcome {
    if found == wanted {
        holds(what);
        return Ok(());
    }
    Err(format!("{what}\n  wanted: {wanted:?}\n  is:     {found:?}").into())
}

/// The call is refused with this code and this HTTP status; gives back the error of the operation.
pub async fn refused<T: Debug, E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    what: &str,
    code: &str,
    status: u16,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Outcome<E> {
    match call.await {
        Ok(given) => Err(format!("{what}\n  wanted: {code}\n  is:     {given:?}").into()),
        Err(error) => {
            let answered = error.raw_response().map(|r| r.status().as_u16());
            same(&format!("{what}: {code}"), (error.code(), answered), (Some(code), Some(status)))?;
            match error {
                SdkError::ServiceError(refusal) => Ok(refusal.into_err()),
                other => Err(other.into()),
            }
        }
    }
}

/// What takes its time, as on AWS: ten seconds at most.
pub async fn eventually<T: PartialEq + Debug, F: Future<Output = Outcome<T>>>(
    what: &str,
    wanted: T,
    look: impl Fn() -> F,
) -> Outcome {
    let started = Instant::now();
    loop {
        let found = look().await?;
        if found == wanted || started.elapsed() > Duration::from_secs(10) {
            return same(what, found, wanted);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
