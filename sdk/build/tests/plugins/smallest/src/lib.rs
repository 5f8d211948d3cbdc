//! An action that answers every call with `null`: about the least that is a plugin.

use waystation_sdk::action::{Action, Call, Traits};
use waystation_sdk::{Failure, Manifest, NoConfig, Plugin, Problem, export_action, manifest};

struct Smallest;

impl Plugin for Smallest {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        manifest!("Smallest")
    }

    fn new(_: NoConfig) -> Result<Self, Problem> {
        Ok(Smallest)
    }
}

impl Action for Smallest {
    fn traits(&self) -> Traits {
        Traits::without_effect()
    }

    fn run_one(&self, _: Call) -> Result<waystation_sdk::Value, Failure> {
        Ok(waystation_sdk::Value::Null)
    }
}

export_action!(Smallest);
