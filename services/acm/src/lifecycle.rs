//! What becomes of a certificate with time: it is issued when its domains are validated, told of when it comes to its end, and
//! renewed before. One durable task a certificate looks after it; whatever changes it has the task look at once.
//!
//! Source: "Managed certificate renewal", "Renewal for domains validated by DNS" and "… for email-validated domains" in the user
//! guide; certificates of 198 days are renewed 45 days before their end.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Next, Result, Task, Timestamp};

use crate::events::{self, Action, days_left};
use crate::rows::{
    CERTIFICATES, Certificate, DomainStatus, Kind, MATERIAL, Material, Method, Renewal, RenewalStatus, Status,
    Validation, moment,
};
use crate::{SERVICE, account, domains, issuing, keys, letters};

/// The kind of the task.
pub(crate) const KIND: &str = "certificate";

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Domains are waited for so long.
const PATIENCE: i64 = 72 * HOUR;
/// A certificate is renewed so many days before its end.
const RENEWED: i64 = 45;
/// Whoever has to do something for a renewal is told so on these days before the end.
const REMINDERS: &[i64] = &[1, 3, 7, 15, 30, 45];

/// Has the task of a certificate look at once.
pub(crate) fn look_now(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate) -> Result<()> {
    cx.tasks().schedule(cx, tx, SERVICE, &of.id, KIND, of.id.clone(), cx.now())
}

pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(certificate) = CERTIFICATES.get(&cx.read(), &cx.key(&task.payload))? else { return Ok(Next::Done) };
    match certificate.status {
        Status::PendingValidation => pending(cx, certificate).await,
        Status::Issued => held(cx, certificate).await,
        _ => Ok(Next::Done),
    }
}

fn again(milliseconds: i64) -> Next {
    Next::Again(moment(milliseconds).unwrap_or(Timestamp::MAX))
}

