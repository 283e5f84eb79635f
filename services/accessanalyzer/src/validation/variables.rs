//! Policy variables: `${aws:username}`.

use super::Look;
use super::json::{Node, Place};

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    for (key, node) in statement.object().into_iter().flatten() {
        let allowed = matches!(key.text.as_str(), "Resource" | "NotResource" | "Condition");
        each(node, &mut |text, place| one(look, text, place, allowed));
    }
}

/// All texts in something.
fn each(node: &Node, tell: &mut impl FnMut(&str, &Place)) {
    if let Some(text) = node.text() {
        tell(text, &node.place);
    }
    node.list().into_iter().flatten().for_each(|node| each(node, tell));
    node.object().into_iter().flatten().for_each(|(_, node)| each(node, tell));
}

fn one(look: &mut Look<'_>, text: &str, place: &Place, allowed: bool) {
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            let details = "The policy variable is missing a closing curly brace. Add } after the variable text.";
            return look.error("MISSING_BRACE_IN_VARIABLE", details, place);
        };
        let variable = &inner[..end];
        rest = &inner[end + 1..];
        if !allowed {
            let details = format!(
                "Policy variables are supported in the Resource and Condition elements. Remove the policy variable \
                 ${{{variable}}} from this element."
            );
            look.error("VARIABLE_UNSUPPORTED_IN_ELEMENT", details, place);
        } else if !look.variables {
            let details = "To include variables in your policy, use the policy version 2012-10-17 or later.";
            look.error("VARIABLE_UNSUPPORTED_IN_VERSION", details, place);
        }
        form(look, variable, place);
    }
}

fn form(look: &mut Look<'_>, variable: &str, place: &Place) {
    if variable.trim().is_empty() {
        let details =
            "Empty policy variable. Remove the ${ } variable structure or provide a variable within the structure.";
        return look.error("EMPTY_VARIABLE", details, place);
    }
    let (key, default) =
        variable.split_once(',').map_or((variable, None), |(key, default)| (key, Some(default.trim())));
    if key.contains(' ') {
        let details = "A space is not supported within the policy variable text. Remove the space.";
        look.error("UNSUPPORTED_SPACE_IN_VARIABLE", details, place);
    }
    let quoted = |text: &str| text.len() >= 2 && text.starts_with('\'') && text.ends_with('\'');
    if default.is_some_and(|default| !quoted(default)) {
        let details =
            "The policy variable default value must begin and end with a single quote. Add the missing quote.";
        look.error("MISSING_QUOTE_IN_VARIABLE", details, place);
    }
}
