//! The operations: each says where its subject is.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::data::Wanted;
use crate::reference::Reference;
use crate::rows::State;
use crate::{
    Kms, aliases, data, encapsulation, family, grants, import, keys, policy, rotation, signing, stores, tagging, usage,
};

api::operations! {
    impl api::Operations for Kms; |self, cx, input|
    CancelKeyDeletion => keys::cancel_deletion(cx, input).await,
    ConnectCustomKeyStore => stores::none(cx, &input.custom_key_store_id),
    CreateAlias => aliases::create(cx, input).await,
    CreateCustomKeyStore => stores::create(&input),
    CreateGrant => grants::create(cx, input).await,
    CreateKey => keys::create(cx, input).await,
    Decapsulate => encapsulation::decapsulate(cx, input),
    Decrypt => data::decrypt(cx, input),
    DeleteAlias => aliases::delete(cx, input).await,
    DeleteCustomKeyStore => stores::none(cx, &input.custom_key_store_id),
    DeleteImportedKeyMaterial => import::delete(cx, input).await,
    DeriveSharedSecret => signing::derive(cx, input),
    DescribeCustomKeyStores => stores::describe(input),
    DescribeKey => describe(cx, input),
    DisableKey => keys::switch(cx, &input.key_id, State::Disabled).await,
    DisableKeyRotation => rotation::disable(cx, input).await,
    DisconnectCustomKeyStore => stores::none(cx, &input.custom_key_store_id),
    EnableKey => keys::switch(cx, &input.key_id, State::Enabled).await,
    EnableKeyRotation => rotation::enable(cx, input).await,
    Encapsulate => encapsulation::encapsulate(cx, input),
    Encrypt => data::encrypt(cx, input),
    GenerateDataKey => data_key(cx, input),
    GenerateDataKeyPair => data_key_pair(cx, input).await,
    GenerateDataKeyPairWithoutPlaintext => data_key_pair_without_plaintext(cx, input).await,
    GenerateDataKeyWithoutPlaintext => data_key_without_plaintext(cx, input),
    GenerateMac => signing::generate_mac(cx, input),
    GenerateRandom => data::random(cx, &input),
    GetKeyLastUsage => usage::last(cx, input).await,
    GetKeyPolicy => policy::get(cx, &input),
    GetKeyRotationStatus => rotation::status(cx, &input),
    GetParametersForImport => import::parameters(cx, input).await,
    GetPublicKey => signing::public_key(cx, input),
    ImportKeyMaterial => import::import(cx, input).await,
    ListAliases => aliases::list(cx, input),
    ListGrants => grants::list(cx, input),
    ListKeyPolicies => policy::list(cx, input),
    ListKeyRotations => rotation::list(cx, input),
    ListKeys => keys::list(cx, input),
    ListResourceTags => tagging::list(cx, input),
    ListRetirableGrants => grants::list_retirable(cx, input),
    PutKeyPolicy => policy::put(cx, input).await,
    ReEncrypt => data::re_encrypt(cx, input),
    ReplicateKey => family::replicate(cx, input).await,
    RetireGrant => grants::retire(cx, input).await,
    RevokeGrant => grants::revoke(cx, input).await,
    RotateKeyOnDemand => rotation::on_demand(cx, input).await,
    ScheduleKeyDeletion => keys::schedule_deletion(cx, input).await,
    Sign => signing::sign(cx, input),
    TagResource => tagging::tag(cx, input).await,
    UntagResource => tagging::untag(cx, input).await,
    UpdateAlias => aliases::update(cx, input).await,
    UpdateCustomKeyStore => stores::none(cx, &input.custom_key_store_id),
    UpdateKeyDescription => keys::set_description(cx, input).await,
    UpdatePrimaryRegion => family::update_primary(cx, input).await,
    Verify => signing::verify(cx, input),
    VerifyMac => signing::verify_mac(cx, input),
}

fn describe(cx: &Cx, input: api::DescribeKeyInput) -> Result<api::DescribeKeyOutput> {
    grants::check_tokens(input.grant_tokens)?;
    let key = Reference::parse(cx, &input.key_id)?.get(cx, &cx.read())?;
    Ok(api::DescribeKeyOutput { key_metadata: Some(keys::describe(cx, &cx.read(), &key)?) })
}

fn data_key(cx: &Cx, input: api::GenerateDataKeyInput) -> Result<api::GenerateDataKeyOutput> {
    let wanted = Wanted {
        key_id: input.key_id,
        context: input.encryption_context,
        tokens: input.grant_tokens,
        dry_run: input.dry_run,
    };
    let made = data::data_key(cx, wanted, input.key_spec.as_deref(), input.number_of_bytes, "GenerateDataKey")?;
    Ok(api::GenerateDataKeyOutput {
        ciphertext_blob: Some(made.blob),
        plaintext: Some(made.plaintext),
        key_id: Some(made.key_arn),
        ciphertext_for_recipient: None,
        key_material_id: Some(made.material),
    })
}

async fn data_key_pair(cx: &Cx, input: api::GenerateDataKeyPairInput) -> Result<api::GenerateDataKeyPairOutput> {
    let wanted = Wanted {
        key_id: input.key_id,
        context: input.encryption_context,
        tokens: input.grant_tokens,
        dry_run: input.dry_run,
    };
    let (made, public) = signing::data_key_pair(cx, wanted, &input.key_pair_spec, "GenerateDataKeyPair").await?;
    Ok(api::GenerateDataKeyPairOutput {
        private_key_ciphertext_blob: Some(made.blob),
        private_key_plaintext: Some(made.plaintext),
        public_key: Some(public),
        key_id: Some(made.key_arn),
        key_pair_spec: Some(input.key_pair_spec),
        ciphertext_for_recipient: None,
        key_material_id: Some(made.material),
    })
}

async fn data_key_pair_without_plaintext(
    cx: &Cx,
    input: api::GenerateDataKeyPairWithoutPlaintextInput,
) -> Result<api::GenerateDataKeyPairWithoutPlaintextOutput> {
    let wanted = Wanted {
        key_id: input.key_id,
        context: input.encryption_context,
        tokens: input.grant_tokens,
        dry_run: input.dry_run,
    };
    let operation = "GenerateDataKeyPairWithoutPlaintext";
    let (made, public) = signing::data_key_pair(cx, wanted, &input.key_pair_spec, operation).await?;
    Ok(api::GenerateDataKeyPairWithoutPlaintextOutput {
        private_key_ciphertext_blob: Some(made.blob),
        public_key: Some(public),
        key_id: Some(made.key_arn),
        key_pair_spec: Some(input.key_pair_spec),
        key_material_id: Some(made.material),
    })
}

fn data_key_without_plaintext(
    cx: &Cx,
    input: api::GenerateDataKeyWithoutPlaintextInput,
) -> Result<api::GenerateDataKeyWithoutPlaintextOutput> {
    let wanted = Wanted {
        key_id: input.key_id,
        context: input.encryption_context,
        tokens: input.grant_tokens,
        dry_run: input.dry_run,
    };
    let operation = "GenerateDataKeyWithoutPlaintext";
    let made = data::data_key(cx, wanted, input.key_spec.as_deref(), input.number_of_bytes, operation)?;
    Ok(api::GenerateDataKeyWithoutPlaintextOutput {
        ciphertext_blob: Some(made.blob),
        key_id: Some(made.key_arn),
        key_material_id: Some(made.material),
    })
}
