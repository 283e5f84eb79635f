//! The credential report: who has which credentials, and when they were made and used.
//!
//! Source: "Generate credential reports for your AWS account" in the user guide.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, errors};
use crate::entity::{Entity, Kind};
use crate::{keys, mfa, password_policy, passwords, signing, usage};

/// Account → its newest report.
static REPORTS: Table<Report> = Table::new("iam.credential_reports");

/// A report is good for so long (s).
const GOOD: i64 = 4 * 3_600;

const COLUMNS: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

const NONE: &str = "N/A";

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Report {
    /// Seconds since 1970.
    #[n(0)]
    made: i64,
    #[n(1)]
    text: String,
}

fn date(seconds: i64) -> String {
    let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn date_or(seconds: Option<i64>, none: &str) -> String {
    seconds.map_or_else(|| none.to_owned(), date)
}

/// The columns of passwords and devices of a user.
fn sign_in(cx: &Cx, from: &impl Read, user: &Entity) -> Result<Vec<String>> {
    let login = passwords::of(from, cx.account(), &user.name)?;
    let policy = password_policy::of(from, cx.account())?;
    let changed = login.as_ref().map(|login| login.changed);
    let next = policy.zip(changed).and_then(|(policy, changed)| policy.expires(changed));
    // Passwords are for the console, which is not here: none was ever used.
    let used = if login.is_some() { "no_information" } else { NONE };
    Ok(vec![
        login.is_some().to_string(),
        used.to_owned(),
        date_or(changed, NONE),
        date_or(next, NONE),
        mfa::any(from, cx.account(), &user.name)?.to_string(),
    ])
}

/// The columns of the two access keys.
fn access_keys(cx: &Cx, from: &impl Read, user: &str) -> Result<Vec<String>> {
    let keys = keys::of(from, cx.account(), user)?;
    let mut columns = Vec::new();
    for at in 0..keys::MOST {
        let Some((id, active, created)) = keys.get(at) else {
            columns.extend(["false", NONE, NONE, NONE, NONE].map(ToOwned::to_owned));
            continue;
        };
        let used = usage::of_key(from, cx.account(), id)?;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        columns.extend([active.to_string(), date(*created), date_or(used.as_ref().map(|u| u.at), NONE)]);
        columns.extend([or_none(used.as_ref().map(|u| u.region.clone())), or_none(used.map(|u| u.service))]);
    }
    Ok(columns)
}

/// The columns of the two signing certificates.
fn certificates(cx: &Cx, from: &impl Read, user: &str) -> Result<Vec<String>> {
    let all = signing::of(from, cx.account(), user)?;
    let columns = (0..signing::MOST).flat_map(|at| match all.get(at) {
        Some((active, uploaded)) => [active.to_string(), date(*uploaded)],
        None => [false.to_string(), NONE.to_owned()],
    });
    Ok(columns.collect())
}

/// The line of the root user, which has neither keys nor certificates that were issued here.
fn of_root(cx: &Cx, from: &impl Read) -> Result<Vec<String>> {
    // An account is there from the beginning, whenever that was.
    let arn = cx.global_arn("iam", "root");
    let first = ["<root_account>", &arn, &date(0), "not_supported", "no_information", "not_supported", "not_supported"];
    let mut columns: Vec<String> = first.map(ToOwned::to_owned).to_vec();
    columns.push(mfa::of_root(from, cx.account())?.to_string());
    let key = ["false", NONE, NONE, NONE, NONE];
    columns
        .extend([&key[..], &key[..], &["false", NONE], &["false", NONE]].concat().into_iter().map(ToOwned::to_owned));
    Ok(columns)
}

fn make(cx: &Cx, from: &impl Read) -> Result<String> {
    let mut lines = vec![COLUMNS.to_owned(), line(&of_root(cx, from)?)];
    for user in Kind::User.all(from, cx.account())? {
        let mut columns = vec![user.name.clone(), user.arn(cx, Kind::User), date(user.created)];
        columns.extend(sign_in(cx, from, &user)?);
        columns.extend(access_keys(cx, from, &user.name)?);
        columns.extend(certificates(cx, from, &user.name)?);
        lines.push(line(&columns));
    }
    Ok(lines.join("\n"))
}

/// Names may have commas in them.
fn line(columns: &[String]) -> String {
    let quoted = columns.iter().map(|text| if text.contains(',') { format!("\"{text}\"") } else { text.clone() });
    quoted.collect::<Vec<_>>().join(",")
}

/// Makes a report, unless there is one of the last four hours. It is done at once.
pub(crate) async fn generate(cx: &Cx) -> Result<api::GenerateCredentialReportOutput> {
    usage::flush(cx.kernel()).await?;
    let now = cx.now().as_second();
    cx.write(|tx| {
        if REPORTS.get(tx, &(cx.account(),))?.is_none_or(|report| now - report.made >= GOOD) {
            let report = Report { made: now, text: make(cx, tx)? };
            REPORTS.put(tx, &(cx.account(),), &report);
        }
        Ok(())
    })
    .await?;
    Ok(api::GenerateCredentialReportOutput { state: Some("COMPLETE".to_owned()), description: None })
}

pub(crate) fn get(cx: &Cx) -> Result<api::GetCredentialReportOutput> {
    let Some(report) = REPORTS.get(&cx.read(), &(cx.account(),))? else {
        let message = "No report is present. To generate a credential report, use GenerateCredentialReport.";
        return Err(errors::credential_report_not_present_exception(message).into());
    };
    if cx.now().as_second() - report.made >= GOOD {
        let message =
            "The most recent credential report has expired. To generate a new one, use GenerateCredentialReport.";
        return Err(errors::credential_report_expired_exception(message).into());
    }
    Ok(api::GetCredentialReportOutput {
        content: Some(report.text.into_bytes().into()),
        report_format: Some("text/csv".to_owned()),
        generated_time: Timestamp::from_second(report.made).ok(),
    })
}
