//! `TO_STRING`'s patterns.

use crate::error::{Code, Error, Result};

use super::timestamp::Timestamp;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment written as a pattern says.
pub(crate) fn format(moment: &Timestamp, pattern: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            rest = quoted(&rest[1..], &mut out)?;
        } else if first.is_ascii_alphabetic() {
            let length = rest.chars().take_while(|c| *c == first).count();
            symbol(moment, first, length, &mut out)?;
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(out)
}

/// Text in quotes, in which a quote stands twice. Gives what is behind it.
fn quoted<'a>(text: &'a str, out: &mut String) -> Result<&'a str> {
    let mut rest = text;
    // `''` outside of a text is a quote as well.
    if let Some(rest) = rest.strip_prefix('\'') {
        out.push('\'');
        return Ok(rest);
    }
    loop {
        let at = rest.find('\'').ok_or_else(|| Error::from(Code::EvaluatorUnterminatedTimestampFormatPatternToken))?;
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                out.push('\'');
                rest = more;
            }
            None => return Ok(rest),
        }
    }
}

fn symbol(moment: &Timestamp, symbol: char, length: usize, out: &mut String) -> Result<()> {
    let local = &moment.local;
    let twelve = match local.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let month = MONTHS.get(usize::try_from(local.month() - 1).unwrap_or(0)).copied().unwrap_or_default();
    let text = match (symbol, length) {
        ('y', 1) => local.year().to_string(),
        ('y', 2) => format!("{:02}", local.year() % 100),
        ('y', 4) => format!("{:04}", local.year()),
        ('M', 3) => month[..3].to_owned(),
        ('M', 4) => month.to_owned(),
        ('M', 5) => month[..1].to_owned(),
        ('M', 1 | 2) => padded(local.month(), length),
        ('d', 1 | 2) => padded(local.day(), length),
        ('a', 1) => if local.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        ('h', 1 | 2) => padded(twelve, length),
        ('H', 1 | 2) => padded(local.hour(), length),
        ('m', 1 | 2) => padded(local.minute(), length),
        ('s', 1 | 2) => padded(local.second(), length),
        ('S', 1..=9) => format!("{:09}", local.subsec_nanosecond())[..length].to_owned(),
        ('n', 1) => local.subsec_nanosecond().to_string(),
        ('X' | 'x', 1..=5) => offset(moment.offset_minutes(), length, symbol == 'X'),
        ('y' | 'M' | 'd' | 'a' | 'h' | 'H' | 'm' | 's' | 'S' | 'n' | 'X' | 'x', _) => {
            return Err(Code::EvaluatorInvalidTimestampFormatPatternToken.into());
        }
        _ => return Err(Code::EvaluatorInvalidTimestampFormatPatternSymbol.into()),
    };
    out.push_str(&text);
    Ok(())
}

fn padded(number: i8, width: usize) -> String {
    format!("{number:0width$}")
}

/// `+07`, `+0700`, `+07:00`; `zulu`: no offset is `Z`.
fn offset(minutes: i16, length: usize, zulu: bool) -> String {
    if minutes == 0 && zulu {
        return "Z".to_owned();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    match length {
        1 => format!("{sign}{hours:02}"),
        2 | 4 => format!("{sign}{hours:02}{rest:02}"),
        _ => format!("{sign}{hours:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_reference() {
        for (moment, pattern, wanted) in [
            ("1969-07-20T20:18Z", "MMMM d, y", "July 20, 1969"),
            ("1969-07-20T20:18Z", "MMM d, yyyy", "Jul 20, 1969"),
            ("1969-07-20T20:18Z", "M-d-yy", "7-20-69"),
            ("1969-07-20T20:18Z", "MM-d-y", "07-20-1969"),
            ("1969-07-20T20:18Z", "MMMM d, y h:m a", "July 20, 1969 8:18 PM"),
            ("1969-07-20T20:18Z", "y-MM-dd'T'H:m:ssX", "1969-07-20T20:18:00Z"),
            ("1969-07-20T20:18+08:00", "y-MM-dd'T'H:m:ssXXXX", "1969-07-20T20:18:00+0800"),
            ("1969-07-20T20:18+08:00", "y-MM-dd'T'H:m:ssXXXXX", "1969-07-20T20:18:00+08:00"),
            ("1969-07-20T00:08:01.0205-07:30", "hh 'o''clock' mm SSS n x ''", "12 o'clock 08 020 20500000 -07 '"),
        ] {
            assert_eq!(format(&Timestamp::parse(moment).unwrap(), pattern).as_deref(), Ok(wanted), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_are_none() {
        let moment = Timestamp::parse("2007T").unwrap();
        for (pattern, code) in [
            ("yyy", Code::EvaluatorInvalidTimestampFormatPatternToken),
            ("Q", Code::EvaluatorInvalidTimestampFormatPatternSymbol),
            ("y 'open", Code::EvaluatorUnterminatedTimestampFormatPatternToken),
        ] {
            assert_eq!(format(&moment, pattern).map_err(|e| e.code), Err(code), "{pattern}");
        }
    }
}
