//! Static tables that describe the shapes of an API. `undercast-codegen` writes them; every reader, writer and check of
//! this crate is driven by them, so a protocol costs nothing a shape and a shape costs nothing a protocol.

use std::fmt;
use std::sync::OnceLock;

/// One AWS API: how it is found on the wire and what it can do.
#[derive(Debug)]
pub struct Service {
    /// Folder name of its model, the project's name of the service: `sqs`, `logs`, `events`.
    pub name: &'static str,
    /// The name in a signature's credential scope.
    pub signing_name: &'static str,
    /// First label of its host name.
    pub endpoint_prefix: &'static str,
    /// The name in front of an IAM action: `sqs` of `sqs:SendMessage`.
    pub iam_prefix: &'static str,
    /// What stands before the dot in `X-Amz-Target`; also the service's name in rpcV2 CBOR paths.
    pub target_prefix: Option<&'static str>,
    /// Name in the `/service/<name>/operation/<operation>` path of rpcV2 CBOR.
    pub rpc_name: Option<&'static str>,
    /// `Version` of query requests.
    pub api_version: &'static str,
    /// Namespace of XML answers.
    pub xml_namespace: Option<&'static str>,
    /// `1.0` or `1.1`.
    pub json_version: &'static str,
    /// Every protocol it answers on, the model's preferred one first.
    pub protocols: &'static [Protocol],
    /// Errors carry `x-amzn-query-error` besides their shape's name.
    pub query_compatible: bool,
    /// XML errors stand alone, without `ErrorResponse` around them (restXml's `noErrorWrapping`).
    pub bare_errors: bool,
    /// Signatures are made over the path encoded once, and bodies may be unsigned.
    pub s3_signing: bool,
    /// Answers carry `x-amz-crc32`.
    pub crc32: bool,
    /// Code of the error for a broken constraint.
    pub validation_error: &'static str,
    /// Operations that are built.
    pub operations: &'static [&'static Operation],
    /// Operations of the API that are not built: enough to name them in a refusal.
    pub unbuilt: &'static [Unbuilt],
    /// A stateless API without accounts, or one whose state is stored once for all regions.
    pub global: bool,
    /// A header that all its requests carry, which tells them from those of an API with the same signing name.
    pub told_by: Option<&'static str>,
}

/// An operation that the API has and that is not built.
#[derive(Debug)]
pub struct Unbuilt {
    /// Its name.
    pub name: &'static str,
    /// Method and URI of its HTTP binding, to tell it from others of a REST API.
    pub http: Http,
}

/// A wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// awsJson1_0 and awsJson1_1, told apart by the service's `json_version`.
    Json,
    /// awsQuery.
    Query,
    /// ec2Query.
    Ec2,
    /// restJson1.
    RestJson,
    /// restXml.
    RestXml,
    /// rpcV2 CBOR.
    Cbor,
    /// awsJson with CBOR in the place of JSON, as the SDKs for Java and C++ speak to Kinesis.
    AwsCbor,
}

impl Protocol {
    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Query => "query",
            Self::Ec2 => "ec2",
            Self::RestJson => "rest-json",
            Self::RestXml => "rest-xml",
            Self::Cbor => "cbor",
            Self::AwsCbor => "aws-cbor",
        }
    }
}

/// HTTP binding of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    /// Method.
    pub method: &'static str,
    /// URI pattern: `/{Bucket}/{Key+}?list-type=2`.
    pub uri: &'static str,
    /// Status of a success.
    pub code: u16,
}

/// One operation that is built.
#[derive(Debug)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// Its HTTP binding.
    pub http: Http,
    /// The input; an empty structure when it takes none.
    pub input: &'static Structure,
    /// The output; an empty structure when it answers nothing.
    pub output: &'static Structure,
    /// Element around the result in query answers: `SendMessageResult`.
    pub result_wrapper: Option<&'static str>,
    /// Errors that its documentation lists.
    pub errors: &'static [&'static ErrorShape],
    /// Callable without a signature.
    pub anonymous: bool,
    /// It changes nothing (the model says so, or its name begins with Get, List, Describe, …).
    pub readonly: bool,
    /// A request must say a checksum of its body.
    pub checksum_required: bool,
    /// How many conformance cases stand behind it. Each runs on every protocol of its service.
    pub cases: u32,
}

impl Operation {
    /// True when the request body must reach the handler as a stream.
    pub fn streams_input(&self) -> bool {
        self.input.payload().is_some_and(|m| m.streaming)
    }
}

/// An error of an API.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorShape {
    /// Shape name, as JSON protocols say it.
    pub name: &'static str,
    /// Code, as query and XML protocols say it.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The caller's fault rather than the service's.
    pub sender: bool,
}

/// A structure, or a union (exactly one member set).
pub struct Structure {
    /// Shape name.
    pub name: &'static str,
    /// Members in the model's order.
    pub members: &'static [Member],
    /// Exactly one member is set.
    pub union: bool,
    /// Index of the member that is the whole HTTP body.
    pub payload: Option<u16>,
    /// Root element when it stands alone in XML.
    pub xml_name: Option<&'static str>,
    /// Namespace of that element, with its prefix.
    pub xml_namespace: Option<(&'static str, Option<&'static str>)>,
    /// The members are the events of a stream.
    pub event_stream: bool,
    /// Its only member stands in its place in XML answers: `<LocationConstraint>eu-west-1</LocationConstraint>`.
    pub unwrapped: bool,
}

