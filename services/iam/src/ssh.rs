//! SSH public keys of users: RSA keys, as `ssh-keygen` writes them or in PEM.

use md5::{Digest as _, Md5};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};
use undercast_wire::text;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::api::{self, errors, output};
use crate::entity::Kind;
use crate::{keys, pages};

/// Account, user in small letters, id → key.
static KEYS: Table<Row> = Table::new("iam.ssh_public_keys");

/// A user has so many.
const MOST: usize = 5;
const LEAST_BITS: usize = 2_048;
const KIND: &[u8] = b"ssh-rsa";

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Row {
    /// As SSH sends it over the wire (RFC 4253, 6.6).
    #[n(0)]
    blob: ByteVec,
    #[n(1)]
    active: bool,
    /// Seconds since 1970.
    #[n(2)]
    uploaded: i64,
}

/// An RSA key: modulus and exponent, without leading zeros.
struct Rsa {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

fn without_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().skip_while(|byte| **byte == 0).copied().collect()
}

fn invalid() -> AwsError {
    errors::invalid_public_key_exception("The public key is malformed or otherwise invalid.")
}

impl Rsa {
    /// A key as a user brings it.
    fn read(body: &str) -> Result<Self> {
        let key = if body.trim_start().starts_with("ssh-rsa ") {
            let encoded = body.split_whitespace().nth(1).ok_or_else(invalid)?;
            Self::of_blob(&text::unbase64(encoded).ok_or_else(invalid)?).ok_or_else(invalid)?
        } else if body.trim_start().starts_with("-----BEGIN") {
            Self::of_pem(body).ok_or_else(invalid)?
        } else {
            let message = "The public key encoding format is unsupported or unrecognized.";
            return Err(errors::unrecognized_public_key_encoding_exception(message).into());
        };
        let zeros = key.modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if key.modulus.len() * 8 < LEAST_BITS + zeros || key.exponent.is_empty() {
            return Err(invalid().into());
        }
        Ok(key)
    }

    fn of_blob(blob: &[u8]) -> Option<Self> {
        let (kind, rest) = string(blob)?;
        let (exponent, rest) = string(rest)?;
        let (modulus, rest) = string(rest)?;
        let positive = |number: &[u8]| number.first().is_some_and(|byte| *byte < 0x80);
        let good = kind == KIND && rest.is_empty() && positive(exponent) && positive(modulus);
        good.then(|| Self { modulus: without_zeros(modulus), exponent: without_zeros(exponent) })
    }

    fn of_pem(body: &str) -> Option<Self> {
        let part = Pem::iter_from_buffer(body.as_bytes()).next()?.ok()?;
        if part.label != "PUBLIC KEY" {
            return None;
        }
        let (_, info) = SubjectPublicKeyInfo::from_der(&part.contents).ok()?;
        match info.parsed().ok()? {
            PublicKey::RSA(key) => {
                Some(Self { modulus: without_zeros(key.modulus), exponent: without_zeros(key.exponent) })
            }
            _ => None,
        }
    }

    fn blob(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in [KIND.to_vec(), unsigned(&self.exponent), unsigned(&self.modulus)] {
            out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(part);
        }
        out
    }

