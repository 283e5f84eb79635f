//! Where a statement stands in the text of its policy.
//!
//! As published answers show, a statement begins right behind what comes before it — the bracket, or the statement before — and
//! ends right behind its own brace. Lines and columns begin at 1.

/// Line and column.
type Position = (i32, i32);

/// Beginning and end of a statement by its number.
pub(super) fn of_statement(text: &str, number: usize) -> Option<(Position, Position)> {
    let spans = spans(text)?;
    let (from, to) = *spans.get(number)?;
    Some((position(text, from), position(text, to)))
}

fn position(text: &str, at: usize) -> Position {
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count());
    let number = |count: usize| i32::try_from(count + 1).unwrap_or(i32::MAX);
    (number(line), number(column))
}

/// Where the statements begin and end, in bytes.
fn spans(text: &str) -> Option<Vec<(usize, usize)>> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    reader.blanks();
    reader.expect(b'{')?;
    loop {
        reader.blanks();
        let key = reader.value()?;
        reader.blanks();
        reader.expect(b':')?;
        let behind = reader.at;
        if text.get(key.0..key.1)? == "\"Statement\"" {
            return reader.statements(behind);
        }
        reader.blanks();
        reader.value()?;
        reader.blanks();
        reader.expect(b',')?;
    }
}

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over a value; gives where it stood.
    fn value(&mut self) -> Option<(usize, usize)> {
        let (start, mut depth) = (self.at, 0_usize);
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            let over = self.peek().is_none_or(|next| b",]}: \t\r\n".contains(&next));
            if depth == 0 && over {
                return Some((start, self.at));
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }

    /// One statement alone, or those of a list.
    fn statements(&mut self, behind: usize) -> Option<Vec<(usize, usize)>> {
        self.blanks();
        if self.peek()? != b'[' {
            let (_, to) = self.value()?;
            return Some(vec![(behind, to)]);
        }
        self.at += 1;
        let (mut found, mut from) = (Vec::new(), self.at);
        loop {
            self.blanks();
            if self.peek()? == b']' {
                return Some(found);
            }
            let (_, to) = self.value()?;
            found.push((from, to));
            from = to;
            self.blanks();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns as AWS gave them for a policy without blanks.
    #[test]
    fn a_statement_begins_behind_the_one_before_it() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:\"}","Resource":"*"},{"Effect":"Deny","Action":"a:b","Resource":"*"}]}"#;
        let first = text.find("},{").unwrap() as i32 + 2;
        assert_eq!(of_statement(text, 0), Some(((1, 38), (1, first))));
        assert_eq!(of_statement(text, 1), Some(((1, first), (1, text.len() as i32 - 1))));
        assert_eq!(of_statement(text, 2), None);
    }

    #[test]
    fn lines_are_counted() {
        let text = "{\n  \"Version\":\"2012-10-17\",\n  \"Statement\":[{\n    \"Effect\":\"Allow\",\n    \"Action\":\"a:b\",\n    \"Resource\":\"*\"\n  }]\n}";
        assert_eq!(of_statement(text, 0), Some(((3, 16), (7, 4))));
        let alone = r#"{"Statement":{"Effect":"Allow"},"Version":"2012-10-17"}"#;
        assert_eq!(of_statement(alone, 0), Some(((1, 14), (1, 32))));
        assert_eq!(of_statement("no policy", 0), None);
    }
}
