//! What a function is, and where it is found.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{BlobId, Blobs, Read, Table, Tx, is_account};
use undercast_kernel::{Cx, Result};

use crate::alias::{self, Alias};
use crate::error;
use crate::version::VERSIONS;

/// Account, region, name → function.
pub(crate) static FUNCTIONS: Table<Function> = Table::new("lambda.functions");

/// A function.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Function {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) name: String,
    #[n(3)]
    pub(crate) runtime: String,
    #[n(4)]
    pub(crate) role: String,
    /// Empty where the runtime needs none.
    #[n(5)]
    pub(crate) handler: String,
    #[n(6)]
    pub(crate) description: String,
    /// Seconds.
    #[n(7)]
    pub(crate) timeout: i32,
    /// MiB.
    #[n(8)]
    pub(crate) memory: i32,
    /// MiB of `/tmp`.
    #[n(9)]
    pub(crate) storage: i32,
    #[n(10)]
    pub(crate) variables: BTreeMap<String, String>,
    #[n(11)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(12)]
    pub(crate) code: Code,
    /// Where its logs go, if not to the group that is named after it.
    #[n(13)]
    pub(crate) log_group: Option<String>,
    /// Milliseconds since 1970.
    #[n(14)]
    pub(crate) modified: i64,
    /// Made anew with every change.
    #[n(15)]
    pub(crate) revision: String,
    /// Made anew with every change that environments must not outlive.
    #[n(16)]
    pub(crate) generation: String,
    /// So many may run at a time, and no others take their places.
    #[n(17)]
    pub(crate) reserved: Option<i32>,
    /// Statements of its policy, by their ids, as JSON.
    #[n(18)]
    pub(crate) permissions: Vec<(String, String)>,
    /// Its code was unpacked once.
    #[n(19)]
    pub(crate) active: bool,
    #[n(20)]
    pub(crate) url: Option<Url>,
    /// The number of a published version; `None`: this is `$LATEST`.
    #[n(21)]
    pub(crate) version: Option<u64>,
    /// The number of the version that was published last, of `$LATEST`.
    #[n(22)]
    #[cbor(default)]
    pub(crate) published: u64,
    /// What `$LATEST` was when this version was made of it.
    #[n(23)]
    #[cbor(default)]
    pub(crate) origin: String,
    /// In their order: a later one hides what an earlier one has under the same name.
    #[n(24)]
    #[cbor(default)]
    pub(crate) layers: Vec<Attached>,
    /// ARN of the queue or topic that gets events that nothing came of.
    #[n(25)]
    pub(crate) dead_letters: Option<String>,
    /// ARN of its code signing configuration.
    #[n(26)]
    pub(crate) signing: Option<String>,
    /// Its log is JSON, from these levels on; `None`: it is text.
    #[n(27)]
    pub(crate) json_logs: Option<Levels>,
}

/// From which levels on what is said is logged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Levels {
    /// Of what the function says.
    #[n(0)]
    pub(crate) application: String,
    /// Of what Lambda says.
    #[n(1)]
    pub(crate) system: String,
}

/// A layer that a function has. It stays as it was, whatever becomes of the layer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Attached {
    /// ARN of its version.
    #[n(0)]
    pub(crate) arn: String,
    #[n(1)]
    pub(crate) code: Code,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Code {
    /// SHA-256 in hexadecimal: the blob's name.
    #[n(0)]
    pub(crate) id: String,
    /// Bytes of the zip file.
    #[n(1)]
    pub(crate) size: u64,
    /// Bytes of what is in it.
    #[n(2)]
    #[cbor(default)]
    pub(crate) unzipped: u64,
}

impl Code {
    pub(crate) fn blob(&self) -> BlobId {
        BlobId(self.id.clone())
    }
}

/// A function's URL.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Url {
    /// What stands before `.lambda-url`.
    #[n(0)]
    pub(crate) id: String,
    /// `NONE` or `AWS_IAM`.
    #[n(1)]
    pub(crate) auth: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) modified: i64,
    /// What pages of other origins may do, as JSON.
    #[n(4)]
    pub(crate) cors: Option<String>,
    /// What the function answers is handed on piece by piece.
    #[n(5)]
    #[cbor(default)]
    pub(crate) streams: bool,
}

impl Function {
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn place(&self) -> FunctionName {
        FunctionName {
            account: self.account.clone(),
            region: self.region.clone(),
            name: self.name.clone(),
            qualifier: None,
        }
    }

    /// Where its environments are: each published version has its own.
    pub(crate) fn version_place(&self) -> FunctionName {
        FunctionName { qualifier: self.version.map(|number| number.to_string()), ..self.place() }
    }

    /// `$LATEST`, or the number of a published version.
    pub(crate) fn version_name(&self) -> String {
        self.version.map_or_else(|| "$LATEST".to_owned(), |number| number.to_string())
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        self.place().arn(cx)
    }

    pub(crate) fn log_group(&self) -> String {
        self.log_group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", self.name))
    }

