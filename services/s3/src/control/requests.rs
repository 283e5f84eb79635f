//! What is asked of multi-region access points and done asynchronously: made, removed, given a policy. The answer is a
//! token, by which the caller asks what has become of it.
//!
//! Source: "Using Multi-Region Access Points with supported API operations" in the user guide, and "List of asynchronous
//! error codes" in the API reference: whatever is wrong with such a request is told when its token is described.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Next, Repeated, Result, Task};

use super::api::{self, input, output};
use super::block;
use super::multi_region::check_policy;
use super::rows::{Asked, MULTI, MULTI_ALIASES, Multi, Outcome, REQUESTS, Request, Route, State};
use crate::rows::{BUCKETS, Block};

/// What such tasks are called.
pub(crate) const KIND: &str = "multi-region";

/// Tokens and what became of their requests are remembered so long: a day, in milliseconds.
const REMEMBERED: i64 = 24 * 3_600_000;

/// Requests are done in US West (Oregon), says the reference, and their tokens say so.
const HOME: &str = "us-west-2";

pub(crate) async fn create(cx: &Cx, token: &str, details: input::CreateMultiRegionAccessPointInput) -> Result<String> {
    let block = details.public_access_block.as_ref().map(block::of_input);
    let regions = details.regions.into_iter().map(|r| (r.bucket, r.bucket_account_id)).collect();
    begin(cx, "create", token, Asked::Create(details.name, block, regions)).await
}

pub(crate) async fn delete(cx: &Cx, token: &str, details: input::DeleteMultiRegionAccessPointInput) -> Result<String> {
    begin(cx, "delete", token, Asked::Delete(details.name)).await
}

pub(crate) async fn put_policy(
    cx: &Cx,
    token: &str,
    details: input::PutMultiRegionAccessPointPolicyInput,
) -> Result<String> {
    begin(cx, "put-policy", token, Asked::Policy(details.name, details.policy)).await
}

/// Notes a request down, and the task that does it. Returns the ARN of its token.
async fn begin(cx: &Cx, verb: &str, client_token: &str, asked: Asked) -> Result<String> {
    let home = cx.elsewhere(cx.account(), HOME);
    let request = Request {
        token: home.arn("s3", &format!("async-request/mrap/{verb}/{}", cx.random().hex(32))),
        client_token: client_token.to_owned(),
        created: cx.now_millis(),
        asked,
        outcome: None,
        request_id: cx.request_id().to_owned(),
    };
    let identity = format!("{:?}", request.asked);
    let alias = format!("m{}.mrap", cx.random().text(12, "abcdefghijklmnopqrstuvwxyz0123456789"));
    cx.write(|tx| {
        match home.repeated(tx, "s3control.mrap", client_token, identity.as_bytes(), REMEMBERED)? {
            Repeated::New => {}
            Repeated::Same => {
                let all = REQUESTS.all(tx, &(cx.account(),))?;
                let before = all.into_iter().map(|e| e.row).find(|r| r.client_token == client_token);
                return before.map(|r| r.token).ok_or_else(|| cx.broken("a token outlived its request"));
            }
            Repeated::Another => {
                let message =
                    "Your Multi-Region Access Point idempotency token was already used for a different request.";
                return Err(AwsError::new("ClientTokenConflict", 409, message).into());
            }
        }
        announce(cx, tx, &request, &alias)?;
        REQUESTS.put(tx, &(cx.account(), &request.token), &request);
        let (task, now) = (request.token.clone(), cx.now());
        cx.tasks().schedule(&home, tx, "s3control", &task, KIND, task.clone(), now)?;
        Ok(request.token.clone())
    })
    .await
}

