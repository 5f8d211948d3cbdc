//! The connection's configuration. Always granted.

use crate::{bindings::waystation::plugin::config, guest::Guest};

impl config::Host for Guest {
    fn get(&mut self) -> wasmtime::Result<String> {
        let replayed = self.tape.player().and_then(|player| player.config());
        let config = replayed.unwrap_or_else(|| self.context.config.clone());
        self.tape.note("config.get", &(), &config);
        Ok(config)
    }
}