/// Its name alone: it may hold itself.
impl fmt::Debug for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Structure").field(&self.name).finish()
    }
}

impl Structure {
    /// A structure without members.
    pub const EMPTY: Structure = Structure {
        name: "Unit",
        members: &[],
        union: false,
        payload: None,
        xml_name: None,
        xml_namespace: None,
        event_stream: false,
        unwrapped: false,
    };

    /// The member that is the whole HTTP body.
    pub fn payload(&self) -> Option<&'static Member> {
        self.payload.and_then(|i| self.members.get(usize::from(i)))
    }

    /// Index of the member called `name`.
    pub fn index(&self, name: &str) -> Option<u16> {
        self.members.iter().position(|m| m.name == name).and_then(|i| u16::try_from(i).ok())
    }
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name in the model.
    pub name: &'static str,
    /// Its name in JSON bodies, in the header, or in the query string.
    pub wire: &'static str,
    /// Its name in XML.
    pub xml: &'static str,
    /// Its name in the forms of query and ec2Query requests.
    pub form: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Where it stands in an HTTP request or answer.
    pub location: Location,
    /// A request without it is refused.
    pub required: bool,
    /// XML lists and maps without a wrapping element; query lists without `.member`.
    pub flattened: bool,
    /// An XML attribute rather than an element.
    pub attribute: bool,
    /// Namespace of its element.
    pub xml_namespace: Option<(&'static str, Option<&'static str>)>,
    /// A body that is never buffered.
    pub streaming: bool,
    /// JSON text in a header, base64 encoded.
    pub json_value: bool,
    /// The SDK makes one up when the caller sets none; so do we for callers without an SDK.
    pub idempotency_token: bool,
    /// Why a request that sets it is not honoured.
    pub ignored: Option<&'static str>,
    /// Why a request that sets it is refused.
    pub refused: Option<&'static str>,
    /// The header of an event rather than its payload.
    pub event_header: bool,
    /// The raw payload of an event.
    pub event_payload: bool,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    Body,
    /// In the path.
    Label,
    /// In the query string.
    Query,
    /// All the query string's parameters that no other member takes.
    QueryMap,
    /// In a header.
    Header,
    /// In all headers that begin so.
    Headers,
    /// The HTTP status.
    Status,
}

/// What a member, list item or map value holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// UTF-8 text.
    String(&'static Text),
    /// Bytes.
    Blob(Size),
    /// true or false.
    Boolean,
    /// 32 bits.
    Integer(Range),
    /// 64 bits.
    Long(Range),
    /// 32-bit floating point.
    Float(Bounds),
    /// 64-bit floating point.
    Double(Bounds),
    /// A moment, in the form given or else the protocol's own.
    Timestamp(Option<TimestampFormat>),
    /// A list.
    List(&'static List),
    /// A map with text keys.
    Map(&'static Map),
    /// A structure or union.
    Structure(&'static Structure),
    /// Any JSON.
    Document,
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2026-11-24T06:23:03Z`
    Iso8601,
    /// Seconds since 1970, with a fraction.
    Epoch,
    /// `Tue, 24 Nov 2026 06:23:03 GMT`
    Http,
}

/// Bounds of a length: bytes of a blob, characters of a text, items of a list or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// At least so many.
    pub min: Option<u64>,
    /// At most so many.
    pub max: Option<u64>,
}

impl Size {
    /// No bounds.
    pub const ANY: Size = Size { min: None, max: None };
}

/// Bounds of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub min: Option<i64>,
    /// At most.
    pub max: Option<i64>,
}

impl Range {
    /// No bounds.
    pub const ANY: Range = Range { min: None, max: None };
}

/// Bounds of a number with a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// At least.
    pub min: Option<f64>,
    /// At most.
    pub max: Option<f64>,
}

impl Bounds {
    /// No bounds.
    pub const ANY: Bounds = Bounds { min: None, max: None };
}

/// What a text must look like.
#[derive(Debug)]
pub struct Text {
    /// Shape name.
    pub name: &'static str,
    /// Its length in characters.
    pub size: Size,
    /// Its pattern, anchored at both ends.
    pub pattern: Option<&'static str>,
    /// The values it may have.
    pub values: &'static [&'static str],
    /// Never logged.
    pub sensitive: bool,
    /// The pattern compiled on first use.
    pub compiled: OnceLock<crate::pattern::Pattern>,
}

impl Text {
    /// Any text.
    pub const fn any(name: &'static str) -> Text {
        Text { name, size: Size::ANY, pattern: None, values: &[], sensitive: false, compiled: OnceLock::new() }
    }
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// Shape name.
    pub name: &'static str,
    /// What it holds.
    pub item: Shape,
    /// Name of an item's element, or of a query item: `member` unless the model says otherwise.
    pub item_name: &'static str,
    /// How many.
    pub size: Size,
    /// May hold nulls.
    pub sparse: bool,
    /// No wrapping element wherever it is used.
    pub flattened: bool,
}

/// A map with text keys.
#[derive(Debug)]
pub struct Map {
    /// Shape name.
    pub name: &'static str,
    /// The keys.
    pub key: &'static Text,
    /// The values.
    pub value: Shape,
    /// Name of a key's element.
    pub key_name: &'static str,
    /// Name of a value's element.
    pub value_name: &'static str,
    /// How many.
    pub size: Size,
    /// May hold nulls.
    pub sparse: bool,
    /// No wrapping element wherever it is used.
    pub flattened: bool,
}
