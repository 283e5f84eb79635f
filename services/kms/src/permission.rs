//! Who may do what with a key: its policy decides, with the caller's own policies where it says so, and grants beside it.
//!
//! Source: "Key policies", "Determining access to AWS KMS keys", "Condition keys for AWS KMS" in the KMS developer guide.

use std::collections::BTreeMap;

use undercast_kernel::policy::{MapContext, PolicyKind, ResourceRule};
use undercast_kernel::store::Read;
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::envelope::{Context, Origin};
use crate::reference::Reference;
use crate::rows::{KEYS, Key};
use crate::{error, grants, managed};

/// The operations that a key can be used for from another account.
const FROM_OTHERS: &[&str] = &[
    "CreateGrant",
    "Decapsulate",
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encapsulate",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetKeyRotationStatus",
    "GetPublicKey",
    "ListGrants",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RevokeGrant",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// What a call asks of a key, as grants see it.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    /// The encryption context; of a new grant, that of its constraints.
    pub(crate) context: Context,
    /// Operations of a new grant.
    pub(crate) operations: Vec<String>,
    /// A new grant asks for exactly this encryption context.
    pub(crate) exact: bool,
}

/// What a call needs. `draft` is an AWS managed key that is about to be made for it: it stands for its alias.
pub(crate) fn access(
    cx: &Cx,
    operation: &'static Operation,
    input: &Fields,
    draft: Option<&Key>,
) -> Result<Vec<Access>> {
    let call = Call { cx, operation: operation.name, input, draft };
    match operation.name {
        "GenerateRandom" | "ListAliases" | "ListKeys" | "ListRetirableGrants" => Ok(vec![call.on_nothing()]),
        name if name.contains("CustomKeyStore") => Ok(vec![call.on_nothing()]),
        "CreateKey" => Ok(std::iter::once(call.on_nothing()).chain(call.tagging()).collect()),
        "CreateAlias" | "DeleteAlias" | "UpdateAlias" => call.on_alias(),
        "ReEncrypt" => call.re_encrypt(),
        "ReplicateKey" => call.replicate(),
        "UpdatePrimaryRegion" => call.update_primary(),
        "RetireGrant" => grants::may_retire(cx, &cx.read(), input),
        "Decrypt" if input.get("KeyId").is_none() => call.on_ciphertext("Decrypt", "EncryptionContext"),
        name => call.on_reference(name, "KeyId", "EncryptionContext"),
    }
}

/// A permission on a key that is here, without what a call says.
pub(crate) fn on_key(cx: &Cx, from: &(impl Read + ?Sized), key: &Key, action: &'static str) -> Result<Access> {
    let arn = key.arn(cx);
    let policy = cx.policies().compile(PolicyKind::Resource, &key.policy).map_err(Failure::broken)?;
    let mut access = Access::new(format!("kms:{action}"), &arn).in_account(&key.account).with_policy(&arn, policy);
    access.rule = ResourceRule::MustAllow;
    caller(cx, &mut access.context);
    let context = &mut access.context;
    context.set("kms:KeySpec", &key.spec).set("kms:KeyUsage", &key.usage).set("kms:KeyOrigin", key.origin());
    context.set("kms:MultiRegion", key.family.is_some().to_string());
    if let Some(kind) = key.kind_in_family() {
        context.set("kms:MultiRegionKeyType", kind);
    }
    context.set_many("kms:ResourceAliases", key.aliases(from)?);
    for (name, value) in &key.tags {
        context.set(&format!("aws:ResourceTag/{name}"), value);
    }
    Ok(access)
}

/// The condition keys that every call has.
fn caller(cx: &Cx, context: &mut MapContext) {
    if !cx.principal().account.is_empty() {
        context.set("kms:CallerAccount", &cx.principal().account);
    }
    if let Some(service) = cx.forwarded_by() {
        let service = service.split('.').next().unwrap_or(service);
        context.set("kms:ViaService", format!("{service}.{}.amazonaws.com", cx.region()));
    }
}

