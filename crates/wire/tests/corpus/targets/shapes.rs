//! Tables that the targets read by: one of everything that a protocol has, holding itself.

use std::sync::OnceLock;

use undercast_wire::schema::{
    Bounds, Http, List, Location, Map, Member, Operation, Protocol, Range, Service, Shape, Size, Structure, Text,
    TimestampFormat,
};

static TEXT: Text = Text::any("Text");
static SHORT: Text = Text {
    name: "Short",
    size: Size { min: Some(1), max: Some(8) },
    pattern: Some("[a-z]*"),
    values: &[],
    sensitive: false,
    compiled: OnceLock::new(),
};

const fn list(item: Shape, sparse: bool) -> List {
    List { name: "List", item, item_name: "member", size: Size { min: None, max: Some(100) }, sparse, flattened: false }
}

const fn map(value: Shape, sparse: bool) -> Map {
    Map {
        name: "Map",
        key: &SHORT,
        value,
        key_name: "key",
        value_name: "value",
        size: Size::ANY,
        sparse,
        flattened: false,
    }
}

static TREES: List = list(Shape::Structure(&TREE), false);
static SPARSE: List = list(Shape::String(&TEXT), true);
static NUMBERS: List = list(Shape::Integer(Range::ANY), false);
static BRANCHES: Map = map(Shape::List(&TREES), false);
static HOLES: Map = map(Shape::String(&TEXT), true);
static NAMES: Map = map(Shape::String(&TEXT), false);
static TEXTS: List = list(Shape::String(&TEXT), false);
static PARAMETERS: Map = map(Shape::List(&TEXTS), false);

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

const fn at(location: Location, name: &'static str, shape: Shape) -> Member {
    Member { location, ..member(name, shape) }
}

const fn structure(members: &'static [Member]) -> Structure {
    Structure { name: "Tree", members, ..Structure::EMPTY }
}

static CHOICE: Structure =
    Structure { union: true, ..structure(&[member("a", Shape::String(&TEXT)), member("b", Shape::Structure(&TREE))]) };

/// What every protocol has, in a body.
pub(super) static TREE: Structure = structure(&[
    member("a", Shape::String(&TEXT)),
    member("b", Shape::Blob(Size::ANY)),
    member("c", Shape::Boolean),
    member("d", Shape::Long(Range { min: Some(-5), max: None })),
    member("e", Shape::Double(Bounds { min: None, max: Some(1.5) })),
    member("f", Shape::Timestamp(None)),
    member("g", Shape::List(&TREES)),
    member("h", Shape::Map(&BRANCHES)),
    member("i", Shape::Integer(Range::ANY)),
    member("j", Shape::Structure(&TREE)),
    member("k", Shape::Structure(&CHOICE)),
    Member { flattened: true, ..member("l", Shape::List(&NUMBERS)) },
    Member { flattened: true, ..member("m", Shape::Map(&NAMES)) },
    member("n", Shape::Timestamp(Some(TimestampFormat::Iso8601))),
    member("o", Shape::Timestamp(Some(TimestampFormat::Epoch))),
    member("p", Shape::String(&SHORT)),
]);

/// The same with what only JSON and CBOR have.
pub(super) static LOOSE: Structure = structure(&[
    member("tree", Shape::Structure(&TREE)),
    member("sparse", Shape::List(&SPARSE)),
    member("holes", Shape::Map(&HOLES)),
    member("loose", Shape::Structure(&LOOSE)),
]);

/// The same with documents, which CBOR has not.
pub(super) static OPEN: Structure =
    structure(&[member("loose", Shape::Structure(&LOOSE)), member("any", Shape::Document)]);

/// The same with attributes, which only XML has.
pub(super) static MARKED: Structure = structure(&[
    Member { attribute: true, ..member("mark", Shape::String(&TEXT)) },
    Member { attribute: true, ..member("count", Shape::Long(Range::ANY)) },
    member("tree", Shape::Structure(&TREE)),
    member("marked", Shape::Structure(&MARKED)),
]);

/// Everything that stands outside of a body, and some that stands in it.
static OUTSIDE: Structure = structure(&[
    at(Location::Label, "Bucket", Shape::String(&TEXT)),
    at(Location::Label, "Key", Shape::String(&TEXT)),
    at(Location::Query, "number", Shape::Integer(Range::ANY)),
    at(Location::Query, "numbers", Shape::List(&NUMBERS)),
    at(Location::Query, "when", Shape::Timestamp(None)),
    at(Location::QueryMap, "all", Shape::Map(&PARAMETERS)),
    at(Location::Header, "x-date", Shape::Timestamp(None)),
    at(Location::Header, "x-dates", Shape::List(&DATES)),
    at(Location::Header, "x-document", Shape::Document),
    at(Location::Header, "x-blob", Shape::Blob(Size::ANY)),
    member("tree", Shape::Structure(&TREE)),
]);
static DATES: List = list(Shape::Timestamp(None), false);

/// What stands in headers and bodies of requests and of answers alike.
static BOTH: Structure = structure(&[
    at(Location::Header, "x-text", Shape::String(&TEXT)),
    at(Location::Header, "x-number", Shape::Long(Range::ANY)),
    at(Location::Header, "x-flag", Shape::Boolean),
    at(Location::Header, "x-time", Shape::Timestamp(Some(TimestampFormat::Iso8601))),
    at(Location::Header, "x-list", Shape::List(&TEXTS)),
    Member { json_value: true, ..at(Location::Header, "x-json", Shape::String(&TEXT)) },
    at(Location::Headers, "x-meta-", Shape::Map(&NAMES)),
    member("tree", Shape::Structure(&TREE)),
    member("a", Shape::String(&TEXT)),
]);

const fn operation(input: &'static Structure, output: &'static Structure) -> Operation {
    Operation {
        name: "Operation",
        http: Http { method: "POST", uri: "/{Bucket}/{Key+}?list", code: 200 },
        input,
        output,
        result_wrapper: None,
        errors: &[],
        anonymous: false,
        readonly: false,
        checksum_required: false,
        cases: 0,
    }
}

static UNIT: Structure = Structure::EMPTY;
pub(super) static READS_OUTSIDE: Operation = operation(&OUTSIDE, &UNIT);
pub(super) static SAYS_BACK: Operation = operation(&BOTH, &BOTH);

/// A service around the operations.
pub(super) static SERVICE: Service = Service {
    name: "fuzzed",
    signing_name: "fuzzed",
    endpoint_prefix: "fuzzed",
    iam_prefix: "fuzzed",
    target_prefix: None,
    rpc_name: None,
    api_version: "2026-11-24",
    xml_namespace: None,
    json_version: "1.1",
    protocols: &[Protocol::RestJson, Protocol::RestXml],
    query_compatible: false,
    bare_errors: false,
    s3_signing: false,
    crc32: false,
    validation_error: "ValidationException",
    operations: &[&READS_OUTSIDE, &SAYS_BACK],
    unbuilt: &[],
    global: false,
    told_by: None,
};
