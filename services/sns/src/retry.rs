//! Delivery policies: how often and when a failed delivery is tried again, how fast an endpoint is asked, and which content type
//! it is told.
//!
//! Source: "Amazon SNS message delivery retries" and "Creating an HTTP/S delivery policy" in the developer guide.

use serde::Deserialize;
use serde_json::{Value as Json, json};
use undercast_kernel::AwsError;

use crate::error::invalid;
use crate::rows::{Subscription, Topic};

/// How waits grow between the retries with the least and those with the greatest delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backoff {
    Arithmetic,
    Exponential,
    Geometric,
    #[default]
    Linear,
}

/// When a delivery is tried again. Delays are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Retries {
    min_delay_target: u32,
    max_delay_target: u32,
    num_retries: u32,
    num_max_delay_retries: u32,
    num_no_delay_retries: u32,
    num_min_delay_retries: u32,
    backoff_function: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Backoff::Linear,
        }
    }
}

/// How fast an endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Throttle {
    max_receives_per_second: Option<u32>,
}

/// What requests say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    header_content_type: Option<String>,
}

/// The policy of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfHttp {
    default_healthy_retry_policy: Option<Retries>,
    #[serde(default)]
    disable_subscription_overrides: bool,
    default_throttle_policy: Option<Throttle>,
    default_request_policy: Option<Request>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTopic {
    http: OfHttp,
}

/// The policy of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfSubscription {
    healthy_retry_policy: Option<Retries>,
    throttle_policy: Option<Throttle>,
    request_policy: Option<Request>,
}

fn refuse(why: impl std::fmt::Display) -> AwsError {
    invalid(format!("Invalid parameter: DeliveryPolicy: {why}"))
}

impl Retries {
    fn check(&self, name: &str) -> Result<(), AwsError> {
        let steps = [self.num_no_delay_retries, self.num_min_delay_retries, self.num_max_delay_retries];
        let steps = steps.iter().fold(0u32, |sum, n| sum.saturating_add(*n));
        let wrong = |member: &str, why: &str| Err(refuse(format!("{name}.{member} {why}")));
        if !(1..=3600).contains(&self.min_delay_target) {
            return wrong("minDelayTarget", "must be between 1 and 3600");
        }
        if !(self.min_delay_target..=3600).contains(&self.max_delay_target) {
            return wrong("maxDelayTarget", "must be greater than or equal to minDelayTarget and at most 3600");
        }
        if self.num_retries > 100 {
            return wrong("numRetries", "must be less than or equal to 100");
        }
        if steps > self.num_retries {
            return wrong("numRetries", "must be greater than or equal to the sum of the retries of its phases");
        }
        Ok(())
    }

    /// Seconds before the `nth` retry, from one on; `None`: it is not tried so often.
    fn wait(&self, nth: u32) -> Option<f64> {
        let (none, least, most) = (self.num_no_delay_retries, self.num_min_delay_retries, self.num_max_delay_retries);
        let (shortest, longest) = (f64::from(self.min_delay_target), f64::from(self.max_delay_target));
        if nth == 0 || nth > self.num_retries {
            return None;
        }
        if nth <= none {
            return Some(0.0);
        }
        if nth <= none + least {
            return Some(shortest);
        }
        let growing = self.num_retries - none - least - most;
        let step = nth - none - least;
        if step > growing {
            return Some(longest);
        }
        if growing == 1 {
            return Some(shortest);
        }
        let share = f64::from(step - 1) / f64::from(growing - 1);
        let share = match self.backoff_function {
            Backoff::Linear => share,
            // Each wait is longer than the one before by a step that grows evenly,
            Backoff::Arithmetic => share * (share + 1.0) / 2.0,
            // by its square,
            Backoff::Geometric => share * share,
            // or twofold.
            Backoff::Exponential => {
                let steps = f64::from(growing - 1);
                ((share * steps).exp2() - 1.0) / (steps.exp2() - 1.0)
            }
        };
        Some(shortest + (longest - shortest) * share)
    }
}

