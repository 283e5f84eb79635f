//! Subscriptions: made, confirmed, changed, ended.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::api::{self, errors};
use crate::deliver::{http, queue};
use crate::envelope::Envelope;
use crate::error::{invalid, no_subscription, no_value};
use crate::retry::{self, Policy};
use crate::rows::{SUBSCRIPTIONS, Subscription, Topic, TopicName, find_subscription, subscription_place};
use crate::subscription_attributes as attributes;
use crate::{archive, filter, people, platform, signature, topic_attributes};

/// Account, region, topic, token → a subscription that a link ended, and that the token restores.
static ENDED: Table<Ended> = Table::new("sns.ended");

/// Tokens are good for two days, and what nobody confirms by then is gone.
const TOKEN_MILLIS: i64 = 2 * 86_400_000;
/// A FIFO topic has at most so many subscriptions ("Amazon SNS endpoints and quotas").
const MOST_OF_FIFO: usize = 100;

/// A subscription that a link ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Ended {
    #[n(0)]
    subscription: Subscription,
    /// Until when it can be restored (ms).
    #[n(1)]
    until: i64,
}

/// What is to be told of a subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Notice {
    topic: String,
    /// `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    kind: String,
    token: String,
    subscription: String,
}

/// Whether a text can be a telephone number: `+` and digits, as E.164 has them.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// A number as subscriptions may write it: hyphens, points and the like, one at a time, between its digits.
fn is_sms_endpoint(text: &str) -> bool {
    let inner = text.strip_prefix('+').unwrap_or(text);
    let separator = |c: char| matches!(c, '-' | '.' | '/' | ' ' | '(' | ')');
    let digits = inner.chars().filter(char::is_ascii_digit).count();
    let mut pairs = inner.chars().zip(inner.chars().skip(1));
    (5..=15).contains(&digits)
        && inner.chars().all(|c| c.is_ascii_digit() || separator(c))
        && inner.chars().next().is_some_and(|c| c.is_ascii_digit())
        && inner.chars().last().is_some_and(|c| c.is_ascii_digit())
        && !pairs.any(|(a, b)| separator(a) && separator(b))
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.contains('@') && domain.contains('.') && !text.chars().any(char::is_whitespace)
    })
}

