//! An action that does nothing, a thousand times in a call: for measurements.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "action-plugin",
    generate_all,
});

use exports::waystation::plugin::{
    action::{self, Call, Failure, Traits},
    plugin::{self, Manifest, Problem},
};

struct Idles;

impl plugin::Guest for Idles {
    fn describe() -> Manifest {
        Manifest {
            name: "idles".to_owned(),
            version: "0.1.0".to_owned(),
            title: "Idles".to_owned(),
            summary: "For the host's measurements.".to_owned(),
            vendor: "Waystation".to_owned(),
            license: "Apache-2.0".to_owned(),
            config_schema: String::new(),
            permissions: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn check() -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl action::Guest for Idles {
    fn get_traits() -> Traits {
        Traits {
            parameters_schema: r#"{ "type": "object" }"#.to_owned(),
            max_batch: 1_000,
            dedupe_window: None,
            extras: Vec::new(),
        }
    }

    fn run(calls: Vec<Call>) -> Vec<Result<String, Failure>> {
        calls.iter().map(|_| Ok("{}".to_owned())).collect()
    }
}

export!(Idles);
