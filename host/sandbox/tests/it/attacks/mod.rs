//! What a hostile plugin tries, and what stops it.
//!
//! Each file has a table of attempts: what is tried, the order to the plugin `attacker`, and the words of whatever stopped it.
//! The operator of these connections was generous: whatever an attempt needs is granted but for the thing that stops it.

mod addresses;
mod audience;
mod exhaustion;
mod requests;
mod responses;
mod secrets;

use waystation_sandbox::Connection;

use crate::web;

/// What is tried, the order, and a part of the answer.
pub(crate) type Attempt = (&'static str, &'static str, &'static str);

/// Runs a table's attempts one after the other; `{port}` in an order is replaced.
pub(crate) async fn check(attacker: &Connection, port: u16, attempts: &[Attempt]) {
    for (what, order, stopped_by) in attempts {
        let answer = web::order(attacker, &order.replace("{port}", &port.to_string())).await;
        assert!(answer.contains(stopped_by), "{what}: expected {stopped_by:?}, got {answer:?}");
    }
}