/// Refuses an endpoint that is none of its protocol, or none that a topic may have.
fn check_endpoint(cx: &Cx, topic: &Topic, protocol: &str, endpoint: &str) -> Result<()> {
    let refuse = |message: &str| Err(invalid(format!("Invalid parameter: {message}")).into());
    let arn = Arn::parse(endpoint);
    let service = arn.as_ref().map(|a| a.service.as_str());
    if topic.is_fifo() && protocol != "sqs" {
        return refuse(&format!(
            "Protocol Reason: FIFO topics have subscriptions of SQS queues alone, not of {protocol}"
        ));
    }
    match (protocol, service) {
        ("sqs", Some("sqs")) if !topic.is_fifo() && arn.as_ref().is_some_and(|a| a.resource.ends_with(".fifo")) => {
            refuse("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
        }
        ("sqs", Some("sqs")) | ("lambda", Some("lambda")) => Ok(()),
        ("sqs", _) => refuse("SQS endpoint ARN"),
        ("lambda", _) => refuse("Lambda endpoint ARN"),
        ("http" | "https", _) if http::address(endpoint, protocol).is_some() => Ok(()),
        ("http" | "https", _) => refuse("Endpoint must match the specified protocol"),
        ("email" | "email-json", _) if is_address(endpoint) => Ok(()),
        ("email" | "email-json", _) => refuse("Email address"),
        ("sms", _) if is_sms_endpoint(endpoint) => Ok(()),
        ("sms", _) => Err(invalid(format!("Invalid SMS endpoint: {endpoint}")).into()),
        ("application", Some("sns")) => platform::check_endpoint(cx, endpoint),
        ("application", _) => refuse("Application endpoint arn invalid"),
        ("firehose", Some("firehose")) => Ok(()),
        ("firehose", _) => refuse("Firehose endpoint ARN"),
        _ => refuse(&format!("Amazon SNS does not support this protocol string: {protocol}")),
    }
}

/// Whether the owner of an endpoint is asked before it gets anything. Who subscribes a queue of its own has said yes.
fn needs_confirmation(cx: &Cx, protocol: &str, endpoint: &str) -> bool {
    match protocol {
        "http" | "https" | "email" | "email-json" => true,
        "sqs" => Arn::parse(endpoint).is_some_and(|a| a.account != cx.principal().account && !is_service(cx)),
        _ => false,
    }
}

fn is_service(cx: &Cx) -> bool {
    matches!(cx.principal().kind, PrincipalKind::Service { .. })
}

/// Makes a subscription, or finds the one that has the same endpoint and the same attributes.
pub(crate) async fn subscribe(cx: &Cx, input: api::SubscribeInput) -> Result<api::SubscribeOutput> {
    let name = TopicName::parse(&input.topic_arn)?;
    let endpoint = input.endpoint.ok_or_else(|| no_value("Endpoint"))?;
    let topic = name.find(&cx.read())?;
    check_endpoint(cx, &topic, &input.protocol, &endpoint)?;
    let given = input.attributes.unwrap_or_else(BTreeMap::new);
    let pending = needs_confirmation(cx, &input.protocol, &endpoint);
    let owner = if cx.principal().account.is_empty() { cx.account() } else { &cx.principal().account };
    let mut wanted = Subscription {
        id: cx.random().uuid(),
        owner: owner.to_owned(),
        protocol: input.protocol,
        endpoint,
        attributes: BTreeMap::new(),
        token: pending.then(|| cx.random().hex(236)),
        by_link: None,
        authenticate: None,
        principal: Some(cx.principal().arn.clone()),
        confirmed_by: None,
    };
    for (name, value) in attributes::in_order(&given) {
        attributes::set(&topic, &mut wanted, name, value).map_err(in_attributes)?;
    }
    if wanted.protocol == "firehose" && wanted.text("SubscriptionRoleArn").is_none() {
        return Err(no_value("SubscriptionRoleArn").into());
    }
    let made = cx.write(|tx| find_or_make(cx, tx, &name, &wanted)).await?;
    let arn = made.arn(&topic.arn(cx));
    let shown = !made.is_pending() || input.return_subscription_arn == Some(true);
    Ok(api::SubscribeOutput { subscription_arn: Some(if shown { arn } else { "pending confirmation".to_owned() }) })
}

/// AWS says of attributes that a subscription is made with where they stand.
fn in_attributes(failure: Failure) -> Failure {
    let Failure::Aws(error) = failure else { return failure };
    let rest = error.message.strip_prefix("Invalid parameter: ").filter(|rest| rest.starts_with("FilterPolicy: "));
    match rest {
        Some(rest) => invalid(format!("Invalid parameter: Attributes Reason: {rest}")).into(),
        None => Failure::Aws(error),
    }
}

fn find_or_make(cx: &Cx, tx: &mut Tx<'_>, name: &TopicName, wanted: &Subscription) -> Result<Subscription> {
    let topic = name.find(tx)?;
    let all = topic.subscriptions(tx)?;
    if let Some(there) = all.iter().find(|s| s.protocol == wanted.protocol && s.endpoint == wanted.endpoint) {
        if there.is_pending() {
            // It is asked once more, and may have other attributes now.
            let again = Subscription { id: there.id.clone(), ..wanted.clone() };
            topic.put_subscription(tx, &again);
            ask(cx, tx, &topic, &again)?;
            return Ok(again);
        }
        if there.attributes == wanted.attributes {
            return Ok(there.clone());
        }
        let message = "Invalid parameter: Attributes Reason: Subscription already exists with different attributes";
        return Err(invalid(message).into());
    }
    if topic.is_fifo() && all.len() >= MOST_OF_FIFO {
        let message = format!("Subscription limit exceeded: a FIFO topic has at most {MOST_OF_FIFO} subscriptions");
        return Err(errors::subscription_limit_exceeded_exception(message).into());
    }
    check_policies(&all, wanted)?;
    let protocols = all.iter().chain([wanted]).map(|s| s.protocol.as_str());
    topic_attributes::check_subscriptions(&topic, protocols)?;
    topic.put_subscription(tx, wanted);
    if wanted.is_pending() {
        ask(cx, tx, &topic, wanted)?;
    }
    archive::begin_replay(cx, tx, &topic, wanted)?;
    Ok(wanted.clone())
}

/// A topic has not more filter policies than a quota says.
fn check_policies(all: &[Subscription], changed: &Subscription) -> Result<()> {
    let others = all.iter().filter(|s| s.id != changed.id && s.text("FilterPolicy").is_some()).count();
    if changed.text("FilterPolicy").is_some() && others >= filter::MOST_OF_A_TOPIC {
        return Err(filter::too_many().into());
    }
    Ok(())
}

/// Has the owner of an endpoint asked, and has forgotten what is not confirmed in time.
fn ask(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, subscription: &Subscription) -> Result<()> {
    tell(cx, tx, topic, subscription, "SubscriptionConfirmation", subscription.token.as_deref().unwrap_or_default())?;
    let place = cx.elsewhere(&topic.account, &topic.region);
    let due = Timestamp::from_millisecond(cx.now_millis() + TOKEN_MILLIS).map_err(Failure::broken)?;
    let payload = format!("{}/{}", topic.name, subscription.id);
    cx.tasks().schedule(&place, tx, "sns", &format!("expire/{}", subscription.id), "expire", payload, due)
}

fn tell(cx: &Cx, tx: &mut Tx<'_>, topic: &Topic, subscription: &Subscription, kind: &str, token: &str) -> Result<()> {
    let notice = Notice {
        topic: topic.name.clone(),
        kind: kind.to_owned(),
        token: token.to_owned(),
        subscription: subscription.id.clone(),
    };
    let payload = serde_json::to_string(&notice).map_err(Failure::broken)?;
    let place = cx.elsewhere(&topic.account, &topic.region);
    let id = format!("notice/{}/{}", subscription.id, &token[token.len().saturating_sub(16)..]);
    cx.tasks().schedule(&place, tx, "sns", &id, "notice", payload, cx.now())
}

/// Removes a subscription that nobody confirmed in time.
pub(crate) async fn expire(cx: &Cx, task: &Task) -> Result<Next> {
    let Some((topic, id)) = task.payload.rsplit_once('/') else { return Ok(Next::Done) };
    cx.write(|tx| {
        let key = (cx.account(), cx.region(), topic, id);
        if SUBSCRIPTIONS.get(tx, &key)?.is_some_and(|s| s.is_pending()) {
            SUBSCRIPTIONS.delete(tx, &key);
        }
        ENDED.all(tx, &(cx.account(), cx.region(), topic))?.iter().filter(|e| e.row.until <= cx.now_millis()).for_each(
            |e| {
                if let Some((account, region, topic, token)) = e.key::<(String, String, String, String)>() {
                    ENDED.delete(tx, &(account, region, topic, token));
                }
            },
        );
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

/// Asks the owner of an endpoint to confirm, or tells that a subscription was ended.
pub(crate) async fn notice(cx: &Cx, task: &Task) -> Result<Next> {
    let notice: Notice = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let read = cx.read();
    let name =
        TopicName { account: cx.account().to_owned(), region: cx.region().to_owned(), name: notice.topic.clone() };
    let Ok(topic) = name.find(&read) else { return Ok(Next::Done) };
    let subscription = match notice.kind.as_str() {
        "SubscriptionConfirmation" => {
            let found = SUBSCRIPTIONS.get(&read, &(name.key(), &notice.subscription))?;
            found.filter(|s| s.token.as_deref() == Some(&notice.token))
        }
        _ => ENDED.get(&read, &(name.key(), &notice.token))?.map(|ended| ended.subscription),
    };
    let Some(subscription) = subscription else { return Ok(Next::Done) };
    let key = signature::key(cx).await?;
    let envelope = Envelope { cx, topic: &topic, key: Some(&key) };
    let text = envelope.confirmation(&notice.kind, &cx.random().uuid(), &notice.token)?;
    let sent = match subscription.protocol.as_str() {
        "sqs" => queue::confirm(&envelope, &subscription.endpoint, &text.to_string()).await,
        "http" | "https" => http::confirm(&envelope, &subscription, &notice.kind, &text).await,
        _ => people::confirm(&envelope, &subscription, &notice.kind, &text, &notice.token).await,
    };
    let Err(failure) = sent else { return Ok(Next::Done) };
    if matches!(failure, Failure::Broken(_)) {
        return Err(failure);
    }
    again(cx, task, &topic, &subscription).await
}

/// Failed notices are sent again as notifications are.
async fn again(cx: &Cx, task: &Task, topic: &Topic, subscription: &Subscription) -> Result<Next> {
    let failures = crate::deliver::failures(cx, &task.id)? + 1;
    let wait = if subscription.protocol.starts_with("http") {
        Policy::of(topic, subscription).wait(failures)
    } else {
        retry::wait_of_aws(failures)
    };
    crate::deliver::count(cx, &task.id, wait.map(|_| failures)).await?;
    let Some(wait) = wait else { return Ok(Next::Done) };
    Timestamp::from_millisecond(cx.refreshed().now_millis() + wait).map(Next::Again).map_err(Failure::broken)
}

fn is_anonymous(cx: &Cx) -> bool {
    matches!(cx.principal().kind, PrincipalKind::Anonymous)
}

/// Confirms a subscription with the token that its endpoint got.
pub(crate) async fn confirm(cx: &Cx, input: api::ConfirmSubscriptionInput) -> Result<api::ConfirmSubscriptionOutput> {
    let name = TopicName::parse(&input.topic_arn)?;
    let authenticate = match input.authenticate_on_unsubscribe.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("Invalid parameter: AuthenticateOnUnsubscribe").into()),
    };
    if input.token.is_empty() {
        return Err(invalid("Invalid token").into());
    }
    let arn = cx
        .write(|tx| {
            let topic = name.find(tx)?;
            let by_token =
                |s: &Subscription| [&s.token, &s.confirmed_by].iter().any(|t| t.as_deref() == Some(&input.token));
            let mut subscription = match topic.subscriptions(tx)?.into_iter().find(by_token) {
                Some(there) if there.is_pending() => there,
                Some(there) => return Ok(there.arn(&topic.arn(cx))),
                None => restore(cx, tx, &name, &input.token)?,
            };
            subscription.token = None;
            subscription.confirmed_by = Some(input.token.clone());
            subscription.by_link = Some(is_anonymous(cx));
            subscription.authenticate = Some(authenticate);
            topic.put_subscription(tx, &subscription);
            cx.tasks().cancel(tx, "sns", &format!("expire/{}", subscription.id))?;
            archive::begin_replay(cx, tx, &topic, &subscription)?;
            Ok(subscription.arn(&topic.arn(cx)))
        })
        .await?;
    Ok(api::ConfirmSubscriptionOutput { subscription_arn: Some(arn) })
}

/// A subscription that a link ended, and that is to be again.
fn restore(cx: &Cx, tx: &mut Tx<'_>, name: &TopicName, token: &str) -> Result<Subscription> {
    let ended = ENDED.get(tx, &(name.key(), token))?.filter(|ended| ended.until > cx.now_millis());
    let ended = ended.ok_or_else(|| Failure::from(invalid("Invalid parameter: Token")))?;
    ENDED.delete(tx, &(name.key(), token));
    Ok(ended.subscription)
}

/// Whether a call that nobody signed may end a subscription.
pub(crate) fn ends_by_link(from: &(impl Read + ?Sized), arn: &str) -> Result<bool> {
    Ok(!matches!(find_subscription(from, arn), Ok((_, s)) if s.authenticate == Some(true)))
}

/// Ends a subscription. Who follows a link may have been sent it by somebody else: its endpoint is told how to undo it.
pub(crate) async fn unsubscribe(cx: &Cx, input: api::UnsubscribeInput) -> Result<()> {
    let (name, id) = subscription_place(&input.subscription_arn)?;
    let token = cx.random().hex(236);
    cx.write(|tx| {
        let Some(subscription) = SUBSCRIPTIONS.get(tx, &(name.key(), &id))? else { return Ok(()) };
        name.remove_subscription(tx, &id, cx.now_millis())?;
        archive::end_replay(tx, &name, &id);
        let stranger = is_anonymous(cx) || cx.principal().account != subscription.owner;
        let told = matches!(subscription.protocol.as_str(), "http" | "https" | "email" | "email-json");
        if stranger && told && subscription.authenticate != Some(true) && !subscription.is_pending() {
            let topic = name.find(tx)?;
            let until = cx.now_millis() + TOKEN_MILLIS;
            ENDED.put(tx, &(name.key(), &token), &Ended { subscription: subscription.clone(), until });
            tell(cx, tx, &topic, &subscription, "UnsubscribeConfirmation", &token)?;
        }
        Ok(())
    })
    .await
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetSubscriptionAttributesInput,
) -> Result<api::GetSubscriptionAttributesOutput> {
    let read = cx.read();
    let (name, subscription) = find_subscription(&read, &input.subscription_arn)?;
    let topic = name.find(&read).map_err(|_| no_subscription())?;
    let attributes = attributes::describe(cx, &read, &topic, &subscription)?;
    Ok(api::GetSubscriptionAttributesOutput { attributes: Some(attributes) })
}

pub(crate) async fn set(cx: &Cx, input: api::SetSubscriptionAttributesInput) -> Result<()> {
    let value = input.attribute_value.unwrap_or_else(String::new);
    cx.write(|tx| {
        let (name, mut subscription) = find_subscription(tx, &input.subscription_arn)?;
        let topic = name.find(tx).map_err(|_| no_subscription())?;
        attributes::set(&topic, &mut subscription, &input.attribute_name, &value)?;
        check_policies(&topic.subscriptions(tx)?, &subscription)?;
        topic.put_subscription(tx, &subscription);
        if input.attribute_name == "ReplayPolicy" {
            archive::begin_replay(cx, tx, &topic, &subscription)?;
        }
        Ok(())
    })
    .await
}

/// Forgets what is kept of ended subscriptions of a topic that is deleted.
pub(crate) fn forget_all(tx: &mut Tx<'_>, name: &TopicName) -> Result<()> {
    ENDED.clear(tx, &name.key()).map(drop).map_err(Into::into)
}
