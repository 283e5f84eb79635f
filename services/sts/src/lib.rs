//! AWS Security Token Service: who am I, and credentials for a while.
//!
//! Sessions are rows of the kernel's credentials. Roles are IAM's; they are known here by what the kernel's identities
//! say of them. Limits: sessions of 15 minutes to 36 hours (12 for roles), two session policies' worth of text.
//! What is not here: `GetDelegatedAccessToken`, since only partners whom AWS has let in have tokens to trade; and the global
//! endpoint, on which AWS does not answer `AssumeRoot` and `GetWebIdentityToken`, is no other one than those of Regions.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod assume_role;
mod assume_root;
mod federation;
mod keys;
mod limits;
mod outbound;
mod saml;
mod session;
mod token;
pub mod vouched;
mod web_identity;

use undercast_kernel::{Access, Answer, Cx, Result, Service};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Sts;

impl Service for Sts {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    /// Each region has an endpoint of its own.
    fn has_regional_events(&self) -> bool {
        true
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        Ok(match operation.name {
            // No permission is needed to ask who one is, nor for a session of one's own.
            "GetCallerIdentity" | "GetSessionToken" => Vec::new(),
            // Who has no keys is let in by a provider, or not: that is decided when its word has been verified.
            "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity" => Vec::new(),
            "GetFederationToken" => federation::access(cx, input)?,
            "GetAccessKeyInfo" => vec![Access::new("sts:GetAccessKeyInfo", "*")],
            "DecodeAuthorizationMessage" => vec![Access::new("sts:DecodeAuthorizationMessage", "*")],
            "AssumeRoot" => assume_root::access(cx, input)?,
            "GetWebIdentityToken" => outbound::access(input),
            _ => assume_role::access(cx, input)?,
        })
    }
}

impl api::Operations for Sts {
    async fn assume_role(&self, cx: &Cx, input: api::AssumeRoleInput) -> Result<api::AssumeRoleOutput> {
        assume_role::assume(cx, input).await
    }

    async fn assume_role_with_saml(
        &self,
        cx: &Cx,
        input: api::AssumeRoleWithSAMLInput,
    ) -> Result<api::AssumeRoleWithSAMLOutput> {
        saml::assume(cx, input).await
    }

    async fn assume_role_with_web_identity(
        &self,
        cx: &Cx,
        input: api::AssumeRoleWithWebIdentityInput,
    ) -> Result<api::AssumeRoleWithWebIdentityOutput> {
        web_identity::assume(cx, input).await
    }

    async fn assume_root(&self, cx: &Cx, input: api::AssumeRootInput) -> Result<api::AssumeRootOutput> {
        assume_root::assume(cx, input).await
    }

    async fn decode_authorization_message(
        &self,
        cx: &Cx,
        input: api::DecodeAuthorizationMessageInput,
    ) -> Result<api::DecodeAuthorizationMessageOutput> {
        let message = "The input encoded message is invalid or could not be decoded.";
        let decoded = cx.decode_authorization_message(&input.encoded_message)?;
        let decoded = decoded.ok_or_else(|| api::errors::invalid_authorization_message_exception(message))?;
        Ok(api::DecodeAuthorizationMessageOutput { decoded_message: Some(decoded) })
    }

    async fn get_web_identity_token(
        &self,
        cx: &Cx,
        input: api::GetWebIdentityTokenInput,
    ) -> Result<api::GetWebIdentityTokenOutput> {
        outbound::token(cx, input)
    }

    async fn get_access_key_info(
        &self,
        cx: &Cx,
        input: api::GetAccessKeyInfoInput,
    ) -> Result<api::GetAccessKeyInfoOutput> {
        keys::info(cx, &input.access_key_id)
    }

    async fn get_federation_token(
        &self,
        cx: &Cx,
        input: api::GetFederationTokenInput,
    ) -> Result<api::GetFederationTokenOutput> {
        federation::of_caller(cx, input).await
    }

    async fn get_caller_identity(
        &self,
        cx: &Cx,
        _input: api::GetCallerIdentityInput,
    ) -> Result<api::GetCallerIdentityOutput> {
        let principal = cx.principal();
        Ok(api::GetCallerIdentityOutput {
            user_id: Some(principal.user_id.clone()),
            account: Some(principal.account.clone()),
            arn: Some(principal.arn.clone()),
        })
    }

    async fn get_session_token(&self, cx: &Cx, input: api::GetSessionTokenInput) -> Result<api::GetSessionTokenOutput> {
        session::of_caller(cx, input).await
    }
}
