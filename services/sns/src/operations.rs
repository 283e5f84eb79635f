//! The operations: topics here, the others where their subject is.

use std::collections::BTreeMap;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, input, output};
use crate::error::{invalid, no_topic};
use crate::rows::{SUBSCRIPTIONS, Subscription, TOPICS, Topic, TopicName};
use crate::{Sns, archive, deliver, permission, platform, protection, publish, sms, subscribe, topic_attributes};

/// Lists come in pages of so many.
const PAGE: usize = 100;
/// A topic has at most so many tags.
const MOST_TAGS: usize = 50;

/// A page of a list.
pub(crate) fn page<T>(list: &str, items: Vec<T>, token: Option<&str>) -> Result<(Vec<T>, Option<String>)> {
    paging::page(list, items, token, PAGE).ok_or_else(|| Failure::from(invalid("Invalid parameter: NextToken")))
}

fn tags(given: Option<Vec<input::Tag>>) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for tag in given.into_iter().flatten() {
        if out.insert(tag.key, tag.value).is_some() {
            return Err(invalid("Invalid parameter: Duplicated keys are not allowed.").into());
        }
    }
    Ok(out)
}

fn check_tags(tags: &BTreeMap<String, String>, others: usize) -> Result<()> {
    match undercast_kernel::tags::check(tags, others, MOST_TAGS) {
        Ok(()) => Ok(()),
        Err(undercast_kernel::tags::BadTag::TooMany(_)) => {
            Err(errors::tag_limit_exceeded_exception("Could not complete request: tag quota of per resource exceeded")
                .into())
        }
        Err(bad) => Err(invalid(format!("Invalid parameter: Tags Reason: {bad}")).into()),
    }
}

fn subscription(topic_arn: &str, subscription: &Subscription) -> output::Subscription {
    output::Subscription {
        subscription_arn: Some(if subscription.is_pending() {
            "PendingConfirmation".to_owned()
        } else {
            subscription.arn(topic_arn)
        }),
        owner: Some(subscription.owner.clone()),
        protocol: Some(subscription.protocol.clone()),
        endpoint: Some(subscription.endpoint.clone()),
        topic_arn: Some(topic_arn.to_owned()),
    }
}

fn all_topics(cx: &Cx, from: &impl Read) -> Result<Vec<Topic>> {
    Ok(TOPICS.all(from, &(cx.account(), cx.region()))?.into_iter().map(|e| e.row).collect())
}

api::operations! {
    impl api::Operations for Sns; |self, cx, input|
    AddPermission => permission::add(cx, input).await,
    CheckIfPhoneNumberIsOptedOut => sms::is_opted_out(&input),
    ConfirmSubscription => subscribe::confirm(cx, input).await,
    CreatePlatformApplication => platform::create(cx, input).await,
    CreatePlatformEndpoint => platform::create_endpoint(cx, input).await,
    CreateSMSSandboxPhoneNumber => sms::create_number(cx, input).await,
    CreateTopic => create_topic(cx, input).await,
    DeleteEndpoint => platform::delete_endpoint(cx, input).await,
    DeletePlatformApplication => platform::delete(cx, input).await,
    DeleteSMSSandboxPhoneNumber => sms::delete_number(cx, input).await,
    DeleteTopic => delete_topic(cx, input).await,
    GetDataProtectionPolicy => protection::get(cx, &input),
    GetEndpointAttributes => platform::get_endpoint(cx, &input),
    GetPlatformApplicationAttributes => platform::get(cx, &input),
    GetSMSAttributes => sms::get(cx, &input),
    GetSMSSandboxAccountStatus => Ok(sms::sandbox_status()),
    GetSubscriptionAttributes => subscribe::get(cx, &input),
    GetTopicAttributes => get_topic_attributes(cx, &input),
    ListEndpointsByPlatformApplication => platform::list_endpoints(cx, &input),
    ListOriginationNumbers => sms::origination_numbers(&input),
    ListPhoneNumbersOptedOut => sms::opted_out(&input),
    ListPlatformApplications => platform::list(cx, &input),
    ListSMSSandboxPhoneNumbers => sms::numbers(cx, &input),
    ListSubscriptions => list_subscriptions(cx, &input),
    ListSubscriptionsByTopic => list_subscriptions_by_topic(cx, &input),
    ListTagsForResource => list_tags_for_resource(cx, &input),
    ListTopics => list_topics(cx, &input),
    OptInPhoneNumber => sms::opt_in(&input),
    Publish => publish::one(cx, input).await,
    PublishBatch => publish::many(cx, input).await,
    PutDataProtectionPolicy => protection::put(cx, input).await,
    RemovePermission => permission::remove(cx, input).await,
    SetEndpointAttributes => platform::set_endpoint(cx, input).await,
    SetPlatformApplicationAttributes => platform::set(cx, input).await,
    SetSMSAttributes => sms::set(cx, input).await,
    SetSubscriptionAttributes => subscribe::set(cx, input).await,
    SetTopicAttributes => set_topic_attributes(cx, input).await,
    Subscribe => subscribe::subscribe(cx, input).await,
    TagResource => tag_resource(cx, input).await,
    Unsubscribe => subscribe::unsubscribe(cx, input).await,
    UntagResource => untag_resource(cx, input).await,
    VerifySMSSandboxPhoneNumber => sms::verify_number(cx, input).await,
}

