//! Errors that AWS has answered, in its own words: each is written on every protocol and read back as it was.

use serde_json::Value as Json;
use undercast_wire::schema::Protocol;
use undercast_wire::{AwsError, cbor, protocol, xml_read};

use crate::folder;
use crate::models;
use crate::schema::Api;

/// How many are run. The number may not fall.
const RUN: usize = 826;

const PROTOCOLS: [Protocol; 6] =
    [Protocol::Json, Protocol::RestJson, Protocol::Cbor, Protocol::Query, Protocol::Ec2, Protocol::RestXml];

/// The code and message that a client reads.
fn read(protocol: Protocol, body: &[u8], name: Option<&str>) -> Option<(String, String)> {
    Some(match protocol {
        Protocol::Json | Protocol::RestJson => {
            let json: Json = serde_json::from_slice(body).ok()?;
            let code = json["__type"].as_str().or(name)?.to_owned();
            (code, json["message"].as_str()?.to_owned())
        }
        Protocol::Cbor | Protocol::AwsCbor => {
            let fields = cbor::structure(body, models::error(), &mut Vec::new()).ok()?;
            (fields.text("code")?.to_owned(), fields.text("message")?.to_owned())
        }
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            let root = xml_read::parse(body).ok()??;
            let text = |name: &str| find(&root, name).map(|e| e.text.clone());
            (text("Code")?, text("Message")?)
        }
    })
}

fn find<'a>(element: &'a xml_read::Element, name: &str) -> Option<&'a xml_read::Element> {
    if element.name == name { Some(element) } else { element.children.iter().find_map(|c| find(c, name)) }
}

fn check(status: u16, code: &str, message: &str) -> Result<(), String> {
    for protocol in PROTOCOLS {
        let api = Api::around(protocol, models::nothing());
        let error = AwsError::new(code.to_owned(), status, message);
        let response = protocol::encode_error(protocol, api.service, &error, "request-id");
        let name = response.headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).map(ToOwned::to_owned);
        let body = response.body.into_parts().map_err(|_| "a streaming body")?;
        let found = read(protocol, &body, name.as_deref());
        if response.status != status || found.as_ref().map(|(c, m)| (c.as_str(), m.as_str())) != Some((code, message)) {
            return Err(format!("{code} on {}: {} {found:?}", protocol.name(), response.status));
        }
    }
    Ok(())
}

#[test]
fn errors_are_read_back_as_aws_worded_them() {
    let Some(folder) = folder("aws-errors") else { return };
    let text = std::fs::read_to_string(folder.join("errors.jsonl")).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for line in text.lines() {
        let error: Json = serde_json::from_str(line).unwrap();
        // Of an error inside an execution no status was recorded.
        let status = u16::try_from(error[1].as_u64().unwrap_or(400)).unwrap();
        match check(status, error[2].as_str().unwrap(), error[3].as_str().unwrap_or_default()) {
            Ok(()) => passed += 1,
            Err(why) => failed.push(why),
        }
    }
    println!("errors: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(passed, RUN, "so many errors were run; where the published ones have grown, say so here");
}
