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

pub(crate) fn all() -> Vec<Column> {
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
    all.push(part("tlsDetails", texts(&["tlsVersion", "cipherSuite", "clientProvidedHostHeader"])));
    all.extend(texts(&["sessionCredentialFromConsole", "eventJson", "eventJsonChecksum"]));
    all
}
