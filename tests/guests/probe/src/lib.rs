//! A plugin of three kinds that shows what the host answers it: an action that calls host functions as told, a trigger
//! source that makes events of requests, and a coupon plugin that takes codes from a pool.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package waystation:probe;
        world probe {
            include waystation:plugin/action-plugin@1.0.0;
            export waystation:plugin/trigger-source@1.0.0;
            export waystation:plugin/coupon@1.0.0;
        }
    ",
    world: "waystation:probe/probe",
    generate_all,
});

mod act;
mod issue;
mod trigger;

use exports::waystation::plugin::plugin::{Guest, Manifest, Problem};
use waystation::plugin::config;

struct Probe;

impl Guest for Probe {
    fn describe() -> Manifest {
        Manifest {
            name: "probe".to_owned(),
            version: "1.2.3-test".to_owned(),
            title: "Probe".to_owned(),
            // Nothing is granted while a plugin describes itself; the configuration is an empty object.
            summary: format!("Configured as {}.", config::get()),
            vendor: "Waystation".to_owned(),
            license: "Apache-2.0".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            permissions: Vec::new(),
            extras: Vec::new(),
        }
    }

    /// Complains about a configuration that mentions `wrong`.
    fn check() -> Result<(), Vec<Problem>> {
        if config::get().contains("wrong") {
            return Err(vec![Problem {
                path: "/mood".to_owned(),
                message: "it is wrong; say right".to_owned(),
            }]);
        }
        Ok(())
    }
}

export!(Probe);
