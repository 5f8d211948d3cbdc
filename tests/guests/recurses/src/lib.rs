//! A channel that calls itself without end.

use std::hint::black_box;

use guest_contract::{Message, Outcome, accepted};

fn descend(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { 1 + black_box(descend(depth + 1)) }
}

fn send(messages: &[Message]) -> Vec<Outcome> {
    black_box(descend(0));
    messages.iter().map(accepted).collect()
}

guest_contract::channel!("recurses", send);
