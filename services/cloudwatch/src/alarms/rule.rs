//! The rules of composite alarms: `ALARM("a") AND (OK(b) OR NOT TRUE)`.
//!
//! Source: `PutCompositeAlarm` in the API reference. `NOT` binds before `AND`, and `AND` before `OR`.

use super::rows::{StateValue, name_of};

/// A rule names so many alarms at most, and has so many parts.
pub(super) const MOST_ALARMS: usize = 100;
const MOST_PARTS: usize = 500;
const DEEPEST: usize = 64;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Constant(bool),
    /// An alarm is in a state.
    In(StateValue, String),
    /// So many of these, or this part of them in percent, are in a state, or are not.
    AtLeast {
        count: usize,
        percent: bool,
        state: StateValue,
        negated: bool,
        alarms: Vec<String>,
    },
    Not(Box<Rule>),
    All(Vec<Rule>),
    Any(Vec<Rule>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    /// `quoted`: it stood between quotation marks.
    Word {
        text: String,
        quoted: bool,
    },
}

impl Rule {
    /// Reads a rule. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        if tokens.iter().filter(|t| matches!(t, Token::Word { .. })).count() > MOST_PARTS {
            return Err(format!("The rule has more than {MOST_PARTS} elements"));
        }
        let mut parser = Parser { tokens, at: 0 };
        let rule = parser.any(0)?;
        if parser.at < parser.tokens.len() {
            return Err("unexpected text after the end of the rule".to_owned());
        }
        let count = rule.alarms().len();
        if count > MOST_ALARMS {
            return Err(format!("The rule has more than {MOST_ALARMS} alarms"));
        }
        Ok(rule)
    }

    /// The names of the alarms in it, each once.
    pub(super) fn alarms(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a str>) {
        let mut add = |name: &'a str| {
            if !found.contains(&name) {
                found.push(name);
            }
        };
        match self {
            Self::Constant(_) => {}
            Self::In(_, name) => add(name),
            Self::AtLeast { alarms, .. } => alarms.iter().for_each(|name| add(name)),
            Self::Not(inner) => inner.collect(found),
            Self::All(all) | Self::Any(all) => all.iter().for_each(|rule| rule.collect(found)),
        }
    }

    /// Whether it holds. An alarm that is gone is in no state.
    pub(super) fn holds(&self, state: &dyn Fn(&str) -> Option<StateValue>) -> bool {
        match self {
            Self::Constant(truth) => *truth,
            Self::In(wanted, name) => state(name) == Some(*wanted),
            Self::AtLeast { count, percent, state: wanted, negated, alarms } => {
                let is = |name: &String| state(name).is_some_and(|found| (found == *wanted) != *negated);
                let there = alarms.iter().filter(|name| is(name)).count();
                if *percent { there * 100 >= *count * alarms.len() } else { there >= *count }
            }
            Self::Not(inner) => !inner.holds(state),
            Self::All(all) => all.iter().all(|rule| rule.holds(state)),
            Self::Any(any) => any.iter().any(|rule| rule.holds(state)),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.peek().copied() {
        match first {
            c if c.is_whitespace() => drop(chars.next()),
            '(' | ')' | ',' => {
                chars.next();
                tokens.push(match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            '"' | '\'' => {
                chars.next();
                let mut text = String::new();
                loop {
                    match chars.next().ok_or("a name has no closing quotation mark")? {
                        '\\' => text.extend(chars.next()),
                        end if end == first => break,
                        c => text.push(c),
                    }
                }
                tokens.push(Token::Word { text, quoted: true });
            }
            _ => {
                let mut text = String::new();
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"(),\"'".contains(*c)) {
                    text.push(c);
                }
                tokens.push(Token::Word { text, quoted: false });
            }
        }
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next_is(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word { text, quoted: false }) if text == word)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("the rule is not complete")?;
        self.at += 1;
        Ok(token)
    }

    fn needs(&mut self, wanted: &Token, shown: &str) -> Result<(), String> {
        if self.next()? == *wanted { Ok(()) } else { Err(format!("expected {shown}")) }
    }

    fn any(&mut self, depth: usize) -> Result<Rule, String> {
        if depth > DEEPEST {
            return Err("the rule is nested too deeply".to_owned());
        }
        let mut any = vec![self.all(depth)?];
        while self.next_is("OR") {
            self.at += 1;
            any.push(self.all(depth)?);
        }
        Ok(if any.len() == 1 { any.swap_remove(0) } else { Rule::Any(any) })
    }

    fn all(&mut self, depth: usize) -> Result<Rule, String> {
        let mut all = vec![self.one(depth)?];
        while self.next_is("AND") {
            self.at += 1;
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Rule::All(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Rule, String> {
        match self.next()? {
            Token::Open => {
                let inner = self.any(depth + 1)?;
                self.needs(&Token::Close, ")")?;
                Ok(inner)
            }
            Token::Word { text, quoted: false } => match text.as_str() {
                "TRUE" => Ok(Rule::Constant(true)),
                "FALSE" => Ok(Rule::Constant(false)),
                "NOT" if depth < DEEPEST => Ok(Rule::Not(Box::new(self.one(depth + 1)?))),
                "AT_LEAST" => self.at_least(),
                word => {
                    let state = StateValue::parse(word).ok_or_else(|| format!("unexpected word {word}"))?;
                    self.needs(&Token::Open, "(")?;
                    let name = self.name()?;
                    self.needs(&Token::Close, ")")?;
                    Ok(Rule::In(state, name))
                }
            },
            _ => Err("expected the state of an alarm, TRUE or FALSE".to_owned()),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Word { text, .. } if !text.is_empty() => Ok(name_of(&text).to_owned()),
            _ => Err("expected the name of an alarm".to_owned()),
        }
    }

    /// `AT_LEAST(2, ALARM, (a, b, c))`, `AT_LEAST(50%, NOT OK, (a, b))`
    fn at_least(&mut self) -> Result<Rule, String> {
        self.needs(&Token::Open, "(")?;
        let Token::Word { text: count, .. } = self.next()? else { return Err("expected a number".to_owned()) };
        let (digits, percent) = count.strip_suffix('%').map_or((count.as_str(), false), |digits| (digits, true));
        let count: usize = digits.parse().map_err(|_| format!("expected a number, not {count}"))?;
        self.needs(&Token::Comma, ",")?;
        let negated = self.next_is("NOT");
        self.at += usize::from(negated);
        let Token::Word { text: state, .. } = self.next()? else { return Err("expected a state".to_owned()) };
        let state = StateValue::parse(&state).ok_or_else(|| format!("unexpected word {state}"))?;
        self.needs(&Token::Comma, ",")?;
        self.needs(&Token::Open, "(")?;
        let mut alarms = vec![self.name()?];
        loop {
            match self.next()? {
                Token::Comma => alarms.push(self.name()?),
                Token::Close => break,
                _ => return Err("expected , or )".to_owned()),
            }
        }
        self.needs(&Token::Close, ")")?;
        let good = if percent { (1..=100).contains(&count) } else { (1..=alarms.len()).contains(&count) };
        if good {
            Ok(Rule::AtLeast { count, percent, state, negated, alarms })
        } else {
            Err(format!("{count} is out of range for AT_LEAST"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let state = |name: &str| match name {
            "a" | "a b(c)" => Some(StateValue::Alarm),
            "o" => Some(StateValue::Ok),
            "i" => Some(StateValue::InsufficientData),
            _ => None,
        };
        Rule::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}")).holds(&state)
    }

    #[test]
    fn rules_hold_or_not() {
        for (text, wanted) in [
            ("ALARM(a)", true),
            ("ALARM(\"a b(c)\")", true),
            ("ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)", true),
            ("OK('o') AND INSUFFICIENT_DATA(i)", true),
            ("ALARM(o) OR ALARM(a) AND ALARM(i)", false),
            ("(ALARM(a) OR ALARM(o)) AND NOT ALARM(i)", true),
            ("NOT ALARM(a) OR FALSE", false),
            ("TRUE", true),
            ("ALARM(gone)", false),
            ("AT_LEAST(2, ALARM, (a, o, i))", false),
            ("AT_LEAST(2, NOT ALARM, (a, o, i))", true),
            ("AT_LEAST(33%, ALARM, (a, o, i))", true),
            ("AT_LEAST(34%, ALARM, (a, \"o\", i))", false),
        ] {
            assert_eq!(holds(text), wanted, "{text}");
        }
        assert_eq!(Rule::parse("ALARM(a) AND (OK(b) OR OK(a))").unwrap().alarms(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let long = vec!["ALARM(a)"; 300].join(" AND ");
        let many: Vec<String> = (0..101).map(|n| format!("OK(a{n})")).collect();
        for text in [
            "",
            "a",
            "ALARM",
            "ALARM()",
            "ALARM(a",
            "ALARM(a) ALARM(b)",
            "AND",
            "NOT",
            "ALARM(\"a)",
            "ALARM(a) XOR OK(b)",
            "AT_LEAST(3, ALARM, (a, b))",
            "AT_LEAST(0, ALARM, (a))",
            "AT_LEAST(x, ALARM, (a))",
            &long,
            &many.join(" OR "),
            &"(".repeat(1000),
            &"NOT ".repeat(400),
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
    }
}
