//! What is asked, in a digest: whether a repeat asks the very same.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use super::Ask;

/// Bytes of SHA-256 that are kept.
const BYTES: usize = 16;

impl Ask {
    /// 32 hexadecimal digits; equal for what is equal in every field.
    pub(crate) fn digest(&self) -> String {
        let mut sink = Sink(Sha256::new());
        // The sink takes everything.
        let _ = match self {
            Self::Send(message) => write!(sink, "{message:?}"),
            Self::Issue(request, _) => write!(sink, "{request:?}"),
            Self::Revoke(revocation) => write!(sink, "{revocation:?}"),
            Self::Run(call) => write!(sink, "{call:?}"),
        };
        let digest = sink.0.finalize();
        digest.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Sink(Sha256);

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
