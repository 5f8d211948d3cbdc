//! An action that calls a function which is no part of the contract.

use waystation_sdk::action::{Action, Call, Traits};
use waystation_sdk::{Failure, Manifest, NoConfig, Plugin, Problem, export_action, manifest};

#[link(wasm_import_module = "elsewhere")]
unsafe extern "C" {
    safe fn phone_home() -> u32;
}

struct Foreign;

impl Plugin for Foreign {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        manifest!("Foreign")
    }

    fn new(_: NoConfig) -> Result<Self, Problem> {
        Ok(Foreign)
    }
}

impl Action for Foreign {
    fn traits(&self) -> Traits {
        Traits::without_effect()
    }

    fn run_one(&self, _: Call) -> Result<waystation_sdk::Value, Failure> {
        Ok(phone_home().into())
    }
}

export_action!(Foreign);
