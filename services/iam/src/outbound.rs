//! Outbound identity federation: the issuer of an account, the keys that it signs with, and the pages on which services outside
//! find what verifies its tokens.
//!
//! Source: "Federating AWS identities to external services" in the user guide; the pages have the form of those of
//! `https://….tokens.sts.global.api.aws`. STS says what stands in a token, and has it signed here.
//! An issuer is a path on the host of this cloud, with a capital letter, so that no bucket has it.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use minicbor::{Decode, Encode};
use serde_json::{Map, Value as Json, json};
use undercast_kernel::store::{Read, Shared, Table};
use undercast_kernel::{AwsError, Cx, Failure, Kernel, Result};
use undercast_wire::{Response, text};

use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::api::{self, errors};

/// Account → its issuer.
static ISSUERS: Table<Issuer> = Table::new("iam.token_issuers");
/// An issuer's id → the account.
static ACCOUNTS: Table<String> = Table::new("iam.token_issuer_ids");

/// What the path of an issuer begins with.
pub(crate) const PATH: &str = "/OutboundWebIdentity-";
const ABOUT: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/.well-known/jwks.json";

/// An account's issuer. It stays the same when it is switched off and on again, and its pages stay up: tokens that were given
/// are good until they expire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Issuer {
    #[n(0)]
    id: String,
    #[n(1)]
    enabled: bool,
    /// The private keys in PKCS #8, sealed.
    #[n(2)]
    rsa: minicbor::bytes::ByteVec,
    #[n(3)]
    ec: minicbor::bytes::ByteVec,
}

pub(crate) fn shared() -> Shared {
    Shared::by_row(&ACCOUNTS, |account| account)
}

/// The address of an issuer, without `https://`.
fn place(kernel: &Kernel, id: &str) -> String {
    format!("{}{PATH}{id}", kernel.settings().host)
}

fn url(cx: &Cx, id: &str) -> String {
    format!("https://{}", place(cx.kernel(), id))
}

/// Whether an address without `https://` is that of an issuer.
pub(crate) fn is_issuer(place: &str) -> bool {
    place.contains(PATH)
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::broken(format!("a key of an issuer of tokens: {error}"))
}

/// New keys of an issuer, sealed. Two large primes take up to seconds.
async fn new_keys(cx: &Cx) -> Result<(Vec<u8>, Vec<u8>)> {
    let make = || {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(unusable)?;
        let rsa: aws_lc_rs::encoding::Pkcs8V1Der<'static> = rsa.as_der().map_err(unusable)?;
        let ec = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(unusable)?;
        let ec = ec.to_pkcs8v1().map_err(unusable)?;
        Ok::<_, Failure>((rsa.as_ref().to_vec(), ec.as_ref().to_vec()))
    };
    let (rsa, ec) = tokio::task::spawn_blocking(make).await.map_err(Failure::broken)??;
    Ok((cx.blobs().seal(&rsa)?, cx.blobs().seal(&ec)?))
}

pub(crate) async fn enable(cx: &Cx) -> Result<api::EnableOutboundWebIdentityFederationOutput> {
    let keys = if ISSUERS.has(&cx.read(), &(cx.account(),))? { None } else { Some(new_keys(cx).await?) };
    let id = cx.random().uuid();
    let issuer = cx
        .write(|tx| {
            let issuer = match (ISSUERS.get(tx, &(cx.account(),))?, &keys) {
                (Some(issuer), _) if issuer.enabled => {
                    let message = "Outbound web identity federation is already enabled for the account.";
                    return Err(errors::feature_enabled_exception(message).into());
                }
                (Some(issuer), _) => Issuer { enabled: true, ..issuer },
                (None, Some((rsa, ec))) => {
                    let (rsa, ec) = (rsa.clone().into(), ec.clone().into());
                    Issuer { id: id.clone(), enabled: true, rsa, ec }
                }
                // Issuers do not go.
                (None, None) => return Err(cx.broken("an issuer of tokens is gone")),
            };
            ISSUERS.put(tx, &(cx.account(),), &issuer);
            ACCOUNTS.put(tx, &(&issuer.id,), &cx.account().to_owned());
            Ok(issuer)
        })
        .await?;
    Ok(api::EnableOutboundWebIdentityFederationOutput { issuer_identifier: Some(url(cx, &issuer.id)) })
}

/// The issuer of the caller's account, which is switched on.
fn enabled(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Issuer> {
    let found = ISSUERS.get(from, &(cx.account(),))?.filter(|issuer| issuer.enabled);
    found.ok_or_else(|| {
        let message = "Outbound web identity federation is not enabled for the account.";
        errors::feature_disabled_exception(message).into()
    })
}

pub(crate) async fn disable(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        let issuer = enabled(cx, tx)?;
        ISSUERS.put(tx, &(cx.account(),), &Issuer { enabled: false, ..issuer });
        Ok(())
    })
    .await
}

