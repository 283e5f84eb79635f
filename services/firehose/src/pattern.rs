//! How moments are written, in Java's notation: `yyyy-MM-dd'T'HH:mm`.
//!
//! Source: the documentation of `java.time.format.DateTimeFormatter` and of Joda's `DateTimeFormat`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A pattern, as the notation of `strftime` and `strptime`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    notation: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What of it is not known.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut notation = String::new();
        let mut rest = text.chars().peekable();
        while let Some(sign) = rest.next() {
            match sign {
                '\'' => quoted(&mut rest, &mut notation)?,
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while rest.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    let known = letters(letter, count);
                    notation.push_str(&known.ok_or_else(|| {
                        let run: String = std::iter::repeat_n(letter, count).collect();
                        format!("the letters {run} of the pattern {text} are not known")
                    })?);
                }
                '%' => notation.push_str("%%"),
                '{' | '}' | '#' => return Err(format!("the sign {sign} of the pattern {text} is reserved")),
                other => notation.push(other),
            }
        }
        if notation.is_empty() { Err("a pattern is empty".to_owned()) } else { Ok(Self { notation }) }
    }

    /// A moment as it is written in a zone.
    pub(crate) fn format(&self, at: Timestamp, zone: &TimeZone) -> String {
        at.to_zoned_datetime(zone.clone()).strftime(&self.notation).to_string()
    }

    /// In the notation of `strptime`.
    pub(crate) fn notation(&self) -> &str {
        &self.notation
    }
}

/// A text in quotes; two of them are one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Result<(), String> {
    if rest.next_if_eq(&'\'').is_some() {
        out.push('\'');
        return Ok(());
    }
    loop {
        match rest.next().ok_or("a quote of a pattern is not closed")? {
            '\'' if rest.next_if_eq(&'\'').is_some() => out.push('\''),
            '\'' => return Ok(()),
            '%' => out.push_str("%%"),
            other => out.push(other),
        }
    }
}

/// What so many of a letter mean.
fn letters(letter: char, count: usize) -> Option<String> {
    let padded = |directive: char, most: usize| match count {
        1 => Some(format!("%-{directive}")),
        n if n <= most => Some(format!("%{directive}")),
        _ => None,
    };
    match letter {
        'y' | 'u' if count == 2 => Some("%y".to_owned()),
        'y' | 'u' => Some(if count == 1 { "%-Y".to_owned() } else { format!("%0{count}Y") }),
        'Y' if count == 4 => Some("%G".to_owned()),
        'M' | 'L' if count == 3 => Some("%b".to_owned()),
        'M' | 'L' if count == 4 => Some("%B".to_owned()),
        'M' | 'L' => padded('m', 2),
        'd' => padded('d', 2),
        'D' if count == 1 => Some("%-j".to_owned()),
        'D' if count == 3 => Some("%j".to_owned()),
        'H' => padded('H', 2),
        'h' => padded('I', 2),
        'm' => padded('M', 2),
        's' => padded('S', 2),
        'S' if count <= 9 => Some(format!("%{count}f")),
        'a' if count == 1 => Some("%p".to_owned()),
        'E' if count <= 3 => Some("%a".to_owned()),
        'E' if count == 4 => Some("%A".to_owned()),
        'e' if count == 1 => Some("%u".to_owned()),
        'w' if count == 2 => Some("%V".to_owned()),
        'V' if count == 2 => Some("%Q".to_owned()),
        'z' if count <= 3 => Some("%Z".to_owned()),
        'Z' if count <= 3 => Some("%z".to_owned()),
        'X' if count == 3 => Some("%:z".to_owned()),
        'x' if count == 2 => Some("%z".to_owned()),
        'x' if count == 3 => Some("%:z".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_java_writes_them() {
        let at: Timestamp = "2018-08-07T09:05:03.120Z".parse().unwrap();
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        for (pattern, wanted) in [
            ("yyyy/MM/dd/HH/", "2018/08/07/09/"),
            ("yy-M-d H:m:s", "18-8-7 9:5:3"),
            ("MMM MMMM EEE EEEE", "Aug August Tue Tuesday"),
            ("hh a", "09 AM"),
            ("HH:mm:ss.SSS", "09:05:03.120"),
            ("DDD", "219"),
            ("'day='dd''''", "day=07''"),
            ("'100%'", "100%"),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().format(at, &TimeZone::UTC), wanted, "{pattern}");
        }
        assert_eq!(Pattern::parse("HH XXX").unwrap().format(at, &tokyo), "18 +09:00");
    }

    #[test]
    fn what_java_does_not_know_is_refused() {
        for bad in ["", "jj", "ddd", "'open", "yyyy{", "QQQQQ"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