/// What is seen of a request before it is done.
fn announce(cx: &Cx, tx: &mut Tx<'_>, request: &Request, alias: &str) -> Result<()> {
    let place = |name: &str| (cx.account().to_owned(), name.to_owned());
    match &request.asked {
        Asked::Create(name, settings, buckets) if !MULTI.has(tx, &place(name))? => {
            let own = |account: &Option<String>| account.clone().unwrap_or_else(|| cx.account().to_owned());
            let route = |(bucket, account): &(String, Option<String>)| Route {
                bucket: bucket.clone(),
                account: own(account),
                region: String::new(),
                active: true,
            };
            let multi = Multi {
                name: name.clone(),
                account: cx.account().to_owned(),
                alias: alias.to_owned(),
                created: cx.now_millis(),
                state: State::Creating,
                block: settings.unwrap_or(Block::ALL),
                routes: buckets.iter().map(route).collect(),
                policy: None,
                proposed: None,
                public: false,
                token: request.token.clone(),
            };
            MULTI.put(tx, &place(name), &multi);
        }
        Asked::Create(..) => {}
        Asked::Delete(name) | Asked::Policy(name, _) => {
            let Some(mut multi) = MULTI.get(tx, &place(name))?.filter(|m| m.state == State::Ready) else {
                return Ok(());
            };
            if let Asked::Policy(_, policy) = &request.asked {
                multi.proposed = Some(policy.clone());
            } else {
                multi.state = State::Deleting;
                multi.token.clone_from(&request.token);
            }
            MULTI.put(tx, &place(name), &multi);
        }
    }
    Ok(())
}

/// Does a request, or forgets what became of it.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    finish(cx, &task.payload).await?;
    let now = cx.refreshed().now_millis();
    let kept = cx
        .write(|tx| {
            let request = REQUESTS.get(tx, &(cx.account(), &task.payload))?;
            let over = request.as_ref().is_some_and(|r| r.created + REMEMBERED <= now);
            if over {
                REQUESTS.delete(tx, &(cx.account(), &task.payload));
            }
            Ok(request.filter(|_| !over))
        })
        .await?;
    Ok(match kept.and_then(|r| undercast_kernel::Timestamp::from_millisecond(r.created + REMEMBERED).ok()) {
        Some(at) => Next::Again(at),
        None => Next::Done,
    })
}

/// Does what a token stands for, if it was not done before.
pub(crate) async fn finish(cx: &Cx, token: &str) -> Result<()> {
    cx.write(|tx| {
        let Some(mut request) = REQUESTS.get(tx, &(cx.account(), token))?.filter(|r| r.outcome.is_none()) else {
            return Ok(());
        };
        request.outcome = Some(match done(cx, tx, &request) {
            Ok(regions) => Outcome::Done(regions),
            Err(Failure::Aws(error)) => {
                give_up(cx, tx, &request)?;
                Outcome::Failed(error.code.to_string(), error.message)
            }
            Err(other) => return Err(other),
        });
        REQUESTS.put(tx, &(cx.account(), token), &request);
        Ok(())
    })
    .await
}

/// Takes back what [`announce`] showed.
fn give_up(cx: &Cx, tx: &mut Tx<'_>, request: &Request) -> Result<()> {
    let (Asked::Create(name, ..) | Asked::Policy(name, _)) = &request.asked else { return Ok(()) };
    let Some(mut multi) = MULTI.get(tx, &(cx.account(), name))? else { return Ok(()) };
    if matches!(request.asked, Asked::Policy(..)) {
        multi.proposed = None;
        MULTI.put(tx, &(cx.account(), name), &multi);
    } else if multi.token == request.token {
        MULTI.delete(tx, &(cx.account(), name));
    }
    Ok(())
}

fn done(cx: &Cx, tx: &mut Tx<'_>, request: &Request) -> Result<Vec<String>> {
    let (Asked::Create(name, ..) | Asked::Delete(name) | Asked::Policy(name, _)) = &request.asked;
    let missing = || super::multi_region::missing(name);
    let mut multi = MULTI.get(tx, &(cx.account(), name))?.ok_or_else(missing)?;
    match &request.asked {
        Asked::Create(..) => {
            if multi.token != request.token {
                let message = "You already have a Multi-Region Access Point with the same name.";
                return Err(AwsError::new("MultiRegionAccessPointAlreadyOwnedByYou", 409, message).into());
            }
            find_regions(tx, &mut multi)?;
            multi.state = State::Ready;
            MULTI_ALIASES.put(tx, &(&multi.alias,), &(multi.account.clone(), multi.name.clone()));
        }
        Asked::Delete(_) if multi.state == State::Deleting && multi.token == request.token => {
            MULTI.delete(tx, &(cx.account(), name));
            MULTI_ALIASES.delete(tx, &(&multi.alias,));
            return Ok(multi.routes.into_iter().map(|r| r.region).collect());
        }
        Asked::Policy(_, policy) if multi.state == State::Ready => {
            multi.public = check_policy(cx, tx, &multi, policy)?;
            multi.policy = Some(policy.clone());
            multi.proposed = None;
        }
        _ => {
            let message = "The specified Multi-Region Access Point is not ready to be updated.";
            return Err(AwsError::new("MultiRegionAccessPointNotReady", 409, message).into());
        }
    }
    MULTI.put(tx, &(cx.account(), name), &multi);
    Ok(multi.routes.into_iter().map(|r| r.region).collect())
}

