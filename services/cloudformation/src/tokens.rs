//! Tokens by which requests say that they may have been sent before. A token is used up by the stack of a name: one of the
//! same name that comes after it cannot use it again.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Repeated, Result, fingerprint};

use crate::api::errors;

/// How long a token is remembered, in milliseconds: as long as deleted stacks are told of on AWS.
const REMEMBERED: i64 = 90 * 24 * 3_600_000;

/// The token of a request on a stack.
pub(crate) struct Token {
    token: Option<String>,
    /// Stack and token.
    place: String,
    request: Vec<u8>,
}

impl Token {
    /// `stack` is the stack's name; `request` tells the request from others.
    pub(crate) fn of(stack: &str, token: Option<&String>, request: &impl std::fmt::Debug) -> Self {
        let place = format!("{stack}/{}", token.map_or("", String::as_str));
        Self { token: token.cloned(), place, request: fingerprint(request) }
    }

    /// The token as it was given.
    pub(crate) fn text(&self) -> Option<String> {
        self.token.clone()
    }

    /// Whether the request was done before, and is not to be done again.
    pub(crate) fn done(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<bool> {
        match &self.token {
            Some(token) => Self::same(token, cx.known(from, "cloudformation", &self.place, &self.request)?),
            None => Ok(false),
        }
    }

    /// The same, and remembers the token with what the transaction writes.
    pub(crate) fn take(&self, cx: &Cx, tx: &mut Tx<'_>) -> Result<bool> {
        match &self.token {
            Some(token) => {
                Self::same(token, cx.repeated(tx, "cloudformation", &self.place, &self.request, REMEMBERED)?)
            }
            None => Ok(false),
        }
    }

    fn same(token: &str, repeated: Repeated) -> Result<bool> {
        match repeated {
            Repeated::New => Ok(false),
            Repeated::Same => Ok(true),
            Repeated::Another => Err(used(token)),
        }
    }
}

/// The refusal of a token that another request has used.
pub(crate) fn used(token: &str) -> undercast_kernel::Failure {
    let message = format!(
        "The client request token {token} has already been used for this stack. Retry the request with a different client request token"
    );
    errors::token_already_exists_exception(message).into()
}
