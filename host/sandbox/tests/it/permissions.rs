//! What plugins may do, and that it is nothing unless it was granted.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use waystation_sandbox::{
    Connection, SandboxError, SecretValue, Settings, contract::types::Failure,
};

use crate::{
    codes::Pool,
    guests::{NOW, connect, release, settings, shared},
    messages::{batch, order, unknown},
};

/// What the plugin got from the host function, as it prints it.
async fn ask(probe: &Connection, words: &str) -> String {
    match probe.run(&[order(words)]).await.remove(0) {
        Ok(json) => serde_json::from_str(&json).expect("the probe answers with a string"),
        Err(failure) => panic!("{words}: {failure:?}"),
    }
}

async fn trap(probe: &Connection, words: &str) -> String {
    match probe.run(&[order(words)]).await.remove(0) {
        Err(Failure::Unknown(detail)) => detail,
        other => panic!("{words}: {other:?}"),
    }
}

fn with_secrets(settings: &mut Settings) {
    settings.secrets = [("key", "Jefe"), ("other", "hidden-value")]
        .map(|(name, value)| (name.to_owned(), SecretValue::new(value)))
        .into();
    settings.permissions.secrets =
        ["key", "unset"].map(|name| (name.to_owned(), BTreeSet::new())).into();
}

#[tokio::test]
async fn without_permissions_nothing_is_granted() {
    let probe = connect("probe", |settings| {
        with_secrets(settings);
        settings.permissions = waystation_sandbox::Permissions::default();
    })
    .await;
    for words in [
        "placeholder key",
        "reveal key",
        "hmac sha256 {key} data",
        "take cart5 k1",
        "give-back cart5 k1",
    ] {
        assert_eq!(ask(&probe, words).await, "Err(Error::NotGranted)", "{words}");
    }
}

