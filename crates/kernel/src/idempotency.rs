//! Tokens by which a request says that it may have been sent before: `ClientRequestToken`, `ClientToken`.

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use undercast_store::{Order, Read, Table, Tx};

use crate::{Cx, Result};

/// Account, region, service, token → the request that came with it.
static TOKENS: Table<Token> = Table::new("kernel.tokens");
/// Account, region, service, when it is forgotten (ms), token.
static BY_END: Table<u8> = Table::new("kernel.tokens.by_end");

/// With each new token at most so many that are over are forgotten.
const FORGOTTEN: usize = 2;

/// A token that was used.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Token {
    /// What tells the request from others.
    #[cbor(n(0), with = "minicbor::bytes")]
    request: Vec<u8>,
    /// Until when it is remembered, in milliseconds since 1970.
    #[n(1)]
    until: i64,
}

/// What a token says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// It is new, and remembered from now on.
    New,
    /// The same request was done before: it is answered, and not done again.
    Same,
    /// The token was used with another request.
    Another,
}

/// What tells one request from another, so that a token used for two of them is noticed.
pub fn fingerprint(request: &impl std::fmt::Debug) -> Vec<u8> {
    Sha256::digest(format!("{request:?}").as_bytes()).to_vec()
}

impl Cx {
    /// What is known of a token now, which is not remembered by this.
    ///
    /// # Errors
    /// When the store fails.
    pub fn known(&self, from: &(impl Read + ?Sized), service: &str, token: &str, request: &[u8]) -> Result<Repeated> {
        let known = TOKENS.get(from, &(self.key(service), token))?;
        Ok(match known.filter(|known| known.until > self.now_millis()) {
            None => Repeated::New,
            Some(known) if known.request == request => Repeated::Same,
            Some(_) => Repeated::Another,
        })
    }

    /// Whether a token was used with this request before, in this account and region. `request` tells the request from
    /// others; the token is remembered for so many milliseconds from its first use, with the writes of this transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub fn repeated(
        &self,
        tx: &mut Tx<'_>,
        service: &str,
        token: &str,
        request: &[u8],
        milliseconds: i64,
    ) -> Result<Repeated> {
        let known = self.known(tx, service, token, request)?;
        if known != Repeated::New {
            return Ok(known);
        }
        let (now, place) = (self.now_millis(), self.key(service));
        if let Some(over) = TOKENS.get(tx, &(place, token))? {
            BY_END.delete(tx, &(place, over.until, token));
        }
        for entry in BY_END.range(tx, &(place, i64::MIN), &(place, now), Order::Ascending, FORGOTTEN)? {
            if let Some((_, until, token)) = entry.key::<((String, String, String), i64, String)>() {
                TOKENS.delete(tx, &(place, &token));
                BY_END.delete(tx, &(place, until, &token));
            }
        }
        let until = now.saturating_add(milliseconds);
        TOKENS.put(tx, &(place, token), &Token { request: request.to_vec(), until });
        BY_END.put(tx, &(place, until, token), &0);
        Ok(Repeated::New)
    }
}
