//! Randomness from the operating system. Always granted.

use crate::{bindings::waystation::plugin::random, guest::Guest, tape::Blob};

const BYTES_MAX: u32 = 65_536;

impl random::Host for Guest {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        if length > BYTES_MAX {
            return Err(wasmtime::Error::msg(format!(
                "random.bytes was asked for {length} bytes; the contract allows {BYTES_MAX}"
            )));
        }
        if let Some(mut player) = self.tape.player() {
            return Ok(player.random(length as usize));
        }
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(|error| {
            wasmtime::Error::msg(format!("the operating system gives no randomness: {error}"))
        })?;
        let bytes = Blob(bytes);
        self.tape.note("random.bytes", &length, &bytes);
        Ok(bytes.0)
    }
}
