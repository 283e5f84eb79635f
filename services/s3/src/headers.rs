//! The headers that are kept with an object: the standard ones, and user metadata.

use std::collections::BTreeMap;

use undercast_kernel::{AwsError, Result};
use undercast_wire::text::base64;

use crate::rows::Headers;

/// User metadata may have so many bytes together.
const METADATA_BYTES: usize = 2048;

/// The headers of a request that are kept.
macro_rules! kept_from {
    ($input:expr) => {
        $crate::rows::Headers {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            disposition: $input.content_disposition.clone(),
            encoding: $input.content_encoding.clone(),
            language: $input.content_language.clone(),
            expires: $input.expires.clone(),
            redirect: $input.website_redirect_location.clone(),
            metadata: Default::default(),
        }
    };
}
pub(crate) use kept_from;

/// Checks them, and takes away what is the transfer's and not the object's.
pub(crate) fn kept(mut headers: Headers, metadata: Option<BTreeMap<String, String>>) -> Result<Headers> {
    headers.encoding = headers.encoding.and_then(|encoding| {
        let own: Vec<&str> = encoding
            .split(',')
            .map(str::trim)
            .filter(|e| !e.eq_ignore_ascii_case("aws-chunked") && !e.is_empty())
            .collect();
        (!own.is_empty()).then(|| own.join(","))
    });
    headers.metadata = metadata.into_iter().flatten().map(|(name, value)| (name.to_lowercase(), value)).collect();
    let size: usize = headers.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > METADATA_BYTES {
        let error =
            AwsError::new("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size");
        return Err(error.with("Size", size).with("MaxSizeAllowed", METADATA_BYTES).into());
    }
    if let Some(redirect) = headers
        .redirect
        .as_deref()
        .filter(|r| !r.starts_with('/') && !r.starts_with("http://") && !r.starts_with("https://"))
    {
        let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
        let error = AwsError::new("InvalidRedirectLocation", 400, message);
        return Err(error.with("RedirectLocation", redirect).into());
    }
    Ok(headers)
}

/// Puts what is set in `over` over `headers`.
pub(crate) fn overlay(headers: &mut Headers, over: Headers) {
    let set = |slot: &mut Option<String>, value: Option<String>| {
        if value.is_some() {
            *slot = value;
        }
    };
    set(&mut headers.content_type, over.content_type);
    set(&mut headers.cache_control, over.cache_control);
    set(&mut headers.disposition, over.disposition);
    set(&mut headers.encoding, over.encoding);
    set(&mut headers.language, over.language);
    set(&mut headers.expires, over.expires);
}

/// Metadata as answers show it: what is not ASCII goes out as an encoded word.
///
/// Source: "Working with object metadata" in the user guide, which names RFC 2047.
pub(crate) fn shown_metadata(metadata: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let shown = |value: &String| {
        if value.is_ascii() { value.clone() } else { format!("=?UTF-8?B?{}?=", base64(value.as_bytes())) }
    };
    (!metadata.is_empty()).then(|| metadata.iter().map(|(name, value)| (name.clone(), shown(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept() {
        let encoded = |text: &str| {
            kept(Headers { encoding: Some(text.to_owned()), ..Headers::default() }, None).ok().and_then(|h| h.encoding)
        };
        assert_eq!(encoded("aws-chunked"), None);
        assert_eq!(encoded("gzip,aws-chunked"), Some("gzip".to_owned()));
        assert_eq!(encoded("gzip"), Some("gzip".to_owned()));
        let large = BTreeMap::from([("x".to_owned(), "y".repeat(2048))]);
        assert!(kept(Headers::default(), Some(large)).is_err());
        let shown = shown_metadata(&BTreeMap::from([("a".to_owned(), "é".to_owned())]));
        assert_eq!(shown.and_then(|m| m.into_values().next()).as_deref(), Some("=?UTF-8?B?w6k=?="));
    }
}