/// Changes a row as it is now, which may be another than was read before.
async fn change<T>(
    cx: &Cx,
    id: &str,
    change: impl Fn(&mut Tx<'_>, &mut Certificate) -> Result<T>,
) -> Result<Option<T>> {
    cx.write(|tx| {
        let Some(mut row) = CERTIFICATES.get(tx, &cx.key(id))? else { return Ok(None) };
        let done = change(tx, &mut row)?;
        CERTIFICATES.put(tx, &row.key(), &row);
        Ok(Some(done))
    })
    .await
}

/// Those of the domains that wait for a record whose record is there. The task hears of it when one of the others changes.
async fn published(cx: &Cx, id: &str, validations: &[Validation]) -> Result<Vec<String>> {
    let waiting = validations.iter().filter(|v| v.method == Method::Dns && v.status == DomainStatus::Pending);
    let waiting: Vec<_> = waiting.map(|v| (v.domain.clone(), domains::record(cx, &v.domain, ""))).collect();
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (domain, record) in waiting {
        if domains::is_published(cx, &record)? { found.push(domain) } else { missing.push((domain, record)) }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    cx.write(|tx| {
        for (_, record) in &missing {
            cx.await_name(tx, &record.name, SERVICE, id, KIND, id);
        }
        Ok(())
    })
    .await?;
    // One that came between the look and the wait would not be told of.
    for (domain, record) in missing {
        if domains::is_published(cx, &record)? {
            found.push(domain);
        }
    }
    Ok(found)
}

fn mark(validations: &mut [Validation], found: &[String]) -> bool {
    for validation in validations.iter_mut().filter(|v| found.contains(&v.domain)) {
        validation.status = DomainStatus::Success;
    }
    validations.iter().all(|v| v.status == DomainStatus::Success)
}

/// Why one of the names gets no certificate.
fn refusal(cx: &Cx, of: &Certificate) -> Result<Option<&'static str>> {
    for name in &of.names {
        if let Some(reason) = domains::refusal(cx, name)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// One that waits for its domains.
async fn pending(cx: &Cx, of: Certificate) -> Result<Next> {
    if let Some(reason) = refusal(cx, &of)? {
        change(cx, &of.id, |_, row| {
            row.status = Status::Failed;
            row.failure = Some(reason.to_owned());
            row.validations.iter_mut().for_each(|v| v.status = DomainStatus::Failed);
            Ok(())
        })
        .await?;
        return Ok(Next::Done);
    }
    let found = published(cx, &of.id, &of.validations).await?;
    let all = change(cx, &of.id, |_, row| Ok(mark(&mut row.validations, &found))).await?;
    if all == Some(true) {
        return match issue(cx, &of, Action::Issuance).await? {
            Some(issued) => next(cx, &issued),
            None => Ok(Next::Done),
        };
    }
    let deadline = of.created + PATIENCE;
    if cx.now_millis() < deadline {
        return Ok(again(deadline));
    }
    change(cx, &of.id, |_, row| {
        row.status = Status::ValidationTimedOut;
        let late = row.validations.iter_mut().filter(|v| v.status == DomainStatus::Pending);
        late.for_each(|v| v.status = DomainStatus::Failed);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

/// Makes the pair of keys and the certificate, and puts them in the place of those before. `None`: it is wanted no more.
async fn issue(cx: &Cx, of: &Certificate, action: Action) -> Result<Option<Certificate>> {
    let key = keys::generate(&of.key_algorithm).await?;
    let issued = issuing::issue(cx, &of.key_algorithm, &of.names, &key).await?;
    let sealed = keys::sealed(cx, key.serialized_der())?;
    let material = Material { chain: Some(issued.chain), key: Some(sealed) };
    let done = change(cx, &of.id, |tx, row| {
        if row.status != of.status {
            return Ok(None);
        }
        row.status = Status::Issued;
        row.body = Some(issued.body.clone());
        row.issued = Some(cx.now_millis());
        row.exported_since = false;
        row.told = None;
        if let Some(renewal) = row.renewal.as_mut().filter(|_| action == Action::Renewal) {
            renewal.status = RenewalStatus::Success;
            renewal.reason = None;
            renewal.updated = cx.now_millis();
        }
        MATERIAL.put(tx, &row.key(), &material);
        if let Some(facts) = row.facts()? {
            events::available(cx, tx, row, &facts, action)?;
        }
        Ok(Some(row.clone()))
    })
    .await?;
    Ok(done.flatten())
}

/// One that is there.
async fn held(cx: &Cx, of: Certificate) -> Result<Next> {
    let Some(facts) = of.facts()? else { return Ok(Next::Done) };
    let (now, end) = (cx.now_millis(), facts.not_after * 1000);
    if now >= end {
        change(cx, &of.id, |tx, row| {
            row.status = Status::Expired;
            if let Some(renewal) = row.renewal.as_mut().filter(|renewal| renewal.status.is_pending()) {
                renewal.status = RenewalStatus::Failed;
                renewal.updated = now;
            }
            // What was imported comes to its end without a word.
            if row.kind == Kind::AmazonIssued { events::expired(cx, tx, row, &facts) } else { Ok(()) }
        })
        .await?;
        return Ok(Next::Done);
    }
    look_at_update(cx, &of).await?;
    if let Some(renewed) = renew(cx, &of, end).await? {
        return next(cx, &renewed);
    }
    let days = days_left(now, end);
    let current = change(cx, &of.id, |tx, row| {
        if days <= account::days(cx, tx, row.kind)? && row.told != Some(days) {
            row.told = Some(days);
            events::approaching(cx, tx, row, &facts, days)?;
        }
        Ok(row.clone())
    })
    .await?;
    current.map_or(Ok(Next::Done), |current| next(cx, &current))
}

/// When a certificate is to be looked at next.
fn next(cx: &Cx, of: &Certificate) -> Result<Next> {
    let Some(facts) = of.facts()? else { return Ok(Next::Done) };
    let (now, end) = (cx.now_millis(), facts.not_after * 1000);
    let told = account::days(cx, &cx.read(), of.kind)?;
    let first = if of.kind == Kind::AmazonIssued { told.max(RENEWED) } else { told };
    let left = days_left(now, end);
    // Day by day from then on.
    let mut next = end - if left > first { first } else { (left - 1).max(0) } * DAY;
    if let Some(update) = of.update.as_ref().filter(|update| update.status == DomainStatus::Pending) {
        next = next.min((update.requested + PATIENCE).max(now));
    }
    Ok(again(next))
}

/// A change to validation by DNS is made when all records are there, and given up after a while.
async fn look_at_update(cx: &Cx, of: &Certificate) -> Result<()> {
    let Some(update) = of.update.as_ref().filter(|update| update.status == DomainStatus::Pending) else {
        return Ok(());
    };
    let found = published(cx, &of.id, &update.validations).await?;
    change(cx, &of.id, |_, row| {
        let now = cx.now_millis();
        let Some(update) = row.update.as_mut().filter(|update| update.status == DomainStatus::Pending) else {
            return Ok(());
        };
        if mark(&mut update.validations, &found) {
            (update.status, update.updated) = (DomainStatus::Success, now);
            row.validations.clone_from(&update.validations);
            row.method = Some(Method::Dns);
        } else if now >= update.requested + PATIENCE {
            (update.status, update.updated) = (DomainStatus::Failed, now);
        }
        Ok(())
    })
    .await
    .map(drop)
}

/// The validations of a renewal, as they begin.
pub(crate) fn renewal(cx: &Cx, of: &Certificate) -> Renewal {
    let anew = |validation: &Validation| Validation {
        status: DomainStatus::Pending,
        code: (validation.method == Method::Email).then(|| letters::code(cx)),
        ..validation.clone()
    };
    Renewal {
        status: RenewalStatus::PendingAutoRenewal,
        validations: of.validations.iter().map(anew).collect(),
        reason: None,
        updated: cx.now_millis(),
        told: None,
    }
}

/// Renews a certificate when it is time, or when somebody said so. What is returned is the renewed one.
async fn renew(cx: &Cx, of: &Certificate, end: i64) -> Result<Option<Certificate>> {
    let begun = of.renewal.as_ref().is_some_and(|renewal| renewal.status.is_pending());
    let days = days_left(cx.now_millis(), end);
    if !(begun || days <= RENEWED) || !of.is_renewable(cx)? {
        return Ok(None);
    }
    let started = change(cx, &of.id, |_, row| {
        if !row.renewal.as_ref().is_some_and(|renewal| renewal.status.is_pending()) {
            row.renewal = Some(renewal(cx, row));
        }
        Ok(row.clone())
    })
    .await?;
    let Some(started) = started else { return Ok(None) };
    let refusal = refusal(cx, &started)?;
    let validations = started.renewal.as_ref().map_or(&[][..], |renewal| &renewal.validations);
    let found = published(cx, &of.id, validations).await?;
    let all = change(cx, &of.id, |tx, row| wait_for_renewal(cx, tx, row, &found, refusal, days)).await?;
    if all == Some(true) { issue(cx, &started, Action::Renewal).await } else { Ok(None) }
}

/// Notes how far a renewal is, and tells whoever has to do something for it. Says whether there is nothing left to do.
fn wait_for_renewal(
    cx: &Cx,
    tx: &mut Tx<'_>,
    row: &mut Certificate,
    found: &[String],
    refusal: Option<&str>,
    days: i64,
) -> Result<bool> {
    let facts = row.facts()?;
    let Some(renewal) = row.renewal.as_mut() else { return Ok(false) };
    let all = mark(&mut renewal.validations, found) && refusal.is_none();
    if all {
        return Ok(true);
    }
    let reminder = REMINDERS.iter().copied().find(|reminder| days <= *reminder).unwrap_or(i64::MAX);
    let reason = refusal.unwrap_or("PENDING_DOMAIN_VALIDATION");
    let tells = renewal.told != Some(reminder);
    if renewal.status != RenewalStatus::PendingValidation || tells {
        renewal.status = RenewalStatus::PendingValidation;
        renewal.updated = cx.now_millis();
    }
    renewal.reason = refusal.map(ToOwned::to_owned);
    renewal.told = Some(reminder);
    if let (true, Some(facts)) = (tells, facts) {
        let validations = renewal.validations.clone();
        letters::send(cx, tx, row, &validations)?;
        events::action_required(cx, tx, row, &facts, reason)?;
    }
    Ok(false)
}
