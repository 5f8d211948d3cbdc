//! A channel that needs functions which this host may not offer.

use guest_contract::{
    Message, Outcome, accepted,
    waystation::plugin::{http, store},
};

fn send(messages: &[Message]) -> Vec<Outcome> {
    let keys: Vec<String> = messages.iter().map(|message| message.key.clone()).collect();
    if store::get(&keys).is_err() || http::send_all(&[]).is_empty() {
        return Vec::new();
    }
    messages.iter().map(accepted).collect()
}

guest_contract::channel!("reaches-out", send);
