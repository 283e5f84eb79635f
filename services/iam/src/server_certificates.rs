//! Server certificates: with their keys and chains, for what ends TLS.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::certificates::Certificate;
use crate::entity::{add_tags, tags_input, tags_output};
use crate::pages;

/// Account, name in small letters → certificate.
static CERTIFICATES: Table<Row> = Table::new("iam.server_certificates");
/// The same → its private key, which no answer shows.
static KEYS: Table<String> = Table::new("iam.server_certificate_keys");

/// An account has so many.
pub(crate) const MOST: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Row {
    #[n(0)]
    id: String,
    #[n(1)]
    name: String,
    #[n(2)]
    path: String,
    /// Seconds since 1970.
    #[n(3)]
    uploaded: i64,
    #[n(4)]
    expires: i64,
    #[n(5)]
    body: String,
    #[n(6)]
    chain: Option<String>,
    #[n(7)]
    tags: BTreeMap<String, String>,
}

impl Row {
    fn arn(&self, cx: &Cx) -> String {
        cx.global_arn("iam", &format!("server-certificate{}{}", self.path, self.name))
    }

    fn metadata(&self, cx: &Cx) -> output::ServerCertificateMetadata {
        output::ServerCertificateMetadata {
            path: self.path.clone(),
            server_certificate_name: self.name.clone(),
            server_certificate_id: self.id.clone(),
            arn: self.arn(cx),
            upload_date: Timestamp::from_second(self.uploaded).ok(),
            expiration: Timestamp::from_second(self.expires).ok(),
        }
    }
}

fn not_found(name: &str) -> AwsError {
    errors::no_such_entity_exception(format!("The Server Certificate with name {name} cannot be found."))
}

fn already_there(name: &str) -> AwsError {
    errors::entity_already_exists_exception(format!("The Server Certificate with name {name} already exists."))
}

fn find(from: &(impl Read + ?Sized), account: &str, name: &str) -> Result<Row> {
    CERTIFICATES.get(from, &(account, name.to_lowercase()))?.ok_or_else(|| not_found(name).into())
}

/// The ARN of one. `None`: there is none of this name.
pub(crate) fn arn(cx: &Cx, from: &impl Read, name: &str) -> Result<Option<String>> {
    Ok(CERTIFICATES.get(from, &(cx.account(), name.to_lowercase()))?.map(|row| row.arn(cx)))
}

pub(crate) fn count(from: &(impl Read + ?Sized), account: &str) -> Result<usize> {
    Ok(CERTIFICATES.all(from, &(account,))?.len())
}

pub(crate) async fn upload(
    cx: &Cx,
    input: api::UploadServerCertificateInput,
) -> Result<api::UploadServerCertificateOutput> {
    let certificate = Certificate::read_one(&input.certificate_body)?;
    certificate.check_key(&input.private_key)?;
    if let Some(chain) = &input.certificate_chain {
        certificate.check_chain(chain)?;
    }
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, &tags_input(input.tags)?)?;
    let row = Row {
        id: cx.random().id("ASCA", 17),
        name: input.server_certificate_name,
        path: input.path.unwrap_or_else(|| "/".to_owned()),
        uploaded: cx.now().as_second(),
        expires: certificate.not_after,
        body: input.certificate_body,
        chain: input.certificate_chain,
        tags,
    };
    cx.write(|tx| {
        let key = (cx.account(), row.name.to_lowercase());
        if CERTIFICATES.has(tx, &key)? {
            return Err(already_there(&row.name).into());
        }
        if count(tx, cx.account())? >= MOST {
            let message = format!("Cannot exceed quota for ServerCertificatesPerAccount: {MOST}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        CERTIFICATES.put(tx, &key, &row);
        KEYS.put(tx, &key, &input.private_key);
        Ok(())
    })
    .await?;
    Ok(api::UploadServerCertificateOutput {
        server_certificate_metadata: Some(row.metadata(cx)),
        tags: tags_output(&row.tags),
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetServerCertificateInput) -> Result<api::GetServerCertificateOutput> {
    let row = find(&cx.read(), cx.account(), &input.server_certificate_name)?;
    let server_certificate = output::ServerCertificate {
        server_certificate_metadata: row.metadata(cx),
        tags: tags_output(&row.tags),
        certificate_body: row.body,
        certificate_chain: row.chain,
    };
    Ok(api::GetServerCertificateOutput { server_certificate })
}

pub(crate) fn list(cx: &Cx, input: &api::ListServerCertificatesInput) -> Result<api::ListServerCertificatesOutput> {
    let rows = CERTIFICATES.all(&cx.read(), &(cx.account(),))?.into_iter().map(|entry| entry.row);
    let wanted = rows.filter(|row| input.path_prefix.as_ref().is_none_or(|p| row.path.starts_with(p.as_str())));
    let all = wanted.map(|row| row.metadata(cx)).collect();
    let name = |m: &output::ServerCertificateMetadata| m.server_certificate_name.to_lowercase();
    let (server_certificate_metadata_list, is_truncated, marker) =
        pages::page("ListServerCertificates", all, name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListServerCertificatesOutput { server_certificate_metadata_list, is_truncated, marker })
}

/// Gives one another name or path.
pub(crate) async fn update(cx: &Cx, input: api::UpdateServerCertificateInput) -> Result<()> {
    cx.write(|tx| {
        let mut row = find(tx, cx.account(), &input.server_certificate_name)?;
        let before = (cx.account(), row.name.to_lowercase());
        if let Some(name) = &input.new_server_certificate_name {
            row.name.clone_from(name);
        }
        if let Some(path) = &input.new_path {
            row.path.clone_from(path);
        }
        let after = (cx.account(), row.name.to_lowercase());
        if after != before {
            if CERTIFICATES.has(tx, &after)? {
                return Err(already_there(&row.name).into());
            }
            if let Some(key) = KEYS.get(tx, &before)? {
                KEYS.put(tx, &after, &key);
            }
            remove(tx, &before);
        }
        CERTIFICATES.put(tx, &after, &row);
        Ok(())
    })
    .await
}

fn remove(tx: &mut Tx<'_>, key: &(&str, String)) {
    CERTIFICATES.delete(tx, key);
    KEYS.delete(tx, key);
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteServerCertificateInput) -> Result<()> {
    cx.write(|tx| {
        let row = find(tx, cx.account(), &input.server_certificate_name)?;
        remove(tx, &(cx.account(), row.name.to_lowercase()));
        Ok(())
    })
    .await
}

async fn change(cx: &Cx, name: &str, mut change: impl FnMut(&mut Row) -> Result<()>) -> Result<()> {
    cx.write(|tx| {
        let mut row = find(tx, cx.account(), name)?;
        change(&mut row)?;
        CERTIFICATES.put(tx, &(cx.account(), name.to_lowercase()), &row);
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagServerCertificateInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    change(cx, &input.server_certificate_name, |row| add_tags(&mut row.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagServerCertificateInput) -> Result<()> {
    change(cx, &input.server_certificate_name, |row| {
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(crate) fn list_tags(
    cx: &Cx,
    input: &api::ListServerCertificateTagsInput,
) -> Result<api::ListServerCertificateTagsOutput> {
    let row = find(&cx.read(), cx.account(), &input.server_certificate_name)?;
    let list = format!("ListServerCertificateTags {}", row.name);
    let (tags, is_truncated, marker) = pages::tags(&list, &row.tags, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListServerCertificateTagsOutput { tags, is_truncated, marker })
}
