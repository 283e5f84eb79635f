//! Connections: CreateConnection and its kin.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task};
use undercast_sealing::{Envelope, open, seal};

use super::parameters::Parameters;
use crate::Events;
use crate::api::{self, errors, output};
use crate::bus::{moment, page};
use crate::error::validation;

/// Account, region, name.
static CONNECTIONS: Table<Connection> = Table::new("events.connections");

/// The kind of the tasks that ask for a token.
pub(crate) const AUTHORIZE: &str = "authorize";
/// On AWS the secrets are Secrets Manager's, whose own key they are sealed with where nothing else is said.
const KEY: &str = "alias/aws/secretsmanager";
const KEEPER: &str = "secretsmanager.amazonaws.com";

pub(super) const AUTHORIZED: &str = "AUTHORIZED";
const AUTHORIZING: &str = "AUTHORIZING";
const DEAUTHORIZED: &str = "DEAUTHORIZED";
const OAUTH: &str = "OAUTH_CLIENT_CREDENTIALS";

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Connection {
    #[n(0)]
    pub(super) name: String,
    /// The end of its ARN.
    #[n(1)]
    pub(super) id: String,
    #[n(2)]
    description: Option<String>,
    #[n(3)]
    pub(super) kind: String,
    #[n(4)]
    pub(super) state: String,
    #[n(5)]
    reason: Option<String>,
    /// Its parameters without secrets, in JSON.
    #[n(6)]
    shown: String,
    /// All of them. `None`: it was deauthorized.
    #[n(7)]
    sealed: Option<Envelope>,
    #[n(8)]
    key: Option<String>,
    /// Milliseconds since 1970.
    #[n(9)]
    created: i64,
    #[n(10)]
    modified: i64,
    #[n(11)]
    authorized: Option<i64>,
    /// Another one after each change.
    #[n(12)]
    pub(super) version: String,
}

impl Connection {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("events", &format!("connection/{}/{}", self.name, self.id))
    }

    /// All of its parameters. It is the service that opens them, on behalf of the account.
    pub(super) async fn open(&self, cx: &Cx) -> Result<Option<Parameters>> {
        let Some(sealed) = &self.sealed else { return Ok(None) };
        let own = cx.kernel().cx_for(cx.account(), cx.region()).through(KEEPER);
        let plain = open(&own, ("SecretARN", &self.arn(cx)), sealed).await?;
        serde_json::from_slice(&plain).map(Some).map_err(Failure::broken)
    }

    async fn close(&mut self, cx: &Cx, parameters: &Parameters) -> Result<()> {
        let (own, key) = (cx.through(KEEPER), self.key.as_deref().unwrap_or(KEY));
        let plain = serde_json::to_vec(parameters).map_err(Failure::broken)?;
        let sealed = seal(&own, key, ("SecretARN", &self.arn(cx)), &plain).await;
        self.sealed = Some(sealed.map_err(of_key)?);
        self.shown = serde_json::to_string(&parameters.redacted()).map_err(Failure::broken)?;
        self.version = cx.random().uuid();
        Ok(())
    }

    /// Authorized at once, or as soon as there is a token.
    fn begin(&mut self, cx: &Cx) {
        let known = self.kind != OAUTH;
        if known { AUTHORIZED } else { AUTHORIZING }.clone_into(&mut self.state);
        self.reason = None;
        self.authorized = Some(cx.now_millis());
    }

    fn put(&self, cx: &Cx, tx: &mut Tx<'_>) -> Result<()> {
        CONNECTIONS.put(tx, &cx.key(&self.name), self);
        if self.state == AUTHORIZING {
            let id = format!("connection/{}", self.arn(cx));
            cx.tasks().schedule(cx, tx, "events", &id, AUTHORIZE, self.name.clone(), cx.now())?;
        }
        Ok(())
    }
}

/// What KMS says of a key, as an error of EventBridge.
fn of_key(failure: Failure) -> Failure {
    match failure {
        Failure::Aws(error) if error.code == "NotFoundException" => {
            errors::resource_not_found_exception(error.message).into()
        }
        Failure::Aws(error) if error.code == "AccessDeniedException" => {
            errors::access_denied_exception(error.message).into()
        }
        // It is disabled, of another kind, or will be deleted.
        Failure::Aws(error) => validation(error.message).into(),
        other => other,
    }
}

fn missing(name: &str) -> Failure {
    let message = format!("Failed to describe the connection(s). Connection '{name}' does not exist.");
    errors::resource_not_found_exception(message).into()
}

fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Connection> {
    CONNECTIONS.get(from, &cx.key(name))?.ok_or_else(|| missing(name))
}

/// The connection of an ARN of this account and region.
pub(super) fn of_arn(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Option<Connection>> {
    let prefix = cx.arn("events", "connection/");
    let name = arn.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')).map(|(name, _)| name);
    let found = name.map(|name| CONNECTIONS.get(from, &cx.key(name))).transpose()?.flatten();
    Ok(found.filter(|connection| connection.arn(cx) == arn))
}

/// An address that can be called: HTTPS, or plain HTTP on this machine, which AWS could not reach anyway.
pub(super) fn check_endpoint(parameter: &str, endpoint: &str) -> Result<()> {
    let good =
        undercast_outward::Url::parse(endpoint).is_some_and(|url| url.login.is_none() && (url.tls || url.is_local()));
    if good {
        return Ok(());
    }
    let message = format!("Parameter {parameter} is not valid. Reason: Endpoint '{endpoint}' is not valid");
    Err(validation(message).into())
}

fn check(parameters: &mut Parameters, kind: &str) -> Result<()> {
    parameters.check(kind)?;
    match &parameters.oauth {
        Some(oauth) => check_endpoint("AuthorizationEndpoint", &oauth.endpoint),
        None => Ok(()),
    }
}

pub(crate) async fn create(cx: &Cx, input: api::CreateConnectionInput) -> Result<api::CreateConnectionOutput> {
    let mut parameters = Parameters::new(input.auth_parameters);
    check(&mut parameters, &input.authorization_type)?;
    let exists = || {
        let message = format!("Connection {} already exists.", input.name);
        Failure::from(errors::resource_already_exists_exception(message))
    };
    if CONNECTIONS.has(&cx.read(), &cx.key(&input.name))? {
        return Err(exists());
    }
    let mut connection = Connection {
        name: input.name.clone(),
        id: cx.random().uuid(),
        description: input.description,
        kind: input.authorization_type,
        state: String::new(),
        reason: None,
        shown: String::new(),
        sealed: None,
        key: input.kms_key_identifier.filter(|key| !key.is_empty()),
        created: cx.now_millis(),
        modified: cx.now_millis(),
        authorized: None,
        version: String::new(),
    };
    connection.begin(cx);
    connection.close(cx, &parameters).await?;
    cx.write(|tx| {
        if CONNECTIONS.has(tx, &cx.key(&connection.name))? {
            return Err(exists());
        }
        connection.put(cx, tx)
    })
    .await?;
    Ok(api::CreateConnectionOutput {
        connection_arn: Some(connection.arn(cx)),
        connection_state: Some(connection.state),
        creation_time: Some(moment(connection.created)),
        last_modified_time: Some(moment(connection.modified)),
    })
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateConnectionInput) -> Result<api::UpdateConnectionOutput> {
    let mut connection = find(cx, &cx.read(), &input.name)?;
    let before = connection.version.clone();
    connection.description = input.description.or(connection.description);
    connection.kind = input.authorization_type.unwrap_or(connection.kind);
    let mut parameters = connection.open(cx).await?.unwrap_or_default();
    if let Some(given) = input.auth_parameters {
        parameters.update(given);
    }
    check(&mut parameters, &connection.kind)?;
    // Without a word on it the key stays; an empty word is the usual one.
    if let Some(key) = input.kms_key_identifier {
        connection.key = Some(key).filter(|key| !key.is_empty());
    }
    connection.modified = cx.now_millis();
    connection.begin(cx);
    connection.close(cx, &parameters).await?;
    cx.write(|tx| {
        if find(cx, tx, &input.name)?.version != before {
            let message = format!("Connection {} was changed by another call meanwhile.", input.name);
            return Err(errors::concurrent_modification_exception(message).into());
        }
        connection.put(cx, tx)
    })
    .await?;
    Ok(api::UpdateConnectionOutput {
        connection_arn: Some(connection.arn(cx)),
        connection_state: Some(connection.state),
        creation_time: Some(moment(connection.created)),
        last_modified_time: Some(moment(connection.modified)),
        last_authorized_time: connection.authorized.map(moment),
    })
}

pub(crate) async fn deauthorize(
    cx: &Cx,
    input: api::DeauthorizeConnectionInput,
) -> Result<api::DeauthorizeConnectionOutput> {
    let connection = cx
        .write(|tx| {
            let mut connection = find(cx, tx, &input.name)?;
            DEAUTHORIZED.clone_into(&mut connection.state);
            connection.sealed = None;
            connection.modified = cx.now_millis();
            connection.version = cx.random().uuid();
            connection.put(cx, tx)?;
            Ok(connection)
        })
        .await?;
    Ok(api::DeauthorizeConnectionOutput {
        connection_arn: Some(connection.arn(cx)),
        connection_state: Some(connection.state),
        creation_time: Some(moment(connection.created)),
        last_modified_time: Some(moment(connection.modified)),
        last_authorized_time: connection.authorized.map(moment),
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteConnectionInput) -> Result<api::DeleteConnectionOutput> {
    let connection = cx
        .write(|tx| {
            let connection = find(cx, tx, &input.name)?;
            CONNECTIONS.delete(tx, &cx.key(&input.name));
            Ok(connection)
        })
        .await?;
    Ok(api::DeleteConnectionOutput {
        connection_arn: Some(connection.arn(cx)),
        connection_state: Some("DELETING".to_owned()),
        creation_time: Some(moment(connection.created)),
        last_modified_time: Some(moment(connection.modified)),
        last_authorized_time: connection.authorized.map(moment),
    })
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeConnectionInput) -> Result<api::DescribeConnectionOutput> {
    let connection = find(cx, &cx.read(), &input.name)?;
    let parameters: Parameters = serde_json::from_str(&connection.shown).map_err(Failure::broken)?;
    Ok(api::DescribeConnectionOutput {
        connection_arn: Some(connection.arn(cx)),
        name: Some(connection.name),
        description: connection.description,
        connection_state: Some(connection.state),
        state_reason: connection.reason,
        authorization_type: Some(connection.kind),
        // There is no Secrets Manager in which the secret could be looked at.
        secret_arn: None,
        kms_key_identifier: connection.key,
        auth_parameters: Some(parameters.shown()),
        creation_time: Some(moment(connection.created)),
        last_modified_time: Some(moment(connection.modified)),
        last_authorized_time: connection.authorized.map(moment),
        invocation_connectivity_parameters: None,
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListConnectionsInput) -> Result<api::ListConnectionsOutput> {
    let (prefix, state) = (&input.name_prefix, &input.connection_state);
    let mut all: Vec<Connection> =
        CONNECTIONS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect();
    all.retain(|connection| {
        prefix.as_ref().is_none_or(|prefix| connection.name.starts_with(prefix))
            && state.as_ref().is_none_or(|state| *state == connection.state)
    });
    let scope = format!("ListConnections/{prefix:?}/{state:?}");
    let (page, next_token) = page(&scope, all, input.next_token.as_deref(), input.limit)?;
    let shown = page.into_iter().map(|connection| output::Connection {
        connection_arn: Some(connection.arn(cx)),
        name: Some(connection.name),
        connection_state: Some(connection.state),
        state_reason: connection.reason,
        authorization_type: Some(connection.kind),
        creation_time: Some(moment(connection.created)),
        last_modified_time: Some(moment(connection.modified)),
        last_authorized_time: connection.authorized.map(moment),
    });
    Ok(api::ListConnectionsOutput { connections: Some(shown.collect()), next_token })
}

/// Asks for the first token of a connection.
pub(crate) async fn authorize(service: &Events, cx: &Cx, task: &Task) -> Result<Next> {
    let Some(connection) = CONNECTIONS.get(&cx.read(), &cx.key(&task.payload))? else { return Ok(Next::Done) };
    if connection.state != AUTHORIZING {
        return Ok(Next::Done);
    }
    let refused = match service.tokens.renew(cx, &connection).await {
        Ok(_) => None,
        Err(refusal) => Some(refusal.message),
    };
    cx.write(|tx| {
        let Some(mut now) = CONNECTIONS.get(tx, &cx.key(&task.payload))? else { return Ok(()) };
        if now.version != connection.version {
            return Ok(());
        }
        let state = if refused.is_some() { DEAUTHORIZED } else { AUTHORIZED };
        state.clone_into(&mut now.state);
        now.reason = refused.as_ref().map(|why| why.chars().take(512).collect());
        now.authorized = if refused.is_some() { now.authorized } else { Some(cx.refreshed().now_millis()) };
        CONNECTIONS.put(tx, &cx.key(&task.payload), &now);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}
