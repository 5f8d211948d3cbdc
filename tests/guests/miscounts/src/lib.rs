//! A channel that gives one outcome too few.

use guest_contract::{Message, Outcome, accepted};

fn send(messages: &[Message]) -> Vec<Outcome> {
    messages.iter().skip(1).map(accepted).collect()
}

guest_contract::channel!("miscounts", send);
