//! MFA devices, and what is asked of them.

use super::*;
use std::io::Read as _;

use undercast_testkit::Authenticator;
use undercast_wire::text;

async fn device(client: &Client, name: &str) -> (String, Authenticator) {
    let made = client.call("iam", "CreateVirtualMFADevice", json!({"VirtualMFADeviceName": name})).await.ok();
    let device = &made["VirtualMFADevice"];
    let seed = device["Base32StringSeed"].as_str().unwrap();
    (device["SerialNumber"].as_str().unwrap().to_owned(), Authenticator::new(seed))
}

/// A cloud whose clock stands still, in the middle of a step, so that the codes of now are those of a moment ago.
async fn still() -> Cloud {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud
}

fn enabling(user: &str, serial: &str, codes: [&str; 2]) -> Json {
    json!({"UserName": user, "SerialNumber": serial, "AuthenticationCode1": codes[0], "AuthenticationCode2": codes[1]})
}

async fn enabled(cloud: &Cloud, user: &str, name: &str) -> (String, Authenticator) {
    let root = cloud.client();
    let (serial, shows) = device(&root, name).await;
    let codes = [shows.code(cloud, -1), shows.code(cloud, 0)];
    root.call("iam", "EnableMFADevice", enabling(user, &serial, [&codes[0], &codes[1]])).await.ok();
    (serial, shows)
}

async fn later(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

#[tokio::test]
async fn a_device_is_made_enabled_listed_and_taken_away() {
    let cloud = still().await;
    let root = cloud.client();
    for name in ["ann", "bob"] {
        root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    }
    let input = json!({"VirtualMFADeviceName": "phone", "Path": "/of/ann/"});
    let made = root.call("iam", "CreateVirtualMFADevice", input.clone()).await.ok()["VirtualMFADevice"].clone();
    let serial = made["SerialNumber"].as_str().unwrap();
    assert_eq!(serial, "arn:aws:iam::000000000000:mfa/of/ann/phone");
    let again = root.call("iam", "CreateVirtualMFADevice", input).await;
    assert_eq!((again.status, again.code()), (409, "EntityAlreadyExistsException"));
    let shows = Authenticator::new(made["Base32StringSeed"].as_str().unwrap());
    let [before, now, next] = [-1, 0, 1].map(|steps| shows.code(&cloud, steps));
    for codes in [[&now, &before], [&now, &now], [&before, &next], [&shows.code(&cloud, 5), &shows.code(&cloud, 6)]] {
        let refused = root.call("iam", "EnableMFADevice", enabling("ann", serial, [codes[0], codes[1]])).await;
        assert_eq!((refused.status, refused.code()), (403, "InvalidAuthenticationCodeException"));
        assert_eq!(refused.json["message"], "Authentication code for device is not valid.");
    }
    let nobody = root.call("iam", "EnableMFADevice", enabling("eve", serial, [&before, &now])).await;
    assert_eq!(nobody.code(), "NoSuchEntityException");
    let unknown =
        root.call("iam", "EnableMFADevice", enabling("ann", "arn:aws:iam::000000000000:mfa/x", [&before, &now])).await;
    assert_eq!(unknown.code(), "NoSuchEntityException");
    root.call("iam", "EnableMFADevice", enabling("ann", serial, [&before, &now])).await.ok();
    let twice = root.call("iam", "EnableMFADevice", enabling("bob", serial, [&now, &next])).await;
    assert_eq!(twice.code(), "EntityAlreadyExistsException");
    let listed = root.call("iam", "ListMFADevices", json!({"UserName": "ann"})).await.ok();
    assert_eq!(listed["MFADevices"][0]["SerialNumber"], serial);
    assert_eq!(listed["MFADevices"][0]["UserName"], "ann");
    assert!(root.call("iam", "ListMFADevices", json!({"UserName": "bob"})).await.ok()["MFADevices"][0].is_null());
    assert_eq!(root.call("iam", "ListMFADevices", json!({"UserName": "eve"})).await.code(), "NoSuchEntityException");
    let virtual_ones = |status: &'static str| {
        let root = cloud.client();
        async move {
            let found = root.call("iam", "ListVirtualMFADevices", json!({"AssignmentStatus": status})).await.ok();
            found["VirtualMFADevices"].as_array().cloned().unwrap_or_default()
        }
    };
    let assigned = virtual_ones("Assigned").await;
    assert_eq!((&assigned[0]["User"]["UserName"], &assigned[0]["Base32StringSeed"]), (&json!("ann"), &Json::Null));
    assert!(virtual_ones("Unassigned").await.is_empty());
    let refused = root.call("iam", "DeleteVirtualMFADevice", json!({"SerialNumber": serial})).await;
    assert_eq!((refused.status, refused.code()), (409, "DeleteConflictException"));
    let refused = root.call("iam", "DeleteUser", json!({"UserName": "ann"})).await;
    assert_eq!(refused.json["message"], "Cannot delete entity, must delete MFA device first.");
    let not_bobs = root.call("iam", "DeactivateMFADevice", json!({"UserName": "bob", "SerialNumber": serial})).await;
    assert_eq!(not_bobs.code(), "NoSuchEntityException");
    root.call("iam", "DeactivateMFADevice", json!({"UserName": "ann", "SerialNumber": serial})).await.ok();
    assert_eq!(virtual_ones("Any").await.len(), 1);
    assert!(virtual_ones("Assigned").await.is_empty());
    root.call("iam", "DeleteVirtualMFADevice", json!({"SerialNumber": serial})).await.ok();
    let gone = root.call("iam", "DeleteVirtualMFADevice", json!({"SerialNumber": serial})).await;
    assert_eq!((gone.status, gone.code()), (404, "NoSuchEntityException"));
    root.call("iam", "DeleteUser", json!({"UserName": "ann"})).await.ok();
}

