//! Cases that are not run, each by its name and with its reason.

use std::collections::BTreeSet;

/// A published list of cases and those of them that are not run.
pub(crate) struct LeftOut {
    names: &'static [(&'static str, &'static str)],
    met: BTreeSet<String>,
}

impl LeftOut {
    pub(crate) fn new(names: &'static [(&'static str, &'static str)]) -> Self {
        Self { names, met: BTreeSet::new() }
    }

    /// Whether the case is not to be run.
    pub(crate) fn has(&mut self, id: &str) -> bool {
        let found = self.names.iter().any(|(name, _)| *name == id);
        if found {
            self.met.insert(id.to_owned());
        }
        found
    }

    /// Every case that was to be run has passed, none is missing, and each name that is left out is a case.
    pub(crate) fn settle(&self, what: &str, passed: usize, wanted: usize, failed: &[String]) {
        println!("{what}: {passed} passed, {} failed, {} left out", failed.len(), self.names.len());
        for (name, reason) in self.names {
            println!("  left out: {name}: {reason}");
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        let gone: Vec<_> = self.names.iter().filter(|(name, _)| !self.met.contains(*name)).collect();
        assert!(gone.is_empty(), "left out, but not among the cases: {gone:?}");
        assert_eq!(passed, wanted, "{what}: so many cases were run; where the published ones have grown, say so here");
    }
}

const COMPRESSED: &str = "it says that the client compresses, and has no body that could be read";
const PRECEDENCE: &str =
    "an entry of the map that the client has overwritten is not on the wire; the server's case is run";
const ENDPOINT: &str = "the client's endpoint has a path of its own, and no path of a server begins with it";
const REQUEST_ID: &str = "it is about the header with the request's id, which the gateway sets, not the wire";
const NARROW: &str = "no API of models/ has a byte or a short: they are read as integers, and it fits one";
const UNIQUE: &str = "the models do not say of a list that its items must differ, so it is not checked here";
const MEDIA_TYPE: &str = "the models do not say of which media type a payload is, so any is taken";
const NO_BODY: &str = "a content type without a body says nothing wrong, and clients send it; it is taken";
const UNITS: &str = "a length is counted in UTF-16 units, as Java counts it; by that count the text is long enough";
const DEFAULTS: &str = "the models have no default values, so none is put in";
const OTHER_PROTOCOL: &str = "rpcV2 JSON is not among the protocols that any API of models/ speaks";

/// Requests of the client's side.
pub(crate) const REQUESTS: &[(&str, &str)] = &[
    ("SDKAppliedContentEncoding_awsJson1_0", COMPRESSED),
    ("SDKAppliedContentEncoding_awsJson1_1", COMPRESSED),
    ("SDKAppliedContentEncoding_awsQuery", COMPRESSED),
    ("SDKAppliedContentEncoding_ec2Query", COMPRESSED),
    ("SDKAppliedContentEncoding_restJson1", COMPRESSED),
    ("SDKAppliedContentEncoding_restXml", COMPRESSED),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0", COMPRESSED),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1", COMPRESSED),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery", COMPRESSED),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query", COMPRESSED),
    ("SDKAppendedGzipAfterProvidedEncoding_restJson1", COMPRESSED),
    ("SDKAppendedGzipAfterProvidedEncoding_restXml", COMPRESSED),
    ("RestJsonHostWithPath", ENDPOINT),
    ("RestJsonQueryPrecedence", PRECEDENCE),
    ("RestXmlQueryPrecedence", PRECEDENCE),
];

/// Answers of the client's side.
pub(crate) const ANSWERS: &[(&str, &str)] = &[("parses_the_request_id_from_the_response", REQUEST_ID)];

