//! Signing certificates of users: X.509 certificates by which SOAP requests were once signed.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::certificates::Certificate;
use crate::entity::Kind;
use crate::{keys, pages, root_user};

/// Account, user in small letters, id → certificate.
static CERTIFICATES: Table<Row> = Table::new("iam.signing_certificates");

/// A user has so many.
pub(crate) const MOST: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Row {
    #[n(0)]
    body: String,
    #[n(1)]
    active: bool,
    /// Seconds since 1970.
    #[n(2)]
    uploaded: i64,
}

impl Row {
    fn output(&self, user: &str, id: String) -> output::SigningCertificate {
        output::SigningCertificate {
            user_name: user.to_owned(),
            certificate_id: id,
            certificate_body: self.body.clone(),
            status: keys::status(self.active),
            upload_date: Timestamp::from_second(self.uploaded).ok(),
        }
    }
}

/// Those of a user, each with its id.
fn all(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<Vec<(String, Row)>> {
    let rows = CERTIFICATES.all(from, &(account, user.to_lowercase()))?.into_iter();
    Ok(rows.filter_map(|entry| Some((entry.key::<(String, String, String)>()?.2, entry.row))).collect())
}

/// Whether a user has some, which keeps it from being deleted.
pub(crate) fn any(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<bool> {
    Ok(!all(from, account, user)?.is_empty())
}

/// Whether they are active, and when they were uploaded, the oldest first.
pub(crate) fn of(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<Vec<(bool, i64)>> {
    let mut all: Vec<_> = all(from, account, user)?.into_iter().map(|(_, row)| (row.active, row.uploaded)).collect();
    all.sort_by_key(|(_, uploaded)| *uploaded);
    Ok(all)
}

/// A user has another name.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, before: &str, after: &str) -> Result<()> {
    pages::move_rows(tx, &CERTIFICATES, account, before, after)
}

fn not_found(id: &str) -> AwsError {
    errors::no_such_entity_exception(format!("The Certificate with id {id} cannot be found."))
}

fn find(from: &(impl Read + ?Sized), account: &str, user: &str, id: &str) -> Result<Row> {
    Kind::User.find(from, account, user)?;
    let found = CERTIFICATES.get(from, &(account, user.to_lowercase(), id))?;
    found.ok_or_else(|| not_found(id).into())
}

pub(crate) async fn upload(
    cx: &Cx,
    input: api::UploadSigningCertificateInput,
) -> Result<api::UploadSigningCertificateOutput> {
    let name = keys::user_of(cx, input.user_name)?;
    let certificate = Certificate::read_one(&input.certificate_body)?;
    let now = cx.now().as_second();
    if now < certificate.not_before || now >= certificate.not_after {
        let message = "The certificate is expired, or not valid yet.";
        return Err(errors::invalid_certificate_exception(message).into());
    }
    let id = cx.random().text(32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    let row = Row { body: input.certificate_body, active: true, uploaded: now };
    let user = cx
        .write(|tx| {
            let user = Kind::User.find(tx, cx.account(), &name)?;
            let there = all(tx, cx.account(), &user.name)?;
            if there.iter().any(|(_, row)| certificate.is(&row.body)) {
                let message = "The certificate is already associated with the user.";
                return Err(errors::duplicate_certificate_exception(message).into());
            }
            if there.len() >= MOST {
                let message = format!("Cannot exceed quota for SigningCertificatesPerUser: {MOST}");
                return Err(errors::limit_exceeded_exception(message).into());
            }
            CERTIFICATES.put(tx, &(cx.account(), user.name.to_lowercase(), &id), &row);
            Ok(user.name)
        })
        .await?;
    Ok(api::UploadSigningCertificateOutput { certificate: row.output(&user, id) })
}

pub(crate) fn list(cx: &Cx, input: api::ListSigningCertificatesInput) -> Result<api::ListSigningCertificatesOutput> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        let (certificates, is_truncated) = (Vec::new(), Some(false));
        return Ok(api::ListSigningCertificatesOutput { certificates, is_truncated, marker: None });
    }
    let name = keys::user_of(cx, input.user_name)?;
    let from = cx.read();
    let user = Kind::User.find(&from, cx.account(), &name)?;
    let all = all(&from, cx.account(), &user.name)?.into_iter().map(|(id, row)| row.output(&user.name, id)).collect();
    let place = |c: &output::SigningCertificate| c.certificate_id.clone();
    let list = format!("ListSigningCertificates {}", user.name);
    let (certificates, is_truncated, marker) =
        pages::page(&list, all, place, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListSigningCertificatesOutput { certificates, is_truncated, marker })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateSigningCertificateInput) -> Result<()> {
    let name = keys::user_of(cx, input.user_name)?;
    let active = keys::is_active(&input.status, "signing certificates")?;
    cx.write(|tx| {
        let row = find(tx, cx.account(), &name, &input.certificate_id)?;
        CERTIFICATES.put(tx, &(cx.account(), name.to_lowercase(), &input.certificate_id), &Row { active, ..row });
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteSigningCertificateInput) -> Result<()> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        return Err(not_found(&input.certificate_id).into());
    }
    let name = keys::user_of(cx, input.user_name)?;
    cx.write(|tx| {
        find(tx, cx.account(), &name, &input.certificate_id)?;
        CERTIFICATES.delete(tx, &(cx.account(), name.to_lowercase(), &input.certificate_id));
        Ok(())
    })
    .await
}
