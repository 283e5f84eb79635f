//! Transfers of responsibility: who pays for whom, from when and until when.

use super::*;

/// 2031-03-01T00:00:00Z
const MARCH: i64 = 1_930_089_600;

async fn two() -> (Cloud, Client, Client) {
    let (cloud, payer, _) = organization().await;
    let source = root_of(&cloud, OTHER);
    call(&source, "CreateOrganization", json!({})).await.ok();
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2031-02-10T12:00:00Z".parse().unwrap());
    (cloud, payer, source)
}

async fn invite(client: &Client, more: Json) -> Answer {
    let mut input = json!({"Type": "BILLING", "Target": {"Id": OTHER, "Type": "ACCOUNT"}, "StartTimestamp": MARCH,
        "SourceName": "theirs", "Notes": "please", "Tags": [{"Key": "a", "Value": "b"}]});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(client, "InviteOrganizationToTransferResponsibility", input).await
}

async fn inbound(client: &Client) -> Json {
    let listed = call(client, "ListInboundResponsibilityTransfers", json!({"Type": "BILLING"})).await.ok();
    listed["ResponsibilityTransfers"].clone()
}

fn reason(answer: &Answer, reason: &str) {
    assert_eq!(answer.json["error"]["Reason"], reason, "{}", answer.json);
}

#[tokio::test]
async fn one_organization_pays_for_another_one() {
    let (cloud, payer, source) = two().await;
    let made = invite(&payer, json!({})).await.ok();
    let handshake = &made["Handshake"];
    assert_eq!((&handshake["Action"], &handshake["State"]), (&json!("TRANSFER_RESPONSIBILITY"), &json!("OPEN")));
    refused(&invite(&payer, json!({})).await, "DuplicateHandshakeException");
    let letters = cloud.kernel.inbox().unwrap();
    assert!(letters.iter().any(|letter| letter.account == OTHER && letter.text.contains("please")), "{letters:?}");
    let waiting = inbound(&payer).await[0].clone();
    let id = waiting["Id"].clone();
    assert_eq!((&waiting["Status"], &waiting["Name"]), (&json!("REQUESTED"), &json!("theirs")));
    assert_eq!(waiting["ActiveHandshakeId"], handshake["Id"]);
    let resources = handshake["Resources"].as_array().unwrap();
    assert!(resources.iter().any(|r| r["Type"] == "RESPONSIBILITY_TRANSFER" && r["Value"] == id), "{handshake}");
    refused(
        &call(&payer, "TerminateResponsibilityTransfer", json!({"Id": id})).await,
        "InvalidResponsibilityTransferTransitionException",
    );
    let tags = call(&payer, "ListTagsForResource", json!({"ResourceId": id})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
    call(&payer, "TagResource", json!({"ResourceId": id, "Tags": [{"Key": "c", "Value": "d"}]})).await.ok();
    call(&payer, "UntagResource", json!({"ResourceId": id, "TagKeys": ["a"]})).await.ok();
    let tags = call(&payer, "ListTagsForResource", json!({"ResourceId": id})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "c", "Value": "d"}]));
    refused(&call(&payer, "AcceptHandshake", json!({"HandshakeId": handshake["Id"]})).await, "AccessDeniedException");
    call(&source, "AcceptHandshake", json!({"HandshakeId": handshake["Id"]})).await.ok();
    // Both see it, each from its side, and the name is for those who pay.
    let theirs = call(&source, "ListOutboundResponsibilityTransfers", json!({"Type": "BILLING"})).await.ok();
    let theirs = &theirs["ResponsibilityTransfers"][0];
    assert_eq!((&theirs["Status"], &theirs["Name"]), (&json!("ACCEPTED"), &Json::Null));
    assert_eq!(theirs["Source"]["ManagementAccountId"], OTHER);
    assert_eq!(theirs["Target"]["ManagementAccountId"], MANAGEMENT);
    assert!(theirs["Arn"].as_str().unwrap().contains("/billing/outbound/rt-"), "{theirs}");
    assert!(inbound(&payer).await[0]["Arn"].as_str().unwrap().contains("/billing/inbound/rt-"));
    assert_eq!((inbound(&source).await, theirs["StartTimestamp"].as_i64()), (json!([]), Some(MARCH)));
    let outbound = call(&payer, "ListOutboundResponsibilityTransfers", json!({"Type": "BILLING"})).await.ok();
    assert_eq!(outbound["ResponsibilityTransfers"], json!([]));
    reason(&invite(&payer, json!({})).await, "RESPONSIBILITY_TRANSFER_ALREADY_EXISTS");
    for list in ["ListInboundResponsibilityTransfers", "ListOutboundResponsibilityTransfers"] {
        let one = call(&payer, list, json!({"Type": "BILLING", "MaxResults": 1})).await.ok();
        assert_eq!(one["NextToken"], Json::Null);
        let nonsense = call(&payer, list, json!({"Type": "BILLING", "NextToken": "nonsense"})).await;
        reason(&nonsense, "INVALID_NEXT_TOKEN");
    }
    let renamed = call(&payer, "UpdateResponsibilityTransfer", json!({"Id": id, "Name": "new"})).await.ok();
    assert_eq!(renamed["ResponsibilityTransfer"]["Name"], "new");
    refused(
        &call(&source, "UpdateResponsibilityTransfer", json!({"Id": id, "Name": "x"})).await,
        "AccessDeniedException",
    );
    // It ends with a month.
    for (end, why) in [(MARCH + 86_400, "END_DATE_NOT_END_OF_MONTH"), (1_927_670_399, "END_DATE_TOO_EARLY")] {
        reason(&call(&source, "TerminateResponsibilityTransfer", json!({"Id": id, "EndTimestamp": end})).await, why);
    }
    let over = call(&source, "TerminateResponsibilityTransfer", json!({"Id": id})).await.ok();
    assert_eq!(over["ResponsibilityTransfer"]["Status"], "WITHDRAWN");
    assert_eq!(over["ResponsibilityTransfer"]["EndTimestamp"].as_i64(), Some(MARCH - 1));
    refused(
        &call(&payer, "TerminateResponsibilityTransfer", json!({"Id": id})).await,
        "ResponsibilityTransferAlreadyInStatusException",
    );
    reason(
        &call(&payer, "UpdateResponsibilityTransfer", json!({"Id": id, "Name": "x"})).await,
        "TRANSFER_RESPONSIBILITY_UPDATE_NOT_ALLOWED",
    );
    invite(&payer, json!({})).await.ok();
}