#[tokio::test]
async fn configuration_and_time_are_always_granted() {
    let probe = connect("probe", |settings| settings.config = r#"{"a":1}"#.to_owned()).await;
    assert_eq!(ask(&probe, "config").await, r#"{"a":1}"#);
    assert_eq!(ask(&probe, "now").await, NOW.to_string());
}

#[tokio::test]
async fn time_never_runs_backwards_within_a_call() {
    let clock = AtomicU64::new(NOW);
    let probe = connect("probe", |settings| {
        settings.clock = Arc::new(move || clock.fetch_sub(1_000, Ordering::SeqCst));
    })
    .await;
    let answers = probe.run(&[order("now"), order("now")]).await;
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn randomness_is_bounded() {
    let probe = connect("probe", |_| {}).await;
    assert_eq!(ask(&probe, "random 65536").await, "65536");
    let detail = trap(&probe, "random 65537").await;
    assert!(detail.contains("65537") && detail.contains("65536"), "{detail}");
}

#[tokio::test]
async fn a_secret_is_used_without_being_seen() {
    let probe = connect("probe", with_secrets).await;
    let placeholder = ask(&probe, "placeholder key").await;
    assert!(
        placeholder.starts_with("Ok(\"waystation-secret-") && !placeholder.contains("Jefe"),
        "{placeholder}"
    );
    assert_ne!(
        placeholder,
        ask(&probe, "placeholder key").await,
        "a placeholder is good for one call"
    );
    assert_eq!(ask(&probe, "placeholder unset").await, "Err(Error::Missing)");
    assert_eq!(ask(&probe, "placeholder other").await, "Err(Error::NotGranted)");
    assert_eq!(ask(&probe, "reveal key").await, "Err(Error::NotGranted)");
}

#[tokio::test]
async fn revealing_needs_its_own_permission() {
    let probe = connect("probe", |settings| {
        with_secrets(settings);
        settings.permissions.reveal = ["other".to_owned()].into();
    })
    .await;
    assert_eq!(ask(&probe, "reveal other").await, "Ok(\"hidden-value\")");
    assert_eq!(ask(&probe, "placeholder other").await, "Err(Error::NotGranted)");
}

#[tokio::test]
async fn hmacs_are_those_of_rfc_2104() {
    let probe = connect("probe", with_secrets).await;
    let expected = [("sha1", SHA1), ("sha256", SHA256), ("sha512", SHA512)];
    for (algorithm, expected) in expected {
        let code = hmac(&probe, &format!("hmac {algorithm} {{key}} what")).await;
        assert_eq!(code, expected, "{algorithm}");
    }
}

/// The code that the plugin got, in hexadecimal digits.
async fn hmac(probe: &Connection, words: &str) -> String {
    let answer = ask(probe, words).await;
    let bytes: Vec<u8> =
        serde_json::from_str(answer.trim_start_matches("Ok(").trim_end_matches(')'))
            .unwrap_or_else(|_| panic!("{words}: {answer}"));
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The expected codes were computed by another program.
#[tokio::test]
async fn a_key_may_be_more_than_the_secret_and_data_may_hold_it() {
    let probe = connect("probe", |settings| {
        with_secrets(settings);
        settings.permissions.secrets.insert("other".to_owned(), BTreeSet::new());
    })
    .await;
    let cases = [
        ("TC3{key} 2026-11-22", TENCENT),
        ("{key}& GET&%2F&a", ALIYUN),
        ("{key} 1700000000000.{key}", DINGTALK),
        ("<{key}{other}> {other}{key}!waystation-secret-{key}", SEVERAL),
    ];
    for (words, expected) in cases {
        assert_eq!(hmac(&probe, &format!("hmac sha256 {words}")).await, expected, "{words}");
    }
}

#[tokio::test]
async fn an_hmacs_key_holds_a_secret_of_this_call() {
    let probe = connect("probe", with_secrets).await;
    let guessed = format!("waystation-secret-{}", "0".repeat(32));
    for key in ["what", "waystation-secret-", &guessed] {
        let answer = ask(&probe, &format!("hmac sha256 {key} {{key}}")).await;
        assert_eq!(answer, "Err(Error::NoSecretInKey)", "{key}");
    }
    let placeholder = ask(&probe, "placeholder key").await;
    let earlier = placeholder.trim_start_matches("Ok(\"").trim_end_matches("\")");
    let answer = ask(&probe, &format!("hmac sha256 {earlier} data")).await;
    assert_eq!(answer, "Err(Error::NoSecretInKey)", "a placeholder of another call");
}

#[tokio::test]
async fn an_hmac_is_bounded() {
    let large = |settings: &mut Settings| {
        with_secrets(settings);
        settings.limits.memory = 64 << 20;
    };
    let probe = connect("probe", large).await;
    let most = (16 << 20) - "Jefe".len();
    assert!(ask(&probe, &format!("hmac-of {most}")).await.starts_with("Ok("));
    assert_eq!(ask(&probe, &format!("hmac-of {}", most + 1)).await, "Err(Error::TooLarge)");
    let probe = connect("probe", |settings| {
        large(settings);
        settings.secrets.insert("key".to_owned(), SecretValue::new("x".repeat(60_000)));
    })
    .await;
    let key = "{key}".repeat(300);
    assert_eq!(ask(&probe, &format!("hmac sha256 {key} what")).await, "Err(Error::TooLarge)");
    assert_eq!(ask(&probe, &format!("hmac sha256 {{key}} {key}")).await, "Err(Error::TooLarge)");
}

#[tokio::test]
async fn codes_come_from_granted_pools_only() {
    let pool = Pool::open();
    let probe = connect("probe", |settings| settings.codes = Some(pool.grant())).await;
    assert_eq!(
        ask(&probe, "take cart5 k1 k2 k1").await,
        r#"Ok([Some("A"), Some("B"), Some("A")])"#
    );
    assert_eq!(ask(&probe, "take another k1").await, "Err(Error::NotGranted)");
    assert_eq!(
        ask(&probe, "take cart5 broken").await,
        r#"Err(Error::Unavailable("the database is away"))"#
    );
    let detail = trap(&probe, "many cart5 1001").await;
    assert!(detail.contains("1001 items"), "{detail}");
}

#[tokio::test]
async fn a_plugin_has_no_effect_before_its_call_begins() {
    let pool = Pool::open();
    let hasty = connect("hasty", |settings| settings.codes = Some(pool.grant())).await;
    let outcomes = hasty.send(&batch(1)).await;
    let told = unknown(&outcomes);
    assert!(told.contains("early: Some(Err(Error::Unavailable("), "{told}");
    assert!(told.contains(r#"late: Ok([Some("A")])"#), "{told}");
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused() {
    let refused = async |change: fn(&mut Settings), says: &str| {
        let mut settings = settings("shop");
        change(&mut settings);
        let error = Connection::new(shared(), release("probe").await, settings).expect_err(says);
        assert!(matches!(error, SandboxError::Settings { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(|settings| settings.config = "[]".to_owned(), "not a JSON object").await;
    refused(|settings| settings.config = format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000)), "bytes")
        .await;
    refused(|settings| settings.limits.memory = 1, "limit memory").await;
    refused(|settings| settings.limits.concurrency = 0, "limit concurrency").await;
    refused(
        |settings| {
            drop(settings.secrets.insert("a".to_owned(), SecretValue::new("x".repeat(70_000))))
        },
        "secret a",
    )
    .await;
}

#[test]
fn a_secret_is_not_shown() {
    let mut settings = settings("shop");
    with_secrets(&mut settings);
    assert!(!format!("{settings:?}").contains("hidden-value"), "{settings:?}");
}

const SHA1: &str = "25e303bf212d80add779b9455b51f4ef0d1089b5";
const SHA256: &str = "1df7fcdee0058f5cd839a52835ec6a8a89c88935198d2725c668b0a601558445";
const SHA512: &str = "dd2f4c2720960913a1fb4421dcc2d437263fcb85a3aec74860daccc5bd7e192669253e3cc6dc052c56dbe666a5f2697fa5aabe05bcf2096e066b9994e0a6ee18";
const TENCENT: &str = "777e5bfd364389d2992f2368f79775b5ffeb573621ff7c3ddcda1b05859a8f77";
const ALIYUN: &str = "d645850570432ebdd851d951de78c458f805bc03afa62f25b45d98e0ae8eb5a7";
const DINGTALK: &str = "4c90205b4189e5838635d9d789392d7c82cc9bd03e01cd27ee49b44af71e07de";
const SEVERAL: &str = "eec92e7eace83c04a7d3e18d45ae38d9d376a7936dacb54a1727be8dcb085fc1";
