//! The operations of the cases for servers, which are published without their models, in few words.
//!
//! A member is `name:kind`, with `!` in front where it is required, and `@query=wire` behind where it is not in the body.
//! A kind is a word (`string`, `integer`, …), `[kind]` for a list, `{kind}` for a map, or the name of a structure of
//! [`STRUCTURES`]. Bounds follow a `#`: `string#2..8`; a pattern a `~`; the values of an enumeration an `=`.

use undercast_wire::schema::{
    Bounds, Http, List, Location, Map, Member, Operation, Range, Shape, Size, Structure, Text, TimestampFormat,
};

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn word(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Structures by their names; `|` stands in front of a union's members.
const STRUCTURES: &[(&str, &str)] = &[
    ("SimpleUnion", "| int:integer string:string"),
    ("EnumUnion", "| first:string=abc|def|jkl second:string=abc|def|jkl"),
    ("PatternUnion", "| first:string~^[a-m]+$ second:string~^[a-m]+$"),
    ("PatternUnionOverride", "| first:string~^[g-m]+$ second:string~^[g-m]+$"),
    ("Keyed", "!hi:string"),
    ("RecursiveUnion", "| string:string=abc|def union:RecursiveUnion"),
];

/// Operations of restJson1 that malformed requests are for: name, its members.
pub(crate) const MALFORMED: &[(&str, &str)] = &[
    ("MalformedAcceptWithBody", "> hi:string"),
    ("MalformedAcceptWithGenericString", "> payload:string@payload"),
    ("MalformedBlob", "blob:blob"),
    (
        "MalformedBoolean",
        "booleanInBody:boolean booleanInPath:boolean@path booleanInQuery:boolean@query booleanInHeader:boolean@header",
    ),
    ("MalformedByte", "byteInBody:byte byteInPath:byte@path byteInQuery:byte@query byteInHeader:byte@header"),
    ("MalformedContentTypeWithBody", "hi:string"),
    (
        "MalformedDouble",
        "doubleInBody:double doubleInPath:double@path doubleInQuery:double@query doubleInHeader:double@header",
    ),
    (
        "MalformedEnum",
        "string:string=abc|def|jkl stringWithEnumTrait:string=abc|def list:[string=abc|def|jkl] map:{string=abc|def|jkl} union:EnumUnion",
    ),
    ("MalformedFloat", "floatInBody:float floatInPath:float@path floatInQuery:float@query floatInHeader:float@header"),
    (
        "MalformedInteger",
        "integerInBody:integer integerInPath:integer@path integerInQuery:integer@query integerInHeader:integer@header",
    ),
    (
        "MalformedLength",
        "blob:blob#2..8 string:string#2..8 minString:string#2.. maxString:string#..8 list:[string#2..8]#2..8 map:{[string]#2..8}#2..8",
    ),
    (
        "MalformedLengthOverride",
        "blob:blob#4..6 string:string#4..6 minString:string#4.. maxString:string#..6 list:[string]#4..6 map:{[string]}#4..6",
    ),
    ("MalformedLengthQueryString", "string:string#2..8@query"),
    ("MalformedList", "bodyList:[string]"),
    ("MalformedLong", "longInBody:long longInPath:long@path longInQuery:long@query longInHeader:long@header"),
    ("MalformedMap", "bodyMap:{string}"),
    (
        "MalformedPattern",
        "string:string~^[a-m]+$ evilString:string~^([0-9]+)+$ list:[string~^[a-m]+$] map:{string~^[a-m]+$} union:PatternUnion",
    ),
    (
        "MalformedPatternOverride",
        "string:string~^[g-m]+$ list:[string~^[g-m]+$] map:{string~^[g-m]+$} union:PatternUnionOverride",
    ),
    (
        "MalformedRange",
        "byte:byte#2..8 minByte:byte#2.. maxByte:byte#..8 short:short#2..8 minShort:short#2.. maxShort:short#..8 integer:integer#2..8 minInteger:integer#2.. maxInteger:integer#..8 long:long#2..8 minLong:long#2.. maxLong:long#..8 float:float#2.2..8.8 minFloat:float#2.2.. maxFloat:float#..8.8",
    ),
    (
        "MalformedRangeOverride",
        "byte:byte#4..6 minByte:byte#4.. maxByte:byte#..6 short:short#4..6 minShort:short#4.. maxShort:short#..6 integer:integer#4..6 minInteger:integer#4.. maxInteger:integer#..6 long:long#4..6 minLong:long#4.. maxLong:long#..6 float:float#4.4..6.6 minFloat:float#4.4.. maxFloat:float#..6.6",
    ),
    ("MalformedRequestBody", "int:integer float:float"),
    ("MalformedRequired", "!string:string !stringInQuery:string@query !stringInHeader:string@header=string-in-headers"),
    ("MalformedShort", "shortInBody:short shortInPath:short@path shortInQuery:short@query shortInHeader:short@header"),
    ("MalformedString", "blob:media@header=amz-media-typed-header"),
    ("MalformedTimestampBodyDateTime", "timestamp:date-time"),
    ("MalformedTimestampBodyDefault", "timestamp:timestamp"),
    ("MalformedTimestampBodyHttpDate", "timestamp:http-date"),
    ("MalformedTimestampHeaderDateTime", "timestamp:date-time@header"),
    ("MalformedTimestampHeaderDefault", "timestamp:timestamp@header"),
    ("MalformedTimestampHeaderEpoch", "timestamp:epoch@header"),
    ("MalformedTimestampPathDefault", "timestamp:timestamp@path"),
    ("MalformedTimestampPathEpoch", "timestamp:epoch@path"),
    ("MalformedTimestampPathHttpDate", "timestamp:http-date@path"),
    ("MalformedTimestampQueryDefault", "timestamp:timestamp@query"),
    ("MalformedTimestampQueryEpoch", "timestamp:epoch@query"),
    ("MalformedTimestampQueryHttpDate", "timestamp:http-date@query"),
    ("MalformedUnion", "union:SimpleUnion"),
    ("MalformedUniqueItems", "structureListWithNoKey:[Keyed]"),
    ("HttpStringPayload", "payload:string@payload > payload:string@payload"),
    ("RecursiveStructures", "union:RecursiveUnion"),
    ("SensitiveValidation", "string:secret~^[a-m]+$"),
];

const SCALARS: &str = "byteValue:byte doubleValue:double falseBooleanValue:boolean floatValue:float integerValue:integer longValue:long shortValue:short stringValue:string trueBooleanValue:boolean blobValue:blob";

/// Operations of the cases that are for servers only, by the ends of the cases' names: its members, and the status of a
/// success.
const SERVER: &[(&str, &str, u16)] = &[
    ("MustSupportParametersInContentType", "value:integer", 200),
    ("DontDeserializeNullStructureValues", "string:string", 200),
    ("HttpPayloadTraitsWithBlobAcceptsAllContentTypes", "foo:string@header=X-Foo blob:blob@payload", 200),
    ("HttpPayloadTraitsWithBlobAcceptsNoContentType", "foo:string@header=X-Foo blob:blob@payload", 200),
    ("HttpPayloadTraitsWithBlobAcceptsAllAccepts", "foo:string@header=X-Foo blob:blob@payload", 200),
    ("HttpEmptyPrefixHeadersRequestServer", "prefixHeaders:{string}@headers= specificHeader:string@header=hello", 200),
    ("AcceptStaticQueryParamAsEmptyString", "nullValue:string@query=Null emptyString:string@query=Empty", 200),
    ("ServersPutAllQueryParamsInMap", "foo:string@query=bar baz:{string}@querymap", 200),
    ("ServersQueryParamsStringListMap", "qux:string@query=corge foo:{[string]}@querymap", 200),
    ("RestJsonServersDontSerializeNullStructureValues", "stringValue:string > stringValue:string", 200),
    ("AwsJson11ServersDontSerializeNullStructureValues", "> string:string", 200),
    ("RpcV2CborServerDoesntSerializeNullStructureValues", "> stringValue:string", 200),
    ("IndefiniteStringInsideIndefiniteList", "stringList:[string]", 200),
    ("IndefiniteStringInsideDefiniteList", "stringList:[string]", 200),
    ("RpcV2CborSimpleScalarPropertiesUsingIndefiniteLength", SCALARS, 200),
    ("RpcV2CborServerDoesntDeSerializeNullStructureValues", SCALARS, 200),
    ("RpcV2CborIndefiniteLengthStringsCanBeDeserialized", SCALARS, 200),
    ("RpcV2CborIndefiniteLengthByteStringsCanBeDeserialized", SCALARS, 200),
    ("RpcV2CborSupportsUpcastingData", SCALARS, 200),
    ("RpcV2CborExtraFieldsInTheBodyShouldBeSkippedByServers", SCALARS, 200),
    ("RpcV2CborServersShouldHandleNoAcceptHeader", SCALARS, 200),
    ("NullAndEmptyHeaders", "> a:string@header=X-A b:string@header=X-B c:[string]@header=X-C", 200),
    (
        "HttpEmptyPrefixHeadersResponseServer",
        "> prefixHeaders:{string}@headers= specificHeader:string@header=hello",
        200,
    ),
    ("HttpResponseCodeDefaultsToModeledCode", "> Status:integer@status", 200),
    ("HttpResponseCodeRequired", "> responseCode:integer@status", 200),
    ("ServiceSupportsNoPayloadForNoInput", "", 200),
    ("json_1_1_service_supports_empty_payload_for_no_input_shape", "", 200),
    ("RestJsonNoInputAllowsAccept", "", 200),
    ("RestJsonUnitInputAllowsAccept", "> output:string", 200),
    ("RestJsonNoInputAndOutputAllowsAccept", "> output:string", 200),
    ("RestJsonEmptyInputAndEmptyOutputWithJson", "", 200),
    ("AcceptHeaderStarRequestTest", "> output:string", 200),
    ("AcceptHeaderStarStarRequestTest", "> output:string", 200),
    ("NoInputServerAllowsEmptyCbor", "", 200),
    ("NoInputServerAllowsEmptyBody", "", 200),
    ("empty_input_no_body", "", 200),
    ("empty_input_no_body_has_accept", "", 200),
    ("HttpResponseCodeNotSetFallsBackToHttpCode", "> responseCode:integer@status", 201),
];

/// The operation of a case for servers only.
pub(crate) fn of_server_case(id: &str, uri: &str) -> Option<&'static Operation> {
    let (_, members, code) = SERVER.iter().find(|(end, _, _)| id.ends_with(end))?;
    Some(operation("ServerCase", members, uri, *code))
}

