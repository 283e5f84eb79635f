//! Subresources: the parameters without a value that tell the operations on a path apart (`?acl`, `?versioning`).
//!
//! AWS goes by their names alone, also where no operation is bound to them with this method: it does not fall back to the
//! operation on the whole. What it answers to `HEAD` was measured for each of them, and to two of them at once
//! (github.com/brekkylab/backlot issues 230 and 267, and its `backlot/routers/s3.py`).

use undercast_kernel::{AwsError, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Request, text};

use crate::error;

const ALL: &str = "DELETE, GET, PUT";
const GET_PUT: &str = "GET, PUT";
/// It is no subresource there, and nothing comes of it.
const NONE: &str = "";

/// Each with the methods that it takes at a bucket and at a key. At a key, AWS answers many of those of the bucket.
const SUBRESOURCES: [(&str, &str, &str); 36] = [
    ("abac", GET_PUT, NONE),
    ("accelerate", GET_PUT, GET_PUT),
    ("acl", GET_PUT, GET_PUT),
    ("analytics", ALL, NONE),
    ("annotation", NONE, ALL),
    ("attributes", NONE, "GET"),
    ("cors", ALL, ALL),
    ("delete", "POST", NONE),
    ("encryption", ALL, "PUT"),
    ("intelligent-tiering", ALL, NONE),
    ("inventory", ALL, ALL),
    ("legal-hold", NONE, GET_PUT),
    ("lifecycle", ALL, ALL),
    ("location", "GET", "GET"),
    ("logging", GET_PUT, GET_PUT),
    ("metadataConfiguration", "DELETE, POST, GET", NONE),
    ("metadataTable", "DELETE, POST, GET", NONE),
    ("metrics", ALL, NONE),
    ("notification", GET_PUT, GET_PUT),
    ("object-lock", GET_PUT, NONE),
    ("ownershipControls", ALL, NONE),
    ("policy", ALL, ALL),
    ("policyStatus", "GET", NONE),
    ("publicAccessBlock", ALL, NONE),
    ("replication", ALL, ALL),
    ("requestPayment", GET_PUT, GET_PUT),
    ("restore", NONE, "POST"),
    ("retention", NONE, GET_PUT),
    ("select", NONE, "POST"),
    ("tagging", ALL, ALL),
    ("torrent", "GET", "GET"),
    ("uploadId", "DELETE, POST, GET", "DELETE, POST, GET"),
    ("uploads", "POST, GET", "POST, GET"),
    ("versioning", GET_PUT, GET_PUT),
    ("versions", "GET", "GET"),
    ("website", ALL, ALL),
];

/// A subresource that a request names.
struct Named {
    name: &'static str,
    methods: &'static str,
}

/// Refuses what names a subresource that is not the operation's.
///
/// # Errors
/// `InvalidArgument` for two at once, `MethodNotAllowed` for one that does not take the method, and 501 for one of the bucket
/// that is named at a key, which AWS answers as the bucket's.
pub(crate) fn check(operation: &Operation, request: &Request) -> Result<()> {
    let at_key = operation.http.uri.contains("{Key+}");
    if request.query.is_empty() || !(at_key || operation.http.uri.starts_with("/{Bucket}")) {
        return Ok(());
    }
    let mut named = named(&request.query, at_key);
    if let [first, _, ..] = named.as_slice() {
        return Err(conflict(first.name, &named).into());
    }
    let Some(subresource) = named.pop().filter(|named| !is_of(operation, named.name)) else { return Ok(()) };
    if !subresource.methods.split(", ").any(|method| method == request.method) {
        return Err(error::method_not_allowed(&request.method).with_header("allow", subresource.methods).into());
    }
    if !at_key && subresource.name == "uploadId" {
        return Err(error::invalid_request("A key must be specified").into());
    }
    let place = if at_key { "a key" } else { "a bucket" };
    Err(Failure::not_built(format!("{} of the subresource `{}` at {place}", request.method, subresource.name)))
}

fn named(query: &str, at_key: bool) -> Vec<Named> {
    let pairs = text::pairs(query).unwrap_or_default();
    let has = |name: &str| pairs.iter().any(|(n, _)| n == name);
    let known = SUBRESOURCES.iter().filter(|(name, ..)| has(name));
    let found = known.map(|(name, bucket, key)| Named { name, methods: if at_key { key } else { bucket } });
    let mut found: Vec<Named> = found.filter(|named| named.methods != NONE).collect();
    if has("partNumber") {
        // Alone it is a part of an object, with `uploadId` one of an upload.
        match found.as_mut_slice() {
            [upload] if upload.name == "uploadId" => upload.methods = "PUT",
            [] => {}
            _ => found.push(Named { name: "partNumber", methods: "PUT" }),
        }
    }
    found.sort_by_key(|named| named.name);
    found
}

/// Whether the operation is bound to the subresource.
fn is_of(operation: &Operation, name: &str) -> bool {
    let (_, query) = operation.http.uri.split_once('?').unwrap_or_default();
    query.split('&').any(|part| part == name) || operation.input.members.iter().any(|m| m.required && m.wire == name)
}

fn conflict(first: &str, all: &[Named]) -> AwsError {
    let names: Vec<&str> = all.iter().map(|named| named.name).collect();
    let message = format!("Conflicting query string parameters: {}", names.join(", "));
    error::invalid_argument(message, "ResourceType", first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(query: &str, at_key: bool) -> String {
        named(query, at_key).iter().map(|n| n.name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn subresources_are_found_by_their_names() {
        assert_eq!(names("versioning=1&x-id=GetObject", false), "versioning");
        assert_eq!(names("Versioning", false), "");
        assert_eq!(names("versioning&acl", true), "acl versioning");
        assert_eq!(names("abac&versionId=x&partNumber=2", true), "");
        assert_eq!(names("uploadId=x&partNumber=2", true), "uploadId");
        assert_eq!(names("tagging&partNumber=2", true), "partNumber tagging");
    }
}
