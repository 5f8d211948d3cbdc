//! A channel whose sends end as is written into the component, and whose provider knows as much as is written there: tests
//! replace the text below in the compiled file. What it says of a message holds all that it was given of it.

use std::hint::black_box;

use guest_contract::exports::waystation::plugin::channel::{Refusal, RefusalReason};
use guest_contract::exports::waystation::plugin::{channel, plugin};
use guest_contract::waystation::plugin::types::Deferral;
use guest_contract::{
    HttpRequest, Manifest, Message, Outcome, Problem, Receipt, Reception, Traits,
};

/// How sends end; for how many milliseconds a key is done once, none if zero; what `find` answers, if there is one.
static FATE: &[u8; 41] = b"end=accepted window=00000000 find=absent.";

fn fate() -> (&'static str, u64, &'static str) {
    // The compiler must not know what it says.
    let text: &'static [u8; 41] = black_box(FATE);
    let word = |from: usize, to: usize| std::str::from_utf8(&text[from..to]).unwrap_or_default();
    (word(4, 12), word(20, 28).parse().unwrap_or_default(), word(34, 40))
}

fn taken(told: String) -> Outcome {
    Outcome::Accepted(Receipt { provider_id: Some(told), cost: None, extras: Vec::new() })
}

fn answer(end: &str, message: &Message) -> Outcome {
    let told = format!("{message:?}");
    match end {
        "accepted" => taken(told),
        "refused_" => Outcome::Refused(Refusal { reason: RefusalReason::Address, detail: told }),
        "deferred" => Outcome::Deferred(Deferral { after: 60_000, detail: told }),
        _ => Outcome::Unknown(told),
    }
}

struct Guest;

impl plugin::Guest for Guest {
    fn describe() -> Manifest {
        guest_contract::manifest("lossy")
    }

    fn check() -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl channel::Guest for Guest {
    fn get_traits() -> Traits {
        let (_, window, find) = fate();
        Traits {
            dedupe_window: (window > 0).then_some(window),
            finds: find != "absent",
            ..guest_contract::traits()
        }
    }

    fn send(messages: Vec<Message>) -> Vec<Outcome> {
        let (end, ..) = fate();
        messages.iter().map(|message| answer(end, message)).collect()
    }

    fn find(keys: Vec<String>) -> Vec<Option<Outcome>> {
        let (_, _, find) = fate();
        let found = |key: String| match find {
            "there_" => Some(taken(format!("found {key}"))),
            "unsure" => Some(Outcome::Unknown("it cannot tell yet".to_owned())),
            _ => None,
        };
        keys.into_iter().map(found).collect()
    }

    fn receive(_request: HttpRequest) -> Result<Reception, String> {
        Err("no reports here".to_owned())
    }
}

guest_contract::export!(Guest with_types_in guest_contract);
