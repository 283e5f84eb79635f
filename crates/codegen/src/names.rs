//! Names in Rust for names in a model.

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "use", "virtual", "where", "while", "yield",
];

/// `MD5OfMessageBody` to `md5_of_message_body`; a keyword gets an underscore behind it.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            if !out.ends_with('_') && !out.is_empty() {
                out.push('_');
            }
            continue;
        }
        let before = i.checked_sub(1).and_then(|p| chars.get(p));
        let after = chars.get(i + 1);
        // The `s` of `ARNs` and `IDs` is a plural, not the beginning of a word.
        let plural = after == Some(&'s') && chars.get(i + 2).is_none_or(|c| !c.is_ascii_lowercase());
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || (!plural && after.is_some_and(|a| a.is_ascii_lowercase() && b.is_ascii_uppercase()))
            });
        if starts_word && !out.ends_with('_') {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if KEYWORDS.contains(&out.as_str()) {
        out.push('_');
    }
    out
}

/// A shape's name as a Rust type: the first letter large, only letters and digits.
pub(crate) fn camel(name: &str) -> String {
    let clean: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut chars = clean.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    let name: String = first.into_iter().chain(chars).collect();
    // Types of the prelude keep their meaning in generated code.
    if matches!(name.as_str(), "Option" | "String" | "Vec" | "Box" | "Result" | "Some" | "None" | "Self" | "Default") {
        format!("{name}Shape")
    } else {
        name
    }
}

/// A shape's name as a constant.
pub(crate) fn constant(name: &str) -> String {
    snake(name).trim_end_matches('_').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rust_names() {
        for (given, wanted) in [
            ("MD5OfMessageBody", "md5_of_message_body"),
            ("KMSMasterKeyId", "kms_master_key_id"),
            ("ETag", "e_tag"),
            ("Type", "type_"),
            ("SSECustomerKeyMD5", "sse_customer_key_md5"),
            ("x-amz-meta", "x_amz_meta"),
            ("NotificationARNs", "notification_arns"),
            ("ARNsOf", "arns_of"),
            ("IPv6Addresses", "i_pv6_addresses"),
        ] {
            assert_eq!(snake(given), wanted);
        }
        assert_eq!(camel("queueAttributeMap"), "QueueAttributeMap");
        assert_eq!(constant("Type"), "TYPE");
    }
}
