//! Texts that several protocols share: percent-encoding, base64, numbers, moments.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use crate::schema::TimestampFormat;

/// The standard alphabet, padded, with the instructions that the processor has for it.
static STANDARD: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

/// Bytes as base64.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes as base64, behind what is there.
pub fn base64_into(bytes: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + bytes.len().div_ceil(3) * 4, 0);
    // There is room for all of it.
    let written = STANDARD.encode_slice(bytes, &mut out[from..]).unwrap_or(0);
    out.truncate(from + written);
}

/// The bytes of a base64 text; padding is required, as AWS requires it.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.as_bytes()).ok()
}

/// Decodes `%XX`, and `+` as a space where `plus` is set. `None`: not UTF-8, or a broken escape.
pub fn percent_decode(text: &str, plus: bool) -> Option<String> {
    if !text.bytes().any(|b| b == b'%' || (plus && b == b'+')) {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
                high << 4 | low
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Encodes everything but the unreserved characters of RFC 3986, and `/` where `slash` is kept.
pub fn percent_encode(text: &str, keep_slash: bool, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') || (keep_slash && b == b'/') {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
}

/// The pairs of a query string or form body, decoded. `None`: a broken escape or not UTF-8.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((percent_decode(name, true)?, percent_decode(value, true)?))
        })
        .collect()
}

const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hexadecimal.
pub fn hex_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(char::from(LOWER_HEX[usize::from(b >> 4)]));
        out.push(char::from(LOWER_HEX[usize::from(b & 15)]));
    }
    out
}

/// The same in a place that the caller has: two bytes for each one, as far as it reaches.
pub fn hex_into<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    for (pair, b) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[LOWER_HEX[usize::from(b >> 4)], LOWER_HEX[usize::from(b & 15)]]);
    }
    std::str::from_utf8(out).unwrap_or_default()
}

/// The bytes of a hexadecimal text, in either case. `None`: it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?)).collect::<Option<Vec<u8>>>();
    bytes.filter(|_| rest.is_empty())
}

/// A double as JSON, XML and text have it: `NaN`, `Infinity`, `-Infinity`, and no `.0` on whole numbers in XML's forms.
pub fn double(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        let text = format!("{value:?}");
        text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
    }
}

/// Reads what [`double`] writes, and every decimal form.
pub fn parse_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// A moment in the given form.
pub fn timestamp(value: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::Iso8601 => DateTimePrinter::new().timestamp_to_string(&value),
        TimestampFormat::Epoch => epoch(value),
        TimestampFormat::Http => {
            let seconds = u64::try_from(value.as_second()).unwrap_or(0);
            httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
        }
    }
}

/// Seconds since 1970 with as many decimals as it needs, at most milliseconds: what AWS's JSON services answer.
pub fn epoch(value: Timestamp) -> String {
    let millis = value.as_millisecond();
    let (seconds, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    if rest == 0 {
        return seconds.to_string();
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of the years 0 to 9999 are exact in a double")]
    let exact = millis as f64 / 1000.0;
    double(exact)
}

/// Reads a moment written in `format`; forms that the SDKs also send are accepted. `None`: none of them.
pub fn parse_timestamp(text: &str, format: TimestampFormat) -> Option<Timestamp> {
    match format {
        // `date-time` has no offset, says its specification, and servers refuse one.
        TimestampFormat::Iso8601 => parse_iso8601(text).filter(|_| text.ends_with('Z')),
        TimestampFormat::Epoch => parse_double(text).and_then(from_epoch),
        TimestampFormat::Http => parse_http_date(text),
    }
}

/// RFC 3339 with any offset.
pub fn parse_iso8601(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    // jiff also reads forms that AWS refuses: week dates, no `T`, lower-case letters, a bracketed zone, an offset of hours
    // alone.
    let plain = bytes.len() >= 20 && bytes.get(10) == Some(&b'T') && !text.contains(['[', 't', 'z', ',']);
    let whole = text.ends_with('Z') || bytes.get(bytes.len().wrapping_sub(3)) == Some(&b':');
    if plain && whole { text.parse().ok() } else { None }
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    // `Sun, 02 Jan 2000 20:34:56.123 GMT`: a fraction is allowed by the protocol and unknown to HTTP.
    let (head, fraction) = match text.split_once('.') {
        Some((head, tail)) => {
            let digits = tail.strip_suffix(" GMT")?;
            let value: f64 = format!("0.{digits}").parse().ok()?;
            (format!("{head} GMT"), value)
        }
        None => (text.to_owned(), 0.0),
    };
    let since = httpdate::parse_http_date(&head).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let base = Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()?;
    base.checked_add(std::time::Duration::from_secs_f64(fraction)).ok()
}

/// A moment from seconds since 1970, to the millisecond. `None`: not in the years -9999 to 9999.
#[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
pub fn from_epoch(seconds: f64) -> Option<Timestamp> {
    if !seconds.is_finite() || seconds.abs() > 3e11 {
        return None;
    }
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}
