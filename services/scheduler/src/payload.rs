//! What a target is given: its input with the keywords replaced, or an event that tells of the schedule.
//!
//! Source: "Adding context attributes" in the user guide, and "Managing targets" for the event.

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Timestamp};

/// What is known of an attempt to invoke a target.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) schedule_arn: String,
    /// Milliseconds since 1970.
    pub(crate) due: i64,
    pub(crate) execution: String,
    /// The first is 1.
    pub(crate) number: u32,
}

/// A moment as Scheduler writes it.
pub(crate) fn written(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Attempt {
    /// One by which inputs are tried when a schedule is made.
    pub(crate) fn sample() -> Self {
        Self { schedule_arn: String::new(), due: 0, execution: String::new(), number: 1 }
    }

    /// A text with the keywords replaced.
    pub(crate) fn fill(&self, input: &str) -> String {
        let time = written(self.due);
        let number = self.number.to_string();
        let words: [(&str, &str); 4] = [
            ("<aws.scheduler.schedule-arn>", &self.schedule_arn),
            ("<aws.scheduler.scheduled-time>", &time),
            ("<aws.scheduler.execution-id>", &self.execution),
            ("<aws.scheduler.attempt-number>", &number),
        ];
        words.iter().fold(input.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    /// The event of schedules without an input.
    pub(crate) fn event(&self, cx: &Cx) -> Json {
        json!({
            "version": "0", "id": cx.random().uuid(), "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "account": cx.account(), "time": written(self.due), "region": cx.region(), "resources": [self.schedule_arn],
            "detail": "{}",
        })
    }
}
