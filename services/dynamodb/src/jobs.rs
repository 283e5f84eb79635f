//! What exports and imports have in common: ids, tokens of requests, pages of lists, and what is said of what S3 refused.

use crate::error::{Error, Result};
use crate::request::table_arn;
use minicbor::{Decode, Encode};
use undercast_kernel::{AwsError, Cx, paging};
use undercast_wire::text::{hex_encode, unhex};

/// DynamoDB as other services know it when it acts for somebody.
pub(crate) const PRINCIPAL: &str = "dynamodb.amazonaws.com";

/// How long a token of a request is remembered, in milliseconds.
pub(crate) const TOKEN_KEPT: i64 = 8 * 3_600_000;

/// How long what became of a job is told, in milliseconds: 90 days.
pub(crate) const KEPT: i64 = 90 * 86_400_000;

/// Most jobs of one page, unless fewer are asked for.
const PAGE: usize = 10;

/// The length to which positions are filled up, so that tokens are as long as the model says they are.
const POSITION: usize = 34;

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum State {
    /// It is being done.
    #[n(0)]
    InProgress,
    /// It is done.
    #[n(1)]
    Completed,
    /// It could not be done.
    #[n(2)]
    Failed(#[n(0)] Trouble),
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed(_) => "FAILED",
        }
    }

    /// Why it could not be done, if it could not.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        if let Self::Failed(trouble) = self { Some(trouble) } else { None }
    }
}

/// Why a job could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Trouble {
    #[n(0)]
    pub(crate) code: String,
    #[n(1)]
    pub(crate) message: String,
}

/// An id: the moment that the job began and a random end.
pub(crate) fn new_id(cx: &Cx) -> String {
    format!("{:014}-{}", cx.now_millis(), cx.random().text(8, "0123456789abcdef"))
}

/// The ARN of a job of a kind: `arn:aws:dynamodb:…:table/name/export/id`.
pub(crate) fn arn(cx: &Cx, table: &str, kind: &str, id: &str) -> String {
    format!("{}/{kind}/{id}", table_arn(cx, table))
}

/// What an ARN of a job says.
pub(crate) struct Named<'a> {
    /// Its table's name.
    pub(crate) table: &'a str,
    /// Its id.
    pub(crate) id: &'a str,
    /// Whether the account and the region are those of the call.
    pub(crate) here: bool,
}

/// Reads the ARN of a job of a kind.
///
/// # Errors
/// When it is none.
pub(crate) fn named<'a>(cx: &Cx, given: &'a str, kind: &str) -> Result<Named<'a>> {
    let invalid = || {
        let kind = if kind == "export" { "Export" } else { "Import" };
        Error::validation(format_args!("Invalid {kind} ARN"))
    };
    let parsed =
        undercast_kernel::arn::Arn::parse(given).filter(|arn| arn.service == "dynamodb").ok_or_else(invalid)?;
    let resource = given.split_once(":table/").map(|(_, rest)| rest).ok_or_else(invalid)?;
    let (table, rest) = resource.split_once('/').ok_or_else(invalid)?;
    let id = rest.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).ok_or_else(invalid)?;
    if table.len() < 3 || id.is_empty() {
        return Err(invalid());
    }
    if parsed.account != cx.account() {
        return Err(Error::access_denied("Access is denied".to_owned()));
    }
    Ok(Named { table, id, here: parsed.region == cx.region() })
}

/// The table's name and the whole of a `TableArn`, which must be one of this account.
///
/// # Errors
/// What AWS says of one that is none.
pub(crate) fn table_of_arn<'a>(cx: &Cx, given: &'a str) -> Result<&'a str> {
    let arn = undercast_kernel::arn::Arn::parse(given).filter(|arn| arn.service == "dynamodb");
    let arn = arn.ok_or_else(|| Error::invalid("tableArn is not a valid ARN"))?;
    let name = given.split_once(":table/").map(|(_, name)| name).filter(|name| !name.contains('/'));
    let name = name.ok_or_else(|| Error::validation("Invalid Request: Table ARN is invalid."))?;
    if arn.account != cx.account() {
        return Err(Error::access_denied("Access is denied".to_owned()));
    }
    // AWS looks the name up in its own region, and does not find what is elsewhere.
    if arn.region == cx.region() { Ok(name) } else { Err(Error::table_of_backups_not_found(given)) }
}

/// A page of jobs, newest first, behind the one that a token names; and the token of the next page. `id` tells a job's id.
///
/// # Errors
/// When the token is none of this list.
pub(crate) fn page<T>(
    list: &str,
    mut jobs: Vec<T>,
    token: Option<&str>,
    size: Option<i32>,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>)> {
    jobs.sort_by(|a, b| id(b).cmp(id(a)));
    if let Some(token) = token {
        let text = unhex(token).and_then(|bytes| String::from_utf8(bytes).ok());
        let behind = text.and_then(|text| paging::position(list, &text));
        let invalid = || Error::validation(format_args!("Invalid Request: Provided nextToken is invalid: {token}"));
        let behind = behind.ok_or_else(invalid)?;
        jobs.retain(|job| id(job) < behind.trim_end());
    }
    let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE);
    let more = jobs.len() > size;
    jobs.truncate(size);
    let next = jobs.last().filter(|_| more).map(|last| {
        let position = format!("{:<POSITION$}", id(last));
        hex_encode(paging::token(list, &position).as_bytes())
    });
    Ok((jobs, next))
}

/// What is said of a job that S3 did not let go on.
pub(crate) fn refused_by_s3(error: &AwsError, request: &str) -> Trouble {
    let code = match error.code.strip_prefix("KMS.") {
        Some(of_kms) => format!("Kms{of_kms}"),
        None => format!("S3{}", error.code),
    };
    let message = format!(
        "{} (Service: Amazon S3; Status Code: {}; Error Code: {}; Request ID: {request}; Proxy: null)",
        error.message.trim_end_matches('.'),
        error.status,
        error.code
    );
    Trouble { code, message }
}
