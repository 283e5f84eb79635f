//! A record in CloudTrail's own form.
//!
//! Source: "CloudTrail record contents" and "CloudTrail userIdentity element" in the CloudTrail user guide, version 1.11.

use serde_json::{Map as JsonMap, Value as Json, json};
use undercast_policy::{PrincipalFacts, PrincipalKind};
use undercast_wire::schema::{Operation, Shape, Structure, TimestampFormat};
use undercast_wire::text;

use undercast_store::Snapshot;

use crate::arn::Arn;
use crate::{CREDENTIALS, Record, Service, Timestamp, regions};

impl Record {
    /// The event that CloudTrail delivers. An access key that was not issued here is not in it: it may be a real one, and is kept
    /// nowhere. `from` tells whose the resources are that it names.
    pub fn cloudtrail(&self, service: &dyn Service, from: &Snapshot) -> Json {
        let data = service.data_events().contains(&self.operation);
        let category = if data { "Data" } else { "Management" };
        // CloudTrail's times have whole seconds.
        let time = Timestamp::from_second(self.time.as_second()).unwrap_or(self.time);
        let mut event = json!({
            "eventVersion": "1.11",
            "userIdentity": identity(self, from),
            "eventTime": text::timestamp(time, TimestampFormat::Iso8601),
            "eventSource": format!("{}.amazonaws.com", service.api().signing_name),
            "eventName": service.event_name(self.operation),
            "awsRegion": if service.has_regional_events() { &self.region } else { regions::DEFAULT },
            "sourceIPAddress": self.source,
            "userAgent": self.user_agent,
            "requestParameters": self.parameters.as_ref().map(|p| self.parameters(service, p)),
            "responseElements": self.answer.as_ref().map(|answer| self.answered(service, answer)),
            "requestID": self.request_id,
            "eventID": self.event_id,
            "readOnly": self.readonly,
            "eventType": "AwsApiCall",
            "managementEvent": !data,
            "recipientAccountId": self.account,
            "eventCategory": category,
        });
        let Some(map) = event.as_object_mut() else { return event };
        if self.is_service_event(service) {
            map.insert("eventType".to_owned(), json!("AwsServiceEvent"));
            map.insert("requestParameters".to_owned(), Json::Null);
            map.insert("additionalEventData".to_owned(), self.parameters.clone().unwrap_or(Json::Null));
        }
        if let Some(version) = self.tls {
            let tls = json!({"tlsVersion": format!("TLSv{version}"), "clientProvidedHostHeader": self.host});
            map.insert("tlsDetails".to_owned(), tls);
        }
        if let Some((code, message)) = &self.error {
            map.insert("errorCode".to_owned(), json!(code));
            map.insert("errorMessage".to_owned(), json!(message));
        }
        let resources = self.parameters.as_ref().map(|p| service.event_resources(from, self, p));
        if let Some(resources) = resources.filter(|all| !all.is_empty()) {
            map.insert("resources".to_owned(), Json::Array(resources));
        }
        event
    }

    /// Whether it tells of something that the service did by itself, rather than of a call.
    pub fn is_service_event(&self, service: &dyn Service) -> bool {
        !service.api().operations.iter().any(|operation| operation.name == self.operation)
    }

    /// What it was answered; nothing, where there is nothing to tell.
    fn answered(&self, service: &dyn Service, answer: &Json) -> Json {
        let operation = service.api().operations.iter().find(|o| o.name == self.operation);
        let told = operation.map_or(Json::Null, |operation| service.event_answer(operation, self, answer));
        if told.as_object().is_some_and(JsonMap::is_empty) { Json::Null } else { told }
    }

    fn parameters(&self, service: &dyn Service, given: &Json) -> Json {
        match service.api().operations.iter().find(|o| o.name == self.operation) {
            Some(operation) => service.event_parameters(operation, self, given),
            None => given.clone(),
        }
    }
}

/// The parameters as CloudTrail calls most services': members begin with a small letter, and keys of maps stay as they are.
pub fn parameters(operation: &Operation, given: &Json) -> Json {
    structure(operation.input, given)
}

/// The answer as CloudTrail tells of it: like parameters, without what is none of its readers' business.
pub(crate) fn answer(operation: &Operation, given: &Json) -> Json {
    without_hidden(structure(operation.output, given))
}

fn without_hidden(mut told: Json) -> Json {
    match &mut told {
        Json::Object(entries) => {
            entries.retain(|_, json| !json.is_null() && *json != HIDDEN);
            entries.iter_mut().for_each(|(_, json)| *json = without_hidden(json.take()));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = without_hidden(item.take())),
        _ => {}
    }
    told
}

