//! Recorded calls with HTTP requests in them: the secrets and signatures in those are not the ones of a replay.

use serde_json::Value;
use tokio::sync::mpsc;
use waystation_sandbox::{
    Connection, Match, Performance, Recorder, Recording, Rehearsal, Settings,
    contract::action::Call,
};

use crate::{
    guests::{connect, release, settings, shared},
    web::{Reply, Server, grant, secret},
};

const EMAIL: &str = "zhang.wei@mail.example";

/// A server that says what it got, a connection of the plugin `probe` to it, and one call over it, recorded.
struct Story {
    server: Server,
    origin: String,
    recording: Recording,
}

fn allow(settings: &mut Settings, origin: &str) {
    grant(settings, &[origin]);
    secret(settings, "key", "s3cr3t/+of-the-shop", &[origin]);
}

/// Posts a body about a customer.
fn call(origin: &str, body: &str) -> Call {
    Call {
        key: "k1".to_owned(),
        customer: "c-1042".to_owned(),
        fields: vec![
            ("identity.email".to_owned(), EMAIL.to_owned()),
            ("tags".to_owned(), r#"["vip-club"]"#.to_owned()),
        ],
        parameters: format!("post {origin}/v1/people?of=c-1042 {body}"),
    }
}

async fn told() -> Story {
    let server = Server::start(|seen| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        Reply::ok(format!("{{\"got\":{body},\"friend\":\"li@mail.example\"}}"))
    })
    .await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let (sender, mut takes) = mpsc::channel(1);
    let probe: Connection = connect("probe", |settings| {
        allow(settings, &origin);
        settings.recorder = Some(Recorder::new(1.0, [7; 32], sender));
    })
    .await;
    let body = format!(r#"{{"id":"c-1042","email":"{EMAIL}","tag":"vip-club"}}"#);
    let answer = probe.run(&[call(&origin, &body)]).await.remove(0).expect("it is answered");
    assert!(answer.contains("200 ") && answer.contains(EMAIL), "{answer}");
    let recording = takes.try_recv().expect("it was recorded").develop();
    Story { server, origin, recording }
}

impl Story {
    async fn rehearsal(&self) -> Rehearsal {
        let mut settings = settings("probe");
        allow(&mut settings, &self.origin);
        Rehearsal::new(shared(), release("probe").await, settings).expect("they are within bounds")
    }

    /// The recorded request.
    fn request(&mut self) -> &mut Value {
        let sent = self.recording.exchanges.iter_mut().find(|one| one.function == "http.send");
        &mut sent.expect("a request was recorded").request
    }
}

fn sent(performance: &Performance) -> Match {
    let sent = performance.requests.iter().find(|one| one.exchange.function == "http.send");
    sent.expect("a request was made").matched
}

#[tokio::test]
async fn a_recorded_request_holds_no_secret_and_nothing_of_the_customer() {
    let mut story = told().await;
    let seen = story.server.only();
    assert_eq!(seen.header("authorization"), Some("Bearer s3cr3t/+of-the-shop"));
    let text = serde_json::to_string(&story.recording).unwrap();
    for word in ["s3cr3t", "waystation-secret-", "zhang", "1042", "vip", "li@mail"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    let request = story.request();
    assert_eq!(request["headers"][0][1], "Bearer {{secret:key}}");
    let signature = request["headers"][1][1].as_str().unwrap();
    assert!(signature.starts_with("v1={{hmac:") && signature.ends_with(":hex}}"), "{signature}");
    // The customer is the same one in the address, in the body and in the input.
    let customer = story.recording.input[0]["customer"].as_str().unwrap().to_owned();
    let request = story.request();
    assert!(request["url"].as_str().unwrap().ends_with(&format!("?of={customer}")), "{request}");
    assert!(request["body"].as_str().unwrap().contains(&customer), "{request}");
}

#[tokio::test]
async fn a_replay_is_answered_as_recorded_and_sends_nothing() {
    let story = told().await;
    let performance = story.rehearsal().await.play(&story.recording, None).await.unwrap();
    assert_eq!(performance.output, story.recording.output);
    assert_eq!(sent(&performance), Match::Exact);
    assert_eq!(story.server.seen().len(), 1, "only the recorded call came");
}

#[tokio::test]
async fn a_request_that_is_worded_differently_is_answered_for_the_release_in_use_only() {
    let mut story = told().await;
    story.request()["body"] = "something else".into();
    let rehearsal = story.rehearsal().await;
    // As if the release in use signed or worded it differently each time.
    let current = rehearsal.play(&story.recording, None).await.unwrap();
    assert_eq!((sent(&current), &current.output), (Match::Loose, &story.recording.output));
    // The candidate words it as the release in use does.
    let candidate = rehearsal.play(&story.recording, Some(&current)).await.unwrap();
    assert_eq!((sent(&candidate), &candidate.output), (Match::Exact, &story.recording.output));
    // This one words it differently from both.
    let nobody = Performance { output: Value::Null, requests: Vec::new() };
    let other = rehearsal.play(&story.recording, Some(&nobody)).await.unwrap();
    assert_eq!(sent(&other), Match::None);
    assert!(other.output.to_string().contains("not in the recording"), "{}", other.output);
    assert_eq!(story.server.seen().len(), 1, "only the recorded call came");
}
