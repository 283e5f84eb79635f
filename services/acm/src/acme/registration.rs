//! Accounts, as clients make and change them (RFC 8555, 7.3).

use serde_json::{Value as Json, json};
use undercast_kernel::Failure;
use undercast_wire::Response;

use super::jose::{self, Signed};
use super::rows::{ACCOUNTS, Account, AccountStatus, BINDING, BINDINGS, Binding, child_arn};
use super::server::{Answered, Asked, Reached, answer, malformed, problem, unauthorized};
use super::{bindings, jose::thumbprint};
use crate::keys;

fn shown(at: &Reached, of: &Account) -> Json {
    json!({
        "status": of.status.as_str().to_ascii_lowercase(),
        "contact": of.contacts,
        "orders": at.url(&format!("account/{}/orders", of.id)),
    })
}

fn location(at: &Reached, of: &Account) -> Option<String> {
    Some(at.url(&format!("account/{}", of.id)))
}

/// The account of a key, if there is one.
fn of_key(at: &Reached, key: &Json) -> Answered<Option<Account>> {
    let thumbprint = thumbprint(key).ok_or_else(|| problem(400, "badPublicKey", "The key cannot be read."))?;
    let place = (at.cx.account(), at.cx.region(), &at.endpoint.id);
    let all = ACCOUNTS.all(&at.cx.read(), &place).map_err(Failure::from)?;
    Ok(all.into_iter().map(|entry| entry.row).find(|row| row.thumbprint == thumbprint))
}

/// Whom to write to.
fn contacts(said: &Json) -> Answered<Option<Vec<String>>> {
    let Some(said) = said.get("contact") else { return Ok(None) };
    let bad = || problem(400, "invalidContact", "Contacts are addresses such as mailto:admin@example.com.");
    let said = said.as_array().ok_or_else(bad)?;
    let one = |contact: &Json| {
        let address = contact.as_str()?.strip_prefix("mailto:")?;
        (address.contains('@') && !address.contains(['?', ','])).then(|| format!("mailto:{address}"))
    };
    said.iter().map(|contact| one(contact).ok_or_else(bad)).collect::<Answered<_>>().map(Some)
}

/// `newAccount`
pub(crate) async fn register(at: &Reached, asked: &Asked) -> Answered<Response> {
    if asked.account.is_some() {
        return Err(malformed("A new account shows its key in jwk."));
    }
    let said = asked.object()?;
    if let Some(there) = of_key(at, &asked.key)? {
        if there.status != AccountStatus::Valid {
            return Err(unauthorized("The account is deactivated or revoked."));
        }
        return Ok(answer(200, &shown(at, &there), location(at, &there)));
    }
    if said.get("onlyReturnExisting").and_then(Json::as_bool) == Some(true) {
        return Err(problem(400, "accountDoesNotExist", "No account has this key."));
    }
    let contacts = contacts(&said)?.unwrap_or_else(Vec::new);
    if at.endpoint.contact.as_deref() == Some("REQUIRED") && contacts.is_empty() {
        return Err(problem(400, "invalidContact", "The endpoint takes no accounts without a contact."));
    }
    let binding = bound(at, asked, &said)?;
    let thumbprint = thumbprint(&asked.key).ok_or_else(|| malformed("The key cannot be read."))?;
    let cx = &at.cx;
    let new = Account {
        id: cx.random().uuid(),
        endpoint: at.endpoint.id.clone(),
        key: asked.key.to_string(),
        thumbprint,
        status: AccountStatus::Valid,
        contacts,
        binding: child_arn(cx, &at.endpoint.id, BINDING, &binding.id),
        role: binding.role,
        created: cx.now_millis(),
    };
    let made = cx
        .write(|tx| {
            let place = at.key(&binding.id);
            let Some(mut used) = BINDINGS.get(tx, &place)?.filter(|of| bindings::is_good(cx, of)) else {
                return Ok(false);
            };
            used.used = Some(cx.now_millis());
            BINDINGS.put(tx, &place, &used);
            ACCOUNTS.put(tx, &at.key(&new.id), &new);
            Ok(true)
        })
        .await?;
    if !made {
        return Err(unauthorized("The external account binding is not good any more."));
    }
    Ok(answer(201, &shown(at, &new), location(at, &new)))
}

