//! The operations: each says where its subject is.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::data::Wanted;
use crate::reference::Reference;
use crate::rows::State;
use crate::{Kms, aliases, data, family, grants, import, keys, policy, rotation, signing, tagging};

impl api::Operations for Kms {
    async fn cancel_key_deletion(
        &self,
        cx: &Cx,
        input: api::CancelKeyDeletionInput,
    ) -> Result<api::CancelKeyDeletionOutput> {
        keys::cancel_deletion(cx, input).await
    }

    async fn create_alias(&self, cx: &Cx, input: api::CreateAliasInput) -> Result<()> {
        aliases::create(cx, input).await
    }

    async fn create_grant(&self, cx: &Cx, input: api::CreateGrantInput) -> Result<api::CreateGrantOutput> {
        grants::create(cx, input).await
    }

    async fn create_key(&self, cx: &Cx, input: api::CreateKeyInput) -> Result<api::CreateKeyOutput> {
        keys::create(cx, input).await
    }

    async fn decrypt(&self, cx: &Cx, input: api::DecryptInput) -> Result<api::DecryptOutput> {
        data::decrypt(cx, input)
    }

    async fn delete_alias(&self, cx: &Cx, input: api::DeleteAliasInput) -> Result<()> {
        aliases::delete(cx, input).await
    }

    async fn delete_imported_key_material(
        &self,
        cx: &Cx,
        input: api::DeleteImportedKeyMaterialInput,
    ) -> Result<api::DeleteImportedKeyMaterialOutput> {
        import::delete(cx, input).await
    }

    async fn derive_shared_secret(
        &self,
        cx: &Cx,
        input: api::DeriveSharedSecretInput,
    ) -> Result<api::DeriveSharedSecretOutput> {
        signing::derive(cx, input)
    }

    async fn describe_key(&self, cx: &Cx, input: api::DescribeKeyInput) -> Result<api::DescribeKeyOutput> {
        grants::check_tokens(input.grant_tokens)?;
        let key = Reference::parse(cx, &input.key_id)?.get(cx, &cx.read())?;
        Ok(api::DescribeKeyOutput { key_metadata: Some(keys::describe(cx, &cx.read(), &key)?) })
    }

    async fn disable_key(&self, cx: &Cx, input: api::DisableKeyInput) -> Result<()> {
        keys::switch(cx, &input.key_id, State::Disabled).await
    }

    async fn disable_key_rotation(&self, cx: &Cx, input: api::DisableKeyRotationInput) -> Result<()> {
        rotation::disable(cx, input).await
    }

    async fn enable_key(&self, cx: &Cx, input: api::EnableKeyInput) -> Result<()> {
        keys::switch(cx, &input.key_id, State::Enabled).await
    }

    async fn enable_key_rotation(&self, cx: &Cx, input: api::EnableKeyRotationInput) -> Result<()> {
        rotation::enable(cx, input).await
    }

    async fn encrypt(&self, cx: &Cx, input: api::EncryptInput) -> Result<api::EncryptOutput> {
        data::encrypt(cx, input)
    }

