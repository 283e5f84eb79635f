//! Multi-region access points: one name for buckets in several regions, of which the nearest active one answers.
//!
//! They belong to an account and to no region. How they are made is in `requests`.

use undercast_kernel::store::{Order, Read};
use undercast_kernel::{AwsError, Cx, Result, regions};

use super::api::{self, input, output};
use super::rows::{ACCOUNTS, MULTI, Multi, State};
use super::{block, error, via};
use crate::policy::{check_for, is_public};

pub(crate) fn missing(name: &str) -> AwsError {
    AwsError::new("NoSuchMultiRegionAccessPoint", 404, "The specified Multi-Region Access Point does not exist.")
        .with("MultiRegionAccessPointName", name)
}

fn existing(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Multi> {
    Ok(MULTI.get(from, &(cx.account(), name))?.ok_or_else(|| missing(name))?)
}

fn shown(multi: Multi) -> output::MultiRegionAccessPointReport {
    let status = match multi.state {
        State::Creating => "CREATING",
        State::Ready => "READY",
        State::Deleting => "DELETING",
    };
    let regions = multi.routes.into_iter().map(|route| output::RegionReport {
        bucket: Some(route.bucket),
        region: Some(route.region).filter(|r| !r.is_empty()),
        bucket_account_id: Some(route.account),
    });
    output::MultiRegionAccessPointReport {
        name: Some(multi.name),
        alias: Some(multi.alias),
        created_at: Some(crate::buckets::shown(multi.created)),
        public_access_block: Some(block::shown(multi.block)),
        status: Some(status.to_owned()),
        regions: Some(regions.collect()),
    }
}

pub(crate) fn get(cx: &Cx, name: &str) -> Result<api::GetMultiRegionAccessPointOutput> {
    let multi = existing(cx, &cx.read(), name)?;
    Ok(api::GetMultiRegionAccessPointOutput { access_point: Some(shown(multi)) })
}

pub(crate) fn list(cx: &Cx) -> Result<api::ListMultiRegionAccessPointsOutput> {
    let all = MULTI.page(&cx.read(), &(cx.account(),), None::<&()>, Order::Ascending, usize::MAX)?;
    let access_points = Some(all.into_iter().map(|entry| shown(entry.row)).collect());
    Ok(api::ListMultiRegionAccessPointsOutput { access_points, next_token: None })
}

/// Checks a policy, and says whether it lets everybody in.
pub(crate) fn check_policy(cx: &Cx, from: &(impl Read + ?Sized), multi: &Multi, policy: &str) -> Result<bool> {
    let public = is_public(&check_for(&multi.arn(), "/object/", policy)?);
    let account = ACCOUNTS.get(from, &(cx.account(),))?.is_some_and(|b| b.public_policy);
    if public && (account || multi.block.public_policy) {
        return Err(error::access_denied().into());
    }
    Ok(public)
}

pub(crate) fn get_policy(cx: &Cx, name: &str) -> Result<api::GetMultiRegionAccessPointPolicyOutput> {
    let multi = existing(cx, &cx.read(), name)?;
    let established = multi.policy.map(|p| output::EstablishedMultiRegionAccessPointPolicy { policy: Some(p) });
    let proposed = multi.proposed.map(|p| output::ProposedMultiRegionAccessPointPolicy { policy: Some(p) });
    let policy = output::MultiRegionAccessPointPolicyDocument { established, proposed };
    Ok(api::GetMultiRegionAccessPointPolicyOutput { policy: Some(policy) })
}

pub(crate) fn policy_status(cx: &Cx, name: &str) -> Result<api::GetMultiRegionAccessPointPolicyStatusOutput> {
    let multi = existing(cx, &cx.read(), name)?;
    let established = output::PolicyStatus { is_public: Some(multi.public) };
    Ok(api::GetMultiRegionAccessPointPolicyStatusOutput { established: Some(established) })
}

/// The multi-region access point with an ARN or an alias.
fn by_arn(cx: &Cx, from: &(impl Read + ?Sized), named: &str) -> Result<Multi> {
    let arn = via::of_arn(named);
    let alias = arn.as_ref().map_or(named, |(_, _, name)| name);
    let wrong =
        || error::invalid_request("The ARN of a Multi-Region Access Point is arn:aws:s3::account-id:accesspoint/alias");
    if !via::is_multi_region(alias) {
        return Err(wrong().into());
    }
    let multi = via::multi_region(from, alias)?.filter(|m| m.account == cx.account());
    Ok(multi.ok_or_else(|| missing(alias))?)
}

pub(crate) fn routes(cx: &Cx, named: &str) -> Result<api::GetMultiRegionAccessPointRoutesOutput> {
    let multi = by_arn(cx, &cx.read(), named)?;
    let mrap = Some(multi.arn());
    let route = |route: super::rows::Route| output::MultiRegionAccessPointRoute {
        bucket: Some(route.bucket),
        region: Some(route.region),
        traffic_dial_percentage: if route.active { 100 } else { 0 },
    };
    Ok(api::GetMultiRegionAccessPointRoutesOutput { mrap, routes: Some(multi.routes.into_iter().map(route).collect()) })
}

/// Sends requests to some regions, and no longer to others.
///
/// Source: "Amazon S3 Multi-Region Access Point failover controls" in the user guide.
pub(crate) async fn submit_routes(cx: &Cx, named: &str, updates: &[input::MultiRegionAccessPointRoute]) -> Result<()> {
    cx.write(|tx| {
        let mut multi = by_arn(cx, tx, named)?;
        if multi.routes.len() < 2 {
            let message = "The specified method is not allowed against this resource.";
            return Err(AwsError::new("MethodNotAllowed", 405, message).into());
        }
        for update in updates {
            let active = match update.traffic_dial_percentage {
                0 => false,
                100 => true,
                _ => return Err(error::invalid_request("TrafficDialPercentage is either 0 or 100").into()),
            };
            if update.region.as_deref().is_some_and(|region| !regions::exists(region)) {
                return Err(error::invalid_request("A route names a Region that there is not").into());
            }
            let fits = |said: Option<&String>, is: &str| said.is_none_or(|said| said == is);
            let named = update.bucket.is_some() || update.region.is_some();
            let route = multi.routes.iter_mut().filter(|_| named).find(|route| {
                fits(update.bucket.as_ref(), &route.bucket) && fits(update.region.as_ref(), &route.region)
            });
            let unknown = || error::invalid_request("A route names no bucket of the Multi-Region Access Point");
            route.ok_or_else(unknown)?.active = active;
        }
        if multi.nearest().is_none() {
            return Err(error::invalid_request("At least one Region has to be active").into());
        }
        MULTI.put(tx, &(cx.account(), &multi.name), &multi);
        Ok(())
    })
    .await
}