/// The operation that malformed requests are for.
pub(crate) fn of_malformed(name: &str) -> Option<&'static Operation> {
    let (name, members) = MALFORMED.iter().find(|(n, _)| *n == name)?;
    let label = members.split_whitespace().find_map(|m| m.strip_suffix("@path").and_then(|m| m.split(':').next()));
    let uri = match (label, *name) {
        (Some(label), _) => format!("/{name}/{{{label}}}"),
        (None, "HttpStringPayload") => "/StringPayload".to_owned(),
        (None, _) => format!("/{name}"),
    };
    Some(operation(name, members, &uri, 200))
}

/// An operation without input and output.
pub(crate) fn nothing() -> &'static Operation {
    operation("Nothing", "", "/", 200)
}

/// An error as rpcV2 CBOR writes it.
pub(crate) fn error() -> &'static Structure {
    structure("Error", "code:string@=__type message:string", 0)
}

fn operation(name: &str, members: &str, uri: &str, code: u16) -> &'static Operation {
    let (input, output) = members.split_once('>').unwrap_or((members, ""));
    leak(Operation {
        name: word(name),
        http: Http { method: "POST", uri: word(uri), code },
        input: structure("Input", input, 0),
        output: structure("Output", output, 0),
        result_wrapper: None,
        errors: &[],
        anonymous: false,
        readonly: false,
        checksum_required: false,
        cases: 0,
    })
}