    /// As a `SubjectPublicKeyInfo` in PEM (RFC 8017, A.1; RFC 7468, 13).
    fn pem(&self) -> String {
        const RSA_ENCRYPTION: [u8; 15] =
            [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
        let numbers = [der(0x02, &unsigned(&self.modulus)), der(0x02, &unsigned(&self.exponent))].concat();
        let bits = [vec![0], der(0x30, &numbers)].concat();
        let info = der(0x30, &[RSA_ENCRYPTION.to_vec(), der(0x03, &bits)].concat());
        let encoded = text::base64(&info);
        let lines: Vec<&str> =
            (0..encoded.len()).step_by(64).filter_map(|at| encoded.get(at..(at + 64).min(encoded.len()))).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

/// A positive number's bytes begin with a bit that is not set.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let sign = number.first().is_some_and(|byte| *byte >= 0x80);
    sign.then_some(0).into_iter().chain(number.iter().copied()).collect()
}

/// A value of ASN.1 with its tag and length.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = without_zeros(&value.len().to_be_bytes());
    let mut out = vec![tag];
    match (value.len(), u8::try_from(length.len())) {
        (short, _) if short < 0x80 => out.push(u8::try_from(short).unwrap_or(0)),
        (_, Ok(bytes)) => {
            out.push(0x80 | bytes);
            out.extend(length);
        }
        // A length of more than 255 bytes is that of no memory.
        (_, Err(_)) => {}
    }
    out.extend(value);
    out
}

/// A string of SSH's, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The MD5 of what SSH sends, as `ssh-keygen -l -E md5` shows it.
fn fingerprint(blob: &[u8]) -> String {
    let bytes: Vec<String> = Md5::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

impl Row {
    fn output(&self, user: &str, id: String, body: String) -> output::SSHPublicKey {
        output::SSHPublicKey {
            user_name: user.to_owned(),
            ssh_public_key_id: id,
            fingerprint: fingerprint(&self.blob),
            ssh_public_key_body: body,
            status: keys::status(self.active),
            upload_date: Timestamp::from_second(self.uploaded).ok(),
        }
    }
}

/// Whether a user has some, which keeps it from being deleted.
pub(crate) fn any(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<bool> {
    Ok(!KEYS.all(from, &(account, user))?.is_empty())
}

/// A user has another name.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, before: &str, after: &str) -> Result<()> {
    pages::move_rows(tx, &KEYS, account, before, after)
}

fn find(from: &(impl Read + ?Sized), account: &str, user: &str, id: &str) -> Result<Row> {
    Kind::User.find(from, account, user)?;
    let found = KEYS.get(from, &(account, user.to_lowercase(), id))?;
    found
        .ok_or_else(|| errors::no_such_entity_exception(format!("The Public Key with id {id} cannot be found.")).into())
}

pub(crate) async fn upload(cx: &Cx, input: api::UploadSSHPublicKeyInput) -> Result<api::UploadSSHPublicKeyOutput> {
    let blob = Rsa::read(&input.ssh_public_key_body)?.blob();
    let row = Row { blob: blob.into(), active: true, uploaded: cx.now().as_second() };
    let id = cx.random().id("APKA", 17);
    let user = cx
        .write(|tx| {
            let user = Kind::User.find(tx, cx.account(), &input.user_name)?;
            let there = KEYS.all(tx, &(cx.account(), user.name.to_lowercase()))?;
            if there.iter().any(|entry| entry.row.blob == row.blob) {
                let message = "The SSH public key is already associated with the specified IAM user.";
                return Err(errors::duplicate_ssh_public_key_exception(message).into());
            }
            if there.len() >= MOST {
                let message = format!("Cannot exceed quota for SSHPublicKeysPerUser: {MOST}");
                return Err(errors::limit_exceeded_exception(message).into());
            }
            KEYS.put(tx, &(cx.account(), user.name.to_lowercase(), &id), &row);
            Ok(user.name)
        })
        .await?;
    let ssh_public_key = row.output(&user, id, input.ssh_public_key_body);
    Ok(api::UploadSSHPublicKeyOutput { ssh_public_key: Some(ssh_public_key) })
}

pub(crate) fn get(cx: &Cx, input: api::GetSSHPublicKeyInput) -> Result<api::GetSSHPublicKeyOutput> {
    let from = cx.read();
    let user = Kind::User.find(&from, cx.account(), &input.user_name)?;
    let row = find(&from, cx.account(), &user.name, &input.ssh_public_key_id)?;
    let body = if input.encoding == "PEM" {
        Rsa::of_blob(&row.blob).ok_or_else(|| cx.broken("an SSH key that was taken cannot be read"))?.pem()
    } else {
        format!("ssh-rsa {}", text::base64(&row.blob))
    };
    let ssh_public_key = Some(row.output(&user.name, input.ssh_public_key_id, body));
    Ok(api::GetSSHPublicKeyOutput { ssh_public_key })
}

pub(crate) fn list(cx: &Cx, input: api::ListSSHPublicKeysInput) -> Result<api::ListSSHPublicKeysOutput> {
    let name = keys::user_of(cx, input.user_name)?;
    let from = cx.read();
    let user = Kind::User.find(&from, cx.account(), &name)?;
    let rows = KEYS.all(&from, &(cx.account(), user.name.to_lowercase()))?.into_iter().filter_map(|entry| {
        Some(output::SSHPublicKeyMetadata {
            user_name: user.name.clone(),
            ssh_public_key_id: entry.key::<(String, String, String)>()?.2,
            status: keys::status(entry.row.active),
            upload_date: Timestamp::from_second(entry.row.uploaded).ok()?,
        })
    });
    let place = |k: &output::SSHPublicKeyMetadata| k.ssh_public_key_id.clone();
    let list = format!("ListSSHPublicKeys {}", user.name);
    let (found, is_truncated, marker) =
        pages::page(&list, rows.collect(), place, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListSSHPublicKeysOutput { ssh_public_keys: Some(found), is_truncated, marker })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateSSHPublicKeyInput) -> Result<()> {
    let active = keys::is_active(&input.status, "SSH public keys")?;
    cx.write(|tx| {
        let row = find(tx, cx.account(), &input.user_name, &input.ssh_public_key_id)?;
        let key = (cx.account(), input.user_name.to_lowercase(), &input.ssh_public_key_id);
        KEYS.put(tx, &key, &Row { active, ..row });
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteSSHPublicKeyInput) -> Result<()> {
    cx.write(|tx| {
        find(tx, cx.account(), &input.user_name, &input.ssh_public_key_id)?;
        KEYS.delete(tx, &(cx.account(), input.user_name.to_lowercase(), &input.ssh_public_key_id));
        Ok(())
    })
    .await
}
