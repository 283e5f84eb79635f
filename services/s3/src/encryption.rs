//! What objects are encrypted with: keys of S3's own, keys that KMS gave, keys of customers.
//!
//! All bytes on the disk are ciphertext of the store's own key: that is SSE-S3. With the other methods they are ciphertext of
//! a data key below it, so that DSSE-KMS has the two layers that its name promises.
//!
//! Source: "Protecting data with encryption" in the user guide; refusals as recorded by public test suites.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use undercast_kernel::store::KeyStream;
use undercast_kernel::{AwsError, Cx, Failure, Result, Timestamp};
use undercast_wire::text::{base64, unbase64};

use crate::rows::{Bucket, Method, Sealed};
use crate::{S3, error};

/// What S3 calls its own method.
const OWN: &str = "AES256";
const KMS: &str = "aws:kms";
const DUAL: &str = "aws:kms:dsse";

/// The key that AWS manages for S3 in each account.
const MANAGED_KEY: &str = "alias/aws/s3";

/// S3 as KMS knows it.
const PRINCIPAL: &str = "s3.amazonaws.com";

/// A key of a bucket is used so long, in seconds.
const BUCKET_KEY_SECONDS: i64 = 300;

/// More keys of buckets than so many are not remembered.
const MOST_KEYS: usize = 1024;

impl Method {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            OWN => Some(Self::Own),
            KMS => Some(Self::Kms),
            DUAL => Some(Self::Dual),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => OWN,
            Self::Kms => KMS,
            Self::Dual => DUAL,
        }
    }
}

/// A key that bytes are encrypted with, for the time of a call.
#[derive(Clone)]
pub(crate) struct DataKey([u8; 32]);

impl DataKey {
    fn of(bytes: &[u8]) -> Result<Self> {
        <[u8; 32]>::try_from(bytes).map(Self).map_err(|_| Failure::broken("a data key has 32 bytes"))
    }

    /// Its stream behind a nonce, from `offset` bytes on.
    pub(crate) fn stream(&self, nonce: &[u8], offset: u64) -> Result<KeyStream> {
        let nonce = nonce.try_into().map_err(|_| Failure::broken("a nonce has 16 bytes"))?;
        Ok(KeyStream::new(&self.0, nonce, offset))
    }
}

/// The headers with which a customer gives a key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Customer<'a> {
    pub(crate) algorithm: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) md5: Option<&'a str>,
}

/// A customer's key in the members of a request.
macro_rules! customer {
    ($input:expr) => {
        $crate::encryption::Customer {
            algorithm: $input.sse_customer_algorithm.as_deref(),
            key: $input.sse_customer_key.as_deref(),
            md5: $input.sse_customer_key_md5.as_deref(),
        }
    };
}

/// The key of a copy's source in the members of a request.
macro_rules! source_customer {
    ($input:expr) => {
        $crate::encryption::Customer {
            algorithm: $input.copy_source_sse_customer_algorithm.as_deref(),
            key: $input.copy_source_sse_customer_key.as_deref(),
            md5: $input.copy_source_sse_customer_key_md5.as_deref(),
        }
    };
}

/// What a request that writes says of encryption.
macro_rules! asked {
    ($input:expr) => {
        $crate::encryption::Asked {
            method: $input.server_side_encryption.as_deref(),
            key: $input.ssekms_key_id.as_deref(),
            context: $input.ssekms_encryption_context.as_deref(),
            bucket_key: $input.bucket_key_enabled,
            customer: $crate::encryption::customer!($input),
        }
    };
}

/// Puts into an answer what an object is encrypted with. `$customer` are the headers of the request.
macro_rules! show {
    ($output:expr, $sealed:expr, $customer:expr) => {
        let shown = $crate::encryption::Shown::of($sealed, $customer);
        $output.server_side_encryption = shown.method;
        $output.ssekms_key_id = shown.key;
        $output.bucket_key_enabled = shown.bucket_key;
        $output.sse_customer_algorithm = shown.algorithm;
        $output.sse_customer_key_md5 = shown.md5;
    };
}

pub(crate) use {asked, customer, show, source_customer};

