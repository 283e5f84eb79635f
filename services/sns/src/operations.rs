//! The operations: topics here, the others where their subject is.

use std::collections::BTreeMap;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, input, output};
use crate::error::{invalid, no_topic};
use crate::rows::{SUBSCRIPTIONS, Subscription, TOPICS, Topic, TopicName};
use crate::{Sns, attributes, permission, publish, subscribe};

/// Lists come in pages of so many.
const PAGE: usize = 100;
/// A topic has at most so many tags.
const MOST_TAGS: usize = 50;

fn page<T>(list: &str, items: Vec<T>, token: Option<&str>) -> Result<(Vec<T>, Option<String>)> {
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

fn subscription(cx: &Cx, topic: &Topic, subscription: &Subscription) -> output::Subscription {
    let topic_arn = topic.arn(cx);
    output::Subscription {
        subscription_arn: Some(subscription.arn(&topic_arn)),
        owner: Some(subscription.owner.clone()),
        protocol: Some(subscription.protocol.clone()),
        endpoint: Some(subscription.endpoint.clone()),
        topic_arn: Some(topic_arn),
    }
}

fn all_topics(cx: &Cx, from: &impl Read) -> Result<Vec<Topic>> {
    Ok(TOPICS.all(from, &(cx.account(), cx.region()))?.into_iter().map(|e| e.row).collect())
}

api::operations! {
    impl api::Operations for Sns; |self, cx, input|
    AddPermission => permission::add(cx, input).await,
    CreateTopic => create_topic(cx, input).await,
    DeleteTopic => delete_topic(cx, input).await,
    GetSubscriptionAttributes => subscribe::get(cx, input).await,
    GetTopicAttributes => get_topic_attributes(cx, &input),
    ListSubscriptions => list_subscriptions(cx, &input),
    ListSubscriptionsByTopic => list_subscriptions_by_topic(cx, &input),
    ListTagsForResource => list_tags_for_resource(cx, &input),
    ListTopics => list_topics(cx, &input),
    Publish => publish::one(cx, input).await,
    PublishBatch => publish::many(cx, input).await,
    RemovePermission => permission::remove(cx, input).await,
    SetSubscriptionAttributes => subscribe::set(cx, input).await,
    SetTopicAttributes => set_topic_attributes(cx, input).await,
    Subscribe => subscribe::subscribe(cx, input).await,
    TagResource => tag_resource(cx, input).await,
    Unsubscribe => subscribe::unsubscribe(cx, input).await,
    UntagResource => untag_resource(cx, input).await,
}

async fn create_topic(cx: &Cx, input: api::CreateTopicInput) -> Result<api::CreateTopicOutput> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if input.name.ends_with(".fifo") {
        return Err(Failure::not_built("sns FIFO topics"));
    }
    if input.name.is_empty() || input.name.len() > 256 || !input.name.chars().all(good) {
        return Err(invalid("Invalid parameter: Topic Name").into());
    }
    let tags = tags(input.tags)?;
    check_tags(&tags, 0)?;
    let given = input.attributes.unwrap_or_else(BTreeMap::new);
    let arn = cx
        .write(|tx| {
            let mut topic = Topic {
                account: cx.account().to_owned(),
                region: cx.region().to_owned(),
                name: input.name.clone(),
                attributes: BTreeMap::new(),
                tags: tags.clone(),
            };
            given.iter().try_for_each(|(name, value)| attributes::set_topic(cx, &mut topic, name, value))?;
            if let Some(there) = TOPICS.get(tx, &topic.key())? {
                if topic.attributes.iter().any(|(name, value)| there.attributes.get(name) != Some(value)) {
                    return Err(invalid(
                        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
                    )
                    .into());
                }
                if !tags.is_empty() && there.tags != tags {
                    return Err(
                        invalid("Invalid parameter: Tags Reason: Topic already exists with different tags").into()
                    );
                }
                return Ok(there.arn(cx));
            }
            TOPICS.put(tx, &topic.key(), &topic);
            Ok(topic.arn(cx))
        })
        .await?;
    Ok(api::CreateTopicOutput { topic_arn: Some(arn) })
}

async fn delete_topic(cx: &Cx, input: api::DeleteTopicInput) -> Result<()> {
    let name = TopicName::parse(&input.topic_arn)?;
    cx.write(|tx| {
        TOPICS.delete(tx, &name.key());
        SUBSCRIPTIONS.clear(tx, &name.key())?;
        Ok(())
    })
    .await
}

fn get_topic_attributes(cx: &Cx, input: &api::GetTopicAttributesInput) -> Result<api::GetTopicAttributesOutput> {
    let read = cx.read();
    let topic = TopicName::parse(&input.topic_arn)?.find(&read)?;
    let count = topic.subscriptions(&read)?.len();
    Ok(api::GetTopicAttributesOutput { attributes: Some(attributes::describe_topic(cx, &topic, count)) })
}

fn list_subscriptions(cx: &Cx, input: &api::ListSubscriptionsInput) -> Result<api::ListSubscriptionsOutput> {
    let read = cx.read();
    let mut found = Vec::new();
    for topic in all_topics(cx, &read)? {
        found.extend(topic.subscriptions(&read)?.iter().map(|s| subscription(cx, &topic, s)));
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
    let found = topic.subscriptions(&read)?.iter().map(|s| subscription(cx, &topic, s)).collect();
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
        attributes::set_topic(cx, &mut topic, &input.attribute_name, &value)?;
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
