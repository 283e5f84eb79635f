//! Ids and ARNs.

use undercast_kernel::Cx;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// A new id: its beginning and so many letters and digits.
pub(crate) fn new(cx: &Cx, prefix: &str, length: usize) -> String {
    format!("{prefix}{}", cx.random().text(length, LETTERS))
}

/// `r-ab12` → `ab12`, which the ids of units begin with.
pub(crate) fn stem(root: &str) -> &str {
    root.strip_prefix("r-").unwrap_or(root)
}

/// What the id of a target says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Root,
    Unit,
    Account,
}

impl Kind {
    pub(crate) fn of(id: &str) -> Self {
        if id.starts_with("r-") {
            Self::Root
        } else if id.starts_with("ou-") {
            Self::Unit
        } else {
            Self::Account
        }
    }

    /// As targets of policies are called.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Root => "ROOT",
            Self::Unit => "ORGANIZATIONAL_UNIT",
            Self::Account => "ACCOUNT",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Unit => "ou",
            Self::Account => "account",
        }
    }
}

/// The ARN of a root, unit or account.
pub(crate) fn target_arn(management: &str, organization: &str, id: &str) -> String {
    format!("arn:aws:organizations::{management}:{}/{organization}/{id}", Kind::of(id).word())
}

/// The ARN of a policy.
pub(crate) fn policy_arn(management: &str, organization: &str, kind: &str, id: &str) -> String {
    let kind = kind.to_lowercase();
    if crate::policies::is_managed(id) {
        return format!("arn:aws:organizations::aws:policy/{kind}/{id}");
    }
    format!("arn:aws:organizations::{management}:policy/{organization}/{kind}/{id}")
}
