//! Tasks: scheduled, taken, submitted, done, failed, too late.

use serde_json::Value as Json;
use undercast_asl as asl;
use undercast_kernel::wire::text;

use super::frame::{Doing, Held, Tasking};
use super::history::{self, cause, error, plain, whole};
use super::{Around, Order, Run};
use crate::api::kept::{
    ActivityFailedEventDetails, ActivityScheduledEventDetails, ActivityStartedEventDetails,
    ActivitySucceededEventDetails, ActivityTimedOutEventDetails, HistoryEvent, LambdaFunctionFailedEventDetails,
    LambdaFunctionScheduledEventDetails, LambdaFunctionSucceededEventDetails, LambdaFunctionTimedOutEventDetails,
    TaskCredentials, TaskFailedEventDetails, TaskScheduledEventDetails, TaskStartedEventDetails,
    TaskSubmitFailedEventDetails, TaskSubmittedEventDetails, TaskSucceededEventDetails, TaskTimedOutEventDetails,
};
use crate::resource::{Call, Pattern, Resource};

/// What failed of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The task itself.
    Task,
    /// The call that would have begun it.
    Submission,
}

/// The token of an attempt: which execution, which frame, which attempt.
pub(crate) fn token(execution: &str, frame: u32, nonce: &str) -> String {
    text::base64(format!("{execution}|{frame}|{nonce}").as_bytes())
}

/// Execution, frame and attempt of a token.
pub(crate) fn read_token(token: &str) -> Option<(String, u32, String)> {
    let told = String::from_utf8(text::unbase64(token)?).ok()?;
    let mut parts = told.rsplitn(3, '|');
    let (nonce, frame, execution) = (parts.next()?, parts.next()?, parts.next()?);
    Some((execution.to_owned(), frame.parse().ok()?, nonce.to_owned()))
}

/// An attempt of a task, reckoned.
pub(super) struct Attempt {
    pub(super) nonce: String,
    pub(super) arguments: Json,
    pub(super) timeout: Option<u64>,
    pub(super) heartbeat: Option<u64>,
    pub(super) role: Option<String>,
}

fn seconds(of: Option<u64>) -> Option<i64> {
    of.and_then(|seconds| i64::try_from(seconds).ok())
}

impl Run {
    /// Has a task done.
    pub(super) fn schedule(&mut self, id: u32, resource: &Resource, attempt: Attempt) {
        let heartbeat = attempt.heartbeat.map(|seconds| (seconds, self.after(seconds)));
        let deadline = attempt.timeout.map(|seconds| self.after(seconds));
        let scheduled = scheduled(resource, &attempt, &self.header.region);
        self.note(id, scheduled);
        let started = match resource {
            Resource::Function(_) => Some(plain("LambdaFunctionStarted")),
            Resource::Activity(_) => None,
            Resource::Service(call) => Some(HistoryEvent {
                task_started_event_details: Some(TaskStartedEventDetails {
                    resource_type: call.kind.clone(),
                    resource: call.resource(),
                }),
                ..plain("TaskStarted")
            }),
        };
        if let Some(started) = started {
            self.note(id, started);
        }
        self.effects.orders.push(match resource {
            Resource::Activity(activity) => Order::Offer { frame: id, activity: activity.clone() },
            _ => Order::Task { frame: id },
        });
        self.put(
            id,
            Doing::Tasking(Box::new(Tasking {
                nonce: attempt.nonce,
                arguments: Held::new(attempt.arguments),
                role: attempt.role,
                deadline,
                heartbeat,
                submitted: None,
                started: !matches!(resource, Resource::Activity(_)),
                scheduled: self.now,
            })),
        );
    }

    /// The attempt of a task that a frame is at, if it is that one.
    fn attempt(&self, id: u32, nonce: &str) -> Option<Tasking> {
        match &self.frame(id)?.doing {
            Doing::Tasking(task) if task.nonce == nonce => Some((**task).clone()),
            _ => None,
        }
    }