/// Refuses a name that is none. Those of FIFO topics end with `.fifo`.
fn check_name(name: &str, fifo: bool) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_name = |name: &str| !name.is_empty() && name.chars().all(good);
    if fifo {
        let own = name.strip_suffix(".fifo").filter(|own| is_name(own) && name.len() <= 256);
        let message = "Invalid parameter: Topic Name Reason: Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.";
        return own.map(drop).ok_or_else(|| invalid(message).into());
    }
    if is_name(name) && name.len() <= 256 { Ok(()) } else { Err(invalid("Invalid parameter: Topic Name").into()) }
}

/// Makes a topic, or finds the one that has the same name and the same attributes.
async fn create_topic(cx: &Cx, input: api::CreateTopicInput) -> Result<api::CreateTopicOutput> {
    let given = input.attributes.unwrap_or_else(BTreeMap::new);
    check_name(&input.name, given.get("FifoTopic").is_some_and(|v| v == "true"))?;
    let tags = tags(input.tags)?;
    check_tags(&tags, 0)?;
    let mut topic = Topic {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: input.name,
        attributes: BTreeMap::new(),
        tags,
        data_protection: input.data_protection_policy.filter(|text| !matches!(text.as_str(), "" | "{}")),
        archived_since: None,
    };
    // What others may be depends on whether it is a FIFO topic.
    let kind = given.get_key_value("FifoTopic");
    for (name, value) in kind.into_iter().chain(given.iter().filter(|(name, _)| *name != "FifoTopic")) {
        topic_attributes::set(cx, &mut topic, name, value, true)?;
    }
    if let Some(policy) = &topic.data_protection {
        protection::check(&topic, policy)?;
    }
    let arn = cx
        .write(|tx| {
            if let Some(there) = TOPICS.get(tx, &topic.key())? {
                return same(cx, &there, &topic);
            }
            TOPICS.put(tx, &topic.key(), &topic);
            Ok(topic.arn(cx))
        })
        .await?;
    Ok(api::CreateTopicOutput { topic_arn: Some(arn) })
}

/// The topic that is there, if it is the one that is wanted.
fn same(cx: &Cx, there: &Topic, wanted: &Topic) -> Result<String> {
    if wanted.attributes.iter().any(|(name, value)| there.attributes.get(name) != Some(value)) {
        let message = "Invalid parameter: Attributes Reason: Topic already exists with different attributes";
        return Err(invalid(message).into());
    }
    if !wanted.tags.is_empty() && there.tags != wanted.tags {
        return Err(invalid("Invalid parameter: Tags Reason: Topic already exists with different tags").into());
    }
    Ok(there.arn(cx))
}

/// Deletes a topic and everything of it. One that is not there is deleted already.
async fn delete_topic(cx: &Cx, input: api::DeleteTopicInput) -> Result<()> {
    let name = TopicName::parse(&input.topic_arn)?;
    cx.write(|tx| {
        if let Some(topic) = TOPICS.get(tx, &name.key())? {
            archive::check_deletion(&topic)?;
        }
        TOPICS.delete(tx, &name.key());
        name.forget(tx)?;
        deliver::forget_all(tx, &name)?;
        publish::forget_all(tx, &name)?;
        archive::forget_all(tx, &name)?;
        subscribe::forget_all(tx, &name)
    })
    .await
}

