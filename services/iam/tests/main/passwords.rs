//! Passwords, what an account asks of them, and that nobody reads them.

use super::*;

async fn change(client: &Client, old: &str, new: &str) -> (String, String) {
    let answer = client.call("iam", "ChangePassword", json!({"OldPassword": old, "NewPassword": new})).await;
    if answer.status == 200 {
        return (String::new(), String::new());
    }
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap().to_owned())
}

fn changed() -> (String, String) {
    (String::new(), String::new())
}

fn violates(message: &str) -> (String, String) {
    ("PasswordPolicyViolationException".to_owned(), message.to_owned())
}

const REUSED: &str = "Policy constraint violation with password reuse prevention during password change.";

#[tokio::test]
async fn a_user_changes_its_own_password_where_the_account_lets_it() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let login = json!({"UserName": "ann", "Password": "First-1234", "PasswordResetRequired": true});
    root.call("iam", "CreateLoginProfile", login).await.ok();
    assert_eq!(change(&ann, "First-1234", "Second-1234").await.0, "AccessDenied");
    let policy = |more: Json| {
        let mut all = json!({"AllowUsersToChangePassword": true, "PasswordReusePrevention": 2});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    root.call("iam", "UpdateAccountPasswordPolicy", policy(json!({}))).await.ok();
    // The policy itself can be read, and nothing else can be done.
    ann.call("iam", "GetAccountPasswordPolicy", json!({})).await.ok();
    assert_eq!(ann.call("iam", "GetUser", json!({})).await.code(), "AccessDenied");
    assert_eq!(
        change(&ann, "wrong", "Second-1234").await,
        ("AccessDenied".to_owned(), "The old password was incorrect.".to_owned())
    );
    assert_eq!(change(&ann, "First-1234", "short").await, violates("Password should have a minimum length of 6"));
    assert_eq!(change(&ann, "First-1234", "First-1234").await, violates(REUSED));
    assert_eq!(change(&ann, "First-1234", "Second-1234").await, changed());
    let profile = root.call("iam", "GetLoginProfile", json!({"UserName": "ann"})).await.ok();
    assert_eq!(profile["LoginProfile"]["PasswordResetRequired"], false);
    assert_eq!(change(&ann, "First-1234", "Third-1234").await.0, "AccessDenied");
    assert_eq!(change(&ann, "Second-1234", "First-1234").await, violates(REUSED));
    assert_eq!(change(&ann, "Second-1234", "Third-1234").await, changed());
    // Two are remembered, and the first is the third but last by now.
    assert_eq!(change(&ann, "Third-1234", "First-1234").await, changed());
    root.call(
        "iam",
        "UpdateAccountPasswordPolicy",
        policy(json!({"RequireSymbols": true, "MinimumPasswordLength": 8})),
    )
    .await
    .ok();
    assert_eq!(change(&ann, "First-1234", "Password1").await, violates("Password should have at least one symbol"));
    // Who has none cannot change it.
    root.call("iam", "DeleteLoginProfile", json!({"UserName": "ann"})).await.ok();
    assert_eq!(change(&ann, "First-1234", "Fourth-1234").await.0, "NoSuchEntityException");
    // A policy that denies it denies it all the same.
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:ChangePassword", "Resource": "*"}]});
    let put = json!({"UserName": "ann", "PolicyName": "no", "PolicyDocument": deny.to_string()});
    root.call("iam", "PutUserPolicy", put).await.ok();
    assert_eq!(change(&ann, "First-1234", "Fourth-1234").await.0, "AccessDenied");
}

#[tokio::test]
async fn a_password_is_reset_and_its_end_is_told() {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<undercast_kernel::Timestamp>().unwrap());
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    let policy = json!({"MaxPasswordAge": 90, "HardExpiry": true, "PasswordReusePrevention": 24});
    root.call("iam", "UpdateAccountPasswordPolicy", policy).await.ok();
    root.call("iam", "CreateLoginProfile", json!({"UserName": "ann", "Password": "First-1234"})).await.ok();
    cloud.kernel.advance(Duration::from_secs(86_400)).await.unwrap();
    let again = root.call("iam", "UpdateLoginProfile", json!({"UserName": "ann", "Password": "First-1234"})).await;
    assert_eq!((again.code(), &again.json["message"]), ("PasswordPolicyViolationException", &json!(REUSED)));
    root.call("iam", "UpdateLoginProfile", json!({"UserName": "ann", "Password": "Second-1234"})).await.ok();
    root.call("iam", "GenerateCredentialReport", json!({})).await.ok();
    let report = root.call("iam", "GetCredentialReport", json!({})).await.ok();
    let text = String::from_utf8(undercast_wire::text::unbase64(report["Content"].as_str().unwrap()).unwrap()).unwrap();
    let line = text.lines().last().unwrap();
    let start = "ann,arn:aws:iam::000000000000:user/ann,2026-03-01T12:00:00+00:00,true,no_information,2026-03-02T12:00:00+00:00,2026-05-31T12:00:00+00:00,false,";
    assert!(line.starts_with(start), "{line}");
}

