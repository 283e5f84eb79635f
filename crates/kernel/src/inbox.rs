//! The inbox: what would leave this machine for people: e-mails, short messages, notifications of phones. It is kept for
//! whoever runs the cloud to read, and goes nowhere.

use minicbor::{Decode, Encode};
use serde::Serialize;
use undercast_store::{Order, Table, Tx};

use crate::{Cx, Kernel, Result};

/// Account, region, number → letter.
static LETTERS: Table<Letter> = Table::new("kernel.inbox");
/// Account, region → number of the next letter.
static NEXT: Table<u64> = Table::new("kernel.inbox.next");

/// So many letters of an account and a region are kept, the newest ones.
const KEPT: u64 = 1_000;

/// What somebody would get.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Letter {
    /// `email`, `sms`, `push`
    #[n(0)]
    pub kind: String,
    /// An address, a number, or the token of a device.
    #[n(1)]
    pub to: String,
    /// From whom: the service's name for it.
    #[n(2)]
    pub from: String,
    /// Subject, where there is one.
    #[n(3)]
    pub subject: Option<String>,
    /// What it says.
    #[n(4)]
    pub text: String,
    /// Milliseconds since 1970.
    #[n(5)]
    pub time: i64,
    /// Account.
    #[n(6)]
    pub account: String,
    /// Region.
    #[n(7)]
    pub region: String,
}

impl Cx {
    /// Puts something into the inbox with the writes of a transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub fn post(
        &self,
        tx: &mut Tx<'_>,
        kind: &str,
        to: &str,
        from: &str,
        subject: Option<&str>,
        text: &str,
    ) -> Result<()> {
        let number = NEXT.get(tx, &(self.account(), self.region()))?.unwrap_or(1);
        NEXT.put(tx, &(self.account(), self.region()), &(number + 1));
        let letter = Letter {
            kind: kind.to_owned(),
            to: to.to_owned(),
            from: from.to_owned(),
            subject: subject.map(ToOwned::to_owned),
            text: text.to_owned(),
            time: self.now_millis(),
            account: self.account().to_owned(),
            region: self.region().to_owned(),
        };
        LETTERS.put(tx, &self.key(number), &letter);
        if number > KEPT {
            LETTERS.delete(tx, &self.key(number - KEPT));
        }
        Ok(())
    }
}

impl Kernel {
    /// What is in the inbox, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn inbox(&self) -> Result<Vec<Letter>> {
        let read = self.database().read();
        let mut letters: Vec<Letter> = LETTERS.all(&read, &())?.into_iter().map(|entry| entry.row).collect();
        letters.sort_by_key(|letter| letter.time);
        Ok(letters)
    }

    /// Empties the inbox; says how many letters there were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn empty_inbox(&self) -> Result<usize> {
        self.database()
            .write(|tx| {
                let mut removed = 0;
                while !LETTERS.page(tx, &(), None::<&()>, Order::Ascending, 1)?.is_empty() {
                    removed += LETTERS.clear(tx, &())?;
                }
                Ok(removed)
            })
            .await
    }
}