fn check_rest(throttle: Option<&Throttle>, request: Option<&Request>) -> Result<(), AwsError> {
    if throttle.is_some_and(|t| t.max_receives_per_second == Some(0)) {
        return Err(refuse("throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1"));
    }
    let known = [
        "text/plain",
        "application/json",
        "application/xml",
        "text/html",
        "text/css",
        "text/csv",
        "text/xml",
        "text/javascript",
        "application/atom+xml",
        "application/xhtml+xml",
        "application/x-www-form-urlencoded",
        "application/x-amz-json-1.0",
        "application/vnd.amazon.api-dsl+json",
        "multipart/mixed",
    ];
    let asked = request.and_then(|r| r.header_content_type.as_deref());
    let kind = asked.map(|t| t.split(';').next().unwrap_or_default().trim());
    if kind.is_some_and(|kind| !known.contains(&kind)) {
        return Err(refuse("requestPolicy.headerContentType is not a supported content type"));
    }
    Ok(())
}

/// Refuses what is no policy of a topic.
pub(crate) fn check_topic(text: &str) -> Result<(), AwsError> {
    let OfTopic { http } = serde_json::from_str(text).map_err(refuse)?;
    http.default_healthy_retry_policy.iter().try_for_each(|r| r.check("http.defaultHealthyRetryPolicy"))?;
    check_rest(http.default_throttle_policy.as_ref(), http.default_request_policy.as_ref())
}

/// Refuses what is no policy of a subscription.
pub(crate) fn check_subscription(text: &str) -> Result<(), AwsError> {
    let policy: OfSubscription = serde_json::from_str(text).map_err(refuse)?;
    policy.healthy_retry_policy.iter().try_for_each(|r| r.check("healthyRetryPolicy"))?;
    check_rest(policy.throttle_policy.as_ref(), policy.request_policy.as_ref())
}

/// What is in force for the deliveries of a subscription over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    retries: Retries,
    /// At most so many deliveries a second.
    pub(crate) per_second: Option<u32>,
    /// The content type that requests have.
    pub(crate) content_type: String,
    overrides: bool,
}

impl Policy {
    /// That of a topic, for subscriptions that have none.
    pub(crate) fn of_topic(topic: &Topic) -> Self {
        // They were checked when they were set.
        let policy: OfTopic =
            topic.text("DeliveryPolicy").and_then(|t| serde_json::from_str(t).ok()).unwrap_or_else(OfTopic::default);
        let http = policy.http;
        let content_type = http.default_request_policy.and_then(|r| r.header_content_type);
        Self {
            retries: http.default_healthy_retry_policy.unwrap_or_else(Retries::default),
            per_second: http.default_throttle_policy.and_then(|t| t.max_receives_per_second),
            content_type: content_type.unwrap_or_else(|| "text/plain; charset=UTF-8".to_owned()),
            overrides: !http.disable_subscription_overrides,
        }
    }

    /// That of a subscription: its own, unless its topic forbids that.
    pub(crate) fn of(topic: &Topic, subscription: &Subscription) -> Self {
        let mut policy = Self::of_topic(topic);
        let own = subscription.text("DeliveryPolicy").filter(|_| policy.overrides);
        let Some(own) = own.and_then(|t| serde_json::from_str::<OfSubscription>(t).ok()) else { return policy };
        if let Some(retries) = own.healthy_retry_policy {
            policy.retries = retries;
        }
        policy.per_second = own.throttle_policy.and_then(|t| t.max_receives_per_second).or(policy.per_second);
        if let Some(content_type) = own.request_policy.and_then(|r| r.header_content_type) {
            policy.content_type = content_type;
        }
        policy
    }

    fn retries_json(&self) -> Json {
        let r = &self.retries;
        json!({"minDelayTarget": r.min_delay_target, "maxDelayTarget": r.max_delay_target, "numRetries": r.num_retries,
            "numMaxDelayRetries": r.num_max_delay_retries, "numNoDelayRetries": r.num_no_delay_retries,
            "numMinDelayRetries": r.num_min_delay_retries, "backoffFunction": format!("{:?}", r.backoff_function).to_lowercase()})
    }

