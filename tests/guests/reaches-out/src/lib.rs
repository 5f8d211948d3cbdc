//! A channel that needs functions which this host may not offer.

use guest_contract::{Message, Outcome, accepted, waystation::plugin::audience};

fn send(messages: &[Message]) -> Vec<Outcome> {
    if audience::read("true", None, 1).is_err() {
        return Vec::new();
    }
    messages.iter().map(accepted).collect()
}

guest_contract::channel!("reaches-out", send);
