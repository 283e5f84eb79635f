//! Trails: CreateTrail and its kin.

use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, errors, output};
use crate::name::{TrailName, check, find, find_own, is_seen};
use crate::rows::{PENDING, STATUS, Status, TRAILS, Trail};
use crate::{checks, deliver, digest, organization, recorder, tags};

/// A region has so many trails, its shadows among them.
const MOST: usize = 5;
/// So many are on a page.
const PAGE: usize = 100;

/// How a trail is shown: shapes with the same members, and some more.
macro_rules! shown {
    ($of:path, $trail:expr, {$($more:ident: $value:expr),*}) => {{
        let trail = $trail;
        $of {
            trail_arn: Some(trail.named().arn()),
            $($more: $value,)*
            name: Some(trail.name),
            s3_bucket_name: Some(trail.bucket),
            s3_key_prefix: trail.prefix,
            sns_topic_name: trail.topic.clone(),
            sns_topic_arn: trail.topic,
            include_global_service_events: Some(trail.global_events),
            is_multi_region_trail: Some(trail.multi_region),
            log_file_validation_enabled: Some(trail.validated),
            cloud_watch_logs_log_group_arn: trail.log_group,
            cloud_watch_logs_role_arn: trail.role,
            kms_key_id: trail.kms,
            is_organization_trail: Some(trail.organization),
            recursive_logging: Some(trail.recursive),
        }
    }};
}

fn described(trail: Trail) -> Result<output::Trail> {
    let (custom, home, insights) = (trail.selectors()?.is_custom(), trail.region.clone(), trail.insights.is_some());
    Ok(shown!(output::Trail, trail, {
        home_region: Some(home), has_custom_event_selectors: Some(custom), has_insight_selectors: Some(insights)
    }))
}

/// Nothing is a text of no letters.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateTrailInput) -> Result<api::CreateTrailOutput> {
    check(&input.name)?;
    let name = TrailName::here(cx, &input.name);
    let organization = input.is_organization_trail.unwrap_or(false);
    let of = if organization { Some(organization::of_trail(cx).await?) } else { None };
    let mut trail = Trail {
        name: input.name,
        bucket: input.s3_bucket_name,
        prefix: said(input.s3_key_prefix),
        topic: said(input.sns_topic_name),
        global_events: input.include_global_service_events.unwrap_or(true),
        multi_region: input.is_multi_region_trail.unwrap_or(false),
        validated: input.enable_log_file_validation.unwrap_or(false),
        log_group: said(input.cloud_watch_logs_log_group_arn),
        role: said(input.cloud_watch_logs_role_arn),
        kms: said(input.kms_key_id),
        organization,
        recursive: input.recursive_logging.unwrap_or(true),
        tags: tags::given(input.tags_list.unwrap_or_else(Vec::new), 0)?,
        logging: false,
        selectors: None,
        insights: None,
        account: name.account.clone(),
        region: name.region.clone(),
        organization_id: of,
        insights_since: None,
    };
    // What would be refused anyway is refused before others are asked.
    refuse_another(cx, &cx.read(), &name)?;
    checks::settings(cx, &mut trail, None).await?;
    cx.write(|tx| {
        refuse_another(cx, tx, &name)?;
        TRAILS.put(tx, &name.key(), &trail);
        STATUS.put(tx, &name.key(), &Status::default());
        Ok(())
    })
    .await?;
    Ok(shown!(api::CreateTrailOutput, trail, {}))
}

/// Refuses a trail under a name that is taken, or one too many.
fn refuse_another(cx: &Cx, from: &(impl undercast_kernel::store::Read + ?Sized), name: &TrailName) -> Result<()> {
    let all = TRAILS.all(from, &(cx.account(),))?;
    let here = all.iter().filter(|entry| entry.row.region == cx.region() || entry.row.multi_region);
    if here.clone().any(|entry| entry.row.name == name.name) {
        let message = format!("Trail {} already exists for customer: {}", name.name, cx.account());
        return Err(errors::trail_already_exists_exception(message).into());
    }
    if here.count() >= MOST {
        let message = format!("User: {} already has {MOST} trails in {}.", cx.account(), cx.region());
        return Err(errors::maximum_number_of_trails_exceeded_exception(message).into());
    }
    Ok(())
}