/// Malformed requests.
pub(crate) const MALFORMED: &[(&str, &str)] = &[
    ("RestJsonBodyByteUnderflowOverflow_0", NARROW),
    ("RestJsonBodyByteUnderflowOverflow_1", NARROW),
    ("RestJsonPathByteUnderflowOverflow_0", NARROW),
    ("RestJsonPathByteUnderflowOverflow_1", NARROW),
    ("RestJsonQueryByteUnderflowOverflow_0", NARROW),
    ("RestJsonQueryByteUnderflowOverflow_1", NARROW),
    ("RestJsonHeaderByteUnderflowOverflow_0", NARROW),
    ("RestJsonHeaderByteUnderflowOverflow_1", NARROW),
    ("RestJsonBodyShortUnderflowOverflow_0", NARROW),
    ("RestJsonBodyShortUnderflowOverflow_1", NARROW),
    ("RestJsonPathShortUnderflowOverflow_0", NARROW),
    ("RestJsonPathShortUnderflowOverflow_1", NARROW),
    ("RestJsonQueryShortUnderflowOverflow_0", NARROW),
    ("RestJsonQueryShortUnderflowOverflow_1", NARROW),
    ("RestJsonHeaderShortUnderflowOverflow_0", NARROW),
    ("RestJsonHeaderShortUnderflowOverflow_1", NARROW),
    ("RestJsonMalformedUniqueItemsBlobList", UNIQUE),
    ("RestJsonMalformedUniqueItemsBooleanList_0", UNIQUE),
    ("RestJsonMalformedUniqueItemsBooleanList_1", UNIQUE),
    ("RestJsonMalformedUniqueItemsStringList", UNIQUE),
    ("RestJsonMalformedUniqueItemsByteList", UNIQUE),
    ("RestJsonMalformedUniqueItemsShortList", UNIQUE),
    ("RestJsonMalformedUniqueItemsIntegerList", UNIQUE),
    ("RestJsonMalformedUniqueItemsLongList", UNIQUE),
    ("RestJsonMalformedUniqueItemsTimestampList", UNIQUE),
    ("RestJsonMalformedUniqueItemsDateTimeList", UNIQUE),
    ("RestJsonMalformedUniqueItemsHttpDateList_0", UNIQUE),
    ("RestJsonMalformedUniqueItemsEnumList", UNIQUE),
    ("RestJsonMalformedUniqueItemsIntEnumList", UNIQUE),
    ("RestJsonMalformedUniqueItemsListList", UNIQUE),
    ("RestJsonMalformedUniqueItemsStructureList", UNIQUE),
    ("RestJsonMalformedUniqueItemsUnionList_0", UNIQUE),
    ("RestJsonMalformedUniqueItemsUnionList_1", UNIQUE),
    ("RestJsonWithPayloadExpectsModeledAccept", MEDIA_TYPE),
    ("RestJsonWithPayloadExpectsModeledContentType", MEDIA_TYPE),
    ("RestJsonWithPayloadExpectsImpliedContentType", MEDIA_TYPE),
    ("RestJsonWithoutBodyExpectsEmptyContentType", NO_BODY),
    ("RestJsonWithoutBodyEmptyInputExpectsEmptyContentType", NO_BODY),
    ("RestJsonMalformedLengthString_2", UNITS),
    ("RestJsonMalformedLengthStringOverride_2", UNITS),
];

/// Cases for servers only.
pub(crate) const SERVER: &[(&str, &str)] = &[
    ("AwsJson10ServerPopulatesDefaultsWhenMissingInRequestBody", DEFAULTS),
    ("AwsJson10ServerPopulatesNestedDefaultsWhenMissingInRequestBody", DEFAULTS),
    ("RestJsonServerPopulatesDefaultsWhenMissingInRequestBody", DEFAULTS),
    ("RestJsonServerPopulatesNestedDefaultsWhenMissingInRequestBody", DEFAULTS),
    ("RpcV2CborServerPopulatesDefaultsWhenMissingInRequestBody", DEFAULTS),
    ("AwsJson10ServerPopulatesDefaultsInResponseWhenMissingInParams", DEFAULTS),
    ("AwsJson10ServerPopulatesNestedDefaultValuesWhenMissingInInResponseParams", DEFAULTS),
    ("RestJsonServerPopulatesDefaultsInResponseWhenMissingInParams", DEFAULTS),
    ("RestJsonServerPopulatesNestedDefaultValuesWhenMissingInInResponseParams", DEFAULTS),
    ("RpcV2CborServerPopulatesDefaultsInResponseWhenMissingInParams", DEFAULTS),
    ("RpcV2JsonRequestServerPopulatesDefaultsWhenMissingInRequestBody", OTHER_PROTOCOL),
    ("RpcV2JsonRequestNoInputServerAllowsEmptyJsonObject", OTHER_PROTOCOL),
    ("RpcV2JsonRequestNoInputServerAllowsEmptyBody", OTHER_PROTOCOL),
    ("RpcV2JsonRequestEmptyInputNoBody", OTHER_PROTOCOL),
    ("RpcV2JsonRequestServerDoesntDeSerializeNullStructureValues", OTHER_PROTOCOL),
    ("RpcV2JsonRequestExtraFieldsInTheBodyShouldBeSkippedByServers", OTHER_PROTOCOL),
    ("RpcV2JsonRequestServersShouldHandleNoAcceptHeader", OTHER_PROTOCOL),
    ("RpcV2JsonResponseServerPopulatesDefaultsInResponseWhenMissingInParams", OTHER_PROTOCOL),
    ("RpcV2JsonResponseServerDoesntSerializeNullStructureValues", OTHER_PROTOCOL),
];
