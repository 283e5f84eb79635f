//! Virtual MFA devices: made, given to a user or to the root user, asked for codes.
//!
//! A code is good in its own 30 seconds and the 30 before and behind them, by the cloud's clock, and once only. A device whose clock is off is brought
//! into step when it is enabled or resynchronised (RFC 6238, 6): how far it is off is kept.
//!
//! The root user's device is enabled in AWS's console, which is not here: here the root user itself enables (and resynchronises)
//! it, under the user name [`ROOT`].

mod picture;
mod totp;

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{PrincipalFacts, PrincipalKind};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Coded, Cx, MfaCode, Result, Timestamp};
use undercast_wire::text::percent_encode;

use crate::api::{self, errors, output};
use crate::entity::{Kind, add_tags, tags_input, tags_output};
use crate::{keys, pages, root_user};

/// Account, path with name → device.
static DEVICES: Table<Device> = Table::new("iam.mfa_devices");

/// The name under which the root user's device is enabled and listed.
pub(crate) const ROOT: &str = "root";

/// A user has at most so many devices, and so has the root user.
const MOST: usize = 8;

/// The two codes that enable a device may be off by so many steps, and those that resynchronise it by so many.
const ENABLING: i64 = 2;
const RESYNCHRONISING: i64 = 20;

/// A virtual device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Device {
    #[n(0)]
    seed: ByteVec,
    /// Whose it is; `None`: nobody's.
    #[n(1)]
    holder: Option<Holder>,
    /// So many steps its clock is ahead of ours.
    #[n(2)]
    ahead: i64,
    /// The newest step whose code was used. Neither it nor an older one is good again.
    #[n(3)]
    used: i64,
    #[cbor(n(4), default)]
    tags: BTreeMap<String, String>,
}

/// Who has a device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Holder {
    #[n(0)]
    who: Who,
    /// Seconds since 1970.
    #[n(1)]
    since: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
