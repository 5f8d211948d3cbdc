//! Randomness from the operating system.

use anyhow::Context;

use crate::trust;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the operating system gives no randomness")?;
    Ok(bytes)
}

/// `N` random bytes in hexadecimal.
pub(crate) fn hex<const N: usize>() -> anyhow::Result<String> {
    Ok(trust::hex(&bytes::<N>()?))
}
