//! StartImport and its kin.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use super::file::place;
use super::row::{FAILURES, Fault, FaultState, IMPORTS, Import, Status, active, find};
use super::run::{KIND, reader};
use crate::api::{self, errors, input, output};
use crate::lake::kind::Kind;
use crate::lake::seal;
use crate::lake::store::{self, Store};
use crate::rows::moment;
use crate::{PRINCIPAL, SERVICE};

/// So many are on a page.
const PAGE: usize = 1000;

/// How an import is answered: shapes with the same members.
macro_rules! shown {
    ($of:path, $import:expr, {$($more:ident: $value:expr),*}) => {{
        let import = $import;
        $of {
            import_id: Some(import.id.clone()),
            destinations: Some(vec![import.store.clone()]),
            import_source: Some(source(import)),
            start_event_time: import.start.map(moment),
            end_event_time: import.end.map(moment),
            import_status: Some(import.status.name().to_owned()),
            created_timestamp: Some(moment(import.created)),
            updated_timestamp: Some(moment(import.updated)),
            $($more: $value,)*
        }
    }};
}

fn source(import: &Import) -> output::ImportSource {
    output::ImportSource {
        s3: output::S3ImportSource {
            s3_location_uri: import.uri.clone(),
            s3_bucket_region: import.region.clone(),
            s3_bucket_access_role_arn: import.role.clone(),
        },
    }
}

fn statistics(import: &Import) -> output::ImportStatistics {
    output::ImportStatistics {
        prefixes_found: Some(import.done.prefixes_found),
        prefixes_completed: Some(import.done.prefixes),
        files_completed: Some(import.done.files),
        events_completed: Some(import.done.events),
        failed_entries: Some(import.done.failed),
    }
}