enum Who {
    #[n(0)]
    Root,
    /// The user with this name, in small letters.
    #[n(1)]
    User(#[n(0)] String),
}

impl Who {
    /// Whoever a request names.
    fn named(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Self> {
        match Kind::User.find(from, cx.account(), name) {
            Ok(user) => Ok(Self::User(user.name.to_lowercase())),
            Err(failure)
                if failure.code() == Some("NoSuchEntity")
                    && name == ROOT
                    && matches!(cx.principal().kind, PrincipalKind::Root) =>
            {
                Ok(Self::Root)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whoever a request names, or makes it.
    fn asked(cx: &Cx, from: &(impl Read + ?Sized), name: Option<String>) -> Result<Self> {
        match (name, &cx.principal().kind) {
            (None, PrincipalKind::Root) => Ok(Self::Root),
            (name, _) => Self::named(cx, from, &keys::user_of(cx, name)?),
        }
    }

    /// `None`: a principal that has no devices.
    fn of(principal: &PrincipalFacts) -> Option<Self> {
        match &principal.kind {
            PrincipalKind::Root => Some(Self::Root),
            PrincipalKind::User { name } => Some(Self::User(name.to_lowercase())),
            _ => None,
        }
    }

    /// As answers show it.
    fn shown(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<output::User> {
        match self {
            Self::User(name) => Ok(Kind::User.find(from, cx.account(), name)?.user(cx, false)),
            Self::Root => Ok(root_user::shown(cx)),
        }
    }
}

impl Device {
    fn is_of(&self, who: &Who) -> bool {
        self.holder.as_ref().is_some_and(|h| h.who == *who)
    }

    /// The step of the first of two codes that follow each other, not further than `span` steps from now.
    fn pair(&self, first: &str, second: &str, now: i64, span: i64) -> Option<i64> {
        let steps = (now - span).max(self.used + 1)..now + span;
        steps.filter(|s| totp::shown(&self.seed, *s..=*s, first).is_some()).find(|s| {
            let next = s + 1;
            totp::shown(&self.seed, next..=next, second).is_some()
        })
    }

    /// Takes two codes that follow each other: the clock is set by them.
    fn synchronise(&mut self, first: &str, second: &str, now: i64, span: i64) -> Result<()> {
        let Some(step) = self.pair(first, second, now, span) else {
            let message = "Authentication code for device is not valid.";
            return Err(errors::invalid_authentication_code_exception(message).into());
        };
        self.used = step + 1;
        // A clock whose second code is the last one, or the next one, is right: people take their time, and programs do not wait.
        let ahead = step + 1 - now;
        self.ahead = if ahead.abs() <= 1 { 0 } else { ahead };
        Ok(())
    }

    /// The step whose code this is, if it is good now.
    fn step_of(&self, code: &str, now: i64) -> Option<i64> {
        let middle = now + self.ahead;
        totp::shown(&self.seed, middle - 1..=middle + 1, code).filter(|step| *step > self.used)
    }
}

fn serial(cx: &Cx, place: &str) -> String {
    cx.global_arn("iam", &format!("mfa{place}"))
}

/// The path and name in a serial number of this account.
fn place_of(account: &str, serial: &str) -> Option<String> {
    let arn = Arn::parse(serial).filter(|a| a.service == "iam" && a.account == account)?;
    arn.resource.strip_prefix("mfa").filter(|place| place.starts_with('/')).map(ToOwned::to_owned)
}

fn no_such_device(serial: &str) -> AwsError {
    errors::no_such_entity_exception(format!("VirtualMFADevice with serial number {serial} does not exist."))
}

fn find(from: &(impl Read + ?Sized), account: &str, serial: &str) -> Result<(String, Device)> {
    let place = place_of(account, serial).ok_or_else(|| no_such_device(serial))?;
    let device = DEVICES.get(from, &(account, &place))?.ok_or_else(|| no_such_device(serial))?;
    Ok((place, device))
}

/// The device of a user, or of the root user.
fn find_of(from: &(impl Read + ?Sized), account: &str, who: &Who, serial: &str) -> Result<(String, Device)> {
    let (place, device) = find(from, account, serial)?;
    if !device.is_of(who) {
        return Err(errors::no_such_entity_exception("MFA Device invalid for user.").into());
    }
    Ok((place, device))
}

/// The devices of an account, each with its path and name.
fn all(from: &(impl Read + ?Sized), account: &str) -> Result<Vec<(String, Device)>> {
    let rows = DEVICES.all(from, &(account,))?.into_iter();
    Ok(rows.filter_map(|entry| Some((entry.key::<(String, String)>()?.1, entry.row))).collect())
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateVirtualMFADeviceInput,
) -> Result<api::CreateVirtualMFADeviceOutput> {
    let place = format!("{}{}", input.path.as_deref().unwrap_or("/"), input.virtual_mfa_device_name);
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, &tags_input(input.tags)?)?;
    let seed: [u8; 40] = cx.random().bytes();
    let secret = totp::base32(&seed);
    let mut label = String::new();
    percent_encode(&input.virtual_mfa_device_name, true, &mut label);
    let picture = picture::png(&format!("otpauth://totp/{label}@{}?secret={secret}", cx.account()))?;
    cx.write(|tx| {
        if DEVICES.has(tx, &(cx.account(), &place))? {
            let message = "MFADevice entity at the same path and name already exists.";
            return Err(errors::entity_already_exists_exception(message).into());
        }
        // An account has as many devices as users ("IAM and AWS STS quotas" in the user guide).
        let most = Kind::User.quota().0;
        if DEVICES.all(tx, &(cx.account(),))?.len() >= most {
            let message = format!("Cannot exceed quota for VirtualMFADevicesPerAccount: {most}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        let device = Device { seed: seed.to_vec().into(), holder: None, ahead: 0, used: 0, tags: tags.clone() };
        DEVICES.put(tx, &(cx.account(), &place), &device);
        Ok(())
    })
    .await?;
    let virtual_mfa_device = output::VirtualMFADevice {
        serial_number: serial(cx, &place),
        base32_string_seed: Some(secret.into_bytes().into()),
        qr_code_png: Some(picture.into()),
        tags: tags_output(&tags),
        ..Default::default()
    };
    Ok(api::CreateVirtualMFADeviceOutput { virtual_mfa_device })
}

pub(crate) async fn enable(cx: &Cx, input: api::EnableMFADeviceInput) -> Result<()> {
    let now = totp::step_at(cx.now().as_second());
    cx.write(|tx| {
        let who = Who::named(cx, tx, &input.user_name)?;
        let (place, mut device) = find(tx, cx.account(), &input.serial_number)?;
        if device.holder.is_some() {
            let message = format!("MFA Device {} is already in use.", input.serial_number);
            return Err(errors::entity_already_exists_exception(message).into());
        }
        if all(tx, cx.account())?.iter().filter(|(_, d)| d.is_of(&who)).count() >= MOST {
            let message = format!("Cannot exceed quota for MFADevicesPerUser: {MOST}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        device.synchronise(&input.authentication_code1, &input.authentication_code2, now, ENABLING)?;
        device.holder = Some(Holder { who, since: cx.now().as_second() });
        DEVICES.put(tx, &(cx.account(), &place), &device);
        Ok(())
    })
    .await
}

pub(crate) async fn resynchronise(cx: &Cx, input: api::ResyncMFADeviceInput) -> Result<()> {
    let now = totp::step_at(cx.now().as_second());
    cx.write(|tx| {
        let who = Who::named(cx, tx, &input.user_name)?;
        let (place, mut device) = find_of(tx, cx.account(), &who, &input.serial_number)?;
        device.synchronise(&input.authentication_code1, &input.authentication_code2, now, RESYNCHRONISING)?;
        DEVICES.put(tx, &(cx.account(), &place), &device);
        Ok(())
    })
    .await
}

pub(crate) async fn deactivate(cx: &Cx, input: api::DeactivateMFADeviceInput) -> Result<()> {
    cx.write(|tx| {
        let who = Who::asked(cx, tx, input.user_name.clone())?;
        let (place, device) = find_of(tx, cx.account(), &who, &input.serial_number)?;
        DEVICES.put(tx, &(cx.account(), &place), &Device { holder: None, ..device });
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteVirtualMFADeviceInput) -> Result<()> {
    cx.write(|tx| {
        let (place, device) = find(tx, cx.account(), &input.serial_number)?;
        if device.holder.is_some() {
            let message = "MFA VirtualDevice in use. Must deactivate first.";
            return Err(errors::delete_conflict_exception(message).into());
        }
        DEVICES.delete(tx, &(cx.account(), &place));
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: api::ListMFADevicesInput) -> Result<api::ListMFADevicesOutput> {
    let from = cx.read();
    let who = Who::asked(cx, &from, input.user_name)?;
    let user_name = who.shown(cx, &from)?.user_name;
    let devices = all(&from, cx.account())?.into_iter().filter(|(_, d)| d.is_of(&who)).filter_map(|(place, device)| {
        let enable_date = Timestamp::from_second(device.holder?.since).ok()?;
        Some(output::MFADevice { user_name: user_name.clone(), serial_number: serial(cx, &place), enable_date })
    });
    let (list, marker) = (format!("ListMFADevices {user_name}"), input.marker.as_deref());
    let (mfa_devices, is_truncated, marker) =
        pages::page(&list, devices.collect(), |d| d.serial_number.clone(), marker, input.max_items)?;
    Ok(api::ListMFADevicesOutput { mfa_devices, is_truncated, marker })
}

pub(crate) fn list_virtual(
    cx: &Cx,
    input: &api::ListVirtualMFADevicesInput,
) -> Result<api::ListVirtualMFADevicesOutput> {
    let from = cx.read();
    let mut devices = Vec::new();
    for (place, device) in all(&from, cx.account())? {
        let wanted = match input.assignment_status.as_deref() {
            Some("Assigned") => device.holder.is_some(),
            Some("Unassigned") => device.holder.is_none(),
            _ => true,
        };
        if !wanted {
            continue;
        }
        devices.push(output::VirtualMFADevice {
            serial_number: serial(cx, &place),
            user: device.holder.as_ref().map(|h| h.who.shown(cx, &from)).transpose()?,
            enable_date: device.holder.and_then(|h| Timestamp::from_second(h.since).ok()),
            ..Default::default()
        });
    }
    let marker = input.marker.as_deref();
    let (virtual_mfa_devices, is_truncated, marker) =
        pages::page("ListVirtualMFADevices", devices, |d| d.serial_number.clone(), marker, input.max_items)?;
    Ok(api::ListVirtualMFADevicesOutput { virtual_mfa_devices, is_truncated, marker })
}

/// The codes of the last step and of this one, for stacks that give a device to its user.
pub(crate) fn codes(cx: &Cx, serial: &str) -> Result<[String; 2]> {
    let (_, device) = find(&cx.read(), cx.account(), serial)?;
    let now = totp::step_at(cx.refreshed().now().as_second());
    Ok([totp::code(&device.seed, now - 1), totp::code(&device.seed, now)])
}

/// Whether a user has devices, which keeps it from being deleted.
pub(crate) fn any(from: &(impl Read + ?Sized), account: &str, user: &str) -> Result<bool> {
    let who = Who::User(user.to_lowercase());
    Ok(all(from, account)?.iter().any(|(_, d)| d.is_of(&who)))
}

/// Whether the root user has one.
pub(crate) fn of_root(from: &(impl Read + ?Sized), account: &str) -> Result<bool> {
    Ok(all(from, account)?.iter().any(|(_, d)| d.is_of(&Who::Root)))
}

/// How many devices there are, and how many of them somebody has.
pub(crate) fn count(from: &(impl Read + ?Sized), account: &str) -> Result<(usize, usize)> {
    let all = all(from, account)?;
    Ok((all.len(), all.iter().filter(|(_, d)| d.holder.is_some()).count()))
}

/// A user has another name.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, before: &str, after: &str) -> Result<()> {
    let who = Who::User(before.to_owned());
    for (place, mut device) in all(tx, account)? {
        if device.is_of(&who) {
            device.holder = device.holder.map(|h| Holder { who: Who::User(after.to_owned()), ..h });
            DEVICES.put(tx, &(account, &place), &device);
        }
    }
    Ok(())
}

/// A device that somebody has.
pub(crate) fn get(cx: &Cx, input: &api::GetMFADeviceInput) -> Result<api::GetMFADeviceOutput> {
    let from = cx.read();
    let (place, device) = match &input.user_name {
        Some(name) => find_of(&from, cx.account(), &Who::named(cx, &from, name)?, &input.serial_number)?,
        None => find(&from, cx.account(), &input.serial_number)?,
    };
    let user = device.holder.as_ref().map(|h| h.who.shown(cx, &from)).transpose()?;
    Ok(api::GetMFADeviceOutput {
        user_name: user.map(|user| user.user_name),
        serial_number: serial(cx, &place),
        enable_date: device.holder.and_then(|h| Timestamp::from_second(h.since).ok()),
        // Certifications are of FIDO keys, and virtual devices have none.
        certifications: None,
    })
}

async fn change(cx: &Cx, serial: &str, mut change: impl FnMut(&mut Device) -> Result<()>) -> Result<()> {
    cx.write(|tx| {
        let (place, mut device) = find(tx, cx.account(), serial)?;
        change(&mut device)?;
        DEVICES.put(tx, &(cx.account(), &place), &device);
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagMFADeviceInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    change(cx, &input.serial_number, |device| add_tags(&mut device.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagMFADeviceInput) -> Result<()> {
    change(cx, &input.serial_number, |device| {
        device.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(crate) fn list_tags(cx: &Cx, input: &api::ListMFADeviceTagsInput) -> Result<api::ListMFADeviceTagsOutput> {
    let (_, device) = find(&cx.read(), cx.account(), &input.serial_number)?;
    let list = format!("ListMFADeviceTags {}", input.serial_number);
    let (tags, is_truncated, marker) = pages::tags(&list, &device.tags, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListMFADeviceTagsOutput { tags, is_truncated, marker })
}

/// The device that a code names, with the step whose code it is.
fn coded(
    from: &(impl Read + ?Sized),
    whose: &PrincipalFacts,
    code: MfaCode<'_>,
    now: Timestamp,
) -> Result<Option<(String, Device, Option<i64>)>> {
    let (Some(who), Some(place)) = (Who::of(whose), place_of(&whose.account, code.serial)) else { return Ok(None) };
    let found = DEVICES.get(from, &(&whose.account, &place))?.filter(|d| d.is_of(&who));
    Ok(found.map(|device| {
        let step = device.step_of(code.code, totp::step_at(now.as_second()));
        (place, device, step)
    }))
}

/// Whether somebody's device shows a code.
pub(crate) fn check(
    from: &(impl Read + ?Sized),
    whose: &PrincipalFacts,
    code: MfaCode<'_>,
    now: Timestamp,
) -> Result<Coded> {
    Ok(match coded(from, whose, code, now)? {
        None => Coded::NoDevice,
        Some((_, _, None)) => Coded::Wrong,
        Some((_, _, Some(_))) => Coded::Good,
    })
}

/// The same, and the code is used up.
pub(crate) fn use_up(tx: &mut Tx<'_>, whose: &PrincipalFacts, code: MfaCode<'_>, now: Timestamp) -> Result<Coded> {
    match coded(tx, whose, code, now)? {
        None => Ok(Coded::NoDevice),
        Some((_, _, None)) => Ok(Coded::Wrong),
        Some((place, device, Some(used))) => {
            DEVICES.put(tx, &(&whose.account, &place), &Device { used, ..device });
            Ok(Coded::Good)
        }
    }
}
