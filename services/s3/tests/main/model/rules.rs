//! Lifecycle rules, chosen by the dice, and as requests write them.

use serde_json::{Value as Json, json};
use undercast_kernel::Timestamp;

use super::bucket::{DAY, Rule, When, aged};
use super::world::Dice;

/// A rule that S3 takes.
pub(super) fn rule(dice: &Dice, now: i64) -> Rule {
    let mut rule = Rule { prefix: dice.one(&["", "", "a", "a/", "b"]).to_owned(), ..Rule::default() };
    if dice.percent(25) {
        rule.tag = Some(("t".to_owned(), "1".to_owned()));
    }
    let dated = dice.percent(15).then(|| aged(now, 0) + DAY * i64::from(dice.percent(50)));
    match dice.below(10) {
        0..=3 => rule.expires = Some(dated.map_or(When::Days(2 + dice.below(3) as i64), When::Date)),
        4..=5 if rule.tag.is_none() => rule.markers = true,
        _ => {}
    }
    if dice.percent(50) {
        let class = dice.one(&["INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]);
        let when = match rule.expires {
            Some(When::Date(at)) => When::Date(at),
            _ => When::Days(dice.below(2) as i64),
        };
        rule.moves = Some((when, class));
        // What a limit of sizes makes of delete markers is not written anywhere.
        let alone = rule.expires.is_none() && !rule.markers;
        rule.larger = (alone && dice.percent(30)).then_some(10);
    }
    if dice.percent(50) && rule.larger.is_none() {
        let keep = dice.percent(40).then(|| 1 + dice.below(2));
        rule.old_expire = Some((1 + dice.below(3) as i64, keep));
    }
    if dice.percent(30) {
        rule.old_move = Some((dice.below(2) as i64, dice.one(&["GLACIER", "INTELLIGENT_TIERING"])));
    }
    let acts = rule.expires.is_some() || rule.markers || rule.moves.is_some() || rule.old_expire.is_some();
    let may_give_up = rule.tag.is_none() && rule.larger.is_none();
    if may_give_up && (dice.percent(30) || !(acts || rule.old_move.is_some())) {
        rule.gives_up = Some(1 + dice.below(3) as i64);
    } else if !acts && rule.old_move.is_none() {
        rule.expires = Some(When::Days(3));
    }
    rule
}

fn date(at: i64) -> Json {
    json!(Timestamp::from_millisecond(at).unwrap().as_second())
}

/// The rule as a request has it.
pub(super) fn shown(number: usize, rule: &Rule) -> Json {
    let mut out = json!({"ID": format!("rule {number}"), "Status": "Enabled"});
    let tag = rule.tag.as_ref().map(|(k, v)| json!({"Key": k, "Value": v}));
    out["Filter"] = match (&tag, rule.larger) {
        (None, None) => json!({"Prefix": rule.prefix}),
        (Some(tag), larger) => json!({"And": {"Prefix": rule.prefix, "Tags": [tag], "ObjectSizeGreaterThan": larger}}),
        (None, Some(larger)) => json!({"And": {"Prefix": rule.prefix, "ObjectSizeGreaterThan": larger}}),
    };
    match rule.expires {
        Some(When::Days(days)) => out["Expiration"] = json!({"Days": days}),
        Some(When::Date(at)) => out["Expiration"] = json!({"Date": date(at)}),
        None if rule.markers => out["Expiration"] = json!({"ExpiredObjectDeleteMarker": true}),
        None => {}
    }
    match rule.moves {
        Some((When::Days(days), class)) => out["Transitions"] = json!([{"Days": days, "StorageClass": class}]),
        Some((When::Date(at), class)) => out["Transitions"] = json!([{"Date": date(at), "StorageClass": class}]),
        None => {}
    }
    if let Some((days, keep)) = rule.old_expire {
        out["NoncurrentVersionExpiration"] = json!({"NoncurrentDays": days, "NewerNoncurrentVersions": keep});
    }
    if let Some((days, class)) = rule.old_move {
        out["NoncurrentVersionTransitions"] = json!([{"NoncurrentDays": days, "StorageClass": class}]);
    }
    if let Some(days) = rule.gives_up {
        out["AbortIncompleteMultipartUpload"] = json!({"DaysAfterInitiation": days});
    }
    out
}