    /// What the task of a frame names.
    fn resource_of(&self, id: u32) -> Option<Resource> {
        Resource::parse(&self.resource_text(id)?).ok()
    }

    pub(super) fn taken(&mut self, id: u32, nonce: &str, worker: Option<String>) {
        let Some(task) = self.attempt(id, nonce).filter(|task| !task.started) else { return };
        let details = ActivityStartedEventDetails { worker_name: worker };
        self.note(id, HistoryEvent { activity_started_event_details: Some(details), ..plain("ActivityStarted") });
        // A worker's first heartbeat is reckoned from when it took the task.
        let heartbeat = task.heartbeat.map(|(seconds, _)| (seconds, self.after(seconds)));
        self.put(id, Doing::Tasking(Box::new(Tasking { started: true, heartbeat, ..task })));
    }

    pub(super) fn submitted(&mut self, id: u32, nonce: &str, answer: Json) {
        let (Some(task), Some(Resource::Service(call))) = (self.attempt(id, nonce), self.resource_of(id)) else {
            return;
        };
        let details = TaskSubmittedEventDetails {
            resource_type: call.kind.clone(),
            resource: call.resource(),
            output: Some(answer.to_string()),
            output_details: whole(),
        };
        self.note(id, HistoryEvent { task_submitted_event_details: Some(details), ..plain("TaskSubmitted") });
        let submitted = Some(Held::new(answer));
        self.put(id, Doing::Tasking(Box::new(Tasking { submitted, ..task })));
        if matches!(call.pattern, Pattern::Sync | Pattern::Sync2) {
            self.effects.orders.push(Order::Task { frame: id });
        }
    }

    pub(super) fn heartbeat(&mut self, id: u32, nonce: &str) {
        let Some(task) = self.attempt(id, nonce) else { return };
        let Some((seconds, _)) = task.heartbeat else { return };
        let heartbeat = Some((seconds, self.after(seconds)));
        self.put(id, Doing::Tasking(Box::new(Tasking { heartbeat, ..task })));
    }

    pub(super) fn succeeded(&mut self, around: &Around<'_>, id: u32, nonce: &str, result: Json) {
        let (Some(_), Some(resource)) = (self.attempt(id, nonce), self.resource_of(id)) else { return };
        let output = Some(result.to_string());
        let event = match &resource {
            Resource::Function(_) => HistoryEvent {
                lambda_function_succeeded_event_details: Some(LambdaFunctionSucceededEventDetails {
                    output,
                    output_details: whole(),
                }),
                ..plain("LambdaFunctionSucceeded")
            },
            Resource::Activity(_) => HistoryEvent {
                activity_succeeded_event_details: Some(ActivitySucceededEventDetails {
                    output,
                    output_details: whole(),
                }),
                ..plain("ActivitySucceeded")
            },
            Resource::Service(call) => HistoryEvent {
                task_succeeded_event_details: Some(TaskSucceededEventDetails {
                    resource_type: call.kind.clone(),
                    resource: call.resource(),
                    output,
                    output_details: whole(),
                }),
                ..plain("TaskSucceeded")
            },
        };
        self.note(id, event);
        self.conclude(around, id, result);
    }

    pub(super) fn task_failed(
        &mut self,
        around: &Around<'_>,
        id: u32,
        nonce: &str,
        name: String,
        why: String,
        way: Way,
    ) {
        let (Some(_), Some(resource)) = (self.attempt(id, nonce), self.resource_of(id)) else { return };
        self.note(id, failed(&resource, &name, &why, way));
        self.fail(around, id, asl::Failure::new(name, why));
    }

