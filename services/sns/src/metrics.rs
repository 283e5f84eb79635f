//! The metrics of `AWS/SNS`.
//!
//! Source: "Monitoring Amazon SNS topics using CloudWatch" in the developer guide.

use undercast_kernel::{Cx, Metric};

use crate::message::Passage;

fn observe(cx: &Cx, name: &str, unit: &str, dimensions: &[(&str, &str)], value: f64) {
    cx.observe(&Metric { namespace: "AWS/SNS", name, dimensions, unit }, value);
}

fn count(cx: &Cx, topic: &str, name: &str) {
    observe(cx, name, "Count", &[("TopicName", topic)], 1.0);
}

/// A message was published, of so many bytes.
pub(crate) fn published(cx: &Cx, topic: &str, size: usize) {
    count(cx, topic, "NumberOfMessagesPublished");
    observe(cx, "PublishSize", "Bytes", &[("TopicName", topic)], f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
}

/// A subscriber has it.
pub(crate) fn delivered(cx: &Cx, topic: &str) {
    count(cx, topic, "NumberOfNotificationsDelivered");
}

/// A subscriber could not be given it, for good.
pub(crate) fn failed(cx: &Cx, topic: &str) {
    count(cx, topic, "NumberOfNotificationsFailed");
}

/// It was moved to a dead-letter queue, or could not be.
pub(crate) fn redriven(cx: &Cx, topic: &str, done: bool) {
    count(
        cx,
        topic,
        if done { "NumberOfNotificationsRedrivenToDlq" } else { "NumberOfNotificationsFailedToRedriveToDlq" },
    );
}

/// A filter policy did not let it through.
pub(crate) fn filtered(cx: &Cx, topic: &str, why: Passage) {
    let kind = match why {
        Passage::Passes => return,
        Passage::NoAttributes => "NumberOfNotificationsFilteredOut-NoMessageAttributes",
        Passage::InvalidAttributes => "NumberOfNotificationsFilteredOut-InvalidAttributes",
        Passage::Attributes => "NumberOfNotificationsFilteredOut-MessageAttributes",
        Passage::Body => "NumberOfNotificationsFilteredOut-MessageBody",
        Passage::InvalidBody => "NumberOfNotificationsFilteredOut-InvalidMessageBody",
    };
    count(cx, topic, "NumberOfNotificationsFilteredOut");
    count(cx, topic, kind);
}

/// A short message was sent, or could not be.
pub(crate) fn texted(cx: &Cx, number: &str, kind: &str, done: bool) {
    let name = if done { "NumberOfNotificationsDelivered" } else { "NumberOfNotificationsFailed" };
    observe(cx, "NumberOfMessagesPublished", "Count", &[("PhoneNumber", number)], 1.0);
    observe(cx, name, "Count", &[("PhoneNumber", number)], 1.0);
    observe(cx, "SMSSuccessRate", "Count", &[("SMSType", kind)], if done { 1.0 } else { 0.0 });
}

/// A device was sent something, or could not be.
pub(crate) fn pushed(cx: &Cx, application: &str, platform: &str, done: bool) {
    let dimensions = [("Application", application), ("Platform", platform)];
    let name = if done { "NumberOfNotificationsDelivered" } else { "NumberOfNotificationsFailed" };
    observe(cx, "NumberOfMessagesPublished", "Count", &dimensions, 1.0);
    observe(cx, name, "Count", &dimensions, 1.0);
}
