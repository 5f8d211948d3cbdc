//! A channel that panics on its first message.

use guest_contract::{Message, Outcome};

fn send(_messages: &[Message]) -> Vec<Outcome> {
    panic!("on purpose")
}

guest_contract::channel!("crashes", send);
