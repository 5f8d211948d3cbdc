//! A channel that takes memory until it has 4 GB.

use std::hint::black_box;

use guest_contract::{Message, Outcome, accepted};

fn send(messages: &[Message]) -> Vec<Outcome> {
    let chunks: Vec<Vec<u8>> = (0..4_000).map(|_| black_box(vec![1; 1_000_000])).collect();
    assert_eq!(chunks.len(), 4_000);
    messages.iter().map(accepted).collect()
}

guest_contract::channel!("grows", send);