fn structure(name: &str, members: &str, depth: usize) -> &'static Structure {
    let union = members.starts_with('|');
    let words: Vec<&str> = members.trim_start_matches('|').split_whitespace().collect();
    let payload = words.iter().position(|w| w.ends_with("@payload")).and_then(|i| u16::try_from(i).ok());
    let members: Vec<Member> = words.iter().map(|w| member(w, depth)).collect();
    leak(Structure {
        name: word(name),
        members: Box::leak(members.into_boxed_slice()),
        union,
        payload,
        ..Structure::EMPTY
    })
}

fn member(text: &str, depth: usize) -> Member {
    let (required, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (text, place) = text.rsplit_once('@').map_or((text, ""), |(text, place)| (text, place));
    let (name, kind) = text.split_once(':').unwrap();
    let (place, wire) = place.split_once('=').unwrap_or((place, name));
    let location = match place {
        "path" => Location::Label,
        "query" => Location::Query,
        "querymap" => Location::QueryMap,
        "header" => Location::Header,
        "headers" => Location::Headers,
        "status" => Location::Status,
        "" | "payload" => Location::Body,
        other => panic!("a place {other}"),
    };
    Member {
        name: word(name),
        wire: word(wire),
        xml: word(wire),
        form: word(wire),
        shape: shape(kind, depth),
        location,
        required,
        flattened: false,
        attribute: false,
        xml_namespace: None,
        streaming: false,
        json_value: kind == "media",
        idempotency_token: false,
        ignored: None,
        refused: None,
        event_header: false,
        event_payload: false,
    }
}

/// Splits what bounds a kind off it: `string#2..8` into `string` and its two numbers.
fn bounds<T: std::str::FromStr>(kind: &str) -> (&str, Option<T>, Option<T>) {
    // The bounds of a list stand behind its bracket.
    let from = kind.rfind([']', '}']).unwrap_or(0);
    let Some(at) = kind[from..].find('#').map(|at| at + from) else { return (kind, None, None) };
    let (min, max) = kind[at + 1..].split_once("..").unwrap();
    (&kind[..at], min.parse().ok(), max.parse().ok())
}

fn inside(kind: &str, open: char, close: char) -> Option<&str> {
    kind.strip_prefix(open).and_then(|k| k.strip_suffix(close))
}

fn shape(kind: &str, depth: usize) -> Shape {
    let (bare, min, max) = bounds::<u64>(kind);
    let size = Size { min, max };
    if let Some(item) = inside(bare, '[', ']') {
        let item = shape(item, depth);
        return Shape::List(leak(List {
            name: "List",
            item,
            item_name: "member",
            size,
            sparse: false,
            flattened: false,
        }));
    }
    if let Some(value) = inside(bare, '{', '}') {
        // The keys of these models' maps are bound as their texts are: by an enumeration, a pattern or a length.
        let plain = value.starts_with("string").then_some(value);
        let key = text(plain.unwrap_or(if size == Size::ANY { "string" } else { "string#2..8" }));
        let map = Map {
            name: "Map",
            key: leak(key),
            value: shape(value, depth),
            key_name: "key",
            value_name: "value",
            size,
            sparse: false,
            flattened: false,
        };
        return Shape::Map(leak(map));
    }
    if kind.starts_with("string") || kind.starts_with("secret") {
        return Shape::String(leak(text(kind)));
    }
    let (_, least, most) = bounds::<i64>(kind);
    let range = Range { min: least, max: most };
    let (_, least, most) = bounds::<f64>(kind);
    let fraction = Bounds { min: least, max: most };
    match bare {
        "media" => Shape::String(leak(Text::any("Media"))),
        "blob" => Shape::Blob(size),
        "boolean" => Shape::Boolean,
        // The APIs that are served have neither bytes nor shorts: they are integers.
        "byte" | "short" | "integer" => Shape::Integer(range),
        "long" => Shape::Long(range),
        "float" => Shape::Float(fraction),
        "double" => Shape::Double(fraction),
        "timestamp" => Shape::Timestamp(None),
        "date-time" => Shape::Timestamp(Some(TimestampFormat::Iso8601)),
        "http-date" => Shape::Timestamp(Some(TimestampFormat::Http)),
        "epoch" => Shape::Timestamp(Some(TimestampFormat::Epoch)),
        name => {
            // One that holds itself is followed deeper than any case goes.
            let found = STRUCTURES.iter().find(|(n, _)| *n == name).unwrap();
            Shape::Structure(structure(name, if depth > 6 { "" } else { found.1 }, depth + 1))
        }
    }
}

fn text(kind: &str) -> Text {
    let mut text = Text { sensitive: kind.starts_with("secret"), ..Text::any("String") };
    if let Some((_, pattern)) = kind.split_once('~') {
        text.pattern = Some(word(pattern));
    } else if let Some((_, values)) = kind.split_once('=') {
        let values: Vec<&'static str> = values.split('|').map(word).collect();
        text.values = Box::leak(values.into_boxed_slice());
    } else {
        let (_, min, max) = bounds::<u64>(kind);
        text.size = Size { min, max };
    }
    text
}
