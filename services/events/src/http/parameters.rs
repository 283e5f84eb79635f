//! What a connection says of itself to the other side, with its secrets or without them.

use serde::{Deserialize, Serialize};
use undercast_kernel::Result;

use crate::api::kept::ConnectionHttpParameters;
use crate::api::{input, output};
use crate::error::validation;

/// What a connection says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Parameters {
    pub(super) basic: Option<Named>,
    pub(super) key: Option<Named>,
    pub(super) oauth: Option<OAuth>,
    pub(super) invocation: Option<ConnectionHttpParameters>,
}

/// A name and the secret that goes with it: user and password, or a header and its value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) secret: Option<String>,
}

/// Where tokens come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OAuth {
    pub(super) client: Named,
    pub(super) endpoint: String,
    pub(super) method: String,
    pub(super) http: Option<ConnectionHttpParameters>,
}

/// Parameters without the values that are said to be secret.
fn shown(http: &ConnectionHttpParameters) -> ConnectionHttpParameters {
    let mut http = http.clone();
    for header in http.header_parameters.iter_mut().flatten().filter(|p| p.is_value_secret == Some(true)) {
        header.value = None;
    }
    for query in http.query_string_parameters.iter_mut().flatten().filter(|p| p.is_value_secret == Some(true)) {
        query.value = None;
    }
    for body in http.body_parameters.iter_mut().flatten().filter(|p| p.is_value_secret == Some(true)) {
        body.value = None;
    }
    http
}

impl Named {
    fn redacted(&self) -> Self {
        Self { name: self.name.clone(), secret: None }
    }

    fn change(this: &mut Option<Self>, name: Option<String>, secret: Option<String>) {
        let named = this.get_or_insert_default();
        named.name = name.unwrap_or_else(|| std::mem::take(&mut named.name));
        named.secret = secret.or(named.secret.take());
    }

    fn is_whole(&self) -> bool {
        !self.name.is_empty() && self.secret.is_some()
    }
}

impl Parameters {
    /// The parameters of a new connection.
    pub(super) fn new(given: input::CreateConnectionAuthRequestParameters) -> Self {
        let named = |name: String, secret: String| Named { name, secret: Some(secret) };
        Self {
            basic: given.basic_auth_parameters.map(|of| named(of.username, of.password)),
            key: given.api_key_auth_parameters.map(|of| named(of.api_key_name, of.api_key_value)),
            oauth: given.o_auth_parameters.map(|of| OAuth {
                client: named(of.client_parameters.client_id, of.client_parameters.client_secret),
                endpoint: of.authorization_endpoint,
                method: of.http_method,
                http: of.o_auth_http_parameters,
            }),
            invocation: given.invocation_http_parameters,
        }
    }

    /// Takes over what an update says.
    pub(super) fn update(&mut self, given: input::UpdateConnectionAuthRequestParameters) {
        if let Some(of) = given.basic_auth_parameters {
            Named::change(&mut self.basic, of.username, of.password);
        }
        if let Some(of) = given.api_key_auth_parameters {
            Named::change(&mut self.key, of.api_key_name, of.api_key_value);
        }
        if let Some(of) = given.o_auth_parameters {
            let oauth = self.oauth.get_or_insert_default();
            if let Some(client) = of.client_parameters {
                let mut named = Some(std::mem::take(&mut oauth.client));
                Named::change(&mut named, client.client_id, client.client_secret);
                oauth.client = named.unwrap_or_default();
            }
            oauth.endpoint = of.authorization_endpoint.unwrap_or_else(|| std::mem::take(&mut oauth.endpoint));
            oauth.method = of.http_method.unwrap_or_else(|| std::mem::take(&mut oauth.method));
            oauth.http = of.o_auth_http_parameters.or(oauth.http.take());
        }
        if let Some(invocation) = given.invocation_http_parameters {
            self.invocation = Some(invocation);
        }
    }

    /// Refuses what its kind of authorization cannot do with, and forgets what is of another kind.
    pub(super) fn check(&mut self, kind: &str) -> Result<()> {
        let missing = |name: &str| {
            let message = format!("Parameter AuthParameters is not valid. Reason: {name} must be provided for {kind}.");
            validation(message)
        };
        match kind {
            "BASIC" => {
                self.basic.as_ref().filter(|of| of.is_whole()).ok_or_else(|| missing("BasicAuthParameters"))?;
                (self.key, self.oauth) = (None, None);
            }
            "API_KEY" => {
                self.key.as_ref().filter(|of| of.is_whole()).ok_or_else(|| missing("ApiKeyAuthParameters"))?;
                (self.basic, self.oauth) = (None, None);
            }
            _ => {
                let whole = |of: &&OAuth| of.client.is_whole() && !of.endpoint.is_empty() && !of.method.is_empty();
                self.oauth.as_ref().filter(whole).ok_or_else(|| missing("OAuthParameters"))?;
                (self.basic, self.key) = (None, None);
            }
        }
        Ok(())
    }

    /// The same without secrets.
    pub(super) fn redacted(&self) -> Self {
        Self {
            basic: self.basic.as_ref().map(Named::redacted),
            key: self.key.as_ref().map(Named::redacted),
            oauth: self.oauth.as_ref().map(|of| OAuth {
                client: of.client.redacted(),
                http: of.http.as_ref().map(shown),
                ..of.clone()
            }),
            invocation: self.invocation.as_ref().map(shown),
        }
    }

    /// As DescribeConnection shows them.
    pub(super) fn shown(self) -> output::ConnectionAuthResponseParameters {
        output::ConnectionAuthResponseParameters {
            basic_auth_parameters: self
                .basic
                .map(|of| output::ConnectionBasicAuthResponseParameters { username: Some(of.name) }),
            api_key_auth_parameters: self
                .key
                .map(|of| output::ConnectionApiKeyAuthResponseParameters { api_key_name: Some(of.name) }),
            o_auth_parameters: self.oauth.map(|of| output::ConnectionOAuthResponseParameters {
                client_parameters: Some(output::ConnectionOAuthClientResponseParameters {
                    client_id: Some(of.client.name),
                }),
                authorization_endpoint: Some(of.endpoint),
                http_method: Some(of.method),
                o_auth_http_parameters: of.http,
            }),
            invocation_http_parameters: self.invocation,
            connectivity_parameters: None,
        }
    }
}
