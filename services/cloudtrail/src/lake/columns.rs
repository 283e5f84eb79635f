//! The columns of an event data store.
//!
//! Source: "CloudTrail Lake supported event schema for event record fields" in the user guide.

use undercast_query::{Column, Kind};

fn text(name: &str) -> Column {
    Column::new(name, Kind::Text)
}

fn texts(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| text(name)).collect()
}

fn part(name: &str, parts: Vec<Column>) -> Column {
    Column::new(name, Kind::Structure(parts))
}

fn identity() -> Column {
    let attributes = vec![Column::new("creationDate", Kind::Moment), text("mfaAuthenticated")];
    let federation = vec![text("federatedProvider"), Column::new("attributes", Kind::Map)];
    let issuer = texts(&["type", "principalId", "arn", "accountId", "userName"]);
    let context = vec![
        part("attributes", attributes),
        part("sessionIssuer", issuer),
        part("webIdFederationData", federation),
        text("sourceIdentity"),
        text("ec2RoleDelivery"),
    ];
    let mut parts = texts(&["type", "principalId", "arn", "accountId", "accessKeyId", "userName"]);
    parts.push(part("sessionContext", context));
    parts.extend(texts(&["invokedBy", "identityProvider"]));
    part("userIdentity", parts)
}

/// What enriched events have besides.
fn context() -> Column {
    let tagged = Kind::Structure(vec![text("arn"), Column::new("tags", Kind::Map)]);
    let tags = vec![Column::new("resourceTags", Kind::List(Box::new(tagged))), Column::new("principalTags", Kind::Map)];
    part("eventContext", vec![Column::new("requestContext", Kind::Map), part("tagContext", tags)])
}

/// Columns of any kind of events.
pub(crate) fn all() -> Vec<Column> {
    [calls(), insights(), audit()].concat()
}

/// Columns of events of other applications.
///
/// Source: "CloudTrail Lake integrations event schema" in the user guide.
pub(crate) fn audit() -> Vec<Column> {
    let mut identity = texts(&["type", "principalId"]);
    identity.push(Column::new("details", Kind::Map));
    let mut data = vec![text("version"), part("userIdentity", identity)];
    data.extend(texts(&["userAgent", "eventSource", "eventName"]));
    data.push(Column::new("eventTime", Kind::Moment));
    data.push(text("UID"));
    data.extend(["requestParameters", "responseElements"].map(|name| Column::new(name, Kind::Map)));
    data.extend(texts(&["errorCode", "errorMessage", "sourceIPAddress", "recipientAccountId"]));
    data.push(Column::new("additionalEventData", Kind::Map));
    let mut all = texts(&["eventVersion", "eventCategory", "eventType", "eventID"]);
    all.push(Column::new("eventTime", Kind::Moment));
    all.extend(texts(&["awsRegion", "recipientAccountId"]));
    all.push(part("addendum", texts(&["reason", "updatedFields", "originalUID", "originalEventID"])));
    all.push(part("metadata", vec![Column::new("ingestionTime", Kind::Moment), text("channelARN")]));
    all.push(part("eventData", data));
    all.extend(texts(&["eventJson", "eventJsonChecksum"]));
    all
}

/// Columns of insights events.
///
/// Source: "CloudTrail record contents for Insights events for event data stores" in the user guide.
pub(crate) fn insights() -> Vec<Column> {
    let attributions = part(
        "attributions",
        texts(&["attribute", "insightValue", "insightAverage", "baselineValue", "baselineAverage"]),
    );
    let mut context = texts(&["baselineAverage", "insightAverage", "baselineDuration", "insightDuration"]);
    context.push(Column { kind: Kind::List(Box::new(attributions.kind)), ..Column::new("attributions", Kind::Text) });
    let mut all = texts(&["eventVersion", "eventCategory", "eventType", "eventID"]);
    all.push(Column::new("eventTime", Kind::Moment));
    all.extend(texts(&[
        "awsRegion",
        "recipientAccountId",
        "sharedEventID",
        "insightSource",
        "insightState",
        "insightEventSource",
        "insightEventName",
        "insightErrorCode",
        "insightType",
    ]));
    all.push(part("insightContext", context));
    all.extend(texts(&["eventJson", "eventJsonChecksum"]));
    all
}

/// Columns of management, data and network activity events.
pub(crate) fn calls() -> Vec<Column> {
    let resource = Kind::Structure(texts(&["accountId", "type", "arn", "arnPrefix"]));
    let mut all = vec![text("eventVersion"), identity(), Column::new("eventTime", Kind::Moment)];
    all.extend(texts(&[
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "errorCode",
        "errorMessage",
    ]));
    all.extend(["requestParameters", "responseElements", "additionalEventData"].map(|n| Column::new(n, Kind::Map)));
    all.extend(texts(&["requestID", "eventID"]));
    all.push(Column::new("readOnly", Kind::Boolean));
    all.push(Column::new("resources", Kind::List(Box::new(resource))));
    all.extend(texts(&["eventType", "apiVersion"]));
    all.push(Column::new("managementEvent", Kind::Boolean));
    all.extend(texts(&["recipientAccountId", "sharedEventID", "vpcEndpointId"]));
    all.push(Column::new("serviceEventDetails", Kind::Map));
    all.push(text("eventCategory"));
    all.push(context());
    all.push(part("tlsDetails", texts(&["tlsVersion", "cipherSuite", "clientProvidedHostHeader"])));
    all.extend(texts(&["sessionCredentialFromConsole", "eventJson", "eventJsonChecksum"]));
    all
}
