//! Signatures of messages, with a key of this cloud's own whose certificate everybody can read.
//!
//! Version 1 is RSA over SHA-1, version 2 over SHA-256. AWS's certificate is of `sns.amazonaws.com`; ours says the same, and is
//! signed by itself, since nobody would vouch for it.
//! Source: "Verifying the signatures of Amazon SNS messages" in the developer guide.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use minicbor::{Decode, Encode};
use num_bigint::BigUint;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256};
use rustls_pki_types::PrivatePkcs8KeyDer;
use sha1::{Digest as _, Sha1};
use undercast_kernel::store::Table;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::Response;

/// Account, region → the key.
static KEYS: Table<Kept> = Table::new("sns.signing");

/// What the path of the certificate begins with.
pub(crate) const PATH: &str = "/SimpleNotificationService-";

/// The key that a topic's messages are signed with.
pub(crate) struct Key {
    kept: Kept,
    /// What was signed last, and its signature: a message is the same for many subscribers.
    last: Mutex<Option<(String, String)>>,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Kept {
    /// PKCS #8.
    #[cbor(n(0), with = "minicbor::bytes")]
    private: Vec<u8>,
    /// PEM.
    #[n(1)]
    certificate: String,
    /// What tells its certificate from others: account, region and 16 letters of chance.
    #[n(2)]
    id: String,
}

fn failed(what: &str) -> impl Fn(rcgen::Error) -> Failure {
    move |error| Failure::broken(format!("{what}: {error}"))
}

fn make(cx: &Cx) -> Result<Kept> {
    use aws_lc_rs::encoding::AsDer as _;
    let no_key = |_| Failure::broken("a key for signatures could not be made");
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(no_key)?;
    let private = pair.as_der().map_err(no_key)?.as_ref().to_vec();
    let der = PrivatePkcs8KeyDer::from(private.clone());
    let own =
        KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).map_err(failed("a key could not be read"))?;
    let mut params = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).map_err(failed("a certificate"))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "sns.amazonaws.com");
    let certificate = params.self_signed(&own).map_err(failed("a certificate could not be signed"))?.pem();
    Ok(Kept { private, certificate, id: format!("{}-{}-{}", cx.account(), cx.region(), cx.random().hex(16)) })
}

/// The key of this account and region, which is made when it is needed first.
pub(crate) async fn key(cx: &Cx) -> Result<Key> {
    let place = (cx.account(), cx.region());
    let kept = match KEYS.get(&cx.read(), &place)? {
        Some(there) => there,
        None => {
            let made = make(cx)?;
            cx.write(|tx| {
                if let Some(there) = KEYS.get(tx, &place)? {
                    return Ok(there);
                }
                KEYS.put(tx, &place, &made);
                Ok(made.clone())
            })
            .await?
        }
    };
    Ok(Key { kept, last: Mutex::default() })
}

impl Key {
    /// Where its certificate is.
    pub(crate) fn certificate_url(&self, cx: &Cx) -> String {
        // Who checks signatures takes certificates over HTTPS alone. The port is the same.
        format!("https://{}{PATH}{}.pem", cx.kernel().settings().host, self.kept.id)
    }

    /// The signature of a text, in base64.
    pub(crate) fn sign(&self, text: &str, version: &str) -> Result<String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let what = format!("{version} {text}");
        if let Some((_, signature)) = last.as_ref().filter(|(of, _)| *of == what) {
            return Ok(signature.clone());
        }
        let kept = &self.kept;
        let signature = if version == "2" { kept.sha256(text.as_bytes()) } else { kept.sha1(text.as_bytes()) };
        let signature = signature.ok_or_else(|| Failure::broken("a message could not be signed"))?;
        let signature = text::base64(&signature);
        *last = Some((what, signature.clone()));
        Ok(signature)
    }
}

impl Kept {
    fn sha256(&self, text: &[u8]) -> Option<Vec<u8>> {
        let pair = RsaKeyPair::from_pkcs8(&self.private).ok()?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
        Some(signature)
    }

    /// The library signs nothing with SHA-1 any more, which is right of it: whoever can should ask for version 2. So the last
    /// step, a power modulo the key, is done here (RFC 8017, 8.2.1), by the key's two primes.
    fn sha1(&self, text: &[u8]) -> Option<Vec<u8>> {
        const SHA1: [u8; 15] =
            [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];
        let numbers = numbers(&self.private)?;
        let [modulus, _, _, p, q, dp, dq, inverse] = numbers.as_slice() else { return None };
        let length = modulus.to_bytes_be().len();
        let digest = Sha1::digest(text);
        let mut block = vec![0xff; length];
        let end = length.checked_sub(SHA1.len() + digest.len())?;
        (block[0], block[1], block[end - 1]) = (0, 1, 0);
        block[end..end + SHA1.len()].copy_from_slice(&SHA1);
        block[end + SHA1.len()..].copy_from_slice(&digest);
        let block = BigUint::from_bytes_be(&block);
        let (one, other) = (block.modpow(dp, p), block.modpow(dq, q));
        let lead = ((one + p - (&other % p)) * inverse) % p;
        let signature = (other + lead * q).to_bytes_be();
        let mut out = vec![0; length.checked_sub(signature.len())?];
        out.extend_from_slice(&signature);
        Some(out)
    }
}

/// One element of DER: what is in it, and what comes behind.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().try_fold(0usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))?, rest)
        }
    };
    rest.split_at_checked(length)
}

/// The numbers of a key in PKCS #8: modulus, both exponents, primes, their exponents, inverse.
fn numbers(pkcs8: &[u8]) -> Option<Vec<BigUint>> {
    let (outer, _) = element(pkcs8, 0x30)?;
    let (_version, rest) = element(outer, 0x02)?;
    let (_algorithm, rest) = element(rest, 0x30)?;
    let (inner, _) = element(rest, 0x04)?;
    let (key, _) = element(inner, 0x30)?;
    let (_version, mut rest) = element(key, 0x02)?;
    let mut out = Vec::new();
    while out.len() < 8 {
        let (number, behind) = element(rest, 0x02)?;
        out.push(BigUint::from_bytes_be(number));
        rest = behind;
    }
    Some(out)
}

/// Answers with the certificate that a path names.
pub(crate) fn serve(cx: &Cx, path: &str) -> Result<Response> {
    let id = path.strip_prefix(PATH).and_then(|rest| rest.strip_suffix(".pem")).unwrap_or_default();
    let place = id.split_once('-').and_then(|(account, rest)| Some((account, rest.rsplit_once('-')?.0)));
    let found = match place {
        Some((account, region)) => KEYS.get(&cx.read(), &(account, region))?.filter(|key| key.id == id),
        None => None,
    };
    let mut response = match found {
        Some(key) => Response::new(200, key.certificate.into_bytes()),
        None => Response::new(404, b"There is no such certificate.\n".to_vec()),
    };
    response.set("content-type", "application/x-pem-file");
    Ok(response)
}
