//! Writes the bindings of waystation-sdk from the contract. Run it whenever a file in `wit/` changes:
//!
//! ```text
//! cargo run --manifest-path sdk/rust/bindgen/Cargo.toml
//! ```
//!
//! The bindings are kept in the repository, because making them in every build of a plugin would double the time it takes.

use std::error::Error;
use std::path::Path;

use sha2::{Digest, Sha256};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// One world for what every plugin has and one for each kind, so that a plugin exports only the kinds that it names.
const WORLDS: [(&str, &str); 5] = [
    ("host", "include waystation:plugin/host@1.0.0; export waystation:plugin/plugin@1.0.0;"),
    ("channel", "export waystation:plugin/channel@1.0.0;"),
    ("trigger_source", "export waystation:plugin/trigger-source@1.0.0;"),
    ("coupon", "export waystation:plugin/coupon@1.0.0;"),
    ("action", "export waystation:plugin/action@1.0.0;"),
];

/// Types that interfaces share exist once, in the module of the first world.
const SHARED: &str = "crate::bindings::host::waystation::plugin::types";

fn main() -> Result<(), Box<dyn Error>> {
    let sdk = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (wit, bindings) = (sdk.join("wit"), sdk.join("src/bindings"));
    for (module, body) in WORLDS {
        std::fs::write(bindings.join(format!("{module}.rs")), generate(&wit, module, body)?)?;
    }
    std::fs::write(bindings.join("made-of.sha256"), digest(&wit)? + "\n")?;
    Ok(())
}

fn generate(wit: &Path, module: &str, body: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let name = format!("{}-sdk", module.replace('_', "-"));
    let mut resolve = Resolve::default();
    resolve.push_path(wit)?;
    let package = resolve
        .push_str("sdk.wit", &format!("package waystation:sdk;\nworld {name} {{ {body} }}"))?;
    let world = resolve.select_world(&[package], Some(&name))?;

    let types = ("waystation:plugin/types@1.0.0".to_owned(), WithOption::Path(SHARED.to_owned()));
    let options = Opts {
        format: true,
        pub_export_macro: true,
        generate_all: true,
        runtime_path: Some("::wit_bindgen::rt".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        with: if module == "host" { Vec::new() } else { vec![types] },
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, text) = files.iter().next().ok_or("the generator wrote nothing")?;
    Ok(text.to_vec())
}

/// The same as in `sdk/rust/tests/bindings.rs`, which notices when the contract has moved on.
fn digest(wit: &Path) -> Result<String, Box<dyn Error>> {
    let mut paths = std::fs::read_dir(wit)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(std::fs::read(path)?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
