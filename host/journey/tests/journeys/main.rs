//! Customers on their way through journeys.

mod actions;
mod branches;
mod cart;
mod consent;
mod dangerous;
mod messages;
mod rules;
#[path = "../shop/mod.rs"]
mod shop;
mod steps;
mod story;
mod subscription;
mod times;
mod versions;

use serde_json::{Value, json};
use shop::CART;
use story::{Story, customer};
use waystation_journey::Customer;

fn lin() -> Customer {
    customer(json!({ "name": "Lin", "score": 3, "stage": "cold" }))
}

fn in_cart() -> Story {
    Story::of(CART, lin(), json!({ "cart_id": "k1", "amount": 35 }))
}

/// A journey with these steps and everything else as simple as can be.
fn with_steps(steps: &str, properties: Value) -> Story {
    let source = format!(
        "journey: simple\nentry: {{ event: go }}\nexit: {{ event: stop, as: stopped }}\ntemplates:\n  hello:\n    en: {{ text: hello, email: {{ subject: hello, text: hello }} }}\nsteps:\n{steps}"
    );
    Story::of(&source, lin(), properties)
}