/// The binding that a registration proves (RFC 8555, 7.3.4).
fn bound(at: &Reached, asked: &Asked, said: &Json) -> Answered<Binding> {
    let required = || problem(403, "externalAccountRequired", "The endpoint takes accounts with a binding alone.");
    let proof = said.get("externalAccountBinding").ok_or_else(required)?;
    let proof = Signed::read(proof).ok_or_else(|| malformed("The binding is not a JSON Web Signature."))?;
    let refused = || unauthorized("The external account binding is not good.");
    let id = proof.said("kid").ok_or_else(refused)?;
    let binding = BINDINGS.get(&at.cx.read(), &at.key(id)).map_err(Failure::from)?.ok_or_else(refused)?;
    let mac = keys::opened(&at.cx, binding.mac.clone())?;
    let same_key = proof.json().and_then(|key| thumbprint(&key)).is_some_and(|is| Some(is) == thumbprint(&asked.key));
    let same_url = proof.said("url") == Some(at.url("new-account").as_str());
    if proof.is_made_with(&mac) && same_key && same_url && bindings::is_good(&at.cx, &binding) {
        return Ok(binding);
    }
    Err(refused())
}

/// An account is looked at, changed, or deactivated by its owner.
pub(crate) async fn account(at: &Reached, asked: &Asked, id: &str) -> Answered<Response> {
    let own = asked.account()?;
    if own.id != id {
        return Err(unauthorized("The account is another one's."));
    }
    if asked.signed.payload.is_empty() {
        return Ok(answer(200, &shown(at, own), None));
    }
    let said = asked.object()?;
    let contacts = contacts(&said)?;
    let deactivated = match said.get("status").and_then(Json::as_str) {
        None => false,
        Some("deactivated") => true,
        Some(_) => return Err(malformed("A client can set the status to deactivated alone.")),
    };
    if contacts.as_ref().is_some_and(Vec::is_empty) && at.endpoint.contact.as_deref() == Some("REQUIRED") {
        return Err(problem(400, "invalidContact", "The endpoint takes no accounts without a contact."));
    }
    let changed = at
        .cx
        .write(|tx| {
            let Some(mut row) = ACCOUNTS.get(tx, &at.key(id))? else { return Ok(None) };
            if let Some(contacts) = &contacts {
                row.contacts.clone_from(contacts);
            }
            if deactivated {
                row.status = AccountStatus::Deactivated;
            }
            ACCOUNTS.put(tx, &at.key(id), &row);
            Ok(Some(row))
        })
        .await?;
    let changed = changed.ok_or_else(|| problem(400, "accountDoesNotExist", "The account is gone."))?;
    Ok(answer(200, &shown(at, &changed), None))
}

/// `keyChange`: the new key signs that it takes the place of the old one, and the old one that.
pub(crate) async fn change_key(at: &Reached, asked: &Asked) -> Answered<Response> {
    let own = asked.account()?;
    let inner = asked.signed.json().as_ref().and_then(Signed::read);
    let inner = inner.ok_or_else(|| malformed("The payload is not a JSON Web Signature."))?;
    let new = inner.protected.get("jwk").cloned().ok_or_else(|| malformed("The new key is not shown."))?;
    let said = inner.json().unwrap_or_else(|| json!({}));
    let fits = inner.is_signed_with(&new) == Some(true)
        && inner.said("url") == Some(at.url("key-change").as_str())
        && said.get("account").and_then(Json::as_str) == location(at, own).as_deref()
        && said.get("oldKey").and_then(jose::thumbprint).as_ref() == Some(&own.thumbprint);
    if !fits {
        return Err(malformed("The inner signature does not say that the new key takes the place of the old one."));
    }
    if let Some(other) = of_key(at, &new)? {
        let body = json!({"type": "urn:ietf:params:acme:error:malformed", "detail": "An account has this key.", "status": 409});
        return Ok(answer(409, &body, location(at, &other)));
    }
    let thumbprint = thumbprint(&new).ok_or_else(|| problem(400, "badPublicKey", "The key cannot be read."))?;
    let changed = at
        .cx
        .write(|tx| {
            let Some(mut row) = ACCOUNTS.get(tx, &at.key(&own.id))? else { return Ok(None) };
            (row.key, row.thumbprint) = (new.to_string(), thumbprint.clone());
            ACCOUNTS.put(tx, &at.key(&own.id), &row);
            Ok(Some(row))
        })
        .await?;
    let changed = changed.ok_or_else(|| problem(400, "accountDoesNotExist", "The account is gone."))?;
    Ok(answer(200, &shown(at, &changed), None))
}