/// What is not said of it stays as it is.
pub(crate) async fn update(cx: &Cx, input: api::UpdateTrailInput) -> Result<api::UpdateTrailOutput> {
    let (name, before) = find_own(cx, &cx.read(), &input.name)?;
    let organization = input.is_organization_trail.unwrap_or(before.organization);
    let organization_id = match organization {
        true if before.organization_id.is_none() => Some(organization::of_trail(cx).await?),
        true => before.organization_id.clone(),
        false => None,
    };
    let or =
        |given: Option<String>, there: &Option<String>| given.map_or_else(|| there.clone(), |text| said(Some(text)));
    let mut trail = Trail {
        bucket: said(input.s3_bucket_name).unwrap_or_else(|| before.bucket.clone()),
        prefix: or(input.s3_key_prefix, &before.prefix),
        topic: or(input.sns_topic_name, &before.topic),
        global_events: input.include_global_service_events.unwrap_or(before.global_events),
        multi_region: input.is_multi_region_trail.unwrap_or(before.multi_region),
        validated: input.enable_log_file_validation.unwrap_or(before.validated),
        log_group: or(input.cloud_watch_logs_log_group_arn, &before.log_group),
        role: or(input.cloud_watch_logs_role_arn, &before.role),
        kms: or(input.kms_key_id, &before.kms),
        organization,
        organization_id,
        recursive: input.recursive_logging.unwrap_or(before.recursive),
        ..before.clone()
    };
    checks::settings(cx, &mut trail, Some(&before)).await?;
    let trail = cx
        .write(|tx| {
            let (_, now) = find_own(cx, tx, &input.name)?;
            // What others changed meanwhile stays changed.
            let changed = Trail {
                logging: now.logging,
                selectors: now.selectors,
                insights: now.insights,
                insights_since: now.insights_since,
                tags: now.tags,
                ..trail.clone()
            };
            TRAILS.put(tx, &name.key(), &changed);
            digest::schedule_if_wanted(cx, tx, &changed, !before.validated)?;
            Ok(changed)
        })
        .await?;
    recorder::flag_data(cx.kernel())?;
    Ok(shown!(api::UpdateTrailOutput, trail, {}))
}

/// What was recorded before is not delivered any more; files that were delivered stay where they are.
pub(crate) async fn delete(cx: &Cx, input: api::DeleteTrailInput) -> Result<()> {
    let (name, _) = find_own(cx, &cx.read(), &input.name)?;
    cx.write(|tx| {
        find_own(cx, tx, &input.name)?;
        TRAILS.delete(tx, &name.key());
        STATUS.delete(tx, &name.key());
        PENDING.clear(tx, &(name.key(),))?;
        digest::forget(cx, tx, &name)?;
        deliver::cancel(cx, tx, &name)
    })
    .await?;
    recorder::flag_data(cx.kernel())
}

pub(crate) fn get(cx: &Cx, input: &api::GetTrailInput) -> Result<api::GetTrailOutput> {
    let (_, trail) = find(cx, &cx.read(), &input.name)?;
    Ok(api::GetTrailOutput { trail: Some(described(trail)?) })
}

/// The trails of this region; with `includeShadowTrails`, which is on where nothing is said, those of all regions as well.
/// A name that nothing has is left out of the answer.
pub(crate) fn describe(cx: &Cx, input: &api::DescribeTrailsInput) -> Result<api::DescribeTrailsOutput> {
    let from = cx.read();
    let shadows = input.include_shadow_trails.unwrap_or(true);
    let names = input.trail_name_list.as_deref().unwrap_or_default();
    for name in names {
        TrailName::given(cx, name)?;
    }
    let mut found = Vec::new();
    for trail in visible(cx, &from)? {
        let named = trail.named();
        let at_home = named.region == cx.region();
        let wanted = names.is_empty() || names.iter().any(|given| *given == trail.name || *given == named.arn());
        // Shadows are left out of a list only, not where they are named.
        if wanted && (at_home || shadows || !names.is_empty()) {
            found.push(described(trail)?);
        }
    }
    Ok(api::DescribeTrailsOutput { trail_list: Some(found) })
}

/// The trails that are seen in this region.
fn visible(cx: &Cx, from: &undercast_kernel::store::Snapshot) -> Result<Vec<Trail>> {
    let mut seen = Vec::new();
    for entry in TRAILS.all(from, &())? {
        if is_seen(cx, &entry.row.named(), &entry.row)? {
            seen.push(entry.row);
        }
    }
    Ok(seen)
}

/// The trails of this account, in all regions.
pub(crate) fn list(cx: &Cx, input: &api::ListTrailsInput) -> Result<api::ListTrailsOutput> {
    let all = TRAILS.all(&cx.read(), &(cx.account(),))?.into_iter().map(|entry| entry.row);
    let all = all.map(|trail| output::TrailInfo {
        trail_arn: Some(trail.named().arn()),
        name: Some(trail.name),
        home_region: Some(trail.region),
    });
    // The model lists no error for a token: it is one of this list, or the list begins anew.
    let token = input.next_token.as_deref().filter(|token| paging::number("ListTrails", token).is_some());
    let (trails, next_token) =
        paging::page("ListTrails", all.collect(), token, PAGE).unwrap_or_else(|| (Vec::new(), None));
    Ok(api::ListTrailsOutput { trails: Some(trails), next_token })
}
