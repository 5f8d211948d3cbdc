//! Writing to the operator's log.
//!
//! The host adds connection and release, keeps at most 4 KiB of a line and at most 100 lines of a call, and masks secrets.
//! Addresses of customers do not belong there.
//!
//! ```no_run
//! use waystation_sdk::log;
//!
//! log::info("took a webhook", &[("events", &3)]);
//! ```

use std::fmt::Display;

use crate::bindings::host::waystation::plugin::log::{self, Level};

/// What only someone looking for a fault wants to see.
pub fn debug(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Debug, message, fields);
}

/// What an operator may want to know.
pub fn info(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Info, message, fields);
}

/// What an operator should look at some time.
pub fn warn(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Warn, message, fields);
}

/// What an operator has to mend.
pub fn error(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Error, message, fields);
}

fn write(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    log::write(level, message, &fields);
}
