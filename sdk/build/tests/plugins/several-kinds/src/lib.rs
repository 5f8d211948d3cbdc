//! A plugin of all four kinds, which does as the defaults do.

use waystation_sdk::{
    Action, Channel, Coupon, Manifest, NoConfig, Plugin, Problem, TriggerSource, manifest,
};
use waystation_sdk::{action, channel, coupon, trigger_source};

struct SeveralKinds;

impl Plugin for SeveralKinds {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        manifest!("Several kinds")
    }

    fn new(_: NoConfig) -> Result<Self, Problem> {
        Ok(SeveralKinds)
    }
}

impl Channel for SeveralKinds {
    fn traits(&self) -> channel::Traits {
        channel::Traits::new("email", &["text"])
    }
}

impl TriggerSource for SeveralKinds {
    fn traits(&self) -> trigger_source::Traits {
        trigger_source::Traits::hooks()
    }
}

impl Coupon for SeveralKinds {
    fn traits(&self) -> coupon::Traits {
        coupon::Traits::new(1)
    }
}

impl Action for SeveralKinds {
    fn traits(&self) -> action::Traits {
        action::Traits::with_effect()
    }
}

waystation_sdk::export!(SeveralKinds: channel, trigger_source, coupon, action);
