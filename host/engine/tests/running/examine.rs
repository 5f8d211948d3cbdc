//! What is asked of a release before it is installed.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use waystation_engine::EngineError;
use waystation_sandbox::Kind;

use crate::Host;
use crate::synthetic::Synthetic;

static ECHO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/echo");
    let built = waystation_build::build(&folder, &waystation_build::Options::default()).unwrap();
    std::fs::read(built.wasm).unwrap()
});

#[tokio::test]
async fn a_release_tells_its_traits_where_it_can() {
    let host = Host::new().await;
    let examined = host.engine.workshop().examine(ECHO.clone()).await.unwrap();
    assert_eq!(examined.release.kinds(), [Kind::Channel]);
    assert_eq!(examined.traits["channel"]["address"], "phone");
    assert_eq!(examined.traits["channel"]["max_batch"], 1_000);
    host.stop().await;
}

#[tokio::test]
async fn schemas_are_those_of_the_draft_and_stand_alone() {
    let host = Host::new().await;
    let check = async |schema: &str, expected: &str| {
        let said = match host
            .engine
            .workshop()
            .examine(Synthetic { schema, ..Synthetic::default() }.build())
            .await
        {
            Ok(_) => String::new(),
            Err(EngineError::Sandbox(error)) => error.to_string(),
            Err(other) => panic!("{schema}: {other}"),
        };
        assert!(
            if expected.is_empty() { said.is_empty() } else { said.contains(expected) },
            "{schema}: {said}"
        );
    };
    check("", "").await;
    check("{}", "").await;
    check("true", "").await;
    check(r#"{"type":"object","required":["sender"]}"#, "").await;
    check(r##"{"$ref":"#/$defs/a","$defs":{"a":{}}}"##, "").await;
    check("[]", "which is an object").await;
    check("{", "is not JSON").await;
    check(r#"{"type":"text"}"#, "at /type").await;
    check(r#"{"required":"sender"}"#, "at /required").await;
    check(r#"{"pattern":"("}"#, "config-schema").await;
    check(r##"{"$ref":"#/$defs/gone"}"##, "config-schema cannot be used").await;
    check(r#"{"$ref":"https://x.example/s"}"#, "config-schema cannot be used").await;
    check(r#"{"$ref":"file:///etc/passwd"}"#, "config-schema cannot be used").await;
    host.stop().await;
}

#[tokio::test]
async fn what_belongs_to_a_release_goes_with_it() {
    let host = Host::new().await;
    host.connect("notice", "echo").await;
    let workshop = host.engine.workshop();
    let digest = host.engine.link("notice").unwrap().connection.release().digest().to_owned();
    let compiled = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(host.folder.path().join("cache")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    assert!(workshop.release_file(&digest).exists());
    assert_eq!(compiled().len(), 1);
    workshop.forget(&digest).await.unwrap();
    assert!(!workshop.release_file(&digest).exists());
    assert_eq!(compiled(), Vec::<PathBuf>::new());
    workshop.forget(&digest).await.unwrap();
    assert!(host.engine.link("notice").unwrap().connection.check().await.unwrap().is_ok());
    host.stop().await;
}
