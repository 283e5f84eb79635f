//! Short messages: what an account sets for them, and the numbers of its sandbox.
//!
//! Messages go into the inbox, so that nobody is ever outside of what an account may send to: it is not in the sandbox, and
//! nobody can opt out by an answer. There are no origination numbers either: they are leased from carriers.
//! Source: `SetSMSAttributes` and "SMS sandbox" in the API reference and the developer guide.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::error::invalid;
use crate::message::Message;
use crate::{status, subscribe};

/// Account, region → what was set.
static ATTRIBUTES: Table<BTreeMap<String, String>> = Table::new("sns.sms");
/// Account, region, number → a number of the sandbox.
static SANDBOX: Table<Number> = Table::new("sns.sandbox");

/// A number is told at most so many codes in a day.
const CODES_A_DAY: usize = 5;
/// A code is good for so long.
const CODE_MILLIS: i64 = 15 * 60_000;
const DAY: i64 = 86_400_000;

/// A number that somebody says is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Number {
    #[n(0)]
    code: String,
    #[n(1)]
    verified: bool,
    /// When codes were sent (ms).
    #[n(2)]
    sent: Vec<i64>,
}

/// What was set of an account, or one of it.
fn attributes(cx: &Cx) -> Result<BTreeMap<String, String>> {
    Ok(ATTRIBUTES.get(&cx.read(), &(cx.account(), cx.region()))?.unwrap_or_else(BTreeMap::new))
}

/// An attribute of the message, else of the account.
fn chosen(cx: &Cx, message: &Message, own: &str, account: &str, default: &str) -> Result<String> {
    if let Some(own) = message.attributes.get(own) {
        return Ok(own.value.clone());
    }
    Ok(attributes(cx)?.remove(account).unwrap_or_else(|| default.to_owned()))
}

/// `Promotional` or `Transactional`.
pub(crate) fn kind(cx: &Cx, message: &Message) -> Result<String> {
    chosen(cx, message, "AWS.SNS.SMS.SMSType", "DefaultSMSType", "Promotional")
}

/// Whom a message says it is from.
pub(crate) fn sender(cx: &Cx, message: &Message) -> Result<String> {
    chosen(cx, message, "AWS.SNS.SMS.SenderID", "DefaultSenderID", "NOTICE")
}

/// Logs that a message was sent, where the account wants that.
pub(crate) async fn log(cx: &Cx, number: &str, message: &Message) {
    let Ok(set) = attributes(cx) else { return };
    let rate = set.get("DeliveryStatusSuccessSamplingRate").and_then(|r| r.parse().ok()).unwrap_or(0);
    if let Some(role) = set.get("DeliveryStatusIAMRole") {
        status::log_text(cx, role, rate, number, message).await;
    }
}

fn check(name: &str, value: &str) -> Result<()> {
    let good = match name {
        "MonthlySpendLimit" => value.parse::<f64>().is_ok_and(|limit| limit >= 0.0),
        "DeliveryStatusIAMRole" => value.starts_with("arn:") && value.contains(":role/"),
        "DeliveryStatusSuccessSamplingRate" => value.parse::<u32>().is_ok_and(|rate| rate <= 100),
        "DefaultSenderID" => {
            (1..=11).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }
        "DefaultSMSType" => matches!(value, "Promotional" | "Transactional"),
        "UsageReportS3Bucket" => {
            return Err(Failure::not_built("sns.SetSMSAttributes with UsageReportS3Bucket: no reports are written"));
        }
        _ => return Err(invalid(format!("Invalid parameter: {name} is not a valid attribute")).into()),
    };
    if good { Ok(()) } else { Err(invalid(format!("Invalid parameter: {name} Reason: {value} is not valid")).into()) }
}