/// Secrets that were given to IAM, or made by it.
async fn secrets(cloud: &Cloud) -> Vec<String> {
    let (root, ann) = (cloud.client(), user(cloud, "ann").await);
    let mut all = vec!["Canary-First-1".to_owned(), "Canary-Second-2".to_owned(), "Canary-Third-3".to_owned()];
    root.call("iam", "UpdateAccountPasswordPolicy", json!({"AllowUsersToChangePassword": true})).await.ok();
    root.call("iam", "CreateLoginProfile", json!({"UserName": "ann", "Password": all[0]})).await.ok();
    ann.call("iam", "ChangePassword", json!({"OldPassword": all[0], "NewPassword": all[1]})).await.ok();
    root.call("iam", "UpdateLoginProfile", json!({"UserName": "ann", "Password": all[2]})).await.ok();
    for service in ["codecommit.amazonaws.com", "bedrock.amazonaws.com"] {
        let input = json!({"UserName": "ann", "ServiceName": service});
        let made = root.call("iam", "CreateServiceSpecificCredential", input).await.ok();
        let id = &made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"];
        let reset = json!({"UserName": "ann", "ServiceSpecificCredentialId": id});
        let again = root.call("iam", "ResetServiceSpecificCredential", reset).await.ok();
        for answer in [&made, &again] {
            let members = ["ServicePassword", "ServiceCredentialSecret"];
            let found = members.iter().find_map(|m| answer["ServiceSpecificCredential"][m].as_str());
            all.push(found.unwrap().to_owned());
        }
    }
    let (body, key) = certificates::signed(&rcgen::KeyPair::generate().unwrap(), "canary.example.com");
    let upload = json!({"ServerCertificateName": "web", "CertificateBody": body, "PrivateKey": key});
    root.call("iam", "UploadServerCertificate", upload).await.ok();
    // The trail keeps lines as they are, and so one of them is enough.
    all.push(key.lines().nth(1).unwrap().to_owned());
    all.push(ann.credentials.secret.clone());
    let secrets: std::collections::HashSet<&String> = all.iter().collect();
    assert_eq!(secrets.len(), all.len());
    all
}

#[tokio::test]
async fn no_secret_is_told_to_the_trail_or_kept_as_it_is() {
    struct All(std::sync::Mutex<String>);
    impl undercast_kernel::Keeper for All {
        fn keep(&self, record: &undercast_kernel::Record) {
            let mut all = self.0.lock().unwrap();
            *all += &serde_json::to_string(record).unwrap();
        }
    }
    let cloud = Cloud::start(services()).await;
    let told = Arc::new(All(std::sync::Mutex::default()));
    cloud.kernel.trail().tell(told.clone());
    let secrets = secrets(&cloud).await;
    let text = told.0.lock().unwrap().clone();
    assert!(text.contains("ChangePassword") && text.contains("UploadServerCertificate"));
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret} is in the trail");
    }
    // What nobody has to read again is not in the state either: keys that sign and those of certificates alone are.
    let read_again = 2;
    let state = state(&cloud);
    for secret in &secrets[..secrets.len() - read_again] {
        let bytes = secret.as_bytes();
        assert!(!state.windows(bytes.len()).any(|part| part == bytes), "{secret} is in the state");
    }
    let key = secrets.last().unwrap().as_bytes();
    assert!(state.windows(key.len()).any(|part| part == key), "the state was not read");
}

/// All that is stored.
fn state(cloud: &Cloud) -> Vec<u8> {
    use undercast_kernel::store::{Order, Page, Read as _};
    let page = Page { start: Vec::new(), end: None, limit: usize::MAX, order: Order::Ascending };
    let rows = cloud.kernel.database().read().scan(&page).unwrap();
    rows.into_iter().flat_map(|(key, value)| [key.to_vec(), value.to_vec()].concat()).collect()
}
