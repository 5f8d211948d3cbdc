//! The connection's configuration. Always granted.

use crate::{bindings::waystation::plugin::config, guest::Guest};

impl config::Host for Guest {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.config.clone())
    }
}
