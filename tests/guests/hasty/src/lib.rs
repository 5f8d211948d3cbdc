//! A channel that takes a code from a pool while its sandbox is still being set up, and tells what it got.

use std::sync::OnceLock;

use guest_contract::{
    Message, Outcome,
    waystation::plugin::codes::{self, Error},
};

static EARLY: OnceLock<Result<Vec<Option<String>>, Error>> = OnceLock::new();

/// Runs before the host calls anything.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    let _ = EARLY.set(codes::take("cart5", &["early".to_owned()]));
}

fn send(messages: &[Message]) -> Vec<Outcome> {
    let late = codes::take("cart5", &["late".to_owned()]);
    messages
        .iter()
        .map(|_| Outcome::Unknown(format!("early: {:?}, late: {late:?}", EARLY.get())))
        .collect()
}

guest_contract::channel!("hasty", send);
