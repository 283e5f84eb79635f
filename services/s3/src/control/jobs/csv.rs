//! Lines of values with commas between them.

/// The values of each line. A value in quotes may have commas, lines, and quotes written twice. `None`: a quote stands
/// alone.
pub(crate) fn lines(text: &str) -> Option<Vec<Vec<String>>> {
    let mut lines = Vec::new();
    let mut line: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' if quoted => quoted = false,
            _ if quoted => value.push(c),
            '"' if value.is_empty() => quoted = true,
            '"' => return None,
            ',' => line.push(std::mem::take(&mut value)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                line.push(std::mem::take(&mut value));
                lines.push(std::mem::take(&mut line));
            }
            _ => value.push(c),
        }
    }
    if !value.is_empty() || !line.is_empty() {
        line.push(value);
        lines.push(line);
    }
    lines.retain(|l| l.len() > 1 || l.first().is_some_and(|v| !v.is_empty()));
    (!quoted).then_some(lines)
}

/// A value as it stands in a line: in quotes where it needs them.
pub(crate) fn value(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { quoted(text) } else { text.to_owned() }
}

/// A value in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let read = |text: &str| lines(text).map(|all| all.iter().map(|l| l.join("|")).collect::<Vec<_>>().join(";"));
        for (text, wanted) in [
            ("a,b\nc,d\n", Some("a|b;c|d")),
            ("a,b\r\nc,", Some("a|b;c|")),
            ("\"a\",\"b,\"\"c\"\"\"\n\n", Some("a|b,\"c\"")),
            ("\"two\nlines\",x", Some("two\nlines|x")),
            ("", Some("")),
            ("\"a,b", None),
            ("a\"b", None),
        ] {
            assert_eq!(read(text).as_deref(), wanted, "{text:?}");
        }
        assert_eq!((value("a b"), value("a,\"b\"")), ("a b".to_owned(), "\"a,\"\"b\"\"\"".to_owned()));
    }
}
