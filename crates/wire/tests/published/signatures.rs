//! AWS's signature version 4 suite.

use std::path::Path;

use undercast_wire::Request;
use undercast_wire::sigv4::{self, Signature};
use undercast_wire::value::Body;

use crate::folder;
use crate::left_out::LeftOut;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// How many are run. The number may not fall.
const RUN: usize = 34;

fn parse(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap();
    let (method, rest) = line.split_once(' ').unwrap();
    let uri = rest.rsplit_once(' ').unwrap().0;
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut headers = http::HeaderMap::new();
    // A line that begins with white space continues the header before it.
    let mut whole: Vec<String> = Vec::new();
    for line in lines {
        match whole.last_mut().filter(|_| line.starts_with(' ')) {
            Some(last) => last.push_str(line),
            None => whole.push(line.to_owned()),
        }
    }
    for line in whole {
        let (name, value) = line.split_once(':').unwrap();
        let name: http::HeaderName = name.to_lowercase().parse().unwrap();
        headers.append(name, http::HeaderValue::from_bytes(value.trim().as_bytes()).unwrap());
    }
    let encoded = |text: &str| {
        text.chars().map(|c| if c.is_ascii() && c != ' ' { c.to_string() } else { percent(c) }).collect::<String>()
    };
    // The suite signs paths as they are written: encoded once.
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: encoded(query),
        headers,
        body: Body::from(body.as_bytes().to_vec()),
    }
}

/// The suite writes some characters as they are; on the wire they are escaped.
fn percent(c: char) -> String {
    let mut buffer = [0; 4];
    c.encode_utf8(&mut buffer).bytes().map(|b| format!("%{b:02X}")).collect()
}

fn check(folder: &Path, name: &str) -> Result<(), String> {
    let file =
        |kind: &str| std::fs::read_to_string(folder.join(format!("{name}.{kind}"))).map(|t| t.replace("\r\n", "\n"));
    // The request as it is sent, where the suite has it; its signature is the one beside it.
    let mut request = parse(&file("sreq").or_else(|_| file("req")).map_err(|e| e.to_string())?);
    let authorization = file("authz").map_err(|e| e.to_string())?;
    request.headers.insert("authorization", authorization.trim().parse().unwrap());
    let signature: Signature = sigv4::read(&request).map_err(|e| e.to_string())?.ok_or("no signature")?;
    request.headers.remove("authorization");
    let body = request.body.take().into_parts().unwrap_or_default();
    let hash = {
        use sha2::{Digest as _, Sha256};
        undercast_wire::text::hex_encode(&Sha256::digest(&body))
    };
    let canonical = sigv4::canonical_request(&request, &signature, &hash, false);
    let wanted = file("creq").map_err(|e| e.to_string())?;
    if canonical != wanted {
        return Err(format!("canonical request\n{canonical}\ninstead of\n{wanted}"));
    }
    let to_sign = sigv4::string_to_sign(&signature, &canonical);
    if to_sign != file("sts").map_err(|e| e.to_string())? {
        return Err(format!("string to sign\n{to_sign}"));
    }
    let key = sigv4::Key::of(&signature, SECRET);
    if !sigv4::verify(&request, &signature, &hash, false, &key) {
        return Err("the signature differs".to_owned());
    }
    let other = Signature { signature: format!("0{}", &signature.signature[1..]), ..signature.clone() };
    let wrong = other.signature != signature.signature && sigv4::verify(&request, &other, &hash, false, &key);
    if wrong { Err("another signature is taken too".to_owned()) } else { Ok(()) }
}

#[test]
fn signatures_are_those_of_the_suite() {
    let Some(root) = folder("sigv4") else { return };
    let mut pending = vec![root];
    let (mut passed, mut failed) = (0, Vec::new());
    while let Some(folder) = pending.pop() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            }
        }
        if !folder.join(format!("{name}.req")).exists() {
            continue;
        }
        match check(&folder, &name) {
            Ok(()) => passed += 1,
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    LeftOut::new(&[]).settle("signatures", passed, RUN, &failed);
}
