//! Calls in the form of AWS's SDKs, which those write who have a service call another: EventBridge Scheduler's universal
//! targets (`aws-sdk:sqs:sendMessage`).
//!
//! Services have the names of their ids, operations begin with a small letter, members with a capital one, whatever the API
//! says; bytes are written as text, or as the JSON that they hold.

use serde_json::{Map, Value as Json};
use undercast_wire::schema::{Operation, Shape, Structure};
use undercast_wire::{Body, text};

use crate::{Cx, Failure, Kernel, Result};

/// Services whose names in SDKs are not those of their models.
const NAMES: &[(&str, &str)] = &[
    ("cloudwatchlogs", "logs"),
    ("cognitoidentityprovider", "cognito-idp"),
    ("configservice", "config"),
    ("costandusagereportservice", "cur"),
    ("costexplorer", "ce"),
    ("elasticloadbalancing", "elb"),
    ("elasticloadbalancingv2", "elbv2"),
    ("elasticsearchservice", "es"),
    ("eventbridge", "events"),
    ("sfn", "stepfunctions"),
];

/// So many bytes of a streamed body are answered as text.
const MOST_BODY: usize = 6 * 1024 * 1024;

/// An operation that an SDK can call.
#[derive(Debug, Clone, Copy)]
pub struct Callable {
    /// The name of the service here: `logs`.
    pub service: &'static str,
    /// The operation.
    pub operation: &'static Operation,
}

impl Kernel {
    /// The operation with these names in SDKs: `cloudwatchlogs`, `putLogEvents`. `None`: there is no such operation here.
    pub fn callable(&self, service: &str, action: &str) -> Option<Callable> {
        let named = NAMES.iter().find(|(sdk, _)| *sdk == service).map(|(_, name)| *name);
        let is = |name: &str| named.map_or_else(|| name.replace('-', "") == service, |wanted| wanted == name);
        let found = self.services().iter().map(|service| service.api()).find(|api| is(api.name))?;
        let operation = found.operations.iter().find(|operation| is_capitalised(operation.name, action))?;
        Some(Callable { service: found.name, operation })
    }
}

/// Whether `name` is `written` but for the first letter, which may be a capital in one of them.
fn is_capitalised(name: &str, written: &str) -> bool {
    let (mut one, mut other) = (name.chars(), written.chars());
    match (one.next(), other.next()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(&b) && one.as_str() == other.as_str(),
        (a, b) => a == b,
    }
}

impl Callable {
    /// The input as calls from inside have it, and the body where the operation takes one as it comes.
    ///
    /// # Errors
    /// The member that the operation does not have, or that is of another type.
    pub fn input(&self, written: &Json) -> std::result::Result<(Json, Option<Body>), String> {
        let mut body = None;
        let mut input = structure(written, self.operation.input)?;
        if let Some(payload) = self.operation.input.payload().filter(|member| member.streaming)
            && let Some(sent) = input.get_mut(payload.name).map(Json::take)
        {
            let bytes = sent.as_str().and_then(text::unbase64).unwrap_or_else(Vec::new);
            body = Some(Body::from(bytes));
        }
        Ok((input, body))
    }
}

impl Callable {
    /// The answer of a call from inside as SDKs have it: members with capitals, moments as texts, bytes as the text that they are.
    pub fn answer(&self, answer: &Json) -> Json {
        structure_told(answer, self.operation.output)
    }
}

fn structure_told(answer: &Json, of: &'static Structure) -> Json {
    let Some(entries) = answer.as_object() else { return Json::Object(Map::new()) };
    let told = entries.iter().map(|(name, held)| {
        let member = of.members.iter().find(|member| member.name == name);
        let held = member.map_or_else(|| held.clone(), |member| value_told(held, &member.shape));
        (capitalised(name), held)
    });
    Json::Object(told.collect())
}