    /// Keeps its packages, as long as this row is there.
    pub(crate) fn retain(&self, tx: &mut Tx<'_>) -> Result<()> {
        for code in self.packages() {
            Blobs::retain(tx, &self.account, &code.blob())?;
        }
        Ok(())
    }

    /// Lets go of its packages.
    pub(crate) fn release(&self, tx: &mut Tx<'_>) -> Result<()> {
        for code in self.packages() {
            Blobs::release(tx, &self.account, &code.blob())?;
        }
        Ok(())
    }

    pub(crate) fn packages(&self) -> impl Iterator<Item = &Code> {
        std::iter::once(&self.code).chain(self.layers.iter().map(|layer| &layer.code))
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        match self.version {
            Some(number) => VERSIONS.put(tx, &(&self.account, &self.region, &self.name, number), self),
            None => FUNCTIONS.put(tx, &self.key(), self),
        }
    }
}

/// What a qualifier says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Qualifier {
    /// What can be changed.
    Latest,
    /// What was published under this number.
    Version(u64),
    /// What the alias of this name leads to.
    Alias(String),
}

/// How a function is named: by name, by part of an ARN, or by an ARN, with a qualifier or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FunctionName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
}

impl FunctionName {
    /// Takes a name apart. `qualifier` is what the call says beside it.
    pub(crate) fn parse(cx: &Cx, text: &str, qualifier: Option<&str>) -> Result<Self> {
        let arn = Arn::parse(text).filter(|a| a.service == "lambda");
        let (region, rest) = match &arn {
            Some(arn) => (arn.region.clone(), format!("{}:{}", arn.account, arn.resource)),
            None => (cx.region().to_owned(), text.to_owned()),
        };
        if region != cx.region() {
            return Err(error::not_found(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                cx.region()
            )));
        }
        let mut parts: Vec<&str> = rest.split(':').collect();
        let digits = |part: &&str| is_account(part);
        let account = if parts.len() > 1 && parts.first().is_some_and(digits) { parts.remove(0) } else { cx.account() };
        if parts.first() == Some(&"function") && parts.len() > 1 {
            parts.remove(0);
        }
        let name = parts.first().copied().unwrap_or_default().to_owned();
        let own = parts.get(1).copied();
        if let (Some(own), Some(given)) = (own, qualifier)
            && own != given
        {
            return Err(error::invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        let qualifier = qualifier.or(own).map(ToOwned::to_owned);
        Ok(Self { account: account.to_owned(), region, name, qualifier })
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    /// Its ARN, with the qualifier that was given.
    pub(crate) fn qualified_arn(&self, cx: &Cx) -> String {
        let end = self.qualifier.as_ref().map_or(String::new(), |q| format!(":{q}"));
        format!("{}{end}", self.arn(cx))
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:lambda:{}:{}:function:{}", cx.partition(), self.region, self.account, self.name)
    }

    /// What its qualifier says.
    pub(crate) fn what(&self) -> Qualifier {
        match self.qualifier.as_deref() {
            None | Some("$LATEST") => Qualifier::Latest,
            Some(text) => text.parse().map_or_else(|_| Qualifier::Alias(text.to_owned()), Qualifier::Version),
        }
    }

    /// The same function without a qualifier.
    pub(crate) fn unqualified(&self) -> Self {
        Self { qualifier: None, ..self.clone() }
    }

    /// The function itself, which is its `$LATEST`, or AWS's error.
    pub(crate) fn find(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Function> {
        let found = FUNCTIONS.get(from, &self.key())?;
        found.filter(|_| self.what() == Qualifier::Latest).ok_or_else(|| error::no_function(&self.qualified_arn(cx)))
    }

    /// The version that the qualifier says. An alias is the version that it leads to first.
    pub(crate) fn find_version(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Function> {
        self.choose(cx, from, |alias| alias.version.clone())
    }

    /// The version that is to run now. An alias of two versions gives each its share, as chance will have it.
    pub(crate) fn find_to_run(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Function> {
        self.choose(cx, from, |alias| alias.route(cx.random().fraction()).to_owned())
    }

    fn choose(&self, cx: &Cx, from: &(impl Read + ?Sized), of: impl FnOnce(&Alias) -> String) -> Result<Function> {
        let missing = || error::no_function(&self.qualified_arn(cx));
        let latest = FUNCTIONS.get(from, &self.key())?.ok_or_else(missing)?;
        let chosen = match self.what() {
            Qualifier::Alias(name) => {
                let alias = alias::ALIASES.get(from, &(&self.account, &self.region, &self.name, &name))?;
                of(&alias.ok_or_else(missing)?)
            }
            Qualifier::Latest => return Ok(latest),
            Qualifier::Version(number) => number.to_string(),
        };
        let Ok(number) = chosen.parse::<u64>() else { return Ok(latest) };
        let found = VERSIONS.get(from, &(&self.account, &self.region, &self.name, number))?;
        // Tags and reserved concurrency are the function's, whatever version runs.
        found.map(|v| Function { tags: latest.tags, reserved: latest.reserved, ..v }).ok_or_else(missing)
    }
}
