//! Holds the generated bindings to the contract.

use std::path::Path;

use sha2::{Digest, Sha256};

/// The same as in `sdk/rust/bindgen`, which wrote the digest beside the bindings.
#[test]
fn bindings_are_made_of_the_present_contract() {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> =
        sdk.join("wit").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(std::fs::read(path).unwrap());
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let made_of = std::fs::read_to_string(sdk.join("src/bindings/made-of.sha256")).unwrap();
    assert_eq!(
        made_of.trim(),
        digest,
        "the contract has changed since the bindings were made; run `cargo run --manifest-path sdk/rust/bindgen/Cargo.toml`"
    );
}