pub(crate) fn info(cx: &Cx) -> Result<api::GetOutboundWebIdentityFederationInfoOutput> {
    let issuer = enabled(cx, &cx.read())?;
    Ok(api::GetOutboundWebIdentityFederationInfoOutput {
        issuer_identifier: Some(url(cx, &issuer.id)),
        jwt_vending_enabled: Some(true),
    })
}

fn base64url(bytes: &[u8]) -> String {
    text::base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

impl Issuer {
    fn rsa(&self, cx: &Cx) -> Result<RsaKeyPair> {
        RsaKeyPair::from_pkcs8(&cx.blobs().unseal(self.rsa.to_vec())?).map_err(unusable)
    }

    fn ec(&self, cx: &Cx) -> Result<EcdsaKeyPair> {
        let private = cx.blobs().unseal(self.ec.to_vec())?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &private).map_err(unusable)
    }

    fn sign(&self, cx: &Cx, algorithm: &str, text: &[u8]) -> Result<Vec<u8>> {
        let chance = SystemRandom::new();
        if algorithm == "ES384" {
            return Ok(self.ec(cx)?.sign(&chance, text).map_err(unusable)?.as_ref().to_vec());
        }
        let pair = self.rsa(cx)?;
        let mut out = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &chance, text, &mut out).map_err(unusable)?;
        Ok(out)
    }

    /// What verifies its tokens, as a JSON Web Key Set.
    fn keys(&self, cx: &Cx) -> Result<Json> {
        let (rsa, ec) = (self.rsa(cx)?, self.ec(cx)?);
        let (modulus, exponent) = numbers(&rsa)?;
        let point = ec.public_key().as_ref();
        let half = |range: std::ops::Range<usize>| base64url(point.get(range).unwrap_or_default());
        Ok(json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id("RS256"),
             "n": base64url(&modulus),
             "e": base64url(&exponent)},
            {"kty": "EC", "use": "sig", "alg": "ES384", "kid": key_id("ES384"), "crv": "P-384",
             "x": half(1..49), "y": half(49..97)},
        ]}))
    }
}

/// Modulus and exponent of a public key, without zeros before them.
fn numbers(pair: &RsaKeyPair) -> Result<(Vec<u8>, Vec<u8>)> {
    let told: aws_lc_rs::encoding::PublicKeyX509Der<'static> = pair.public_key().as_der().map_err(unusable)?;
    let (_, told) = SubjectPublicKeyInfo::from_der(told.as_ref()).map_err(unusable)?;
    let Ok(PublicKey::RSA(key)) = told.parsed() else { return Err(unusable("it is no key of RSA")) };
    let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    Ok((bare(key.modulus), bare(key.exponent)))
}

/// What AWS calls its keys.
fn key_id(algorithm: &str) -> &'static str {
    if algorithm == "ES384" { "EC384_0" } else { "RSA_0" }
}

/// Signs claims in the name of the issuer of the caller's account.
pub(crate) fn sign_token(cx: &Cx, algorithm: &str, mut claims: Map<String, Json>) -> Result<Option<String>> {
    let Some(issuer) = ISSUERS.get(&cx.read(), &(cx.account(),))?.filter(|issuer| issuer.enabled) else {
        return Ok(None);
    };
    claims.insert("iss".to_owned(), json!(url(cx, &issuer.id)));
    let head = json!({"alg": algorithm, "kid": key_id(algorithm), "typ": "JWT"});
    let part = |json: &Json| base64url(json.to_string().as_bytes());
    let text = format!("{}.{}", part(&head), part(&Json::Object(claims)));
    let signature = issuer.sign(cx, algorithm, text.as_bytes())?;
    Ok(Some(format!("{text}.{}", base64url(&signature))))
}

/// A page of an issuer.
pub(crate) fn serve(cx: &Cx, path: &str) -> Result<Response> {
    let none = || AwsError::new("NotFound", 404, "There is no such page.");
    let (id, page) =
        path.strip_prefix(PATH).and_then(|rest| rest.find('/').map(|at| rest.split_at(at))).ok_or_else(none)?;
    let from = cx.read();
    let account = ACCOUNTS.get(&from, &(id,))?.ok_or_else(none)?;
    let issuer = ISSUERS.get(&from, &(&account,))?.ok_or_else(none)?;
    let body = match page {
        ABOUT => json!({
            "issuer": url(cx, id),
            "jwks_uri": format!("{}{KEYS}", url(cx, id)),
            "id_token_signing_alg_values_supported": ["RS256", "ES384"],
            "subject_types_supported": ["public"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "jti", "https://sts.amazonaws.com/"],
        }),
        KEYS => issuer.keys(cx)?,
        _ => return Err(none().into()),
    };
    let mut response = Response::new(200, body.to_string().into_bytes());
    response.set("content-type", "application/json");
    Ok(response)
}
