//! What is stored of stacks, and how they are found.

use minicbor::{Decode, Encode};
use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Announcement, Cx, Failure, Result, Timestamp};

use crate::change_sets;
use crate::error::validation;

pub(crate) static STACKS: Table<Stack> = Table::new("cloudformation.stacks");
pub(crate) static NAMES: Table<String> = Table::new("cloudformation.names");
pub(crate) static RESOURCES: Table<Resource> = Table::new("cloudformation.resources");
pub(crate) static EVENTS: Table<Event> = Table::new("cloudformation.events");
/// Export name → export.
pub(crate) static EXPORTS: Table<Export> = Table::new("cloudformation.exports");
/// Export name, stack name → nothing.
pub(crate) static IMPORTS: Table<u8> = Table::new("cloudformation.imports");
/// Stack → number of its next event.
static NEXT_EVENT: Table<u64> = Table::new("cloudformation.next_event");

/// What a deployment needs: a template with its parameters and tags.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub(crate) struct Source {
    #[n(0)]
    pub(crate) template: String,
    #[n(1)]
    pub(crate) parameters: Vec<(String, String)>,
    #[n(2)]
    pub(crate) tags: Vec<(String, String)>,
    #[n(3)]
    pub(crate) capabilities: Vec<String>,
    #[n(4)]
    pub(crate) role_arn: Option<String>,
    /// What Parameter Store had of its parameters.
    #[n(5)]
    pub(crate) fetched: Option<Vec<(String, String)>>,
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Stack {
    #[n(0)]
    pub(crate) uuid: String,
    #[n(1)]
    pub(crate) name: String,
    #[n(2)]
    pub(crate) arn: String,
    #[n(3)]
    pub(crate) status: String,
    #[n(4)]
    pub(crate) reason: Option<String>,
    /// What it was last deployed from.
    #[n(5)]
    pub(crate) source: Source,
    #[n(6)]
    pub(crate) outputs: Vec<Output>,
    /// Milliseconds since 1970.
    #[n(7)]
    pub(crate) created: i64,
    #[n(8)]
    pub(crate) updated: Option<i64>,
    #[n(9)]
    pub(crate) deleted: Option<i64>,
    #[n(10)]
    pub(crate) termination_protection: bool,
    #[n(11)]
    pub(crate) disable_rollback: bool,
    #[n(12)]
    pub(crate) change_set: Option<String>,
    /// What is being done to it.
    #[n(13)]
    pub(crate) operation: Option<Operation>,
    /// The token of the request that asked for what is being done, or was done last.
    #[n(14)]
    pub(crate) token: Option<String>,
}