impl Customer<'_> {
    fn is_given(&self) -> bool {
        self.algorithm.is_some() || self.key.is_some() || self.md5.is_some()
    }

    /// The key, which must be all there and whole.
    fn key(&self) -> Result<Option<DataKey>> {
        if !self.is_given() {
            return Ok(None);
        }
        let missing = |what: &str, header: &str| {
            let message =
                format!("Requests specifying Server Side Encryption with Customer provided keys must provide {what}.");
            Failure::from(error::invalid_argument(message, header, "null"))
        };
        let header = |rest: &str| format!("x-amz-server-side-encryption-customer-{rest}");
        let algorithm = self.algorithm.ok_or_else(|| missing("a valid encryption algorithm", &header("algorithm")))?;
        if algorithm != OWN {
            let message = "The Encryption request you specified is not valid. Supported value: AES256.";
            let error = AwsError::new("InvalidEncryptionAlgorithmError", 400, message);
            return Err(error.with("ArgumentName", header("algorithm")).with("ArgumentValue", algorithm).into());
        }
        let key = self.key.ok_or_else(|| missing("an appropriate secret key", &header("key")))?;
        let md5 = self.md5.ok_or_else(|| missing("the client calculated MD5 of the secret key", &header("key-MD5")))?;
        let invalid =
            |message: &str, rest: &str| Failure::from(error::invalid_argument(message, &header(rest), "null"));
        let bytes = unbase64(key).filter(|k| k.len() == 32);
        let bytes = bytes.ok_or_else(|| invalid("The secret key was invalid for the specified algorithm.", "key"))?;
        if base64(&Md5::digest(&bytes)) != md5 {
            let message = "The calculated MD5 hash of the key did not match the hash that was provided.";
            return Err(invalid(message, "key-MD5"));
        }
        DataKey::of(&bytes).map(Some)
    }
}

/// What a request that writes says of encryption.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) context: Option<&'a str>,
    pub(crate) bucket_key: Option<bool>,
    pub(crate) customer: Customer<'a>,
}

/// A demand for a key of KMS.
struct WithKms {
    key: String,
    context: BTreeMap<String, String>,
    bucket_key: bool,
    dual: bool,
}

/// What is to be done with bytes that come in.
enum Plan {
    Own,
    Customer(DataKey),
    Kms(WithKms),
}

impl Asked<'_> {
    /// What the request and the bucket's default come to, for the object `key`.
    fn plan(&self, bucket: &Bucket, key: &str) -> Result<Plan> {
        if let Some(data_key) = self.customer.key()? {
            if self.method.is_some() {
                let message = "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
                return Err(error::invalid_argument(
                    message,
                    "x-amz-server-side-encryption",
                    self.method.unwrap_or(""),
                )
                .into());
            }
            // Since April 2026 new buckets take none, until their owner says so.
            if !bucket.encryption.as_ref().is_some_and(|e| e.customer_keys) {
                return Err(error::access_denied().into());
            }
            return Ok(Plan::Customer(data_key));
        }
        let default = bucket.encryption.as_ref();
        let method = match self.method {
            None => default.map_or(Method::Own, |d| d.method),
            Some("aws:fsx" | "aws:backup") | Some(_) if self.method.and_then(Method::parse).is_none() => {
                let message = "The encryption method specified is not supported";
                return Err(error::invalid_argument(
                    message,
                    "x-amz-server-side-encryption",
                    self.method.unwrap_or(""),
                )
                .into());
            }
            Some(name) => Method::parse(name).unwrap_or(Method::Own),
        };
        if method == Method::Own || self.method.is_none() {
            self.check_without_kms(method)?;
        }
        if method == Method::Own {
            return Ok(Plan::Own);
        }
        let same = default.filter(|d| d.method == method);
        let given = self.key.map(ToOwned::to_owned);
        // A request that names the method and no key means the key that AWS manages, whatever the bucket's default is.
        let key_id = given.or_else(|| same.filter(|_| self.method.is_none()).and_then(|d| d.key.clone()));
        let bucket_key = method == Method::Kms && self.bucket_key.unwrap_or_else(|| same.is_some_and(|d| d.bucket_key));
        let mut context = self.context()?;
        let arn = if bucket_key { bucket.arn() } else { format!("{}/{key}", bucket.arn()) };
        context.entry("aws:s3:arn".to_owned()).or_insert(arn);
        Ok(Plan::Kms(WithKms {
            key: key_id.unwrap_or_else(|| MANAGED_KEY.to_owned()),
            context,
            bucket_key,
            dual: method == Method::Dual,
        }))
    }

    /// A key or a context without the method that takes them.
    fn check_without_kms(&self, method: Method) -> Result<()> {
        let given = [
            (self.key, "x-amz-server-side-encryption-aws-kms-key-id"),
            (self.context, "x-amz-server-side-encryption-context"),
        ];
        let Some((value, header)) = given.iter().find_map(|(v, h)| v.map(|v| (v, *h))) else { return Ok(()) };
        if method != Method::Own && self.method.is_none() {
            return Ok(());
        }
        let message = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms";
        Err(error::invalid_argument(message, header, value).into())
    }

    /// The encryption context: base64 of a flat JSON object.
    fn context(&self) -> Result<BTreeMap<String, String>> {
        let Some(text) = self.context else { return Ok(BTreeMap::new()) };
        let parsed = unbase64(text).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        parsed.ok_or_else(|| {
            let message = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";
            error::invalid_argument(message, "x-amz-server-side-encryption-context", text).into()
        })
    }
}