fn get_topic_attributes(cx: &Cx, input: &api::GetTopicAttributesInput) -> Result<api::GetTopicAttributesOutput> {
    let read = cx.read();
    let topic = TopicName::parse(&input.topic_arn)?.find(&read)?;
    Ok(api::GetTopicAttributesOutput { attributes: Some(topic_attributes::describe(cx, &read, &topic)?) })
}

/// The caller's subscriptions, to whosever topics.
fn list_subscriptions(cx: &Cx, input: &api::ListSubscriptionsInput) -> Result<api::ListSubscriptionsOutput> {
    let read = cx.read();
    let mut found = Vec::new();
    for entry in SUBSCRIPTIONS.all(&read, &())? {
        let Some((account, region, name, _)) = entry.key::<(String, String, String, String)>() else { continue };
        if region == cx.region() && entry.row.owner == cx.account() {
            found.push(subscription(&TopicName { account, region, name }.arn(cx), &entry.row));
        }
    }
    let (subscriptions, next_token) = page("ListSubscriptions", found, input.next_token.as_deref())?;
    Ok(api::ListSubscriptionsOutput { subscriptions: Some(subscriptions), next_token })
}

fn list_subscriptions_by_topic(
    cx: &Cx,
    input: &api::ListSubscriptionsByTopicInput,
) -> Result<api::ListSubscriptionsByTopicOutput> {
    let read = cx.read();
    let topic = TopicName::parse(&input.topic_arn)?.find(&read)?;
    let arn = topic.arn(cx);
    let found = topic.subscriptions(&read)?.iter().map(|s| subscription(&arn, s)).collect();
    let (subscriptions, next_token) = page(&input.topic_arn, found, input.next_token.as_deref())?;
    Ok(api::ListSubscriptionsByTopicOutput { subscriptions: Some(subscriptions), next_token })
}

fn list_tags_for_resource(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let topic = tagged(cx, &cx.read(), &input.resource_arn)?;
    let tags = topic.tags.into_iter().map(|(key, value)| output::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}

fn list_topics(cx: &Cx, input: &api::ListTopicsInput) -> Result<api::ListTopicsOutput> {
    let found = all_topics(cx, &cx.read())?.iter().map(|t| output::Topic { topic_arn: Some(t.arn(cx)) }).collect();
    let (topics, next_token) = page("ListTopics", found, input.next_token.as_deref())?;
    Ok(api::ListTopicsOutput { topics: Some(topics), next_token })
}

async fn set_topic_attributes(cx: &Cx, input: api::SetTopicAttributesInput) -> Result<()> {
    let name = TopicName::parse(&input.topic_arn)?;
    let value = input.attribute_value.unwrap_or_else(String::new);
    cx.write(|tx| {
        let mut topic = name.find(tx)?;
        topic_attributes::set(cx, &mut topic, &input.attribute_name, &value, false)?;
        let all = topic.subscriptions(tx)?;
        topic_attributes::check_subscriptions(&topic, all.iter().map(|s| s.protocol.as_str()))?;
        TOPICS.put(tx, &topic.key(), &topic);
        Ok(())
    })
    .await
}

async fn tag_resource(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let tags = tags(Some(input.tags))?;
    cx.write(|tx| {
        let mut topic = tagged(cx, tx, &input.resource_arn)?;
        check_tags(&tags, topic.tags.keys().filter(|k| !tags.contains_key(*k)).count())?;
        topic.tags.extend(tags.clone());
        TOPICS.put(tx, &topic.key(), &topic);
        Ok(())
    })
    .await
}

async fn untag_resource(cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
    cx.write(|tx| {
        let mut topic = tagged(cx, tx, &input.resource_arn)?;
        topic.tags.retain(|k, _| !input.tag_keys.contains(k));
        TOPICS.put(tx, &topic.key(), &topic);
        Ok(())
    })
    .await
}

/// The topic of a tagging call, whose errors have another name.
fn tagged(_cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Topic> {
    match TopicName::parse(arn)?.find(from) {
        Err(failure) if failure.code() == Some(no_topic().code.as_ref()) => {
            Err(errors::resource_not_found_exception("Resource does not exist").into())
        }
        other => other,
    }
}