    /// A task has taken too long, or nobody has said for too long that it goes on.
    pub(super) fn task_timed_out(&mut self, around: &Around<'_>, id: u32) {
        let Some(resource) = self.resource_of(id) else { return };
        let name = asl::name::TIMEOUT;
        let event = match &resource {
            Resource::Function(_) => HistoryEvent {
                lambda_function_timed_out_event_details: Some(LambdaFunctionTimedOutEventDetails {
                    error: error(name),
                    cause: None,
                }),
                ..plain("LambdaFunctionTimedOut")
            },
            Resource::Activity(_) => HistoryEvent {
                activity_timed_out_event_details: Some(ActivityTimedOutEventDetails {
                    error: error(name),
                    cause: None,
                }),
                ..plain("ActivityTimedOut")
            },
            Resource::Service(call) => HistoryEvent {
                task_timed_out_event_details: Some(TaskTimedOutEventDetails {
                    resource_type: call.kind.clone(),
                    resource: call.resource(),
                    error: error(name),
                    cause: None,
                }),
                ..plain("TaskTimedOut")
            },
        };
        self.note(id, event);
        self.fail(around, id, asl::Failure::new(name, ""));
    }
}

fn scheduled(resource: &Resource, attempt: &Attempt, region: &str) -> HistoryEvent {
    let credentials = attempt.role.as_ref().map(|role| TaskCredentials { role_arn: Some(role.clone()) });
    let input = attempt.arguments.to_string();
    let (timeout, heartbeat) = (seconds(attempt.timeout), seconds(attempt.heartbeat));
    match resource {
        Resource::Function(arn) => HistoryEvent {
            lambda_function_scheduled_event_details: Some(LambdaFunctionScheduledEventDetails {
                resource: arn.clone(),
                input: Some(input),
                input_details: whole(),
                timeout_in_seconds: timeout,
                task_credentials: credentials,
            }),
            ..plain("LambdaFunctionScheduled")
        },
        Resource::Activity(arn) => HistoryEvent {
            activity_scheduled_event_details: Some(ActivityScheduledEventDetails {
                resource: arn.clone(),
                input: Some(input),
                input_details: whole(),
                timeout_in_seconds: timeout,
                heartbeat_in_seconds: heartbeat,
            }),
            ..plain("ActivityScheduled")
        },
        Resource::Service(call) => HistoryEvent {
            task_scheduled_event_details: Some(TaskScheduledEventDetails {
                resource_type: call.kind.clone(),
                resource: call.resource(),
                region: region.to_owned(),
                parameters: input,
                timeout_in_seconds: timeout,
                heartbeat_in_seconds: heartbeat,
                task_credentials: credentials,
            }),
            ..plain("TaskScheduled")
        },
    }
}

fn failed(resource: &Resource, name: &str, why: &str, way: Way) -> HistoryEvent {
    let (error, cause) = (error(name), cause(why));
    match (resource, way) {
        (Resource::Function(_), _) => HistoryEvent {
            lambda_function_failed_event_details: Some(LambdaFunctionFailedEventDetails { error, cause }),
            ..history::plain("LambdaFunctionFailed")
        },
        (Resource::Activity(_), _) => HistoryEvent {
            activity_failed_event_details: Some(ActivityFailedEventDetails { error, cause }),
            ..history::plain("ActivityFailed")
        },
        (Resource::Service(call), Way::Submission) if call.is_submitted() => HistoryEvent {
            task_submit_failed_event_details: Some(TaskSubmitFailedEventDetails {
                resource_type: call.kind.clone(),
                resource: call.resource(),
                error,
                cause,
            }),
            ..history::plain("TaskSubmitFailed")
        },
        (Resource::Service(call), _) => HistoryEvent {
            task_failed_event_details: Some(failed_details(call, error, cause)),
            ..history::plain("TaskFailed")
        },
    }
}

fn failed_details(call: &Call, error: Option<String>, cause: Option<String>) -> TaskFailedEventDetails {
    TaskFailedEventDetails { resource_type: call.kind.clone(), resource: call.resource(), error, cause }
}