/// A name as SDKs write it: with a capital.
pub fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn value_told(held: &Json, shape: &Shape) -> Json {
    match (held, shape) {
        (Json::Null, _) => Json::Null,
        (_, Shape::Structure(of)) => structure_told(held, of),
        (Json::Array(items), Shape::List(of)) => items.iter().map(|item| value_told(item, &of.item)).collect(),
        (Json::Object(entries), Shape::Map(of)) => {
            Json::Object(entries.iter().map(|(name, held)| (name.clone(), value_told(held, &of.value))).collect())
        }
        (Json::Number(_), Shape::Timestamp(_)) => {
            let moment = held.as_f64().and_then(text::from_epoch);
            moment.map_or_else(|| held.clone(), |moment| Json::String(moment.to_string()))
        }
        (Json::String(encoded), Shape::Blob(_)) => {
            let text = text::unbase64(encoded).and_then(|bytes| String::from_utf8(bytes).ok());
            text.map_or_else(|| held.clone(), Json::String)
        }
        (plain, _) => plain.clone(),
    }
}

fn structure(written: &Json, of: &'static Structure) -> std::result::Result<Json, String> {
    let Some(entries) = written.as_object() else { return Err(format!("{} is not a JSON object", of.name)) };
    let mut out = Map::new();
    for (name, value) in entries {
        let exact = of.members.iter().find(|member| member.name == name);
        let member = exact.or_else(|| of.members.iter().find(|member| is_capitalised(member.name, name)));
        let member = member.ok_or_else(|| format!("The field '{name}' is not supported"))?;
        out.insert(member.name.to_owned(), self::value(value, &member.shape)?);
    }
    Ok(Json::Object(out))
}

fn value(written: &Json, shape: &Shape) -> std::result::Result<Json, String> {
    Ok(match (written, shape) {
        (Json::Null, _) => Json::Null,
        (_, Shape::Structure(of)) => structure(written, of)?,
        (Json::Array(items), Shape::List(of)) => {
            Json::Array(items.iter().map(|item| value(item, &of.item)).collect::<std::result::Result<_, _>>()?)
        }
        (Json::Object(entries), Shape::Map(of)) => {
            let entry = |(name, held): (&String, &Json)| Ok((name.clone(), value(held, &of.value)?));
            Json::Object(entries.iter().map(entry).collect::<std::result::Result<_, String>>()?)
        }
        (_, Shape::List(_) | Shape::Map(_)) => return Err(format!("{written} is of another type")),
        (Json::String(sent), Shape::Blob(_)) => Json::String(text::base64(sent.as_bytes())),
        (sent, Shape::Blob(_)) => Json::String(text::base64(sent.to_string().as_bytes())),
        (plain, _) => plain.clone(),
    })
}

impl Cx {
    /// Calls an operation with an input in the form of SDKs, and answers in that form. A body that is streamed is a text in it, of
    /// at most so many bytes as an answer to a workflow may have.
    ///
    /// # Errors
    /// Those of the operation; [`Failure::NotBuilt`] when it is not there.
    pub async fn call_as_sdk(&self, service: &str, action: &str, written: &Json) -> Result<Json> {
        let missing = || Failure::not_built(format!("{service}.{action}"));
        let callable = self.kernel().callable(service, action).ok_or_else(missing)?;
        let wrong = |message: String| crate::AwsError::new("ValidationException", 400, message);
        let (input, body) = callable.input(written).map_err(wrong)?;
        let (answer, body) = self.call_with_body(callable.service, callable.operation.name, input, body).await?;
        let mut told = callable.answer(&answer);
        let streamed = callable.operation.output.payload().filter(|member| member.streaming);
        if let (Some(member), Some(body)) = (streamed, body) {
            let too_long = || crate::AwsError::new("ValidationException", 400, "The body of the answer is too long.");
            let bytes = body.collect(MOST_BODY).await.map_err(Failure::broken)?.ok_or_else(too_long)?;
            told[capitalised(member.name)] = Json::String(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_in_their_first_letter() {
        assert!(is_capitalised("SendMessage", "sendMessage") && is_capitalised("logGroupName", "LogGroupName"));
        assert!(!is_capitalised("SendMessage", "sendmessage") && !is_capitalised("SendMessage", ""));
    }
}