fn bad(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

/// The store into which events go: one for events of AWS's services, whose key lets CloudTrail in.
fn destination(cx: &Cx, given: Option<&[String]>) -> Result<Store> {
    let Some([given]) = given else { return Err(bad("Destinations must be specified for a new import.")) };
    let store = store::find_active(cx, &cx.read(), given)?;
    if store.kind()? != Kind::Calls {
        let message = format!("Trail events cannot be imported into the event data store {}.", store.arn());
        return Err(errors::invalid_event_data_store_category_exception(message).into());
    }
    seal::check(cx, &store)?;
    Ok(store)
}

/// Whether the bucket is there, where it is said to be, and the role may look into it.
async fn check_source(cx: &Cx, s3: &input::S3ImportSource) -> Result<()> {
    let wrong = |message: String| Failure::from(errors::invalid_import_source_exception(message));
    let Some((bucket, prefix)) = place(&s3.s3_location_uri) else {
        return Err(wrong(format!("The S3 location is not valid: {}.", s3.s3_location_uri)));
    };
    let role = &s3.s3_bucket_access_role_arn;
    if Arn::parse(role).is_none_or(|arn| arn.service != "iam" || !arn.resource.starts_with("role/")) {
        return Err(wrong(format!("The role is not valid: {role}.")));
    }
    if !cx.is_assumable(PRINCIPAL, role, None)? {
        return Err(wrong(format!("CloudTrail cannot assume the role {role}.")));
    }
    let as_role = reader(cx, &s3.s3_bucket_region, role);
    let looked = as_role.call("s3", "ListObjectsV2", json!({"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1})).await;
    match looked {
        Ok(_) => Ok(()),
        Err(Failure::Aws(error)) => Err(wrong(format!("The bucket {bucket} cannot be read: {}", error.message))),
        Err(failure) => Err(failure),
    }
}

fn task(id: &str) -> String {
    format!("{KIND} {id}")
}

fn check_idle(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<()> {
    match active(cx, from)?.first() {
        Some(import) => {
            let message = format!("The import {} is in progress.", import.id);
            Err(errors::account_has_ongoing_import_exception(message).into())
        }
        None => Ok(()),
    }
}

pub(crate) async fn start(cx: &Cx, input: api::StartImportInput) -> Result<api::StartImportOutput> {
    let import = match &input.import_id {
        Some(id) => {
            if input.destinations.is_some() || input.import_source.is_some() {
                return Err(bad("ImportId must not be specified with Destinations or ImportSource."));
            }
            retry(cx, id).await?
        }
        None => begin(cx, input).await?,
    };
    Ok(shown!(api::StartImportOutput, &import, {}))
}

/// A new import.
async fn begin(cx: &Cx, input: api::StartImportInput) -> Result<Import> {
    let store = destination(cx, input.destinations.as_deref())?;
    let Some(source) = input.import_source else {
        return Err(bad("ImportSource must be specified for a new import."));
    };
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let (start, end) = (millis(input.start_event_time), millis(input.end_event_time));
    if let (Some(start), Some(end)) = (start, end)
        && start > end
    {
        return Err(bad("StartEventTime must not be after EndEventTime."));
    }
    check_idle(cx, &cx.read())?;
    check_source(cx, &source.s3).await?;
    let now = cx.now_millis();
    let import = Import {
        id: cx.random().uuid(),
        store: store.arn(),
        uri: source.s3.s3_location_uri,
        region: source.s3.s3_bucket_region,
        role: source.s3.s3_bucket_access_role_arn,
        start,
        end,
        status: Status::Initializing,
        created: now,
        updated: now,
        done: super::row::Done::default(),
        after: None,
        listed: false,
        folder: None,
    };
    cx.write(|tx| {
        check_idle(cx, tx)?;
        IMPORTS.put(tx, &cx.key(import.id.as_str()), &import);
        cx.tasks().schedule(cx, tx, SERVICE, &task(&import.id), KIND, import.id.clone(), cx.now())
    })
    .await?;
    Ok(import)
}

/// An import that was stopped goes on; of one that failed, the files that could not be read are read once more.
async fn retry(cx: &Cx, id: &str) -> Result<Import> {
    cx.write(|tx| {
        let import = find(cx, tx, id)?;
        check_idle(cx, tx)?;
        if import.status == Status::Completed {
            return Err(bad(format!("The import {id} is completed: there is nothing to retry.")));
        }
        let key = cx.key(id);
        let mut failed = import.done.failed;
        for entry in FAILURES.all(tx, &(key,))? {
            let Some((_, _, _, location)) = entry.key::<(String, String, String, String)>() else { continue };
            if location == import.uri {
                // It was not one file that could not be read, but the bucket.
                FAILURES.delete(tx, &(key, location.as_str()));
                failed -= 1;
            } else if entry.row.state == FaultState::Failed {
                FAILURES.put(tx, &(key, location.as_str()), &Fault { state: FaultState::Retry, ..entry.row });
            }
        }
        let done = super::row::Done { failed, ..import.done };
        let import = Import { status: Status::Initializing, updated: cx.now_millis(), done, ..import };
        IMPORTS.put(tx, &key, &import);
        cx.tasks().schedule(cx, tx, SERVICE, &task(id), KIND, id.to_owned(), cx.now())?;
        Ok(import)
    })
    .await
}

pub(crate) async fn stop(cx: &Cx, input: &api::StopImportInput) -> Result<api::StopImportOutput> {
    let import = cx
        .write(|tx| {
            let import = find(cx, tx, &input.import_id)?;
            if !import.status.is_active() {
                let message = format!("The import {} is not in progress.", import.id);
                return Err(bad(message));
            }
            let import = Import { status: Status::Stopped, updated: cx.now_millis(), ..import };
            IMPORTS.put(tx, &cx.key(import.id.as_str()), &import);
            cx.tasks().cancel(tx, SERVICE, &task(&import.id))?;
            Ok(import)
        })
        .await?;
    let done = statistics(&import);
    Ok(shown!(api::StopImportOutput, &import, {import_statistics: Some(done)}))
}

pub(crate) fn get(cx: &Cx, input: &api::GetImportInput) -> Result<api::GetImportOutput> {
    let import = find(cx, &cx.read(), &input.import_id)?;
    let done = statistics(&import);
    Ok(shown!(api::GetImportOutput, &import, {import_statistics: Some(done)}))
}

/// The imports, the newest first.
pub(crate) fn list(cx: &Cx, input: &api::ListImportsInput) -> Result<api::ListImportsOutput> {
    let into = input.destination.as_deref().map(|given| store::id(cx, given)).transpose()?;
    let into = into.map(|id| store::arn(cx.account(), cx.region(), &id));
    let wanted = |import: &Import| {
        let status = input.import_status.as_deref().is_none_or(|status| status == import.status.name());
        status && into.as_ref().is_none_or(|into| *into == import.store)
    };
    let all = IMPORTS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let mut all: Vec<Import> = all.filter(wanted).collect();
    all.sort_by_key(|import| (std::cmp::Reverse(import.created), import.id.clone()));
    let shown = all.into_iter().map(|import| output::ImportsListItem {
        import_id: Some(import.id),
        import_status: Some(import.status.name().to_owned()),
        destinations: Some(vec![import.store]),
        created_timestamp: Some(moment(import.created)),
        updated_timestamp: Some(moment(import.updated)),
    });
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let scope = format!("ListImports/{into:?}/{:?}", input.import_status);
    let page = paging::page(&scope, shown.collect(), input.next_token.as_deref(), size);
    let (imports, next_token) =
        page.ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?;
    Ok(api::ListImportsOutput { imports: Some(imports), next_token })
}

/// The files that could not be read, by their places.
pub(crate) fn failures(cx: &Cx, input: &api::ListImportFailuresInput) -> Result<api::ListImportFailuresOutput> {
    let from = cx.read();
    let import = IMPORTS.get(&from, &cx.key(input.import_id.as_str()))?;
    let import = import.ok_or_else(|| bad(format!("The import {} is not found.", input.import_id)))?;
    let shown = FAILURES.all(&from, &(cx.key(import.id.as_str()),))?.into_iter().map(|entry| {
        let location = entry.key::<(String, String, String, String)>().map(|(_, _, _, location)| location);
        output::ImportFailureListItem {
            location,
            status: Some(entry.row.state.name().to_owned()),
            error_type: Some(entry.row.kind),
            error_message: Some(entry.row.message),
            last_updated_time: Some(moment(entry.row.updated)),
        }
    });
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let scope = format!("ListImportFailures/{}", import.id);
    let page = paging::page(&scope, shown.collect(), input.next_token.as_deref(), size);
    let (failures, next_token) =
        page.ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?;
    Ok(api::ListImportFailuresOutput { failures: Some(failures), next_token })
}

/// Refuses a change of a store into which an import goes on.
pub(crate) fn check_none(cx: &Cx, from: &(impl Read + ?Sized), store: &Store) -> Result<()> {
    if active(cx, from)?.iter().any(|import| import.store == store.arn()) {
        let message = format!("The event data store {} has an import in progress.", store.arn());
        return Err(errors::event_data_store_has_ongoing_import_exception(message).into());
    }
    Ok(())
}
