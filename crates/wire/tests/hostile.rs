//! Bytes from outside: no reader panics, whatever it is given, and none of them asks for more memory than the bytes allow.

use proptest::prelude::*;
use undercast_wire::eventstream::Message;
use undercast_wire::schema::{Bounds, List, Location, Map, Member, Range, Shape, Size, Structure, Text};
use undercast_wire::sigv4::chunked::ChunkedDecoder;
use undercast_wire::value::Body;
use undercast_wire::{Request, cbor, form_read, json_read, sigv4, text, xml_read};

static TEXT: Text = Text::any("Text");
static LIST: List = List {
    name: "List",
    item: Shape::Structure(&TREE),
    item_name: "member",
    size: Size::ANY,
    sparse: false,
    flattened: false,
};
static MAP: Map = Map {
    name: "Map",
    key: &TEXT,
    value: Shape::List(&LIST),
    key_name: "key",
    value_name: "value",
    size: Size::ANY,
    sparse: true,
    flattened: false,
};

const fn member(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        wire: name,
        xml: name,
        form: name,
        shape,
        location: Location::Body,
        required: false,
        flattened: false,
        attribute: false,
        xml_namespace: None,
        streaming: false,
        json_value: false,
        idempotency_token: false,
        ignored: None,
        refused: None,
        event_header: false,
        event_payload: false,
    }
}

/// A structure that holds itself, and one of everything.
static TREE: Structure = Structure {
    name: "Tree",
    members: &[
        member("a", Shape::String(&TEXT)),
        member("b", Shape::Blob(Size::ANY)),
        member("c", Shape::Boolean),
        member("d", Shape::Long(Range::ANY)),
        member("e", Shape::Double(Bounds::ANY)),
        member("f", Shape::Timestamp(None)),
        member("g", Shape::List(&LIST)),
        member("h", Shape::Map(&MAP)),
        member("i", Shape::Document),
    ],
    union: false,
    payload: None,
    xml_name: None,
    xml_namespace: None,
    event_stream: false,
    unwrapped: false,
};

fn everything(bytes: &[u8]) {
    let mut unknown = Vec::new();
    let _ = json_read::structure(bytes, &TREE, &mut unknown);
    let _ = xml_read::structure(bytes, &TREE, &mut unknown);
    let _ = cbor::structure(bytes, &TREE, &mut unknown);
    let _ = Message::decode(bytes);
    let mut chunks = ChunkedDecoder::new(None, true, None);
    let _ = chunks.push(bytes).map(|_| chunks.finish());
    if let Ok(line) = std::str::from_utf8(bytes) {
        if let Some(pairs) = text::pairs(line) {
            let _ = form_read::Form::new(pairs, false).structure(&TREE, &mut unknown);
        }
        signature(line);
    }
}

fn signature(line: &str) {
    let mut headers = http::HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_bytes(line.as_bytes()) {
        headers.insert("authorization", value.clone());
        headers.insert("x-amz-date", value);
    }
    let request = Request {
        method: "GET".to_owned(),
        path: line.to_owned(),
        query: line.to_owned(),
        headers,
        body: Body::empty(),
    };
    if let Ok(Some(signature)) = sigv4::read(&request) {
        let _ = sigv4::canonical_request(&request, &signature, "hash", true);
        let _ = sigv4::canonical_request(&request, &signature, "hash", false);
    }
}

/// Pieces of each language, so that chance goes deeper than the first byte.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"a\":",
        "\"g\":[{",
        "\"h\":{\"k\":[{",
        "null",
        "true",
        "-1e400",
        "\"\\ud800\"",
        "\\u",
        ",",
        ":",
        "<a>",
        "</a>",
        "<g><member>",
        "<!DOCTYPE x [",
        "&#x0;",
        "&lol;",
        "a=1&",
        "g.member.1.a=",
        "g.member.999999999999=",
        "h.entry.1.key=",
        "%",
        "%E0%A4%A",
        "\u{0}",
        "\u{feff}",
        "\r\n",
        "ffffffffffffffff;chunk-signature=",
        "0\r\n",
        "x-amz-checksum-crc32:",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=",
        "AWSAccessKeyId=a&Signature=b&Expires=99999999999999999999",
    ]);
    let raw = prop::collection::vec(any::<u8>(), 0..12);
    let head = prop::sample::select(vec![
        vec![0xbf],
        vec![0x9f],
        vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xa1, 0x61, 0x67],
        vec![0xc1, 0xfb],
        vec![0xff],
        vec![0x7f],
    ]);
    let piece = prop_oneof![4 => words.prop_map(|w| w.as_bytes().to_vec()), 1 => raw, 2 => head];
    prop::collection::vec(piece, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_reader_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        everything(&bytes);
    }

    #[test]
    fn no_reader_panics_on_pieces_of_its_language(bytes in pieces()) {
        everything(&bytes);
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for (open, close) in [("{\"g\":[", "]}"), ("[", "]")] {
        let deep = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(json_read::structure(deep.as_bytes(), &TREE, &mut Vec::new()).is_err());
    }
    let deep = format!("{}{}", "<g><member>".repeat(100_000), "</member></g>".repeat(100_000));
    assert!(xml_read::structure(deep.as_bytes(), &TREE, &mut Vec::new()).is_err());
    assert!(cbor::structure(&[0x9f; 100_000], &TREE, &mut Vec::new()).is_err());
    assert!(cbor::structure(&[&[0xbf, 0x61, b'x'][..], &[0xc1; 100_000]].concat(), &TREE, &mut Vec::new()).is_err());
}

/// A structure that holds itself has a table without an end.
#[test]
fn what_was_read_can_be_shown() {
    let fields = json_read::structure(br#"{"g":[{"a":"x"}]}"#, &TREE, &mut Vec::new()).unwrap();
    assert_eq!(format!("{fields:?}"), r#"Tree { g: List([Structure(Tree { a: String("x") })]) }"#);
    assert_eq!(format!("{:?}", &TREE), r#"Structure("Tree")"#);
}

#[test]
fn entities_are_never_expanded() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
    assert!(xml_read::parse(bomb.as_bytes()).is_err());
    assert!(xml_read::parse(b"<a>&c;</a>").is_err());
    assert_eq!(xml_read::parse(b"<a>&lt;&#65;&amp;</a>").ok().flatten().map(|e| e.text), Some("<A&".to_owned()));
}
