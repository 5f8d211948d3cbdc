//! An action that does what its parameter `do` says, and tells what it was given.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "action-plugin",
    generate_all,
});

use exports::waystation::plugin::{
    action::{self, Call, Failure, Traits},
    plugin::{self, Manifest, Problem},
};
use waystation::plugin::types::Deferral;

struct Acts;

impl plugin::Guest for Acts {
    fn describe() -> Manifest {
        Manifest {
            name: "acts".to_owned(),
            version: "0.1.0".to_owned(),
            title: "Acts".to_owned(),
            summary: "For the host's tests.".to_owned(),
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

impl action::Guest for Acts {
    fn get_traits() -> Traits {
        Traits {
            parameters_schema: r#"{ "type": "object", "required": ["do"], "properties": {
                "do": { "type": "string" }, "count": { "type": "integer" },
                "to": { "type": "string", "maxLength": 8 } } }"#
                .to_owned(),
            max_batch: 2,
            dedupe_window: None,
            extras: Vec::new(),
        }
    }

    fn run(calls: Vec<Call>) -> Vec<Result<String, Failure>> {
        calls.iter().map(|call| act(call, calls.len())).collect()
    }
}

fn act(call: &Call, calls: usize) -> Result<String, Failure> {
    let told = |word: &str| call.parameters.contains(&format!("\"do\":\"{word}\""));
    if told("refuse") {
        return Err(Failure::Refused("as told".to_owned()));
    }
    if told("defer") {
        let detail = "as told".to_owned();
        return Err(Failure::Deferred(Deferral { after: 60_000, detail }));
    }
    assert!(!told("trap"), "as told");
    if told("nest") {
        return Ok("[".repeat(200) + &"]".repeat(200));
    }
    // What `Debug` makes of plain text is a JSON string.
    let fields: Vec<String> =
        call.fields.iter().map(|(name, value)| format!("{name:?}:{value:?}")).collect();
    Ok(format!(
        r#"{{"calls":{calls},"customer":{:?},"parameters":{},"fields":{{{}}}}}"#,
        call.customer,
        call.parameters,
        fields.join(",")
    ))
}

export!(Acts);
