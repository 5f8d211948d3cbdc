//! What can be loaded, and what is said about the rest.

use std::sync::Arc;

use waystation_sandbox::{Kind, SandboxError};

use crate::guests::{release, shared, wasm};

async fn refused(wasm: &[u8]) -> SandboxError {
    shared().load(Arc::from(wasm)).await.expect_err("this must not load")
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a component")
}

#[tokio::test]
async fn a_plugin_says_who_it_is_and_what_it_can_be() {
    let probe = release("probe").await;
    assert_eq!(probe.kinds(), [Kind::TriggerSource, Kind::Coupon, Kind::Action]);
    assert_eq!(
        (probe.manifest().name.as_str(), probe.manifest().version.as_str()),
        ("probe", "1.2.3-test")
    );
    assert_eq!(probe.manifest().summary, "Configured as {}.");
    assert_eq!(probe.digest().len(), 64);
    assert!(
        probe.imports().iter().any(|import| import == "waystation:plugin/codes@1.0.0"),
        "{:?}",
        probe.imports()
    );
    assert_eq!(release("echo").await.kinds(), [Kind::Channel]);
}

#[tokio::test]
async fn what_is_not_a_component_is_named_for_what_it_is() {
    assert!(matches!(refused(b"#!/bin/sh\necho hello\n").await, SandboxError::NotWasm));
    assert!(matches!(refused(b"").await, SandboxError::NotWasm));
    let module = component("(module (func (export \"send\")))");
    assert!(matches!(refused(&module).await, SandboxError::CoreModule));
    let echo = wasm("echo");
    assert!(matches!(refused(&echo[..echo.len() / 2]).await, SandboxError::Invalid(_)));
    assert!(matches!(refused(&echo[..8]).await, SandboxError::NoPlugin));
    assert!(matches!(refused(&vec![0; (64 << 20) + 1]).await, SandboxError::TooLarge { .. }));
}

#[tokio::test]
async fn every_missing_import_is_named() {
    let error = refused(&component(
        r#"(component
            (import "waystation:plugin/audience@1.0.0" (instance (export "count" (func))))
            (import "waystation:plugin/http@1.0.0" (instance (export "stream" (func))))
            (import "now" (func)))"#,
    ))
    .await;
    let text = error.to_string();
    assert!(matches!(error, SandboxError::MissingImports(missing) if missing.len() == 3), "{text}");
    assert!(
        text.contains("audience.count (this host does not know it; a newer host may)"),
        "{text}"
    );
    assert!(text.contains("http.stream (this host does not know it; a newer host may)"), "{text}");
    assert!(text.contains("now (a plugin imports nothing but"), "{text}");
}

#[tokio::test]
async fn imports_of_other_packages_and_later_functions_are_named() {
    let text = refused(&component(
        r#"(component
            (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func))))
            (import "waystation:plugin/clock@1.0.0" (instance (export "zone" (func (result string))))))"#,
    ))
    .await
    .to_string();
    assert!(text.contains("wasi:cli/exit@0.2.0"), "{text}");
    assert!(text.contains("clock.zone"), "{text}");
}

#[tokio::test]
async fn an_import_of_another_shape_is_a_misfit() {
    let error = refused(&component(
        r#"(component (import "waystation:plugin/clock@1.0.0" (instance (export "now" (func (result string))))))"#,
    ))
    .await;
    assert!(matches!(&error, SandboxError::Misfit(detail) if detail.contains("now")), "{error}");
}

#[tokio::test]
async fn a_component_without_the_plugin_interface_or_a_kind_is_told_so() {
    assert!(matches!(refused(&component("(component)")).await, SandboxError::NoPlugin));
    let error = refused(&component(
        r#"(component (instance $plugin) (export "waystation:plugin/plugin@1.0.0" (instance $plugin)))"#,
    ))
    .await;
    assert!(matches!(error, SandboxError::NoKind), "{error}");
    let error = refused(&component(
        r#"(component (instance $empty)
            (export "waystation:plugin/plugin@1.0.0" (instance $empty))
            (export "waystation:plugin/channel@1.0.0" (instance $empty)))"#,
    ))
    .await;
    assert!(matches!(error, SandboxError::Misfit(_)), "{error}");
}
