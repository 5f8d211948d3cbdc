//! A channel that accepts every message.

use guest_contract::{Message, Outcome, accepted};

fn send(messages: &[Message]) -> Vec<Outcome> {
    messages.iter().map(accepted).collect()
}

guest_contract::channel!("echo", send);
