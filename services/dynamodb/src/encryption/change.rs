//! Changing what a table is encrypted with: UpdateTable, and tables that are restored.

use super::{Changes, Encryption, For, KmsKey, TableKey, Wanted, description, kms, wanted};
use crate::DynamoDb;
use crate::api::UpdateTableOutput;
use crate::api::input::SSESpecification;
use crate::api::output::SSEDescription;
use crate::error::{Error, Result};
use crate::request::{scope, table_name};
use crate::rows;
use crate::table::Table;
use crate::tables::describe;
use undercast_kernel::Cx;

impl DynamoDb {
    /// Changes what a table is encrypted with.
    ///
    /// # Errors
    /// What AWS says, what KMS refuses, and when the store fails.
    pub(crate) async fn change_encryption(
        &self,
        cx: &Cx,
        given: &str,
        specification: &SSESpecification,
    ) -> Result<UpdateTableOutput> {
        let wanted = wanted(specification)?;
        let table = self.settled(cx, &cx.read(), given)?;
        let new = self.recrypt(cx, &table, &wanted).await?;
        let shown = cx
            .write(|tx| {
                let now = self.settled(cx, tx, given)?;
                if now.id != table.id || now.encryption != table.encryption {
                    return Err(Error::in_use("Server-Side Encryption is still being updated").into());
                }
                let mut changed = Table { encryption: Some(new.clone()), ..(*now).clone() };
                self.descriptions.attach(&mut changed);
                rows::put_table(tx, scope(cx), &changed);
                self.watch_key(cx, tx, &changed)?;
                // The answer shows what is being left, as AWS's does.
                let left = description(&now).unwrap_or(SSEDescription::default());
                let mut shown = describe::description(cx, tx, &now, describe::status(&now))?;
                shown.sse_description = Some(SSEDescription { status: Some("UPDATING".to_owned()), ..left });
                Ok(shown)
            })
            .await?;
        self.let_go(cx, table.encryption.as_ref()).await?;
        Ok(UpdateTableOutput { table_description: Some(shown) })
    }

    /// What a table shall be encrypted with from now on.
    async fn recrypt(&self, cx: &Cx, table: &Table, wanted: &Wanted) -> Result<Encryption> {
        let old = table.encryption.as_ref();
        let old_kms = old.and_then(|encryption| encryption.kms.as_ref());
        let changed = old.and_then(|encryption| encryption.changes.as_ref());
        if let (Wanted::Kms(_), Some(changed)) = (wanted, changed) {
            changed.allow(cx.now_millis())?;
        }
        match (wanted, old_kms) {
            (Wanted::Owned, None) => return Err(Error::invalid("Table is already encrypted by default")),
            (Wanted::Kms(given), Some(kms)) if *given == kms.arn => {
                return Err(Error::invalid(
                    "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to \
                     change Master Key",
                ));
            }
            _ => {}
        }
        if old.is_some_and(|encryption| encryption.updating) {
            return Err(Error::in_use("Server-Side Encryption is still being updated"));
        }
        let changes = Some(Changes::another(changed, cx.now_millis()));
        let plain = self.plain_keys(cx, For::Caller, table).await?;
        let old_keys = old.map_or(&[][..], |encryption| &encryption.keys);
        let Wanted::Kms(given) = wanted else {
            let bare =
                |(key, plain): (&TableKey, Vec<u8>)| TableKey { id: key.id.clone(), wrapped: plain, plain: true };
            let keys = old_keys.iter().zip(plain).map(bare).collect();
            return Ok(Encryption { keys, kms: None, inaccessible: None, updating: false, changes });
        };
        let granted = kms::grant(cx, &table.name, given).await?;
        let mut keys = Vec::with_capacity(old_keys.len() + 1);
        for (key, plain) in old_keys.iter().zip(&plain) {
            let wrapped = kms::wrap(cx, &table.name, &granted.arn, plain).await?;
            keys.push(TableKey { id: key.id.clone(), wrapped, plain: false });
        }
        // What could be read without KMS is sealed anew, with a key that never stood beside it.
        let fresh = old_kms.is_none();
        if fresh {
            keys.push(self.new_key(cx, &table.name, &granted.arn).await?);
        }
        let kms = Some(KmsKey { arn: granted.arn, grant: granted.grant });
        Ok(Encryption { keys, kms, inaccessible: None, updating: fresh, changes })
    }

    /// What a table that is made of another one is encrypted with: as that is, unless something else is asked for.
    ///
    /// # Errors
    /// What AWS says of a specification, and what KMS refuses.
    pub(crate) async fn encrypt_restored(
        &self,
        cx: &Cx,
        source: &Table,
        target: &str,
        asked: Option<&SSESpecification>,
    ) -> Result<Option<Encryption>> {
        let of_source = source.encryption.as_ref().and_then(|encryption| encryption.kms.as_ref());
        let wanted = match (asked, of_source) {
            (Some(asked), _) => wanted(asked)?,
            (None, Some(kms)) => Wanted::Kms(kms.arn.clone()),
            (None, None) => Wanted::Owned,
        };
        self.open(cx, For::Caller, source).await?;
        let name = table_name(cx, target)?;
        // A name that is taken leaves no grant behind.
        if self.descriptions.any(&cx.read(), scope(cx), name)?.is_some() {
            return Err(Error::target_exists(name));
        }
        self.encrypt(cx, name, &wanted).await
    }
}
