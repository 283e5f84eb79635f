//! The context object, and what else a state's expressions see.
//!
//! Source: "Accessing execution data from the Context object" in the developer guide.

use serde_json::{Value as Json, json};

use super::Run;
use super::frame::Frame;
use crate::rows::moment;

/// A moment as the context object writes it: with milliseconds.
pub(crate) fn written(millis: i64) -> String {
    moment(millis).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

impl Run {
    /// `$$` of a frame. `token`: the task's.
    pub(super) fn context(&self, frame: &Frame, token: Option<&str>) -> Json {
        let header = &self.header;
        let mut execution = json!({
            "Id": header.arn, "Input": *header.input, "Name": header.name, "RoleArn": header.role,
            "StartTime": written(header.started), "RedriveCount": header.redrives,
        });
        if let Some(at) = header.redriven {
            execution["RedriveTime"] = json!(written(at));
        }
        let retries: u64 = frame.retries.iter().sum();
        let mut context = json!({
            "Execution": execution,
            "StateMachine": {"Id": header.machine_arn, "Name": header.machine_name},
            "State": {"EnteredTime": written(frame.entered_at), "Name": frame.state, "RetryCount": retries},
        });
        if let Some(token) = token {
            context["Task"] = json!({"Token": token});
        }
        if let Some(item) = &frame.item {
            context["Map"] = json!({"Item": {"Index": item.index, "Value": *item.value}});
        }
        context
    }
}
