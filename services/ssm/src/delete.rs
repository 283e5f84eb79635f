//! Parameters deleted.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::api;
use crate::put::plain_name;
use crate::rows::{PARAMETERS, Parameter, VERSIONS, count};
use crate::{error, policies};

/// Removes a parameter with all that it has, and tells of it.
pub(crate) fn remove(cx: &Cx, tx: &mut Tx<'_>, parameter: &Parameter) -> Result<()> {
    let newest = parameter.newest(cx, tx)?;
    policies::unplan(cx, tx, parameter)?;
    VERSIONS.clear(tx, &parameter.place())?;
    PARAMETERS.delete(tx, &parameter.place());
    count(tx, parameter, parameter.tier, -1)?;
    parameter.announce(cx, tx, "Delete", &newest)
}

async fn delete(cx: &Cx, given: &str) -> Result<()> {
    let named = plain_name(cx, given)?;
    if named.account != cx.account() {
        return Err(error::no_parameter());
    }
    cx.write(|tx| {
        let parameter = Parameter::find(cx, tx, &named)?;
        remove(cx, tx, &parameter)
    })
    .await
}

pub(crate) async fn one(cx: &Cx, input: &api::DeleteParameterInput) -> Result<()> {
    delete(cx, &input.name).await
}

/// What is not there is told beside what was.
pub(crate) async fn many(cx: &Cx, input: &api::DeleteParametersInput) -> Result<api::DeleteParametersOutput> {
    let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
    for name in &input.names {
        match delete(cx, name).await {
            Ok(()) => deleted.push(name.clone()),
            Err(Failure::Aws(error)) if error.code == "ParameterNotFound" => invalid.push(name.clone()),
            Err(other) => return Err(other),
        }
    }
    Ok(api::DeleteParametersOutput { deleted_parameters: Some(deleted), invalid_parameters: Some(invalid) })
}