/// How bytes that come in are encrypted.
#[derive(Default, Clone)]
pub(crate) struct Sealing {
    /// What the row says of it.
    pub(crate) sealed: Option<Sealed>,
    /// The key; `None`: the store's own encryption is all.
    pub(crate) key: Option<DataKey>,
}

impl S3 {
    /// How an object that is written now is to be encrypted.
    pub(crate) async fn sealing(&self, cx: &Cx, bucket: &Bucket, key: &str, asked: &Asked<'_>) -> Result<Sealing> {
        match asked.plan(bucket, key)? {
            Plan::Own => Ok(Sealing::default()),
            Plan::Customer(key) => {
                let salt: [u8; 16] = cx.random().bytes();
                let mac = recognise(&salt, &key);
                let sealed = Sealed::Customer { salt: salt.to_vec().into(), mac: mac.into() };
                Ok(Sealing { sealed: Some(sealed), key: Some(key) })
            }
            Plan::Kms(with) => self.sealing_with_kms(cx, bucket, with).await,
        }
    }

    async fn sealing_with_kms(&self, cx: &Cx, bucket: &Bucket, with: WithKms) -> Result<Sealing> {
        let (arn, data_key, plain) = self.new_data_key(cx, bucket, &with).await?;
        let sealed = Sealed::Kms {
            key: arn,
            data_key: data_key.into(),
            context: with.context,
            bucket_key: with.bucket_key,
            dual: with.dual,
        };
        Ok(Sealing { sealed: Some(sealed), key: Some(plain) })
    }

    /// How what belongs to an object is to be encrypted: as that is.
    pub(crate) async fn sealing_like(&self, cx: &Cx, bucket: &Bucket, sealed: Option<&Sealed>) -> Result<Sealing> {
        match sealed {
            Some(Sealed::Kms { key, context, bucket_key, dual, .. }) => {
                let (key, context) = (key.clone(), context.clone());
                let with = WithKms { key, context, bucket_key: *bucket_key, dual: *dual };
                self.sealing_with_kms(cx, bucket, with).await
            }
            // A customer's key is not there without the customer; who asks has seen to that.
            Some(Sealed::Customer { .. }) | None => Ok(Sealing::default()),
        }
    }

