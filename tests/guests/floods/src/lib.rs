//! A channel whose outcome carries 100 MB of text.

use guest_contract::{Message, Outcome};

fn send(messages: &[Message]) -> Vec<Outcome> {
    messages.iter().map(|_| Outcome::Unknown("x".repeat(100_000_000))).collect()
}

guest_contract::channel!("floods", send);