pub(crate) async fn set(cx: &Cx, input: api::SetSMSAttributesInput) -> Result<()> {
    input.attributes.iter().try_for_each(|(name, value)| check(name, value))?;
    cx.write(|tx| {
        let key = (cx.account(), cx.region());
        let mut all = ATTRIBUTES.get(tx, &key)?.unwrap_or_else(BTreeMap::new);
        all.extend(input.attributes.clone());
        ATTRIBUTES.put(tx, &key, &all);
        Ok(())
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetSMSAttributesInput) -> Result<api::GetSMSAttributesOutput> {
    let mut all = attributes(cx)?;
    all.entry("MonthlySpendLimit".to_owned()).or_insert_with(|| "1".to_owned());
    if let Some(wanted) = input.attributes.as_ref().filter(|wanted| !wanted.is_empty()) {
        all.retain(|name, _| wanted.contains(name));
    }
    Ok(api::GetSMSAttributesOutput { attributes: Some(all) })
}

fn check_number(number: &str) -> Result<()> {
    if subscribe::is_number(number) {
        return Ok(());
    }
    Err(invalid(format!("Invalid parameter: PhoneNumber Reason: {number} is not a valid phone number")).into())
}

/// Nobody has opted out, since nobody can answer a message in the inbox.
pub(crate) fn is_opted_out(
    input: &api::CheckIfPhoneNumberIsOptedOutInput,
) -> Result<api::CheckIfPhoneNumberIsOptedOutOutput> {
    check_number(&input.phone_number)?;
    Ok(api::CheckIfPhoneNumberIsOptedOutOutput { is_opted_out: Some(false) })
}

pub(crate) fn opted_out(input: &api::ListPhoneNumbersOptedOutInput) -> Result<api::ListPhoneNumbersOptedOutOutput> {
    refuse_token(input.next_token.as_deref())?;
    Ok(api::ListPhoneNumbersOptedOutOutput { phone_numbers: Some(Vec::new()), next_token: None })
}

pub(crate) fn opt_in(input: &api::OptInPhoneNumberInput) -> Result<()> {
    check_number(&input.phone_number)
}

/// There are none, so that no page follows another.
fn refuse_token(token: Option<&str>) -> Result<()> {
    if token.is_some() { Err(invalid("Invalid parameter: NextToken").into()) } else { Ok(()) }
}

pub(crate) fn origination_numbers(
    input: &api::ListOriginationNumbersInput,
) -> Result<api::ListOriginationNumbersOutput> {
    refuse_token(input.next_token.as_deref())?;
    // However many are asked for.
    let _ = input.max_results;
    Ok(api::ListOriginationNumbersOutput { phone_numbers: Some(Vec::new()), next_token: None })
}

pub(crate) fn sandbox_status() -> api::GetSMSSandboxAccountStatusOutput {
    api::GetSMSSandboxAccountStatusOutput { is_in_sandbox: false }
}

/// What a code's message says, in the language that is asked for.
fn code_text(language: Option<&str>, code: &str) -> String {
    let text = match language.map(|l| l.split('-').next().unwrap_or_default()) {
        Some("de") => "Ihr Bestätigungscode lautet",
        Some("es") => "Su código de verificación es",
        Some("fr") => "Votre code de vérification est",
        Some("it") => "Il codice di verifica è",
        Some("ja") => "確認コード:",
        Some("kr") => "인증 코드:",
        Some("pt") => "Seu código de verificação é",
        Some("zh") => "验证码:",
        _ => "Your verification code is",
    };
    format!("{text} {code}")
}

/// Sends a code to a number, which proves whose it is.
pub(crate) async fn create_number(cx: &Cx, input: api::CreateSMSSandboxPhoneNumberInput) -> Result<()> {
    check_number(&input.phone_number)?;
    let code = format!("{:06}", cx.random().below(1_000_000));
    let text = code_text(input.language_code.as_deref(), &code);
    let now = cx.now_millis();
    cx.write(|tx| {
        let key = cx.key(&input.phone_number);
        let there = SANDBOX.get(tx, &key)?;
        if there.as_ref().is_some_and(|n| n.verified) {
            return Err(errors::user_error_exception("The phone number is already verified.").into());
        }
        let mut sent = there.map_or_else(Vec::new, |n| n.sent);
        sent.retain(|at| at + DAY > now);
        if sent.len() >= CODES_A_DAY {
            return Err(
                errors::throttled_exception("Too many verification codes were sent to this phone number.").into()
            );
        }
        sent.push(now);
        SANDBOX.put(tx, &key, &Number { code: code.clone(), verified: false, sent });
        cx.post(tx, "sms", &input.phone_number, "NOTICE", None, &text)
    })
    .await
}

fn no_number() -> Failure {
    errors::resource_not_found_exception("The phone number does not exist in the SMS sandbox.").into()
}

pub(crate) async fn verify_number(cx: &Cx, input: api::VerifySMSSandboxPhoneNumberInput) -> Result<()> {
    cx.write(|tx| {
        let key = cx.key(&input.phone_number);
        let mut number = SANDBOX.get(tx, &key)?.ok_or_else(no_number)?;
        let fresh = number.sent.last().is_some_and(|at| at + CODE_MILLIS > cx.now_millis());
        if number.code != input.one_time_password || !fresh {
            return Err(errors::verification_exception("The one-time password is not valid.").into());
        }
        number.verified = true;
        SANDBOX.put(tx, &key, &number);
        Ok(())
    })
    .await
}

pub(crate) async fn delete_number(cx: &Cx, input: api::DeleteSMSSandboxPhoneNumberInput) -> Result<()> {
    cx.write(|tx| {
        let key = cx.key(&input.phone_number);
        let number = SANDBOX.get(tx, &key)?.ok_or_else(no_number)?;
        // "A verified number can be deleted 24 hours after its verification began."
        if number.verified && number.sent.last().is_some_and(|at| at + DAY > cx.now_millis()) {
            let message = "You can delete a verified phone number 24 hours after its verification.";
            return Err(errors::user_error_exception(message).into());
        }
        SANDBOX.delete(tx, &key);
        Ok(())
    })
    .await
}

pub(crate) fn numbers(
    cx: &Cx,
    input: &api::ListSMSSandboxPhoneNumbersInput,
) -> Result<api::ListSMSSandboxPhoneNumbersOutput> {
    let most = input.max_results.and_then(|m| usize::try_from(m).ok()).unwrap_or(100);
    let found = SANDBOX.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().filter_map(|entry| {
        let (_, _, number) = entry.key::<(String, String, String)>()?;
        let status = if entry.row.verified { "Verified" } else { "Pending" };
        Some(output::SMSSandboxPhoneNumber { phone_number: Some(number), status: Some(status.to_owned()) })
    });
    let page = undercast_kernel::paging::page(
        "ListSMSSandboxPhoneNumbers",
        found.collect(),
        input.next_token.as_deref(),
        most,
    );
    let (phone_numbers, next_token) = page.ok_or_else(|| Failure::from(invalid("Invalid parameter: NextToken")))?;
    Ok(api::ListSMSSandboxPhoneNumbersOutput { phone_numbers, next_token })
}