    /// As `EffectiveDeliveryPolicy` of a topic shows it.
    pub(crate) fn of_topic_json(&self) -> String {
        let mut http = json!({"defaultHealthyRetryPolicy": self.retries_json(), "disableSubscriptionOverrides": !self.overrides,
            "defaultRequestPolicy": {"headerContentType": self.content_type}});
        if let Some(most) = self.per_second {
            http["defaultThrottlePolicy"] = json!({"maxReceivesPerSecond": most});
        }
        json!({"http": http}).to_string()
    }

    /// As `EffectiveDeliveryPolicy` of a subscription shows it.
    pub(crate) fn of_subscription_json(&self) -> String {
        let mut out = json!({"healthyRetryPolicy": self.retries_json(), "sicklyRetryPolicy": null, "throttlePolicy": null,
            "requestPolicy": {"headerContentType": self.content_type}, "guaranteed": false});
        if let Some(most) = self.per_second {
            out["throttlePolicy"] = json!({"maxReceivesPerSecond": most});
        }
        out.to_string()
    }

    /// Milliseconds before the `nth` retry of a delivery over HTTP.
    pub(crate) fn wait(&self, nth: u32) -> Option<i64> {
        self.retries.wait(nth).map(millis)
    }
}

/// A wait is at most an hour long.
fn millis(seconds: f64) -> i64 {
    let whole = (seconds * 1000.0).round();
    whole.clamp(0.0, 3_600_000.0) as i64
}

/// Milliseconds before the `nth` retry of a delivery to a queue or a function: three at once, two a second apart, ten with waits
/// that grow to twenty seconds, then every twenty seconds, 100,015 in all.
pub(crate) fn wait_of_aws(nth: u32) -> Option<i64> {
    match nth {
        0 => None,
        1..=3 => Some(0),
        4..=5 => Some(1_000),
        6..=15 => Some(millis(20f64.powf(f64::from(nth - 6) / 9.0))),
        16..=100_015 => Some(20_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(retries: Json) -> Vec<i64> {
        let retries: Retries = serde_json::from_value(retries).unwrap_or_default();
        (1..).map_while(|n| retries.wait(n)).map(millis).collect()
    }

    #[test]
    fn waits_grow_as_the_policy_says() {
        assert_eq!(waits(json!({})), [20_000, 20_000, 20_000]);
        let phases = json!({"minDelayTarget": 1, "maxDelayTarget": 9, "numRetries": 8, "numNoDelayRetries": 1,
            "numMinDelayRetries": 1, "numMaxDelayRetries": 1});
        assert_eq!(waits(phases), [0, 1_000, 1_000, 3_000, 5_000, 7_000, 9_000, 9_000]);
        for (function, wanted) in [
            ("linear", [2_000, 4_500, 7_000, 9_500, 12_000]),
            ("arithmetic", [2_000, 3_563, 5_750, 8_563, 12_000]),
            ("geometric", [2_000, 2_625, 4_500, 7_625, 12_000]),
            ("exponential", [2_000, 2_667, 4_000, 6_667, 12_000]),
        ] {
            let retries =
                json!({"minDelayTarget": 2, "maxDelayTarget": 12, "numRetries": 5, "backoffFunction": function});
            assert_eq!(waits(retries), wanted, "{function}");
        }
    }

    #[test]
    fn queues_are_tried_for_23_days() {
        let all: i64 = (1..).map_while(wait_of_aws).sum();
        assert_eq!((1..).map_while(wait_of_aws).count(), 100_015);
        assert_eq!(all / 86_400_000, 23);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for policy in [
            json!({"minDelayTarget": 0}),
            json!({"minDelayTarget": 30}),
            json!({"maxDelayTarget": 3_601}),
            json!({"numRetries": 101}),
            json!({"numRetries": 1, "numNoDelayRetries": 2}),
            json!({"backoffFunction": "cubic"}),
            json!({"unknown": 1}),
        ] {
            assert!(check_subscription(&json!({"healthyRetryPolicy": policy}).to_string()).is_err(), "{policy}");
            assert!(
                check_topic(&json!({"http": {"defaultHealthyRetryPolicy": policy}}).to_string()).is_err(),
                "{policy}"
            );
        }
        assert!(check_subscription("{}").is_ok());
        assert!(check_topic("nothing").is_err());
    }
}
