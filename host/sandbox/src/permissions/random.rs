//! Randomness from the operating system. Always granted.

use crate::{bindings::waystation::plugin::random, guest::Guest};

const BYTES_MAX: u32 = 65_536;

impl random::Host for Guest {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        if length > BYTES_MAX {
            return Err(wasmtime::Error::msg(format!(
                "random.bytes was asked for {length} bytes; the contract allows {BYTES_MAX}"
            )));
        }
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(|error| {
            wasmtime::Error::msg(format!("the operating system gives no randomness: {error}"))
        })?;
        Ok(bytes)
    }
}
