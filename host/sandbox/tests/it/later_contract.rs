//! Plugins that were built against a later contract: within 1.x they work as long as they need nothing that is not here.

use std::sync::Arc;

use waystation_sandbox::{Connection, Kind, Release, SandboxError, contract::channel::Outcome};

use crate::{
    guests::{settings, shared, wasm},
    messages::{batch, order},
    synthetic::Synthetic,
};

const LATER: Synthetic<'_> = Synthetic {
    contract: "1.1.0",
    changes: &[],
    world: "import waystation:plugin/log@C; export waystation:plugin/plugin@C; export waystation:plugin/channel@C;",
    unused: &[],
    schema: "",
};

/// A function that the interface `log` has from 1.1.0 on.
const NEW_FUNCTION: (&str, &str) = (
    "    /// Writes a line. The host adds",
    "    @since(version = 1.1.0)\n    flush: func() -> string;\n\n    /// Writes a line. The host adds",
);
/// A function that every channel exports from 1.1.0 on.
const NEW_EXPORT: (&str, &str) = (
    "    find: func(keys: list<string>) -> list<option<outcome>>;",
    "    find: func(keys: list<string>) -> list<option<outcome>>;\n\n    @since(version = 1.1.0)\n    cancel: func(keys: list<string>) -> list<bool>;",
);
/// An interface that the contract has from 1.1.0 on.
const NEW_INTERFACE: (&str, &str) = (
    "interface clock {",
    "interface zones {\n    @since(version = 1.1.0)\n    name: func() -> string;\n}\n\n@since(version = 1.0.0)\ninterface clock {",
);
/// A type in an interface of its own, which nobody calls.
const NEW_TYPES: (&str, &str) = (
    "interface log {",
    "interface words {\n    @since(version = 1.1.0)\n    type word = string;\n}\n\n@since(version = 1.0.0)\ninterface log {\n    use words.{word};",
);

async fn load(plugin: Vec<u8>) -> Result<Arc<Release>, SandboxError> {
    shared().load(plugin.into()).await
}

/// A plugin of the tests as if it were built against contract 1.1.0: the name of every interface says so.
fn later(name: &str) -> Vec<u8> {
    let mut bytes = wasm(name).to_vec();
    let (from, to) = (b"@1.0.0", b"@1.1.0");
    let mut changed = 0;
    for start in 0..bytes.len() - from.len() {
        if bytes[start..].starts_with(from) {
            bytes[start..start + to.len()].copy_from_slice(to);
            changed += 1;
        }
    }
    assert!(changed > 2, "{name} names its interfaces with their version");
    bytes
}

async fn connect(plugin: Vec<u8>) -> Connection {
    let release = load(plugin).await.expect("it needs nothing new");
    Connection::new(shared(), release, settings("later")).expect("the settings are within bounds")
}

/// Checks that a plugin is refused, and that the error says all of this.
#[track_caller]
fn refused(result: Result<Arc<Release>, SandboxError>, expected: &[&str]) {
    let error = result.expect_err("this must not load").to_string();
    for text in expected {
        assert!(error.contains(text), "`{text}` is missing from: {error}");
    }
}

#[tokio::test]
async fn what_uses_only_known_functions_works() {
    let echo = connect(later("echo")).await;
    assert_eq!(echo.release().kinds(), [Kind::Channel]);
    let outcomes = echo.send(&batch(2)).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Accepted(_), Outcome::Accepted(_)]));

    let probe = connect(later("probe")).await;
    let imports = probe.release().imports();
    assert!(imports.iter().any(|name| name == "waystation:plugin/log@1.1.0"), "{imports:?}");
    let answers = probe.run(&[order("say hello"), order("now")]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn functions_that_are_exported_besides_are_passed_over() {
    let plugin = Synthetic { changes: &[NEW_FUNCTION, NEW_EXPORT], unused: &["flush"], ..LATER };
    let connection = connect(plugin.build()).await;
    assert_eq!(connection.release().kinds(), [Kind::Channel]);
    let traits = connection.channel_traits().await.expect("it answers");
    assert_eq!((traits.address.as_str(), traits.max_batch), ("phone", 7));
}

#[tokio::test]
async fn new_types_need_nothing_of_the_host() {
    let plugin = Synthetic { changes: &[NEW_TYPES], ..LATER };
    assert_eq!(connect(plugin.build()).await.release().kinds(), [Kind::Channel]);
}

#[tokio::test]
async fn new_kinds_beside_known_ones_are_passed_over() {
    let plugin = Synthetic {
        changes: &[NEW_INTERFACE],
        world: "export waystation:plugin/plugin@C; export waystation:plugin/channel@C; export waystation:plugin/zones@C;",
        ..LATER
    };
    assert_eq!(connect(plugin.build()).await.release().kinds(), [Kind::Channel]);
}

#[tokio::test]
async fn what_needs_unknown_functions_is_refused_with_their_names() {
    let plugin = Synthetic {
        changes: &[NEW_FUNCTION, NEW_INTERFACE],
        world: "import waystation:plugin/log@C; import waystation:plugin/zones@C; \
                export waystation:plugin/plugin@C; export waystation:plugin/channel@C;",
        ..LATER
    };
    let result = load(plugin.build()).await;
    assert!(
        matches!(&result, Err(SandboxError::MissingImports(missing)) if missing.len() == 2),
        "{result:?}"
    );
    refused(result, &["log.flush", "zones.name", "a newer host may"]);
}

#[tokio::test]
async fn another_major_version_is_refused_by_its_number() {
    let plugin = Synthetic { contract: "2.0.0", ..LATER };
    refused(
        load(plugin.build()).await,
        &["waystation:plugin/log@2.0.0", "version 1 of the contract"],
    );
    let silent = r#"(component (instance $plugin)
        (export "waystation:plugin/plugin@2.0.0" (instance $plugin)))"#;
    refused(
        load(wat::parse_str(silent).expect("the text is a component")).await,
        &["waystation:plugin/plugin@2.0.0", "version 1 of the contract"],
    );
}

#[tokio::test]
async fn a_record_with_another_shape_is_refused_with_its_place() {
    for (from, to, expected) in [
        // A field more in what the host hands over.
        (
            "        dedupe-window: option<milliseconds>,",
            "        dedupe-window: option<milliseconds>,\n        colour: string,",
            &["channel.get-traits", "expected record of 7 fields, found 8 fields"][..],
        ),
        (
            "        license: string,",
            "        license: string,\n        price: u32,",
            &["describe"],
        ),
        // Another type of a known field, and of a known parameter.
        (
            "        max-batch: u32,",
            "        max-batch: string,",
            &["channel.get-traits", "max-batch"],
        ),
        (
            "write: func(level: level, message: string,",
            "write: func(level: level, message: u32,",
            &["log", "write"],
        ),
        (
            "write: func(level: level, message: string,",
            "write: func(level: level, indent: u32, message: string,",
            &["log", "write"],
        ),
    ] {
        let plugin = Synthetic { changes: &[(from, to)], ..LATER };
        let result = load(plugin.build()).await;
        assert!(matches!(result, Err(SandboxError::Misfit(_))), "{to}: {result:?}");
        refused(result, expected);
    }
}
