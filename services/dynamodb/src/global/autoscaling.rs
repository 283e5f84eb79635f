//! DescribeTableReplicaAutoScaling and UpdateTableReplicaAutoScaling: how the capacity of replicas follows their load, which is
//! Application Auto Scaling's doing, and is asked of it with the caller's rights.
//!
//! Source: the API reference of both; the names of policies as the console gives them.

use crate::DynamoDb;
use crate::api::input::{AutoScalingSettingsUpdate, ReplicaAutoScalingUpdate};
use crate::api::output::{
    AutoScalingPolicyDescription, AutoScalingSettingsDescription,
    AutoScalingTargetTrackingScalingPolicyConfigurationDescription as Tracking, ReplicaAutoScalingDescription,
    ReplicaGlobalSecondaryIndexAutoScalingDescription, TableAutoScalingDescription,
};
use crate::api::{
    DescribeTableReplicaAutoScalingOutput, UpdateTableReplicaAutoScalingInput, UpdateTableReplicaAutoScalingOutput,
};
use crate::error::{Error, Result};
use crate::tables::describe;
use serde_json::{Value as Json, json};
use undercast_kernel::Cx;

/// The service that scales.
pub(super) const SCALING: &str = "application-autoscaling";

/// What of a table, or of one of its global indexes, is scaled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled<'a> {
    pub(super) table: &'a str,
    pub(super) index: Option<&'a str>,
    /// `Read` or `Write`.
    pub(super) side: &'a str,
}

impl Scaled<'_> {
    fn resource(self) -> String {
        match self.index {
            None => format!("table/{}", self.table),
            Some(index) => format!("table/{}/index/{index}", self.table),
        }
    }

    /// The target, as calls name it.
    pub(super) fn target(self) -> Json {
        let kind = if self.index.is_some() { "index" } else { "table" };
        json!({
            "ServiceNamespace": "dynamodb",
            "ResourceId": self.resource(),
            "ScalableDimension": format!("dynamodb:{kind}:{}CapacityUnits", self.side),
        })
    }

    fn metric(self) -> String {
        format!("DynamoDB{}CapacityUtilization", self.side)
    }

    /// Makes a region scale it as is wanted.
    async fn change(self, there: &Cx, wanted: &AutoScalingSettingsUpdate) -> Result<()> {
        let mut target = self.target();
        if wanted.auto_scaling_disabled == Some(true) {
            there.call(SCALING, "DeregisterScalableTarget", target).await?;
            return Ok(());
        }
        let members = [("MinCapacity", wanted.minimum_units), ("MaxCapacity", wanted.maximum_units)];
        for (member, units) in members {
            if let Some(units) = units {
                target[member] = json!(units);
            }
        }
        if let Some(role) = &wanted.auto_scaling_role_arn {
            target["RoleARN"] = json!(role);
        }
        there.call(SCALING, "RegisterScalableTarget", target).await?;
        let Some(policy) = &wanted.scaling_policy_update else { return Ok(()) };
        let given = &policy.target_tracking_scaling_policy_configuration;
        let mut tracking = json!({
            "TargetValue": given.target_value,
            "PredefinedMetricSpecification": {"PredefinedMetricType": self.metric()},
        });
        let members = [
            ("DisableScaleIn", given.disable_scale_in.map(Json::from)),
            ("ScaleInCooldown", given.scale_in_cooldown.map(Json::from)),
            ("ScaleOutCooldown", given.scale_out_cooldown.map(Json::from)),
        ];
        for (member, value) in members {
            if let Some(value) = value {
                tracking[member] = value;
            }
        }
        let name = policy.policy_name.clone().unwrap_or_else(|| format!("{}:{}", self.metric(), self.resource()));
        let mut input = self.target();
        input["PolicyName"] = json!(name);
        input["PolicyType"] = json!("TargetTrackingScaling");
        input["TargetTrackingScalingPolicyConfiguration"] = tracking;
        there.call(SCALING, "PutScalingPolicy", input).await?;
        Ok(())
    }

    /// How a region scales it. `None`: it does not.
    async fn describe(self, there: &Cx) -> Result<Option<AutoScalingSettingsDescription>> {
        let target = self.target();
        let mut input = json!({"ServiceNamespace": "dynamodb", "ScalableDimension": target["ScalableDimension"]});
        let mut policies = input.clone();
        input["ResourceIds"] = json!([target["ResourceId"]]);
        let found = there.call(SCALING, "DescribeScalableTargets", input).await?["ScalableTargets"][0].clone();
        if found.is_null() {
            return Ok(None);
        }
        policies["ResourceId"] = target["ResourceId"].clone();
        let policies = there.call(SCALING, "DescribeScalingPolicies", policies).await?;
        let policies = policies["ScalingPolicies"].as_array().into_iter().flatten();
        Ok(Some(AutoScalingSettingsDescription {
            minimum_units: found["MinCapacity"].as_i64(),
            maximum_units: found["MaxCapacity"].as_i64(),
            auto_scaling_disabled: Some(false),
            auto_scaling_role_arn: found["RoleARN"].as_str().map(ToOwned::to_owned),
            scaling_policies: Some(policies.filter_map(policy).collect()),
        }))
    }
}

/// A policy that tracks a target, as this API shows it; it shows no others.
fn policy(policy: &Json) -> Option<AutoScalingPolicyDescription> {
    let tracking = &policy["TargetTrackingScalingPolicyConfiguration"];
    let seconds = |member: &str| tracking[member].as_i64().and_then(|seconds| i32::try_from(seconds).ok());
    Some(AutoScalingPolicyDescription {
        policy_name: policy["PolicyName"].as_str().map(ToOwned::to_owned),
        target_tracking_scaling_policy_configuration: Some(Tracking {
            disable_scale_in: tracking["DisableScaleIn"].as_bool(),
            scale_in_cooldown: seconds("ScaleInCooldown"),
            scale_out_cooldown: seconds("ScaleOutCooldown"),
            target_value: tracking["TargetValue"].as_f64()?,
        }),
    })
}