    /// The key for reading an object. `Ok(None)`: it needs none.
    pub(crate) async fn opening(
        &self,
        cx: &Cx,
        sealed: Option<&Sealed>,
        customer: &Customer<'_>,
    ) -> Result<Option<DataKey>> {
        check_customer(sealed, customer)?;
        match sealed {
            None => Ok(None),
            Some(Sealed::Customer { .. }) => customer.key(),
            Some(Sealed::Kms { data_key, context, bucket_key, key, .. }) => {
                let name = format!("open {} {}", cx.principal().arn, base64(data_key));
                if let Some(known) = self.bucket_keys.get(cx.now(), &name).filter(|_| *bucket_key) {
                    return Ok(Some(known.plain));
                }
                let input = json!({"CiphertextBlob": base64(data_key), "EncryptionContext": context, "KeyId": key});
                let answer = ask_kms(cx, key, "Decrypt", input).await?;
                let plain = DataKey::of(&blob(&answer, "Plaintext")?)?;
                if *bucket_key {
                    let kept = BucketKey { arn: key.clone(), data_key: data_key.to_vec(), plain: plain.clone() };
                    self.bucket_keys.keep(cx.now(), name, kept);
                }
                Ok(Some(plain))
            }
        }
    }

    /// A new data key from KMS, or the bucket's that is in use.
    async fn new_data_key(&self, cx: &Cx, bucket: &Bucket, with: &WithKms) -> Result<(String, Vec<u8>, DataKey)> {
        let name = format!("seal {} {} {} {:?}", cx.principal().arn, bucket.arn(), with.key, with.context);
        if let Some(known) = self.bucket_keys.get(cx.now(), &name).filter(|_| with.bucket_key) {
            return Ok((known.arn, known.data_key, known.plain));
        }
        let input = json!({"KeyId": with.key, "KeySpec": "AES_256", "EncryptionContext": with.context});
        let answer = ask_kms(cx, &with.key, "GenerateDataKey", input).await?;
        let arn = answer.get("KeyId").and_then(Json::as_str).unwrap_or(&with.key).to_owned();
        let (data_key, plain) = (blob(&answer, "CiphertextBlob")?, DataKey::of(&blob(&answer, "Plaintext")?)?);
        if with.bucket_key {
            let kept = BucketKey { arn: arn.clone(), data_key: data_key.clone(), plain: plain.clone() };
            self.bucket_keys.keep(cx.now(), name, kept);
        }
        Ok((arn, data_key, plain))
    }
}

/// The key that a request gives must be the one that the object has, or none where it has none.
pub(crate) fn check_customer(sealed: Option<&Sealed>, customer: &Customer<'_>) -> Result<()> {
    match sealed {
        Some(Sealed::Customer { salt, mac }) => {
            let Some(key) = customer.key()? else {
                let message = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
                return Err(error::invalid_request(message).into());
            };
            if undercast_wire::sigv4::same(&base64(&recognise(salt, &key)), &base64(mac)) {
                return Ok(());
            }
            Err(error::access_denied().into())
        }
        _ if customer.is_given() => {
            Err(error::invalid_request("The encryption parameters are not applicable to this object.").into())
        }
        _ => Ok(()),
    }
}

/// The same for calls that need no key: one that is given must be right.
pub(crate) fn check_customer_if_given(sealed: Option<&Sealed>, customer: &Customer<'_>) -> Result<()> {
    if customer.is_given() { check_customer(sealed, customer) } else { Ok(()) }
}

/// What recognises a customer's key without telling it.
fn recognise(salt: &[u8], key: &DataKey) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt) else { return Vec::new() };
    mac.update(&key.0);
    mac.finalize().into_bytes().to_vec()
}

fn blob(answer: &Json, member: &str) -> Result<Vec<u8>> {
    let found = answer.get(member).and_then(Json::as_str).and_then(unbase64);
    found.ok_or_else(|| Failure::broken(format!("KMS answered without {member}")))
}

/// Asks KMS as the caller, and gives its refusals as S3 does.
async fn ask_kms(cx: &Cx, key: &str, operation: &str, input: Json) -> Result<Json> {
    match cx.through(PRINCIPAL).call("kms", operation, input).await {
        Err(Failure::Aws(error)) => Err(refused_by_kms(key, &error).into()),
        other => other,
    }
}

fn refused_by_kms(key: &str, error: &AwsError) -> AwsError {
    let name = error.code.trim_end_matches("Exception");
    match name {
        "AccessDenied" => AwsError::new("AccessDenied", 403, error.message.clone()),
        "InvalidArn" | "NotFound" if !key.starts_with("arn:") && key.contains(':') => {
            AwsError::new("KMS.NotFoundException", 400, format!("Invalid arn {key}"))
        }
        "NotFound" | "Disabled" | "KMSInvalidState" | "InvalidKeyUsage" | "Unsupported" | "InvalidArn" => {
            AwsError::new(format!("KMS.{name}Exception"), 400, error.message.clone())
        }
        _ => AwsError::new(format!("KMS.{}", error.code), error.status, error.message.clone()),
    }
}

