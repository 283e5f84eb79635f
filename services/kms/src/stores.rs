//! Custom key stores, of which there are none.
//!
//! One keeps its keys in a CloudHSM cluster or behind an external key manager. There are no clusters here, so one that is named
//! is not found, as AWS answers where an account has none; external key managers are refused as what is not built.

use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors};
use crate::{error, pages};

/// An external key manager is asked for.
fn external() -> Failure {
    Failure::not_built("kms external key stores")
}

fn no_cluster(id: &str) -> Failure {
    let message = format!("CloudHSM cluster {id} does not exist.");
    errors::cloud_hsm_cluster_not_found_exception(message).into()
}

pub(crate) fn create(input: &api::CreateCustomKeyStoreInput) -> Result<api::CreateCustomKeyStoreOutput> {
    if input.custom_key_store_type.as_deref() == Some("EXTERNAL_KEY_STORE") {
        return Err(external());
    }
    let missing = |member: &str| {
        let message = format!("{member} is required to create a custom key store {}.", input.custom_key_store_name);
        Failure::from(error::validation(message))
    };
    for (member, given) in [
        ("CloudHsmClusterId", &input.cloud_hsm_cluster_id),
        ("TrustAnchorCertificate", &input.trust_anchor_certificate),
        ("KeyStorePassword", &input.key_store_password),
    ] {
        if given.is_none() {
            return Err(missing(member));
        }
    }
    Err(no_cluster(input.cloud_hsm_cluster_id.as_deref().unwrap_or_default()))
}

pub(crate) fn describe(input: api::DescribeCustomKeyStoresInput) -> Result<api::DescribeCustomKeyStoresOutput> {
    if let Some(named) = input.custom_key_store_id.or(input.custom_key_store_name) {
        return Err(error::no_store(&named).into());
    }
    let none = std::iter::empty::<String>();
    let page = pages::page(none, Clone::clone, "DescribeCustomKeyStores", 1000, input.limit, input.marker)?;
    Ok(api::DescribeCustomKeyStoresOutput {
        custom_key_stores: Some(Vec::new()),
        truncated: Some(false),
        next_marker: page.next,
    })
}

/// A store that is named is not there.
pub(crate) fn none<T>(_cx: &Cx, id: &str) -> Result<T> {
    Err(error::no_store(id).into())
}