impl DynamoDb {
    /// How the capacity of a table's replicas follows their load.
    ///
    /// # Errors
    /// When there is no such table, when the caller may not ask, and when the store fails.
    pub(crate) async fn describe_replica_scaling(
        &self,
        cx: &Cx,
        given: &str,
    ) -> Result<DescribeTableReplicaAutoScalingOutput> {
        Ok(DescribeTableReplicaAutoScalingOutput {
            table_auto_scaling_description: Some(self.replica_scaling(cx, given).await?),
        })
    }

    async fn replica_scaling(&self, cx: &Cx, given: &str) -> Result<TableAutoScalingDescription> {
        let table = self.table_of(cx, &cx.read(), given)?;
        let mut replicas = Vec::new();
        for there in self.everywhere(cx, &table.name)? {
            let other = self.table_of(&there, &there.read(), &table.name)?;
            let of = |index, side| Scaled { table: &table.name, index, side };
            let mut indexes = Vec::with_capacity(other.global.len());
            for index in &other.global {
                indexes.push(ReplicaGlobalSecondaryIndexAutoScalingDescription {
                    index_name: Some(index.name.clone()),
                    index_status: Some("ACTIVE".to_owned()),
                    provisioned_read_capacity_auto_scaling_settings: of(Some(&index.name), "Read")
                        .describe(&there)
                        .await?,
                    provisioned_write_capacity_auto_scaling_settings: of(Some(&index.name), "Write")
                        .describe(&there)
                        .await?,
                });
            }
            replicas.push(ReplicaAutoScalingDescription {
                region_name: Some(there.region().to_owned()),
                global_secondary_indexes: (!indexes.is_empty()).then_some(indexes),
                replica_provisioned_read_capacity_auto_scaling_settings: of(None, "Read").describe(&there).await?,
                replica_provisioned_write_capacity_auto_scaling_settings: of(None, "Write").describe(&there).await?,
                replica_status: Some(describe::status(&other).to_owned()),
            });
        }
        Ok(TableAutoScalingDescription {
            table_name: Some(table.name.clone()),
            table_status: Some(describe::status(&table).to_owned()),
            replicas: Some(replicas),
        })
    }

    /// Where the replicas of a table are, the one here first.
    fn everywhere(&self, cx: &Cx, name: &str) -> Result<Vec<Cx>> {
        let from = cx.read();
        let table = self.table_of(cx, &from, name)?;
        Ok(std::iter::once(cx.clone()).chain(self.elsewhere(cx, &from, &table)?).collect())
    }

    /// Lets the capacity of replicas follow their load otherwise: what they write in all regions alike, what they read in
    /// each by itself.
    ///
    /// # Errors
    /// When there is no such table, replica or index, and what Application Auto Scaling refuses.
    pub(crate) async fn change_replica_scaling(
        &self,
        cx: &Cx,
        input: UpdateTableReplicaAutoScalingInput,
    ) -> Result<UpdateTableReplicaAutoScalingOutput> {
        let table = self.settled(cx, &cx.read(), &input.table_name)?;
        let everywhere = self.everywhere(cx, &table.name)?;
        let known = |name: Option<&str>| match name {
            Some(name) if table.global.iter().any(|index| index.name == name) => Ok(()),
            _ => Err(Error::resource_not_found()),
        };
        let writes = input.global_secondary_index_updates.unwrap_or_else(Vec::new);
        let replicas = input.replica_updates.unwrap_or_else(Vec::new);
        writes.iter().try_for_each(|update| known(update.index_name.as_deref()))?;
        for replica in &replicas {
            if !everywhere.iter().any(|there| there.region() == replica.region_name) {
                return Err(Error::resource_not_found());
            }
            let mut indexes = replica.replica_global_secondary_index_updates.iter().flatten();
            indexes.try_for_each(|update| known(update.index_name.as_deref()))?;
        }
        for there in &everywhere {
            let of = |index, side| Scaled { table: &table.name, index, side };
            if let Some(wanted) = &input.provisioned_write_capacity_auto_scaling_update {
                of(None, "Write").change(there, wanted).await?;
            }
            for update in &writes {
                if let Some(wanted) = &update.provisioned_write_capacity_auto_scaling_update {
                    of(update.index_name.as_deref(), "Write").change(there, wanted).await?;
                }
            }
            for replica in replicas.iter().filter(|replica| replica.region_name == there.region()) {
                change_reads(there, &table.name, replica).await?;
            }
        }
        Ok(UpdateTableReplicaAutoScalingOutput {
            table_auto_scaling_description: Some(self.replica_scaling(cx, &table.name).await?),
        })
    }
}

async fn change_reads(there: &Cx, table: &str, replica: &ReplicaAutoScalingUpdate) -> Result<()> {
    if let Some(wanted) = &replica.replica_provisioned_read_capacity_auto_scaling_update {
        Scaled { table, index: None, side: "Read" }.change(there, wanted).await?;
    }
    for update in replica.replica_global_secondary_index_updates.iter().flatten() {
        if let Some(wanted) = &update.provisioned_read_capacity_auto_scaling_update {
            Scaled { table, index: update.index_name.as_deref(), side: "Read" }.change(there, wanted).await?;
        }
    }
    Ok(())
}