    async fn generate_data_key(&self, cx: &Cx, input: api::GenerateDataKeyInput) -> Result<api::GenerateDataKeyOutput> {
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

    async fn generate_data_key_pair(
        &self,
        cx: &Cx,
        input: api::GenerateDataKeyPairInput,
    ) -> Result<api::GenerateDataKeyPairOutput> {
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

    async fn generate_data_key_pair_without_plaintext(
        &self,
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

    async fn generate_data_key_without_plaintext(
        &self,
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

    async fn generate_mac(&self, cx: &Cx, input: api::GenerateMacInput) -> Result<api::GenerateMacOutput> {
        signing::generate_mac(cx, input)
    }

    async fn generate_random(&self, cx: &Cx, input: api::GenerateRandomInput) -> Result<api::GenerateRandomOutput> {
        data::random(cx, &input)
    }

    async fn get_key_policy(&self, cx: &Cx, input: api::GetKeyPolicyInput) -> Result<api::GetKeyPolicyOutput> {
        policy::get(cx, &input)
    }

    async fn get_key_rotation_status(
        &self,
        cx: &Cx,
        input: api::GetKeyRotationStatusInput,
    ) -> Result<api::GetKeyRotationStatusOutput> {
        rotation::status(cx, &input)
    }

    async fn get_parameters_for_import(
        &self,
        cx: &Cx,
        input: api::GetParametersForImportInput,
    ) -> Result<api::GetParametersForImportOutput> {
        import::parameters(cx, input).await
    }

    async fn get_public_key(&self, cx: &Cx, input: api::GetPublicKeyInput) -> Result<api::GetPublicKeyOutput> {
        signing::public_key(cx, input)
    }

    async fn import_key_material(
        &self,
        cx: &Cx,
        input: api::ImportKeyMaterialInput,
    ) -> Result<api::ImportKeyMaterialOutput> {
        import::import(cx, input).await
    }

    async fn list_aliases(&self, cx: &Cx, input: api::ListAliasesInput) -> Result<api::ListAliasesOutput> {
        aliases::list(cx, input)
    }

    async fn list_grants(&self, cx: &Cx, input: api::ListGrantsInput) -> Result<api::ListGrantsOutput> {
        grants::list(cx, input)
    }

    async fn list_key_policies(&self, cx: &Cx, input: api::ListKeyPoliciesInput) -> Result<api::ListKeyPoliciesOutput> {
        policy::list(cx, input)
    }

    async fn list_key_rotations(
        &self,
        cx: &Cx,
        input: api::ListKeyRotationsInput,
    ) -> Result<api::ListKeyRotationsOutput> {
        rotation::list(cx, input)
    }

    async fn list_keys(&self, cx: &Cx, input: api::ListKeysInput) -> Result<api::ListKeysOutput> {
        keys::list(cx, input)
    }

    async fn list_resource_tags(
        &self,
        cx: &Cx,
        input: api::ListResourceTagsInput,
    ) -> Result<api::ListResourceTagsOutput> {
        tagging::list(cx, input)
    }

    async fn list_retirable_grants(
        &self,
        cx: &Cx,
        input: api::ListRetirableGrantsInput,
    ) -> Result<api::ListRetirableGrantsOutput> {
        grants::list_retirable(cx, input)
    }

    async fn put_key_policy(&self, cx: &Cx, input: api::PutKeyPolicyInput) -> Result<()> {
        policy::put(cx, input).await
    }

    async fn re_encrypt(&self, cx: &Cx, input: api::ReEncryptInput) -> Result<api::ReEncryptOutput> {
        data::re_encrypt(cx, input)
    }

    async fn replicate_key(&self, cx: &Cx, input: api::ReplicateKeyInput) -> Result<api::ReplicateKeyOutput> {
        family::replicate(cx, input).await
    }

    async fn retire_grant(&self, cx: &Cx, input: api::RetireGrantInput) -> Result<()> {
        grants::retire(cx, input).await
    }

    async fn revoke_grant(&self, cx: &Cx, input: api::RevokeGrantInput) -> Result<()> {
        grants::revoke(cx, input).await
    }

    async fn rotate_key_on_demand(
        &self,
        cx: &Cx,
        input: api::RotateKeyOnDemandInput,
    ) -> Result<api::RotateKeyOnDemandOutput> {
        rotation::on_demand(cx, input).await
    }

    async fn schedule_key_deletion(
        &self,
        cx: &Cx,
        input: api::ScheduleKeyDeletionInput,
    ) -> Result<api::ScheduleKeyDeletionOutput> {
        keys::schedule_deletion(cx, input).await
    }

    async fn sign(&self, cx: &Cx, input: api::SignInput) -> Result<api::SignOutput> {
        signing::sign(cx, input)
    }

    async fn tag_resource(&self, cx: &Cx, input: api::TagResourceInput) -> Result<()> {
        tagging::tag(cx, input).await
    }

    async fn untag_resource(&self, cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
        tagging::untag(cx, input).await
    }

    async fn update_alias(&self, cx: &Cx, input: api::UpdateAliasInput) -> Result<()> {
        aliases::update(cx, input).await
    }

    async fn update_key_description(&self, cx: &Cx, input: api::UpdateKeyDescriptionInput) -> Result<()> {
        keys::set_description(cx, input).await
    }

    async fn update_primary_region(&self, cx: &Cx, input: api::UpdatePrimaryRegionInput) -> Result<()> {
        family::update_primary(cx, input).await
    }

    async fn verify(&self, cx: &Cx, input: api::VerifyInput) -> Result<api::VerifyOutput> {
        signing::verify(cx, input)
    }

    async fn verify_mac(&self, cx: &Cx, input: api::VerifyMacInput) -> Result<api::VerifyMacOutput> {
        signing::verify_mac(cx, input)
    }
}