/// What CloudTrail says in the place of what is none of its readers' business.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Parameters whose members of these names, however deep, are not told.
pub fn hidden(mut parameters: Json, names: &[&str]) -> Json {
    match &mut parameters {
        Json::Object(entries) => {
            for (name, json) in entries.iter_mut() {
                *json = if names.contains(&name.as_str()) { Json::from(HIDDEN) } else { hidden(json.take(), names) };
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = hidden(item.take(), names)),
        _ => {}
    }
    parameters
}

fn structure(of: &Structure, given: &Json) -> Json {
    let Json::Object(entries) = given else { return given.clone() };
    let renamed = entries.iter().map(|(name, json)| {
        let mut letters = name.chars();
        let first = letters.next().map(|c| c.to_ascii_lowercase());
        let member = of.members.iter().find(|m| m.name == name);
        let json = member.map_or_else(|| json.clone(), |member| value(&member.shape, json));
        (first.into_iter().chain(letters).collect::<String>(), json)
    });
    Json::Object(renamed.collect())
}

fn value(shape: &Shape, given: &Json) -> Json {
    match (shape, given) {
        (Shape::Structure(of), given) => structure(of, given),
        (Shape::List(of), Json::Array(items)) => items.iter().map(|item| value(&of.item, item)).collect(),
        (Shape::Map(of), Json::Object(entries)) => {
            Json::Object(entries.iter().map(|(key, json)| (key.clone(), value(&of.value, json))).collect())
        }
        (Shape::Timestamp(_), Json::Number(seconds)) => {
            let moment = seconds.as_f64().and_then(text::from_epoch);
            moment.map_or_else(|| given.clone(), |moment| Json::from(moment.strftime(MOMENT).to_string()))
        }
        _ => given.clone(),
    }
}

/// `Mar 24, 2014, 9:11:59 PM`: how events write moments of requests and answers.
const MOMENT: &str = "%b %-d, %Y, %-I:%M:%S %p";

/// What kind of principal it is, in CloudTrail's words.
pub(crate) fn kind(principal: &PrincipalFacts) -> &'static str {
    match &principal.kind {
        PrincipalKind::Anonymous => "AWSAccount",
        PrincipalKind::Root => "Root",
        PrincipalKind::User { .. } => "IAMUser",
        PrincipalKind::AssumedRole { .. } => "AssumedRole",
        PrincipalKind::FederatedUser { .. } => "FederatedUser",
        PrincipalKind::Federated { .. } => "WebIdentityUser",
        PrincipalKind::Service { .. } => "AWSService",
    }
}

fn identity(record: &Record, from: &Snapshot) -> Json {
    let who = &record.who;
    let key = record.access_key.as_deref();
    // What a store that cannot be read has to say it says in the call's own answer.
    let credential = key.and_then(|key| CREDENTIALS.get(from, &(key,)).ok().flatten());
    let session = |issuer: Json| {
        let begun = credential.as_ref().and_then(|c| c.begun.as_ref());
        let mut context = json!({"sessionIssuer": issuer, "attributes": {
            "creationDate": begun.and_then(|begun| Timestamp::from_millisecond(begun.at).ok())
                .map(|at| text::timestamp(at, TimestampFormat::Iso8601)),
            "mfaAuthenticated": credential.as_ref().is_some_and(|c| c.mfa.is_some()).to_string(),
        }});
        if let Some(source) = begun.and_then(|begun| begun.source_identity.as_ref()) {
            context["sourceIdentity"] = json!(source);
        }
        json!({"sessionContext": without_hidden(context)})
    };
    let known = |more: Json| {
        let mut all = json!({"type": kind(who), "principalId": who.user_id, "arn": who.arn, "accountId": who.account});
        if let (Some(all), Json::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
            if credential.is_some() {
                all.insert("accessKeyId".to_owned(), json!(key));
            }
            if record.source.ends_with(".amazonaws.com") {
                all.insert("invokedBy".to_owned(), json!(record.source));
            }
        }
        all
    };
    match &who.kind {
        PrincipalKind::Anonymous => {
            json!({"type": kind(who), "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"})
        }
        PrincipalKind::Root => known(json!({})),
        PrincipalKind::User { name } => known(json!({"userName": name})),
        PrincipalKind::AssumedRole { role_arn, .. } => {
            let role = Arn::parse(role_arn).map_or(String::new(), |arn| arn.resource);
            let name = role.rsplit('/').next().unwrap_or_default();
            let id = who.user_id.split(':').next().unwrap_or_default();
            known(session(
                json!({"type": "Role", "principalId": id, "arn": role_arn, "accountId": who.account, "userName": name}),
            ))
        }
        PrincipalKind::FederatedUser { user_arn, .. } => {
            known(session(json!({"type": "IAMUser", "arn": user_arn, "accountId": who.account})))
        }
        PrincipalKind::Federated { provider } => {
            json!({"type": kind(who), "principalId": who.user_id, "identityProvider": provider})
        }
        PrincipalKind::Service { name } => json!({"type": kind(who), "invokedBy": name}),
    }
}