/// Where the buckets are. They are in as many regions, and belong to whom the request says.
fn find_regions(from: &(impl Read + ?Sized), multi: &mut Multi) -> Result<()> {
    let mut seen: Vec<String> = Vec::new();
    for route in &mut multi.routes {
        let bucket = BUCKETS.get(from, &(&route.bucket,))?;
        let bucket = bucket.ok_or_else(|| crate::error::no_such_bucket(&route.bucket))?;
        if bucket.account != route.account {
            return Err(super::error::access_denied().into());
        }
        if seen.contains(&bucket.region) {
            let message = "The buckets used to create a Multi-Region Access Point cannot be in the same Region.";
            return Err(AwsError::new("MultiRegionAccessPointSameBucketRegion", 400, message).into());
        }
        seen.push(bucket.region.clone());
        route.region = bucket.region;
    }
    Ok(())
}

fn parameters(asked: Asked) -> (&'static str, output::AsyncRequestParameters) {
    let none = output::AsyncRequestParameters::default();
    match asked {
        Asked::Create(name, block, buckets) => {
            let region = |(bucket, bucket_account_id)| output::Region { bucket, bucket_account_id };
            let create = output::CreateMultiRegionAccessPointInput {
                name,
                public_access_block: block.map(block::shown),
                regions: buckets.into_iter().map(region).collect(),
            };
            let parameters =
                output::AsyncRequestParameters { create_multi_region_access_point_request: Some(create), ..none };
            ("CreateMultiRegionAccessPoint", parameters)
        }
        Asked::Delete(name) => {
            let delete = output::DeleteMultiRegionAccessPointInput { name };
            let parameters =
                output::AsyncRequestParameters { delete_multi_region_access_point_request: Some(delete), ..none };
            ("DeleteMultiRegionAccessPoint", parameters)
        }
        Asked::Policy(name, policy) => {
            let put = output::PutMultiRegionAccessPointPolicyInput { name, policy };
            let parameters =
                output::AsyncRequestParameters { put_multi_region_access_point_policy_request: Some(put), ..none };
            ("PutMultiRegionAccessPointPolicy", parameters)
        }
    }
}

pub(crate) fn describe(cx: &Cx, token: &str) -> Result<api::DescribeMultiRegionAccessPointOperationOutput> {
    let missing = || AwsError::new("NoSuchAsyncRequest", 404, "The specified request was not found.");
    let request = REQUESTS.get(&cx.read(), &(cx.account(), token))?.ok_or_else(missing)?;
    let (operation, parameters) = parameters(request.asked);
    let (status, details) = match request.outcome {
        None => ("INPROGRESS", None),
        Some(Outcome::Done(regions)) => {
            let regional = |name| output::MultiRegionAccessPointRegionalResponse {
                name: Some(name),
                request_status: Some("SUCCEEDED".to_owned()),
            };
            let regions = Some(regions.into_iter().map(regional).collect());
            let details = output::MultiRegionAccessPointsAsyncResponse { regions };
            ("SUCCEEDED", Some((Some(details), None)))
        }
        Some(Outcome::Failed(code, message)) => {
            let error = output::AsyncErrorDetails {
                code: Some(code),
                message: Some(message),
                resource: Some(request.token.clone()),
                request_id: Some(request.request_id),
            };
            ("FAILED", Some((None, Some(error))))
        }
    };
    let response_details = details.map(|(multi_region_access_point_details, error_details)| {
        output::AsyncResponseDetails { multi_region_access_point_details, error_details }
    });
    Ok(api::DescribeMultiRegionAccessPointOperationOutput {
        async_operation: Some(output::AsyncOperation {
            creation_time: Some(crate::buckets::shown(request.created)),
            operation: Some(operation.to_owned()),
            request_token_arn: Some(request.token),
            request_parameters: Some(parameters),
            request_status: Some(status.to_owned()),
            response_details,
        }),
    })
}
