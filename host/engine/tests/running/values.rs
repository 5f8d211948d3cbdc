//! What plugins keep between calls, in the workspace's database.

use waystation_sandbox::contract::action::Call;

use crate::Host;

/// What the guest `probe` was answered.
async fn ask(host: &Host, words: &str) -> String {
    let link = host.engine.link("keeper").unwrap();
    let call = Call {
        key: "k1".to_owned(),
        customer: "c-1".to_owned(),
        fields: Vec::new(),
        parameters: words.to_owned(),
    };
    let answer = link.connection.run(&[call]).await.remove(0).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_outlive_the_host_and_are_bounded() {
    let host = Host::new().await;
    host.connect("keeper", "probe").await;
    assert_eq!(ask(&host, "set a=1 b=2").await, "Ok(())");
    assert_eq!(ask(&host, "swap a 1 3").await, "Ok(true)");
    assert_eq!(ask(&host, "swap a 1 4").await, "Ok(false)");
    // The permission gives one kibibyte.
    assert_eq!(ask(&host, "set-long 1 1023").await, "Err(Error::Full)");
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, crate::NOW).await;
    assert_eq!(ask(&host, "get b a c").await, r#"Ok(["2", "3", "-"])"#);
    host.stop().await;
}
