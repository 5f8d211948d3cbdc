//! A channel that computes without end.

use std::hint::black_box;

use guest_contract::{Message, Outcome};

fn send(_messages: &[Message]) -> Vec<Outcome> {
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

guest_contract::channel!("spins", send);
