//! Shard iterators: a place in a shard from which to read, which only the service can make.
//!
//! ```text
//! 8 bytes: 1 · when it was made (8) · position (8) · id of the stream (8) · shard (4) · account (12) · name · signature (16)
//! ```
//!
//! The signature is made with a secret of the stream. AWS's begin with the same eight bytes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use undercast_kernel::store::is_account;
use undercast_kernel::{AwsError, Cx, Result};
use undercast_wire::text;

use crate::api::errors;
use crate::error;
use crate::name::StreamName;
use crate::stream::Stream;

/// An iterator is good for so long, in milliseconds.
const LIFE: i64 = 300_000;
const VERSION: [u8; 8] = 1u64.to_be_bytes();
/// What stands before the name.
const HEAD: usize = 8 + 8 + 8 + 8 + 4 + 12;
const SIGNATURE: usize = 16;

/// A place in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Iterator {
    pub(crate) name: StreamName,
    pub(crate) stream: u64,
    pub(crate) shard: u32,
    /// The index of the first record that it gives.
    pub(crate) position: u64,
    /// When it was made, in milliseconds since 1970.
    pub(crate) made: i64,
}

fn sign(secret: &[u8], bytes: &[u8]) -> [u8; SIGNATURE] {
    let mut out = [0; SIGNATURE];
    // HMAC takes keys of every length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(bytes);
        out.copy_from_slice(&mac.finalize().into_bytes()[..SIGNATURE]);
    }
    out
}

fn invalid() -> AwsError {
    error::invalid("Invalid ShardIterator.")
}

/// The stream of an iterator, whoever made it.
pub(crate) fn stream_of(given: &str) -> Option<StreamName> {
    read(given).map(|(found, ..)| found.name)
}

/// What an iterator says, its bytes without the signature, and that.
fn read(given: &str) -> Option<(Iterator, Vec<u8>, Vec<u8>)> {
    let mut bytes = text::unbase64(given)?;
    let signature = bytes.split_off(bytes.len().checked_sub(SIGNATURE)?);
    let (head, name) = bytes.split_at_checked(HEAD)?;
    let word = |at: usize| head.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let account = std::str::from_utf8(head.get(36..)?).ok().filter(|account| is_account(account))?;
    let found = Iterator {
        name: StreamName { account: account.to_owned(), name: std::str::from_utf8(name).ok()?.to_owned() },
        made: word(8)?.cast_signed(),
        position: word(16)?,
        stream: word(24)?,
        shard: u32::from_be_bytes(head.get(32..36)?.try_into().ok()?),
    };
    (head.starts_with(&VERSION) && !name.is_empty()).then_some((found, bytes, signature))
}

impl Iterator {
    /// The text of an iterator of a stream.
    pub(crate) fn encode(&self, stream: &Stream) -> String {
        let mut bytes = Vec::with_capacity(HEAD + self.name.name.len() + SIGNATURE);
        bytes.extend_from_slice(&VERSION);
        bytes.extend_from_slice(&self.made.to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.shard.to_be_bytes());
        bytes.extend_from_slice(self.name.account.as_bytes());
        bytes.extend_from_slice(self.name.name.as_bytes());
        let signature = sign(&stream.secret, &bytes);
        bytes.extend_from_slice(&signature);
        text::base64(&bytes)
    }

    /// The place that an iterator means, with its stream. It must have been made here, for this stream, and of late.
    pub(crate) fn parse(cx: &Cx, from: &impl undercast_kernel::store::Read, given: &str) -> Result<(Self, Stream)> {
        let (found, bytes, signature) = read(given).ok_or_else(invalid)?;
        let stream = found.name.find(cx, from)?;
        // One of a stream that had this name before is signed with another secret.
        if sign(&stream.secret, &bytes) != *signature || found.stream != stream.id {
            return Err(invalid().into());
        }
        let now = cx.now_millis();
        if now - found.made > LIFE {
            let message = format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {LIFE} milliseconds.",
                told(found.made),
                told(now)
            );
            return Err(errors::expired_iterator_exception(message).into());
        }
        Ok((found, stream))
    }
}

/// `Thu Jan 22 01:22:02 UTC 2015`
fn told(millis: i64) -> String {
    crate::stream::moment(millis).strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}
