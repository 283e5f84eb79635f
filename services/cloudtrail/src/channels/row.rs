//! A channel, and what an operation means by one.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::errors;

/// Account, region, id.
pub(crate) static CHANNELS: Table<Channel> = Table::new("cloudtrail.channels");

/// A channel. Moments are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Channel {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) region: String,
    #[n(3)]
    pub(crate) name: String,
    #[n(4)]
    pub(crate) source: String,
    /// ARNs of event data stores.
    #[n(5)]
    pub(crate) stores: Vec<String>,
    #[n(6)]
    pub(crate) tags: Tags,
    /// When an event was taken last, and its id.
    #[n(7)]
    pub(crate) success: Option<(i64, String)>,
    /// When one was given last, and its id.
    #[n(8)]
    pub(crate) attempt: Option<(i64, String)>,
    /// What was wrong with the last one that was not taken.
    #[n(9)]
    pub(crate) error: Option<String>,
}

impl Channel {
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.id)
    }

    pub(crate) fn arn(&self) -> String {
        arn(&self.account, &self.region, &self.id)
    }
}

pub(crate) fn arn(account: &str, region: &str, id: &str) -> String {
    let partition = undercast_kernel::regions::partition(region);
    format!("arn:{partition}:cloudtrail:{region}:{account}:channel/{id}")
}

/// Whether a text has the form of an id: 36 letters of a UUID.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// Account, region and id of a channel that is given by its id, or by its ARN; `None`: it is neither.
pub(crate) fn place(cx: &Cx, given: &str) -> Option<(String, String, String)> {
    if is_id(given) {
        return Some((cx.account().to_owned(), cx.region().to_owned(), given.to_owned()));
    }
    let arn = Arn::parse(given).filter(|arn| arn.service == "cloudtrail")?;
    let id = arn.resource.strip_prefix("channel/").filter(|id| is_id(id))?.to_owned();
    Some((arn.account, arn.region, id))
}

fn missing(given: &str) -> Failure {
    errors::channel_not_found_exception(format!("The channel {given} is not found.")).into()
}

/// The id of a channel of this account and region.
pub(crate) fn id(cx: &Cx, given: &str) -> Result<String> {
    let invalid = || errors::channel_arn_invalid_exception(format!("The channel ARN is not valid: {given}."));
    let (account, region, id) = place(cx, given).ok_or_else(invalid)?;
    if account == cx.account() && region == cx.region() { Ok(id) } else { Err(missing(given)) }
}

/// The channel of this account that is given.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Channel> {
    let id = id(cx, given)?;
    CHANNELS.get(from, &cx.key(id.as_str()))?.ok_or_else(|| missing(given))
}
