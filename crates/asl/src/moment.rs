//! Moments, as the language writes them: RFC 3339, with a capital `T` and, if there is no offset, a capital `Z`.

use jiff::Timestamp;

/// Reads a moment.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let date = bytes.get(10) == Some(&b'T');
    let zone = text.ends_with('Z') || bytes.len() > 6 && matches!(bytes[bytes.len() - 6], b'+' | b'-');
    if date && zone { text.parse().ok() } else { None }
}
