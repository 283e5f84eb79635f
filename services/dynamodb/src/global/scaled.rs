//! Replicas of tables whose capacity follows their load: Application Auto Scaling is asked whether it does, and scales the
//! writes of a new replica as it scales those of the table that it is made of.

use super::autoscaling::{SCALING, Scaled};
use super::refusals;
use crate::error::Result;
use crate::jobs::PRINCIPAL;
use crate::table::{Billing, Table};
use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure};

/// Who scales tables.
const SCALER: &str = "dynamodb.application-autoscaling.amazonaws.com";

/// Whether a call scales a table, instead of somebody giving it another capacity. What is read in one region then says
/// nothing about what is read in others.
pub(crate) fn is_scaling(cx: &Cx) -> bool {
    cx.origin().service.as_ref().is_some_and(|(service, _)| service == SCALER)
}

/// The units of writing of a table and of its global indexes, as Application Auto Scaling names them.
fn places(table: &Table) -> Vec<Json> {
    let indexes = table.global.iter().map(|index| Some(index.name.as_str()));
    let all = std::iter::once(None).chain(indexes);
    all.map(|index| Scaled { table: &table.name, index, side: "Write" }.target()).collect()
}

/// The policies of a place, where there is somebody to have any.
async fn policies(cx: &Cx, place: &Json) -> Result<Vec<Json>> {
    match cx.call(SCALING, "DescribeScalingPolicies", place.clone()).await {
        Ok(mut found) => {
            let all = found["ScalingPolicies"].as_array_mut().map(std::mem::take).unwrap_or_else(Vec::new);
            Ok(all.into_iter().filter(|policy| policy["PolicyType"] == "TargetTrackingScaling").collect())
        }
        Err(Failure::NotBuilt { .. }) => Ok(Vec::new()),
        Err(failure) => Err(failure.into()),
    }
}

/// Refuses a table that is paid for by capacity which does not follow its load.
///
/// # Errors
/// AWS's refusal, and when nobody may ask.
pub(crate) async fn require(cx: &Cx, table: &Table) -> Result<()> {
    if table.billing == Billing::OnDemand {
        return Ok(());
    }
    let asking = cx.through(PRINCIPAL);
    for (number, place) in places(table).iter().enumerate() {
        if policies(&asking, place).await?.is_empty() {
            return Err(refusals::not_scaled(if number == 0 { "Table" } else { "GSI" }));
        }
    }
    Ok(())
}

/// Scales the writes of a replica as those of the table that it was made of.
///
/// # Errors
/// When Application Auto Scaling breaks.
pub(super) async fn mirror(here: &Cx, there: &Cx, table: &Table) -> Result<()> {
    if table.billing == Billing::OnDemand {
        return Ok(());
    }
    // Whoever made the replica was allowed to; the rest is done by the role of replication, for the account.
    let of_account = |cx: &Cx| cx.kernel().cx_for(cx.account(), cx.region()).through(PRINCIPAL);
    let (from, to) = (of_account(here), of_account(there));
    for place in places(table) {
        let found = policies(&from, &place).await?;
        let named = json!({"ServiceNamespace": "dynamodb", "ResourceIds": [place["ResourceId"]], "ScalableDimension": place["ScalableDimension"]});
        if found.is_empty() {
            continue;
        }
        let targets = from.call(SCALING, "DescribeScalableTargets", named).await?;
        for target in targets["ScalableTargets"].as_array().into_iter().flatten() {
            let mut input = place.clone();
            input["MinCapacity"] = target["MinCapacity"].clone();
            input["MaxCapacity"] = target["MaxCapacity"].clone();
            to.call(SCALING, "RegisterScalableTarget", input).await?;
        }
        for policy in found {
            let mut input = place.clone();
            for member in ["PolicyName", "PolicyType", "TargetTrackingScalingPolicyConfiguration"] {
                input[member] = policy[member].clone();
            }
            to.call(SCALING, "PutScalingPolicy", input).await?;
        }
    }
    Ok(())
}
