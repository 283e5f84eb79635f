//! Clients of the cloud at AWS_ENDPOINT_URL.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector};

use crate::bodies::fetched;
use crate::check::Outcome;

pub struct Cloud {
    pub shared: SdkConfig,
    address: String,
}

impl Cloud {
    /// Finds what the environment says, as programs do. Requests are made once.
    pub async fn found() -> Outcome<Self> {
        let endpoint = std::env::var("AWS_ENDPOINT_URL")?;
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        Ok(Self { shared, address: endpoint.trim_start_matches("http://").to_owned() })
    }

    /// `localhost:4566`
    pub fn address(&self) -> &str {
        &self.address
    }

    fn s3_settings(&self) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::config::Builder::from(&self.shared).force_path_style(true)
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.s3_settings().build())
    }

    pub fn s3_as(&self, keys: Credentials) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.s3_settings().credentials_provider(keys).build())
    }

    /// A client that puts the bucket before the name of the host. Not every system finds names under `localhost`, so that
    /// the cloud is its proxy as well.
    pub fn s3_by_host(&self, host: &str) -> aws_sdk_s3::Client {
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let address = format!("http://{}", self.address);
        let client = Builder::new().build_with_connector_fn(move |_, _| {
            let proxy = ProxyConfig::http(&address).unwrap_or_else(|_| ProxyConfig::disabled());
            Connector::builder().proxy_config(proxy).build_http()
        });
        let settings = self.s3_settings().force_path_style(false).endpoint_url(format!("http://{host}:{port}"));
        aws_sdk_s3::Client::from_conf(settings.http_client(client).region(Region::new("us-east-1")).build())
    }
}

/// Keys of a new user who may do this. IAM's SDK is not worth its building here: its requests are forms.
pub async fn user(cloud: &Cloud, name: &str, action: &str) -> Outcome<Credentials> {
    let policy =
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#);
    let policy: String = policy.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut answer = String::new();
    for form in [
        format!("Action=CreateUser&Version=2010-05-08&UserName={name}"),
        format!("Action=PutUserPolicy&Version=2010-05-08&UserName={name}&PolicyName=may&PolicyDocument={policy}"),
        format!("Action=CreateAccessKey&Version=2010-05-08&UserName={name}"),
    ] {
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0",
            ),
            ("x-amz-date", "20260101T000000Z"),
        ];
        let (status, body) = fetched(cloud.address(), "POST", "http://host/", &headers, &form).await?;
        if status != 200 {
            return Err(body.into());
        }
        answer = body;
    }
    let told = |name: &str| {
        let rest = answer.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once('<')?.0.to_owned())
    };
    let (id, secret) = told("AccessKeyId").zip(told("SecretAccessKey")).ok_or("no key")?;
    Ok(Credentials::new(id, secret, None, None, "issued"))
}
