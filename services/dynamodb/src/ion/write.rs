//! Items as lines of Ion.

use super::{BINARIES, NUMBERS, STRINGS, VERSION};
use crate::compact::{Corrupt, MapRef, SetRef, ValueRef};
use crate::value::base64;
use std::fmt::Write as _;

/// A part of a line.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// An item, a key, an image.
    Map(MapRef<'a>),
    /// When something was written, in microseconds since 1970.
    Written(i64),
}

/// A line: one structure called `name` of these parts, or of one part without a name.
///
/// # Errors
/// [`Corrupt`].
pub fn line(name: &str, fields: &[(&str, Field<'_>)]) -> Result<String, Corrupt> {
    let mut out = format!("{VERSION} {{{name}:");
    match fields {
        [("", field)] => part(*field, &mut out)?,
        all => {
            out.push('{');
            for (number, (name, field)) in all.iter().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                symbol(name, &mut out);
                out.push(':');
                part(*field, &mut out)?;
            }
            out.push('}');
        }
    }
    out.push('}');
    Ok(out)
}

fn part(field: Field<'_>, out: &mut String) -> Result<(), Corrupt> {
    match field {
        Field::Map(map) => structure(map, out),
        Field::Written(micros) => {
            out.push_str("{WriteTimestampMicros:");
            decimal(&micros.to_string(), out);
            out.push('}');
            Ok(())
        }
    }
}

fn structure(map: MapRef<'_>, out: &mut String) -> Result<(), Corrupt> {
    out.push('{');
    for (number, entry) in map.iter().enumerate() {
        let (name, inner) = entry?;
        out.push_str(if number > 0 { "," } else { "" });
        symbol(name, out);
        out.push(':');
        value(inner, out)?;
    }
    out.push('}');
    Ok(())
}

fn value(value: ValueRef<'_>, out: &mut String) -> Result<(), Corrupt> {
    match value {
        ValueRef::S(text) => string(text, '"', out),
        ValueRef::N(number) => decimal(number, out),
        ValueRef::B(bytes) => blob(bytes, out),
        ValueRef::SS(members) => {
            return set(STRINGS, members, out, |member, out| {
                string(std::str::from_utf8(member).map_err(|_| Corrupt)?, '"', out);
                Ok(())
            });
        }
        ValueRef::NS(members) => {
            return set(NUMBERS, members, out, |member, out| {
                decimal(std::str::from_utf8(member).map_err(|_| Corrupt)?, out);
                Ok(())
            });
        }
        ValueRef::BS(members) => {
            return set(BINARIES, members, out, |member, out| {
                blob(member, out);
                Ok(())
            });
        }
        ValueRef::M(map) => return structure(map, out),
        ValueRef::L(list) => {
            out.push('[');
            for (number, element) in list.iter().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                self::value(element?, out)?;
            }
            out.push(']');
        }
        ValueRef::Bool(truth) => out.push_str(if truth { "true" } else { "false" }),
        ValueRef::Null => out.push_str("null"),
    }
    Ok(())
}

fn set(
    annotation: &str,
    members: SetRef<'_>,
    out: &mut String,
    write: impl Fn(&[u8], &mut String) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    out.push_str(annotation);
    out.push_str("::[");
    for (number, member) in members.iter().enumerate() {
        out.push_str(if number > 0 { "," } else { "" });
        write(member?, out)?;
    }
    out.push(']');
    Ok(())
}

fn blob(bytes: &[u8], out: &mut String) {
    // Writing to a text cannot fail.
    let _infallible = write!(out, "{{{{{}}}}}", base64(bytes));
}

/// A name of a field: as it is where it is an identifier, else quoted.
fn symbol(name: &str, out: &mut String) {
    let start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
    let mut bytes = name.bytes();
    let identifier = bytes.next().is_some_and(start) && bytes.all(|byte| start(byte) || byte.is_ascii_digit());
    // `$7` is the seventh symbol of a table.
    let numbered = name.strip_prefix('$').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let word = matches!(name, "null" | "true" | "false" | "nan");
    if identifier && !numbered && !word { out.push_str(name) } else { string(name, '\'', out) }
}

fn string(text: &str, quote: char, out: &mut String) {
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            other if other == quote => {
                out.push('\\');
                out.push(other);
            }
            other if other.is_control() => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push(quote);
}

/// A decimal of a number in plain digits, in the forms that AWS's writer of Ion gives them.
fn decimal(plain: &str, out: &mut String) {
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain), |rest| ("-", rest));
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, behind].concat();
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return out.push_str("0.");
    }
    out.push_str(sign);
    let noughts = all.len() - all.trim_end_matches('0').len();
    let exponent = i32::try_from(noughts).unwrap_or(0) - i32::try_from(behind.len()).unwrap_or(0);
    let magnitude = i32::try_from(significant.len()).unwrap_or(0) - 1 + exponent;
    let _infallible = match exponent {
        0 => write!(out, "{significant}."),
        1.. => write!(out, "{significant}d{exponent}"),
        // Small numbers are written out as far as six noughts.
        _ if magnitude >= 0 => {
            let (whole, behind) = significant.split_at(usize::try_from(magnitude).unwrap_or(0) + 1);
            write!(out, "{whole}.{behind}")
        }
        _ if magnitude >= -6 => {
            write!(out, "0.{}{significant}", "0".repeat(usize::try_from(-magnitude).unwrap_or(1) - 1))
        }
        _ => {
            let (first, rest) = significant.split_at(1);
            match rest {
                "" => write!(out, "{first}d{exponent}"),
                rest => write!(out, "{first}.{rest}d{magnitude}"),
            }
        }
    };
}
