//! Moments, as the language writes them: RFC 3339, with seconds, a capital `T`, and a capital `Z` or an offset.

use jiff::Timestamp;

/// Reads a moment.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(19)?;
    let zone = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let offset = zone == "Z" || matches!(zone.as_bytes(), [b'+' | b'-', _, _, b':', _, _]);
    let shape = "dddd-dd-ddTdd:dd:dd".bytes().zip(date.bytes()).all(|(shape, byte)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => other == byte,
    });
    if shape && offset { text.parse().ok() } else { None }
}