/// A call, while what it needs is found out.
struct Call<'a> {
    cx: &'a Cx,
    operation: &'static str,
    input: &'a Fields,
    draft: Option<&'a Key>,
}

impl Call<'_> {
    fn on_nothing(&self) -> Access {
        let mut access = Access::new(format!("kms:{}", self.operation), "*");
        caller(self.cx, &mut access.context);
        self.said(&mut access.context);
        if self.operation == "CreateKey" {
            let spec = self.input.text("KeySpec").or(self.input.text("CustomerMasterKeySpec"));
            access.context.set("kms:KeySpec", spec.unwrap_or(crate::specs::SYMMETRIC));
            access.context.set("kms:KeyUsage", self.input.text("KeyUsage").unwrap_or(crate::specs::ENCRYPT));
            access.context.set("kms:KeyOrigin", self.input.text("Origin").unwrap_or("AWS_KMS"));
            let many = matches!(self.input.get("MultiRegion"), Some(Value::Boolean(true)));
            access.context.set("kms:MultiRegion", many.to_string());
            if many {
                access.context.set("kms:MultiRegionKeyType", "PRIMARY");
            }
        }
        access
    }

    /// The permission that tags of a new key need beside the one to make it.
    fn tagging(&self) -> Option<Access> {
        let tagged = matches!(self.input.get("Tags"), Some(Value::List(tags)) if !tags.is_empty());
        let mut access = Access::new("kms:TagResource", "*");
        caller(self.cx, &mut access.context);
        self.said_of_tags(&mut access.context);
        tagged.then_some(access)
    }

    /// A permission on the alias, which has no policy, and the same on its key or keys.
    fn on_alias(&self) -> Result<Vec<Access>> {
        let name = self.input.text("AliasName").unwrap_or_default();
        let mut alias = Access::new(format!("kms:{}", self.operation), self.cx.arn("kms", name));
        caller(self.cx, &mut alias.context);
        let mut needed = vec![alias];
        if self.operation != "CreateAlias" {
            let named = Reference::Alias { account: self.cx.account().to_owned(), name: name.to_owned() };
            // One that is not there is said by the handler, in the order of AWS's checks.
            if let Some(key) = named.find(self.cx, &self.cx.read())? {
                needed.push(on_key(self.cx, &self.cx.read(), &key, self.operation)?);
            }
        }
        if let Some(target) = self.input.text("TargetKeyId").filter(|target| !target.contains("alias/")) {
            needed.extend(self.on(self.operation, target, &Ask::default())?);
        }
        Ok(needed)
    }

    fn on_reference(&self, action: &'static str, member: &str, context: &str) -> Result<Vec<Access>> {
        let Some(given) = self.input.text(member) else { return Ok(Vec::new()) };
        let ask = self.ask(context);
        Ok(self.on(action, given, &ask)?.into_iter().collect())
    }

    /// A permission on the key that is named. `None`: it is an AWS managed key that is made when it is used.
    fn on(&self, action: &'static str, given: &str, ask: &Ask) -> Result<Option<Access>> {
        let (cx, read) = (self.cx, self.cx.read());
        let named = Reference::parse(cx, given)?;
        let found = match named.find(cx, &read)? {
            None if managed::made_on_use(cx, &named, self.operation) => match self.draft {
                Some(draft) => draft.clone(),
                None => return Ok(None),
            },
            None if named.account() == cx.account() => return Err(named.missing(cx).into()),
            None => return Err(self.not_yours(action, &named.arn(cx)).into()),
            Some(key) => key,
        };
        let mut access = self.of_key(&found, action, ask)?;
        if let Some(alias) = named.alias() {
            access.context.set("kms:RequestAlias", alias);
        }
        Ok(Some(access))
    }

    fn of_key(&self, key: &Key, action: &'static str, ask: &Ask) -> Result<Access> {
        let (cx, read) = (self.cx, self.cx.read());
        if key.account != cx.account() && !FROM_OTHERS.contains(&action) {
            return Err(self.not_yours(action, &key.arn(cx)).into());
        }
        let mut access = on_key(cx, &read, key, action)?;
        self.said(&mut access.context);
        for (name, value) in &ask.context {
            access.context.set(&format!("kms:EncryptionContext:{name}"), value);
        }
        access.context.set_many("kms:EncryptionContextKeys", ask.context.keys().cloned().collect());
        grants::allow(cx, &read, key, action, ask, access)
    }

    fn not_yours(&self, action: &str, arn: &str) -> undercast_kernel::AwsError {
        error::not_yours(&self.cx.principal().arn, &format!("kms:{action}"), arn)
    }

    /// A permission on the key that made a ciphertext.
    fn on_ciphertext(&self, action: &'static str, context: &str) -> Result<Vec<Access>> {
        let Some(Value::Blob(blob)) = self.input.get("CiphertextBlob") else { return Ok(Vec::new()) };
        let origin = Origin::of(blob)?;
        let id = origin.key_id(self.cx)?.ok_or_else(error::no_key_of_ciphertext)?;
        let key = KEYS.get(&self.cx.read(), &(&origin.account, self.cx.region(), &id))?;
        let key = key.ok_or_else(error::no_key_of_ciphertext)?;
        Ok(vec![self.of_key(&key, action, &self.ask(context))?])
    }

    fn re_encrypt(&self) -> Result<Vec<Access>> {
        let mut needed = match self.input.get("SourceKeyId") {
            Some(_) => self.on_reference("ReEncryptFrom", "SourceKeyId", "SourceEncryptionContext")?,
            None => self.on_ciphertext("ReEncryptFrom", "SourceEncryptionContext")?,
        };
        needed.extend(self.on_reference("ReEncryptTo", "DestinationKeyId", "DestinationEncryptionContext")?);
        let same = matches!(&needed[..], [from, to] if from.resource == to.resource);
        for access in &mut needed {
            access.context.set("kms:ReEncryptOnSameKey", same.to_string());
        }
        Ok(needed)
    }

    /// A permission on the primary key, and one to make a key in the other Region.
    fn replicate(&self) -> Result<Vec<Access>> {
        let mut needed = self.on_reference("ReplicateKey", "KeyId", "")?;
        let mut create = Access::new("kms:CreateKey", "*");
        caller(self.cx, &mut create.context);
        create.context.set("aws:RequestedRegion", self.input.text("ReplicaRegion").unwrap_or_default());
        create.context.set("kms:MultiRegion", "true").set("kms:MultiRegionKeyType", "REPLICA");
        self.said_of_tags(&mut create.context);
        let region = create.context.clone();
        needed.push(create);
        needed.extend(self.tagging().map(|tagging| Access { context: region, ..tagging }));
        Ok(needed)
    }

    /// A permission on the key that is the primary one, and on the one that becomes it.
    fn update_primary(&self) -> Result<Vec<Access>> {
        let mut needed = self.on_reference("UpdatePrimaryRegion", "KeyId", "")?;
        let region = self.input.text("PrimaryRegion").unwrap_or_default();
        let there = self.cx.elsewhere(self.cx.account(), region);
        if let Some(Reference::Key { account, id }) =
            self.input.text("KeyId").map(|given| Reference::parse_key(self.cx, given)).transpose()?
            && let Some(key) = KEYS.get(&there.read(), &(&account, region, &id))?
        {
            let call = Call { cx: &there, ..*self };
            needed.push(call.of_key(&key, "UpdatePrimaryRegion", &Ask::default())?);
        }
        Ok(needed)
    }

    fn ask(&self, context: &str) -> Ask {
        let Some(constraints) = self.input.get("Constraints").filter(|_| self.operation == "CreateGrant") else {
            return Ask { context: texts(self.input.get(context)), operations: self.list("Operations"), exact: false };
        };
        let exact = constraints.get("EncryptionContextEquals");
        let context = texts(exact.or(constraints.get("EncryptionContextSubset")));
        Ask { context, operations: self.list("Operations"), exact: exact.is_some() }
    }

    fn list(&self, member: &str) -> Vec<String> {
        let Some(Value::List(items)) = self.input.get(member) else { return Vec::new() };
        items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    }

    /// The condition keys of members that a call has, or that have a default.
    fn said(&self, context: &mut MapContext) {
        const TEXTS: &[(&str, &str)] = &[
            ("EncryptionAlgorithm", "kms:EncryptionAlgorithm"),
            ("SigningAlgorithm", "kms:SigningAlgorithm"),
            ("MacAlgorithm", "kms:MacAlgorithm"),
            ("MessageType", "kms:MessageType"),
            ("KeyPairSpec", "kms:DataKeyPairSpec"),
            ("WrappingAlgorithm", "kms:WrappingAlgorithm"),
            ("WrappingKeySpec", "kms:WrappingKeySpec"),
            ("ExpirationModel", "kms:ExpirationModel"),
            ("KeyAgreementAlgorithm", "kms:KeyAgreementAlgorithm"),
            ("ReplicaRegion", "kms:ReplicaRegion"),
            ("PrimaryRegion", "kms:PrimaryRegion"),
            ("GranteePrincipal", "kms:GranteePrincipal"),
            ("GranteeServicePrincipal", "kms:GranteeServicePrincipal"),
            ("RetiringPrincipal", "kms:RetiringPrincipal"),
            ("RetiringServicePrincipal", "kms:RetiringServicePrincipal"),
        ];
        for (member, key) in TEXTS {
            if let Some(text) = self.input.text(member) {
                context.set(key, text);
            }
        }
        for (member, key) in [
            ("PendingWindowInDays", "kms:ScheduleKeyDeletionPendingWindowInDays"),
            ("RotationPeriodInDays", "kms:RotationPeriodInDays"),
        ] {
            if let Some(Value::Integer(number)) = self.input.get(member) {
                context.set(key, number.to_string());
            }
        }
        if let Some(Value::Timestamp(at)) = self.input.get("ValidTo") {
            context.set("kms:ValidTo", at.to_string());
        }
        if matches!(self.operation, "CreateKey" | "PutKeyPolicy" | "ReplicateKey") {
            let bypass = matches!(self.input.get("BypassPolicyLockoutSafetyCheck"), Some(Value::Boolean(true)));
            context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
        }
        let encrypts = matches!(self.operation, "Encrypt" | "Decrypt" | "ReEncrypt")
            || self.operation.starts_with("GenerateDataKey");
        if encrypts && self.input.get("EncryptionAlgorithm").is_none() {
            context.set("kms:EncryptionAlgorithm", crate::specs::SYMMETRIC);
        }
        if matches!(self.operation, "Sign" | "Verify") && self.input.get("MessageType").is_none() {
            context.set("kms:MessageType", "RAW");
        }
        if matches!(self.operation, "CreateGrant" | "ListGrants" | "RevokeGrant") {
            context.set("kms:GrantIsForAWSResource", self.cx.forwarded_by().is_some().to_string());
        }
        self.said_of_grant(context);
        self.said_of_tags(context);
    }

    fn said_of_grant(&self, context: &mut MapContext) {
        if self.operation != "CreateGrant" {
            return;
        }
        context.set_many("kms:GrantOperations", self.list("Operations"));
        let Some(constraints) = self.input.get("Constraints") else { return };
        for kind in ["EncryptionContextEquals", "EncryptionContextSubset"] {
            if constraints.get(kind).is_some() {
                context.set("kms:GrantConstraintType", kind);
            }
        }
        if let Some(arn) = constraints.text("SourceArn") {
            context.set("kms:GrantConstraintSourceArn", arn);
        }
    }

    fn said_of_tags(&self, context: &mut MapContext) {
        let mut names = self.list("TagKeys");
        if let Some(Value::List(tags)) = self.input.get("Tags") {
            for tag in tags {
                if let (Some(name), Some(value)) = (tag.text("TagKey"), tag.text("TagValue")) {
                    context.set(&format!("aws:RequestTag/{name}"), value);
                    names.push(name.to_owned());
                }
            }
        }
        context.set_many("aws:TagKeys", names);
    }
}

fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let Some(Value::Map(entries)) = value else { return BTreeMap::new() };
    entries.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