#[tokio::test]
async fn the_picture_holds_the_seed() {
    let cloud = still().await;
    let made = cloud.client().call("iam", "CreateVirtualMFADevice", json!({"VirtualMFADeviceName": "a@b"})).await.ok();
    let bytes = |name: &str| text::unbase64(made["VirtualMFADevice"][name].as_str().unwrap()).unwrap();
    let (png, seed) = (bytes("QRCodePNG"), String::from_utf8(bytes("Base32StringSeed")).unwrap());
    assert_eq!(seed.len(), 64);
    // As much of a PNG as there is to read: its head, one chunk of lines with a bit a point, its end.
    assert_eq!((&png[..8], &png[12..16], &png[37..41]), (&b"\x89PNG\r\n\x1a\n"[..], &b"IHDR"[..], &b"IDAT"[..]));
    let side = usize::from(u16::from_be_bytes([png[18], png[19]]));
    let mut lines = Vec::new();
    flate2::read::ZlibDecoder::new(&png[41..]).read_to_end(&mut lines).unwrap();
    let wide = side.div_ceil(8) + 1;
    let light = |x: usize, y: usize| lines[y * wide + 1 + x / 8] & (0x80 >> (x % 8)) != 0;
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if light(x, y) { 255 } else { 0 });
    let (_, read) = image.detect_grids()[0].decode().unwrap();
    assert_eq!(read, format!("otpauth://totp/a%40b@000000000000?secret={seed}"));
}

#[tokio::test]
async fn a_user_has_eight_devices_at_most() {
    let cloud = still().await;
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    for number in 0..8 {
        enabled(&cloud, "ann", &format!("d{number}")).await;
    }
    let page = root.call("iam", "ListMFADevices", json!({"UserName": "ann", "MaxItems": 5})).await.ok();
    assert_eq!((page["MFADevices"].as_array().unwrap().len(), &page["IsTruncated"]), (5, &json!(true)));
    let rest = json!({"UserName": "ann", "Marker": page["Marker"]});
    assert_eq!(root.call("iam", "ListMFADevices", rest).await.ok()["MFADevices"].as_array().unwrap().len(), 3);
    let page = root.call("iam", "ListVirtualMFADevices", json!({"MaxItems": 7})).await.ok();
    let rest = root.call("iam", "ListVirtualMFADevices", json!({"Marker": page["Marker"]})).await.ok();
    assert_eq!(rest["VirtualMFADevices"].as_array().unwrap().len(), 1);
    let (serial, shows) = device(&root, "ninth").await;
    let codes = [shows.code(&cloud, -1), shows.code(&cloud, 0)];
    let refused = root.call("iam", "EnableMFADevice", enabling("ann", &serial, [&codes[0], &codes[1]])).await;
    assert_eq!((refused.status, refused.code()), (409, "LimitExceededException"));
}

