//! What a trail logs: PutEventSelectors and GetEventSelectors.

use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::name::{find, find_own};
use crate::rows::{TRAILS, Trail, to_json};
use crate::selectors::{Selectors, basic, check_advanced, check_basic};
use crate::{CloudTrail, recorder};

pub(crate) async fn put(
    service: &CloudTrail,
    cx: &Cx,
    input: api::PutEventSelectorsInput,
) -> Result<api::PutEventSelectorsOutput> {
    let (name, _) = find_own(cx, &cx.read(), &input.trail_name)?;
    let selectors = match (input.event_selectors, input.advanced_event_selectors) {
        (Some(all), None) => {
            check_basic(&all)?;
            Selectors::Basic(all.into_iter().map(basic).collect())
        }
        (None, Some(all)) => {
            check_advanced(&all, false)?;
            Selectors::Advanced(all)
        }
        _ => {
            let message = "Specify either EventSelectors or AdvancedEventSelectors, and not both.";
            return Err(errors::invalid_event_selectors_exception(message).into());
        }
    };
    // What came before is logged, or not, as it was chosen then.
    service.recorder.settle().await;
    let text = to_json(&selectors)?;
    cx.write(|tx| {
        let (_, trail) = find_own(cx, tx, &input.trail_name)?;
        TRAILS.put(tx, &name.key(), &Trail { selectors: Some(text.clone()), ..trail });
        Ok(())
    })
    .await?;
    recorder::flag_data(cx.kernel())?;
    let (event_selectors, advanced_event_selectors) = parts(selectors);
    Ok(api::PutEventSelectorsOutput { trail_arn: Some(name.arn()), event_selectors, advanced_event_selectors })
}

type Parts = (Option<Vec<api::kept::EventSelector>>, Option<Vec<api::kept::AdvancedEventSelector>>);

fn parts(selectors: Selectors) -> Parts {
    match selectors {
        Selectors::Basic(all) => (Some(all), None),
        Selectors::Advanced(all) => (None, Some(all)),
    }
}

pub(crate) fn get(cx: &Cx, input: &api::GetEventSelectorsInput) -> Result<api::GetEventSelectorsOutput> {
    let (name, trail) = find(cx, &cx.read(), &input.trail_name)?;
    let (event_selectors, advanced_event_selectors) = parts(trail.selectors()?);
    Ok(api::GetEventSelectorsOutput { trail_arn: Some(name.arn()), event_selectors, advanced_event_selectors })
}