/// What is being done to a stack.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Operation {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) kind: Kind,
    /// What it is deployed from.
    #[n(2)]
    pub(crate) source: Source,
    /// With whose key: the deployment acts as whoever asked for it.
    #[n(3)]
    pub(crate) access_key: Option<String>,
    /// What happens when it fails.
    #[n(4)]
    pub(crate) on_failure: OnFailure,
    /// Logical ids that a deletion leaves alone.
    #[n(5)]
    pub(crate) retain: Vec<String>,
    /// The token that came with the request.
    #[n(6)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Kind {
    #[n(0)]
    Create,
    #[n(1)]
    Update,
    #[n(2)]
    Delete,
    #[n(3)]
    RollbackCreate,
    #[n(4)]
    RollbackUpdate,
    #[n(5)]
    CleanUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum OnFailure {
    #[n(0)]
    RollBack,
    #[n(1)]
    DoNothing,
    #[n(2)]
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Output {
    #[n(0)]
    pub(crate) key: String,
    #[n(1)]
    pub(crate) value: String,
    #[n(2)]
    pub(crate) description: Option<String>,
    #[n(3)]
    pub(crate) export: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Export {
    #[n(0)]
    pub(crate) stack: String,
    #[n(1)]
    pub(crate) value: String,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Resource {
    #[n(0)]
    pub(crate) logical: String,
    #[n(1)]
    pub(crate) resource_type: String,
    #[n(2)]
    pub(crate) status: String,
    #[n(3)]
    pub(crate) reason: Option<String>,
    /// Milliseconds since 1970.
    #[n(4)]
    pub(crate) updated: i64,
    /// As it is now; `None`: it is not there yet, or any more.
    #[n(5)]
    pub(crate) made: Option<Made>,
    /// As it was before the operation under way.
    #[n(6)]
    pub(crate) before: Option<Made>,
    /// The operation that has dealt with it last.
    #[n(7)]
    pub(crate) operation: String,
    /// The operation has put a new one in its place.
    #[n(8)]
    pub(crate) replaced: bool,
}

/// A resource that was made.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Made {
    #[n(0)]
    pub(crate) id: String,
    /// JSON of its resolved properties.
    #[n(1)]
    pub(crate) properties: String,
    /// JSON of its attributes.
    #[n(2)]
    pub(crate) attributes: String,
    /// `DeletionPolicy`: it stays when the stack lets it go.
    #[n(3)]
    pub(crate) retained: bool,
    #[n(4)]
    pub(crate) resource_type: String,
}

fn object(text: &str) -> Result<Map<String, Json>> {
    serde_json::from_str(text).map_err(Failure::broken)
}

impl Made {
    pub(crate) fn new(
        resource_type: &str,
        resource: &undercast_kernel::resources::Resource,
        properties: &Map<String, Json>,
        retained: bool,
    ) -> Self {
        Self {
            id: resource.id.clone(),
            properties: Json::Object(properties.clone()).to_string(),
            attributes: Json::Object(resource.attributes.clone()).to_string(),
            retained,
            resource_type: resource_type.to_owned(),
        }
    }

    pub(crate) fn properties(&self) -> Result<Map<String, Json>> {
        object(&self.properties)
    }

    pub(crate) fn attributes(&self) -> Result<Map<String, Json>> {
        object(&self.attributes)
    }

    pub(crate) fn properties_text(&self) -> &str {
        &self.properties
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Event {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) logical: String,
    #[n(2)]
    pub(crate) physical: String,
    #[n(3)]
    pub(crate) resource_type: String,
    #[n(4)]
    pub(crate) status: String,
    #[n(5)]
    pub(crate) reason: Option<String>,
    #[n(6)]
    pub(crate) properties: Option<String>,
    /// Milliseconds since 1970.
    #[n(7)]
    pub(crate) time: i64,
    /// The token of the request that it comes of.
    #[n(8)]
    pub(crate) token: Option<String>,
}

pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Stack {
    pub(crate) fn put(&self, cx: &Cx, tx: &mut Tx<'_>) {
        STACKS.put(tx, &cx.key(&self.uuid), self);
    }

    pub(crate) fn in_progress(&self) -> bool {
        self.operation.is_some()
    }

    pub(crate) fn resources(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<Resource>> {
        Ok(RESOURCES.all(from, &(cx.account(), cx.region(), &self.uuid))?.into_iter().map(|e| e.row).collect())
    }

    pub(crate) fn put_resource(&self, cx: &Cx, tx: &mut Tx<'_>, resource: &Resource) {
        RESOURCES.put(tx, &(cx.account(), cx.region(), &self.uuid, &resource.logical), resource);
    }

    pub(crate) fn remove_resource(&self, cx: &Cx, tx: &mut Tx<'_>, logical: &str) {
        RESOURCES.delete(tx, &(cx.account(), cx.region(), &self.uuid, logical));
    }

    /// Sets its status, and tells it.
    pub(crate) fn set_status(&mut self, cx: &Cx, tx: &mut Tx<'_>, status: &str, reason: Option<String>) -> Result<()> {
        status.clone_into(&mut self.status);
        self.reason.clone_from(&reason);
        self.put(cx, tx);
        if !self.in_progress() {
            change_sets::ended(cx, tx, self)?;
        }
        let event = Event {
            id: cx.random().uuid(),
            logical: self.name.clone(),
            physical: self.arn.clone(),
            resource_type: "AWS::CloudFormation::Stack".to_owned(),
            status: status.to_owned(),
            reason,
            properties: None,
            time: now(cx),
            token: self.token.clone(),
        };
        self.tell(cx, tx, &event)
    }

    /// Tells a resource's status.
    pub(crate) fn tell_resource(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        resource: &Resource,
        physical: &str,
        properties: Option<&str>,
    ) -> Result<()> {
        let event = Event {
            id: format!("{}-{}-{}", resource.logical, resource.status, cx.random().uuid()),
            logical: resource.logical.clone(),
            physical: physical.to_owned(),
            resource_type: resource.resource_type.clone(),
            status: resource.status.clone(),
            reason: resource.reason.clone(),
            properties: properties.map(ToOwned::to_owned),
            time: now(cx),
            token: self.token.clone(),
        };
        self.tell(cx, tx, &event)
    }

    /// The same for rules of EventBridge.
    ///
    /// Source: "Managing events with CloudFormation and Amazon EventBridge" in the user guide.
    fn announce(&self, cx: &Cx, tx: &mut Tx<'_>, event: &Event) -> Result<()> {
        let status = json!({"status": event.status, "status-reason": event.reason.as_deref().unwrap_or("")});
        let token = event.token.as_deref().unwrap_or("");
        let (kind, detail) = if event.physical == self.arn {
            let detail = json!({"stack-id": self.arn, "status-details": status, "client-request-token": token});
            ("CloudFormation Stack Status Change", detail)
        } else {
            let detail = json!({
                "stack-id": self.arn, "logical-resource-id": event.logical, "physical-resource-id": event.physical,
                "status-details": status, "resource-type": event.resource_type, "client-request-token": token,
            });
            ("CloudFormation Resource Status Change", detail)
        };
        let announcement = Announcement::new(cx, "aws.cloudformation", kind, self.arn.clone(), detail);
        cx.announce(tx, &Announcement { time: event.time, ..announcement })
    }

    fn tell(&self, cx: &Cx, tx: &mut Tx<'_>, event: &Event) -> Result<()> {
        self.announce(cx, tx, event)?;
        let key = cx.key(&self.uuid);
        let number = NEXT_EVENT.get(tx, &key)?.unwrap_or(1);
        NEXT_EVENT.put(tx, &key, &(number + 1));
        EVENTS.put(tx, &(cx.account(), cx.region(), &self.uuid, number), event);
        Ok(())
    }

    /// The newest events first, from behind `before` on.
    pub(crate) fn events(
        &self,
        cx: &Cx,
        from: &impl Read,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>> {
        let prefix = (cx.account(), cx.region(), &self.uuid);
        let after = before.map(|n| (cx.account(), cx.region(), &self.uuid, n));
        let rows = EVENTS.page(from, &prefix, after.as_ref(), Order::Descending, limit)?;
        Ok(rows.into_iter().filter_map(|e| Some((e.key::<(String, String, String, u64)>()?.3, e.row))).collect())
    }
}

/// Milliseconds since 1970, now rather than when the deployment began.
pub(crate) fn now(cx: &Cx) -> i64 {
    cx.kernel().clock().now().as_millisecond()
}

/// The stack of a name or ARN. A name finds a stack that is not deleted; an ARN finds every one.
pub(crate) fn lookup(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Option<Stack>> {
    let uuid = if name.starts_with("arn:") {
        let arn = Arn::parse(name).filter(|a| a.account == cx.account() && a.region == cx.region());
        arn.and_then(|a| a.resource.rsplit('/').next().map(ToOwned::to_owned))
    } else {
        NAMES.get(from, &cx.key(name))?
    };
    match uuid {
        Some(uuid) => Ok(STACKS.get(from, &cx.key(&uuid))?),
        None => Ok(None),
    }
}

/// The same, where there must be one.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Stack> {
    lookup(cx, from, name)?.ok_or_else(|| validation(format!("Stack with id {name} does not exist")).into())
}

/// The ARN of the stack that has a name now.
pub(crate) fn stack_arn_of(cx: &Cx, name: &str) -> Result<Option<String>> {
    Ok(lookup(cx, &cx.read(), name)?.map(|s| s.arn))
}