#[tokio::test]
async fn invitations_to_transfer_end_in_other_ways_too() {
    let (cloud, payer, source) = two().await;
    for (end, operation, who) in
        [("DECLINED", "DeclineHandshake", &source), ("CANCELED", "CancelHandshake", &payer), ("EXPIRED", "", &payer)]
    {
        let made =
            invite(&payer, json!({"Target": {"Id": format!("root@{OTHER}.undercast.invalid"), "Type": "EMAIL"}}))
                .await
                .ok();
        if operation.is_empty() {
            cloud.kernel.advance(std::time::Duration::from_secs(15 * 86_400)).await.unwrap();
        } else {
            call(who, operation, json!({"HandshakeId": made["Handshake"]["Id"]})).await.ok();
        }
        let all = inbound(&payer).await;
        assert!(all.as_array().unwrap().iter().any(|one| one["Status"] == end), "{end}: {all}");
    }
}

#[tokio::test]
async fn a_transfer_is_asked_for_as_it_can_be() {
    let (cloud, payer, source) = two().await;
    let member = account(&cloud, "member").await;
    for (start, why) in [
        (MARCH + 1, "START_DATE_NOT_BEGINNING_OF_DAY"),
        (MARCH + 86_400, "START_DATE_NOT_BEGINNING_OF_MONTH"),
        (MARCH - 28 * 86_400, "START_DATE_TOO_EARLY"),
    ] {
        reason(&invite(&payer, json!({"StartTimestamp": start})).await, why);
    }
    let to = |id: &str, kind: &str| json!({"Target": {"Id": id, "Type": kind}});
    reason(&invite(&payer, to(MANAGEMENT, "ACCOUNT")).await, "SOURCE_AND_TARGET_CANNOT_MATCH");
    reason(&invite(&payer, to(&member, "ACCOUNT")).await, "SOURCE_AND_TARGET_CANNOT_MATCH");
    reason(&invite(&payer, to("444455556666", "ACCOUNT")).await, "TARGET_ACCOUNT_VALIDATION_FAILURE");
    reason(&invite(&payer, to("o-0123456789", "ORGANIZATION")).await, "INVALID_PARTY_TYPE_TARGET");
    let (member, stranger) = (root_of(&cloud, &member), root_of(&cloud, "444455556666"));
    let id = "rt-0123456789";
    for (operation, input, bad) in [
        ("DescribeResponsibilityTransfer", json!({"Id": id}), json!({"Id": "x"})),
        ("ListInboundResponsibilityTransfers", json!({"Type": "BILLING", "Id": id}), json!({"Type": "X"})),
        ("UpdateResponsibilityTransfer", json!({"Id": id, "Name": "x"}), json!({"Id": "x", "Name": "x"})),
        ("TerminateResponsibilityTransfer", json!({"Id": id}), json!({"Id": "x"})),
        ("ListOutboundResponsibilityTransfers", json!({"Type": "BILLING"}), json!({"Type": "X"})),
    ] {
        if operation.contains("Outbound") {
            call(&payer, operation, input.clone()).await.ok();
        } else {
            refused(&call(&payer, operation, input.clone()).await, "ResponsibilityTransferNotFoundException");
        }
        refused(&call(&payer, operation, bad).await, "InvalidInputException");
        refused(&call(&member, operation, input.clone()).await, "AccessDeniedException");
        refused(&call(&stranger, operation, input).await, "AWSOrganizationsNotInUseException");
    }
    refused(&invite(&member, json!({})).await, "AccessDeniedException");
    refused(&invite(&stranger, json!({})).await, "AWSOrganizationsNotInUseException");
    // Others see nothing of it, and nothing is left of it when an organization goes.
    let made = invite(&payer, json!({})).await.ok();
    let found = inbound(&payer).await[0]["Id"].clone();
    let told = call(&payer, "DescribeResponsibilityTransfer", json!({"Id": found})).await.ok();
    assert_eq!(told["ResponsibilityTransfer"]["Type"], "BILLING");
    call(&stranger, "CreateOrganization", json!({})).await.ok();
    refused(
        &call(&stranger, "DescribeResponsibilityTransfer", json!({"Id": found})).await,
        "ResponsibilityTransferNotFoundException",
    );
    call(&source, "DeleteOrganization", json!({})).await.ok();
    assert_eq!(inbound(&payer).await, json!([]));
    refused(
        &call(&payer, "DescribeHandshake", json!({"HandshakeId": made["Handshake"]["Id"]})).await,
        "HandshakeNotFoundException",
    );
}

#[tokio::test]
async fn accounts_in_gov_cloud_need_one_to_begin_with() {
    let (cloud, client, _) = organization().await;
    let input = json!({"Email": "gov@example.com", "AccountName": "gov", "RoleName": "r", "IamUserAccessToBilling": "ALLOW",
        "Tags": [{"Key": "a", "Value": "b"}]});
    reason(&call(&client, "CreateGovCloudAccount", input.clone()).await, "MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED");
    refused(
        &call(&client, "CreateGovCloudAccount", json!({"Email": "x", "AccountName": "gov"})).await,
        "InvalidInputException",
    );
    let member = root_of(&cloud, &account(&cloud, "member").await);
    refused(&call(&member, "CreateGovCloudAccount", input.clone()).await, "AccessDeniedException");
    refused(
        &call(&root_of(&cloud, "444455556666"), "CreateGovCloudAccount", input).await,
        "AWSOrganizationsNotInUseException",
    );
}