/// A key of a bucket.
#[derive(Clone)]
struct BucketKey {
    arn: String,
    data_key: Vec<u8>,
    plain: DataKey,
}

/// Keys of buckets that are in use: what saves S3 from asking KMS for every object. Each belongs to one caller.
#[derive(Default)]
pub(crate) struct BucketKeys(Mutex<HashMap<String, (i64, BucketKey)>>);

impl std::fmt::Debug for BucketKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BucketKeys")
    }
}

impl BucketKeys {
    fn get(&self, now: Timestamp, name: &str) -> Option<BucketKey> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(name).filter(|(until, _)| now.as_second() < *until).map(|(_, key)| key.clone())
    }

    fn keep(&self, now: Timestamp, name: String, key: BucketKey) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MOST_KEYS {
            keys.clear();
        }
        keys.insert(name, (now.as_second() + BUCKET_KEY_SECONDS, key));
    }
}

/// What answers tell of an object's encryption.
pub(crate) struct Shown {
    pub(crate) method: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) bucket_key: Option<bool>,
    pub(crate) algorithm: Option<String>,
    pub(crate) md5: Option<String>,
}

impl Shown {
    pub(crate) fn of(sealed: Option<&Sealed>, customer: Customer<'_>) -> Self {
        let plain = |method: &str| Self {
            method: Some(method.to_owned()),
            key: None,
            bucket_key: None,
            algorithm: None,
            md5: None,
        };
        match sealed {
            None => plain(OWN),
            Some(Sealed::Customer { .. }) => Self {
                method: None,
                algorithm: Some(OWN.to_owned()),
                md5: customer.md5.map(ToOwned::to_owned),
                ..plain(OWN)
            },
            Some(Sealed::Kms { key, bucket_key, dual, .. }) => Self {
                key: Some(key.clone()),
                bucket_key: bucket_key.then_some(true),
                ..plain(if *dual { DUAL } else { KMS })
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcome: Result<()>) -> String {
        outcome.err().and_then(|e| e.code().map(ToOwned::to_owned)).unwrap_or_default()
    }

    #[test]
    fn keys_of_customers_are_checked() {
        let key = [7; 32];
        let (text, md5) = (base64(&key), base64(&Md5::digest(key)));
        let whole = Customer { algorithm: Some("AES256"), key: Some(&text), md5: Some(&md5) };
        assert!(whole.key().is_ok_and(|k| k.is_some_and(|k| k.0 == key)));
        for (customer, wanted) in [
            (Customer { algorithm: Some("DES"), ..whole }, "InvalidEncryptionAlgorithmError"),
            (Customer { algorithm: None, ..whole }, "InvalidArgument"),
            (Customer { key: None, ..whole }, "InvalidArgument"),
            (Customer { md5: None, ..whole }, "InvalidArgument"),
            (Customer { key: Some("AAAA"), ..whole }, "InvalidArgument"),
            (Customer { md5: Some("AAAAAAAAAAAAAAAAAAAAAA=="), ..whole }, "InvalidArgument"),
        ] {
            assert_eq!(code(customer.key().map(drop)), wanted, "{customer:?}");
        }
        let salt = vec![1; 16];
        let sealed = Sealed::Customer { mac: recognise(&salt, &DataKey(key)).into(), salt: salt.into() };
        assert_eq!(code(check_customer(Some(&sealed), &whole)), "");
        assert_eq!(code(check_customer(Some(&sealed), &Customer::default())), "InvalidRequest");
        assert_eq!(code(check_customer(None, &whole)), "InvalidRequest");
        let other = [8; 32];
        let (text, md5) = (base64(&other), base64(&Md5::digest(other)));
        let wrong = Customer { algorithm: Some("AES256"), key: Some(&text), md5: Some(&md5) };
        assert_eq!(code(check_customer(Some(&sealed), &wrong)), "AccessDenied");
    }
}
