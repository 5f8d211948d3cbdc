//! Trusted keys, and releases that nothing refers to.

use waystation_store::StoreError;
use waystation_store::records::{ConnectionRow, KeyRow, ReleaseRow, ReleaseUse, Signer};

use super::{NOW, Place};

fn digest(letter: char) -> String {
    letter.to_string().repeat(64)
}

fn release(letter: char) -> ReleaseRow {
    ReleaseRow {
        digest: digest(letter),
        name: "echo".to_owned(),
        version: "1.0.0".to_owned(),
        kinds: vec!["channel".to_owned()],
        manifest: serde_json::json!({}),
        installed_at: NOW,
        signer: None,
        development: false,
    }
}

fn key(name: &str, id: &str) -> KeyRow {
    KeyRow {
        name: name.to_owned(),
        id: id.to_owned(),
        public: format!("ed25519:{id}"),
        added_at: NOW,
    }
}

#[tokio::test]
async fn a_key_has_one_name() {
    let place = Place::new().await;
    place.trust_key(key("vendor", "1")).await.unwrap();
    for taken in [key("vendor", "2"), key("other", "1")] {
        let result = place.trust_key(taken).await;
        assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
    }
    assert_eq!(place.trusted_keys().await.unwrap(), [key("vendor", "1")]);
    place.distrust_key("vendor".to_owned()).await.unwrap();
    assert_eq!(place.trusted_keys().await.unwrap(), []);
}

#[tokio::test]
async fn a_signature_is_added_and_never_lost() {
    let place = Place::new().await;
    let signer = Some(Signer { name: "vendor".to_owned(), key: "1".to_owned() });
    let installed = async |release: ReleaseRow| {
        place.install(release, None).await.unwrap();
        let row = place.releases().await.unwrap().remove(0);
        (row.signer, row.development)
    };
    let draft = ReleaseRow { development: true, ..release('a') };
    assert_eq!(installed(draft.clone()).await, (None, true));
    assert_eq!(
        installed(ReleaseRow { signer: signer.clone(), ..draft }).await,
        (signer.clone(), true)
    );
    assert_eq!(installed(release('a')).await, (signer, false));
}

#[tokio::test]
async fn what_a_connection_refers_to_stays() {
    let place = Place::new().await;
    for letter in ['a', 'b', 'c', 'd'] {
        place.install(release(letter), None).await.unwrap();
    }
    let connection = ConnectionRow {
        name: "notice".to_owned(),
        plugin: "echo".to_owned(),
        digest: digest('a'),
        previous: Some(digest('b')),
        canary: Some(format!(r#"{{"release":"{}"}}"#, digest('c'))),
        config: "{}".to_owned(),
        permissions: "{}".to_owned(),
        limits: "{}".to_owned(),
        recording: "{}".to_owned(),
        secrets: String::new(),
        updated_at: NOW,
    };
    place.put_connection(connection, None).await.unwrap();
    let mut used = place.releases_in_use().await.unwrap();
    used.sort_by(|one, other| one.digest.cmp(&other.digest));
    let by = |letter| ReleaseUse { digest: digest(letter), connection: "notice".to_owned() };
    assert_eq!(used, [by('a'), by('b'), by('c')]);
    let all = ['a', 'b', 'c', 'd', 'e'].map(digest).to_vec();
    assert_eq!(place.remove_releases(all).await.unwrap(), [digest('d')]);
    assert_eq!(place.releases().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_setting_keeps_its_last_value() {
    let place = Place::new().await;
    assert_eq!(place.setting("unsigned_plugins").await.unwrap(), None);
    for value in ["allow", "refuse"] {
        place.set_setting("unsigned_plugins", value.to_owned()).await.unwrap();
        assert_eq!(place.setting("unsigned_plugins").await.unwrap().as_deref(), Some(value));
    }
}