#[tokio::test]
async fn a_device_that_is_out_of_step_is_brought_into_it() {
    let cloud = still().await;
    let root = cloud.client();
    let ann = user(&cloud, "ann").await;
    let (serial, shows) = enabled(&cloud, "ann", "phone").await;
    later(&cloud, 60).await;
    // The codes of the half minutes before and behind are good; five minutes are too much.
    let asked = |code: String| json!({"SerialNumber": serial, "TokenCode": code});
    ann.call("sts", "GetSessionToken", asked(shows.code(&cloud, 1))).await.ok();
    later(&cloud, 60).await;
    let refused = ann.call("sts", "GetSessionToken", asked(shows.code(&cloud, 10))).await;
    assert_eq!(refused.code(), "AccessDenied");
    let resynchronising = |a, b| enabling("ann", &serial, [a, b]);
    let (first, second) = (shows.code(&cloud, 10), shows.code(&cloud, 11));
    let refused = root.call("iam", "ResyncMFADevice", resynchronising(&second, &first)).await;
    assert_eq!(refused.code(), "InvalidAuthenticationCodeException");
    let unknown = json!({"UserName": "ann", "SerialNumber": "arn:aws:iam::000000000000:mfa/other", "AuthenticationCode1": first, "AuthenticationCode2": second});
    assert_eq!(root.call("iam", "ResyncMFADevice", unknown).await.code(), "NoSuchEntityException");
    root.call("iam", "ResyncMFADevice", resynchronising(&first, &second)).await.ok();
    ann.call("sts", "GetSessionToken", asked(shows.code(&cloud, 12))).await.ok();
    later(&cloud, 120).await;
    ann.call("sts", "GetSessionToken", asked(shows.code(&cloud, 11))).await.ok();
    assert_eq!(ann.call("sts", "GetSessionToken", asked(shows.code(&cloud, 0))).await.code(), "AccessDenied");
}

/// A client with the credentials of an answer.
fn session(cloud: &Cloud, answer: &Json) -> Client {
    let text = |field: &str| answer["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    credentials.token = Some(text("SessionToken"));
    cloud.client_of(credentials)
}

#[tokio::test]
async fn policies_see_whether_a_code_was_given() {
    let cloud = still().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let (serial, shows) = enabled(&cloud, "ann", "phone").await;
    let when = |condition: Json| {
        let statement = json!({"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": condition});
        json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()})
    };
    let may = async |client: &Client| client.call("sqs", "ListQueues", json!({})).await.status == 200;
    let strict = when(
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "600"}}),
    );
    root.call("iam", "PutUserPolicy", strict).await.ok();
    let plain = session(&cloud, &ann.call("sts", "GetSessionToken", json!({})).await.ok());
    // The code that enabled the device was used with that.
    let used = json!({"SerialNumber": serial, "TokenCode": shows.code(&cloud, 0)});
    let refused = ann.call("sts", "GetSessionToken", used).await;
    assert_eq!(
        (refused.status, refused.json["message"].as_str().unwrap()),
        (403, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    );
    let code = json!({"SerialNumber": serial, "TokenCode": shows.code(&cloud, 1)});
    let strong = session(&cloud, &ann.call("sts", "GetSessionToken", code.clone()).await.ok());
    assert_eq!(ann.call("sts", "GetSessionToken", code).await.code(), "AccessDenied", "a code is good once");
    assert_eq!([may(&ann).await, may(&plain).await, may(&strong).await], [false, false, true]);
    later(&cloud, 599).await;
    assert!(may(&strong).await);
    later(&cloud, 2).await;
    assert!(!may(&strong).await);
    // Of keys that are for good it is not said; of a session without a code it is said that there was none.
    root.call("iam", "PutUserPolicy", when(json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}))).await.ok();
    assert_eq!([may(&ann).await, may(&plain).await, may(&strong).await], [false, true, false]);
    root.call("iam", "PutUserPolicy", when(json!({"Null": {"aws:MultiFactorAuthPresent": "true"}}))).await.ok();
    assert_eq!([may(&ann).await, may(&plain).await, may(&strong).await], [true, false, false]);
    for (input, why) in [
        (json!({"TokenCode": "123456"}), ", must provide both MFA serial number and one time pass code."),
        (
            json!({"SerialNumber": "arn:aws:iam::000000000000:mfa/other", "TokenCode": "123456"}),
            ", unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.",
        ),
    ] {
        let refused = ann.call("sts", "GetSessionToken", input).await;
        assert_eq!(refused.json["message"], format!("MultiFactorAuthentication failed{why}"));
    }
}

