//! What the guests that are channels share: the bindings, and answers that no test looks at.
//!
//! They use the bare bindings because they do what the SDK keeps plugin authors from doing.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "channel-plugin",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "guest_contract",
    generate_all,
});

pub use exports::waystation::plugin::{
    channel::{HttpRequest, Message, Outcome, Receipt, Reception, Traits},
    plugin::{Manifest, Problem},
};

/// A manifest that asks for nothing.
pub fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        title: name.to_owned(),
        summary: "For the host's tests.".to_owned(),
        vendor: "Waystation".to_owned(),
        license: "Apache-2.0".to_owned(),
        config_schema: String::new(),
        permissions: Vec::new(),
        extras: Vec::new(),
    }
}

/// Traits of a channel that takes texts to phones.
pub fn traits() -> Traits {
    Traits {
        address: "phone".to_owned(),
        contents: vec!["text".to_owned()],
        max_batch: 1_000,
        dedupe_window: None,
        finds: false,
        reports: false,
        extras: Vec::new(),
    }
}

/// The message was taken, and its key is the provider's identifier too.
pub fn accepted(message: &Message) -> Outcome {
    Outcome::Accepted(Receipt {
        provider_id: Some(message.key.clone()),
        cost: None,
        extras: Vec::new(),
    })
}

/// Makes a channel of a function from messages to outcomes.
#[macro_export]
macro_rules! channel {
    ($name:literal, $send:path) => {
        struct Guest;

        impl $crate::exports::waystation::plugin::plugin::Guest for Guest {
            fn describe() -> $crate::Manifest {
                $crate::manifest($name)
            }

            fn check() -> Result<(), Vec<$crate::Problem>> {
                Ok(())
            }
        }

        impl $crate::exports::waystation::plugin::channel::Guest for Guest {
            fn get_traits() -> $crate::Traits {
                $crate::traits()
            }

            fn send(messages: Vec<$crate::Message>) -> Vec<$crate::Outcome> {
                $send(&messages)
            }

            fn find(_keys: Vec<String>) -> Vec<Option<$crate::Outcome>> {
                Vec::new()
            }

            fn receive(_request: $crate::HttpRequest) -> Result<$crate::Reception, String> {
                Err("no reports here".to_owned())
            }
        }

        $crate::export!(Guest with_types_in $crate);
    };
}
