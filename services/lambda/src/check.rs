//! What settings of a function may be.

use std::collections::BTreeMap;

use serde_json::json;
use undercast_kernel::{Failure, Result};

use crate::api::input;
use crate::error;
use crate::function::Levels;

/// Variables that only Lambda sets.
const RESERVED: &[&str] = &[
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "TZ",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
];
/// Variables take so many bytes together.
const MOST_VARIABLES: usize = 4_096;
const MOST_TAGS: usize = 50;

/// The variables of a function.
pub(crate) fn variables(given: Option<input::Environment>) -> Result<Option<BTreeMap<String, String>>> {
    let Some(environment) = given else { return Ok(None) };
    let variables = environment.variables.unwrap_or_else(BTreeMap::new);
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|k| RESERVED.contains(k)).collect();
    let beginning =
        "Lambda was unable to configure your environment variables because the environment variables you have provided";
    if !reserved.is_empty() {
        let message = format!(
            "{beginning} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        );
        return Err(error::invalid(message));
    }
    let measured = json!(variables).to_string();
    if measured.len() > MOST_VARIABLES {
        return Err(error::invalid(format!("{beginning} exceeded the 4KB limit. String measured: {measured}")));
    }
    Ok(Some(variables))
}

/// Seconds of a function's time.
pub(crate) fn timeout(given: i32) -> Result<i32> {
    at_most(given, 900, "timeout")
}

/// MiB of a function's memory.
pub(crate) fn memory(given: i32) -> Result<i32> {
    at_most(given, 10_240, "memorySize")
}

/// MiB of a function's `/tmp`.
pub(crate) fn storage(given: &input::EphemeralStorage) -> Result<i32> {
    at_most(given.size, 10_240, "ephemeralStorage.size")
}

fn at_most(given: i32, most: i32, path: &str) -> Result<i32> {
    if given > most {
        return Err(error::violated(given, path, &format!("Member must have value less than or equal to {most}")));
    }
    Ok(given)
}

/// Settings that say in a long way that something is not wanted are fine; the others are not built.
pub(crate) struct Wishes {
    pub(crate) vpc: Option<input::VpcConfig>,
    pub(crate) key: Option<String>,
    pub(crate) tracing: Option<input::TracingConfig>,
    pub(crate) snap_start: Option<input::SnapStart>,
}

impl Wishes {
    pub(crate) fn check(self) -> Result<()> {
        let some = |list: Option<Vec<String>>| list.is_some_and(|l| !l.is_empty());
        let vpc = self.vpc.is_some_and(|v| {
            some(v.subnet_ids) || some(v.security_group_ids) || v.ipv6_allowed_for_dual_stack == Some(true)
        });
        let refused = [
            (vpc, "lambda functions in a VPC (VpcConfig)"),
            (self.key.is_some_and(|k| !k.is_empty()), "lambda variables encrypted with a key of your own (KMSKeyArn)"),
            (
                self.tracing.and_then(|t| t.mode).is_some_and(|m| m == "Active"),
                "lambda traces (TracingConfig with Mode Active)",
            ),
            (self.snap_start.and_then(|s| s.apply_on).is_some_and(|a| a != "None"), "lambda SnapStart"),
        ];
        match refused.iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(Failure::not_built(*what)),
            None => Ok(()),
        }
    }
}

/// The log group of a function, where it is not the usual one, and the levels of a log in JSON. What is not said of the
/// format is as before.
pub(crate) fn logging(
    given: input::LoggingConfig,
    before: Option<&Levels>,
) -> Result<(Option<String>, Option<Levels>)> {
    let json = given.log_format.map_or(before.is_some(), |format| format == "JSON");
    if !json {
        if given.application_log_level.or(given.system_log_level).is_some() {
            return Err(error::invalid("Log levels can be set for functions with LogFormat JSON only."));
        }
        return Ok((given.log_group, None));
    }
    let usual = || Levels { application: "INFO".to_owned(), system: "INFO".to_owned() };
    let before = before.cloned().unwrap_or_else(usual);
    let levels = Levels {
        application: given.application_log_level.unwrap_or(before.application),
        system: given.system_log_level.unwrap_or(before.system),
    };
    Ok((given.log_group, Some(levels)))
}

pub(crate) fn architectures(given: Option<&Vec<String>>) -> Result<()> {
    match given.into_iter().flatten().find(|a| *a != "x86_64") {
        Some(other) => Err(Failure::not_built(format!("lambda functions for {other}: this machine runs x86_64"))),
        None => Ok(()),
    }
}

pub(crate) fn tags(tags: &BTreeMap<String, String>, others: usize) -> Result<()> {
    undercast_kernel::tags::check(tags, others, MOST_TAGS).map_err(|bad| error::invalid(bad.to_string()))
}