#[tokio::test]
async fn a_role_can_ask_for_a_code() {
    let cloud = still().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let (serial, shows) = enabled(&cloud, "ann", "phone").await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::000000000000:user/ann"}, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
    root.call("iam", "CreateRole", json!({"RoleName": "strict", "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
    let input = json!({"RoleName": "strict", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    root.call("iam", "PutRolePolicy", input).await.ok();
    let mut input = json!({"RoleArn": "arn:aws:iam::000000000000:role/strict", "RoleSessionName": "ses"});
    assert_eq!(ann.call("sts", "AssumeRole", input.clone()).await.code(), "AccessDenied");
    input["SerialNumber"] = json!(serial);
    input["TokenCode"] = json!(shows.code(&cloud, 7));
    let refused = ann.call("sts", "AssumeRole", input.clone()).await;
    assert_eq!(refused.json["message"], "MultiFactorAuthentication failed with invalid MFA one time pass code.");
    input["TokenCode"] = json!(shows.code(&cloud, 1));
    let strong = session(&cloud, &ann.call("sts", "AssumeRole", input.clone()).await.ok());
    strong.call("sqs", "ListQueues", json!({})).await.ok();
    assert_eq!(ann.call("sts", "AssumeRole", input).await.code(), "AccessDenied", "a code is good once");
}

#[tokio::test]
async fn the_root_user_has_a_device_of_its_own_and_users_see_to_theirs() {
    let cloud = still().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let (serial, shows) = enabled(&cloud, "root", "root-account-mfa-device").await;
    let listed = root.call("iam", "ListMFADevices", json!({})).await.ok();
    assert_eq!(
        (&listed["MFADevices"][0]["SerialNumber"], &listed["MFADevices"][0]["UserName"]),
        (&json!(serial), &json!("root"))
    );
    let listed = root.call("iam", "ListVirtualMFADevices", json!({})).await.ok();
    assert_eq!(listed["VirtualMFADevices"][0]["User"]["Arn"], "arn:aws:iam::000000000000:root");
    root.call("sts", "GetSessionToken", json!({"SerialNumber": serial, "TokenCode": shows.code(&cloud, 1)})).await.ok();
    // A user that may see to its own device may not see to another's.
    let own = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iam:DeactivateMFADevice", "iam:ListMFADevices", "iam:EnableMFADevice"], "Resource": "arn:aws:iam::*:user/${aws:username}"},
        {"Effect": "Allow", "Action": ["iam:CreateVirtualMFADevice", "iam:DeleteVirtualMFADevice"], "Resource": "arn:aws:iam::*:mfa/${aws:username}"}]});
    let input = json!({"UserName": "ann", "PolicyName": "own", "PolicyDocument": own.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    let (its, shows) = device(&ann, "ann").await;
    let codes = [shows.code(&cloud, 0), shows.code(&cloud, 1)];
    ann.call("iam", "EnableMFADevice", enabling("ann", &its, [&codes[0], &codes[1]])).await.ok();
    assert_eq!(ann.call("iam", "ListMFADevices", json!({})).await.ok()["MFADevices"][0]["SerialNumber"], its);
    assert_eq!(ann.call("iam", "DeleteVirtualMFADevice", json!({"SerialNumber": serial})).await.status, 403);
    assert_eq!(ann.call("iam", "CreateVirtualMFADevice", json!({"VirtualMFADeviceName": "bob"})).await.status, 403);
    let named_root = ann.call("iam", "EnableMFADevice", enabling("root", &its, [&codes[0], &codes[1]])).await;
    assert_eq!(named_root.status, 403);
    ann.call("iam", "DeactivateMFADevice", json!({"SerialNumber": its})).await.ok();
    ann.call("iam", "DeleteVirtualMFADevice", json!({"SerialNumber": its})).await.ok();
    root.call("iam", "DeactivateMFADevice", json!({"SerialNumber": serial})).await.ok();
}
