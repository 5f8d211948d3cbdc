//! Recording calls and making them again with the outside stubbed.

use std::sync::Arc;

use tokio::sync::mpsc;
use waystation_sandbox::{
    Connection, MailGrant, Match, Performance, Recorder, Recording, Rehearsal, Relay, SecretValue,
    Settings, Take,
    contract::{
        action::Call,
        channel::{Message, Outcome},
    },
};

use crate::{
    audience::Crowd,
    codes::Pool,
    guests::{NOW, connect, release, settings, shared},
    messages::{batch, order, text},
    smtp::SERVER,
    values::Values,
};

/// A connection of which a share of calls is recorded, and where the recordings come out.
struct Recorded {
    connection: Connection,
    recorder: Recorder,
    takes: mpsc::Receiver<Take>,
}

async fn recorded(name: &str, share: f64, change: impl FnOnce(&mut Settings)) -> Recorded {
    let (sender, takes) = mpsc::channel(8);
    let recorder = Recorder::new(share, [7; 32], sender);
    let connection = connect(name, |settings| {
        change(settings);
        settings.recorder = Some(recorder.clone());
    })
    .await;
    Recorded { connection, recorder, takes }
}

impl Recorded {
    fn next(&mut self) -> Recording {
        self.takes.try_recv().expect("the call was recorded").develop()
    }

    /// Gives orders to the plugin `probe` in one call; the recording of it.
    async fn ask(&mut self, words: &[&str]) -> Recording {
        let calls: Vec<Call> = words.iter().map(|words| order(words)).collect();
        let answers = self.connection.run(&calls).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        self.next()
    }
}

async fn rehearsal(name: &str, change: impl FnOnce(&mut Settings)) -> Rehearsal {
    let mut settings = settings(name);
    change(&mut settings);
    Rehearsal::new(shared(), release(name).await, settings).expect("the settings are within bounds")
}

async fn play(rehearsal: &Rehearsal, recording: &Recording) -> Performance {
    rehearsal.play(recording, None).await.expect("the recording can be played")
}

#[track_caller]
fn assert_reproduced(performance: &Performance, recording: &Recording) {
    assert_eq!(performance.output, recording.output);
    let differing: Vec<_> =
        performance.requests.iter().filter(|request| request.matched != Match::Exact).collect();
    assert!(differing.is_empty(), "{differing:#?}\n{recording:#?}");
}

fn mail(settings: &mut Settings) {
    let url = format!("smtp://127.0.0.1:{}?tls=none", SERVER.open);
    let relay = Arc::new(Relay::new(&url).expect("the URL is good"));
    settings.mail = Some(MailGrant { relay, senders: vec!["*".to_owned()] });
}

/// A message to somebody whose name and number stand in its text too.
fn personal(key: &str) -> Message {
    let body = "Dear Zhang Wei, c-1042: we write to ZHANG.wei@example.com";
    let mut message = text(key, "zhang.wei@example.com", body);
    message.recipient.customer = "c-1042".to_owned();
    message.recipient.name = Some("Zhang Wei".to_owned());
    message.extras =
        vec![("unsubscribe-url".to_owned(), "https://m.shop.example/u/Tk81xYz".to_owned())];
    message
}

#[tokio::test]
async fn a_recording_tells_nothing_of_customers_and_is_reproduced() {
    let mut mailer = recorded("mailer", 1.0, mail).await;
    let outcomes = mailer.connection.send(&[personal("m1"), personal("m2")]).await;
    assert!(matches!(outcomes[..], [Outcome::Accepted(_), Outcome::Accepted(_)]), "{outcomes:?}");
    let recording = mailer.next();
    let text = serde_json::to_string(&recording).unwrap();
    for word in ["Zhang", "zhang", "ZHANG", "Wei", "1042", "Tk81xYz"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    let address = recording.input[0]["recipient"]["address"].as_str().unwrap();
    assert!(address.starts_with('u') && address.ends_with("@redacted.example"), "{address}");
    let envelope = &recording.exchanges[0].request;
    assert_eq!(envelope["recipients"][0], address);
    assert!(envelope["message"].as_str().unwrap().contains(&format!("\r\nTo: {address}\r\n")));
    assert!(envelope["message"].as_str().unwrap().ends_with(&format!("write to {address}\r\n")));

    let performance = play(&rehearsal("mailer", mail).await, &recording).await;
    assert_eq!(performance.requests.len(), 2);
    assert_reproduced(&performance, &recording);
}

#[tokio::test]
async fn numbers_stay_numbers_with_and_without_their_country() {
    let mut echo = recorded("echo", 1.0, |_| {}).await;
    let message = text("m1", "+8613800138000", "call 13800138000, not 138001380001 or +4930123456");
    echo.connection.send(&[message]).await;
    let recording = echo.next();
    let address = recording.input[0]["recipient"]["address"].as_str().unwrap();
    assert!(address.starts_with("+86") && address.len() == 14, "{address}");
    assert_ne!(address, "+8613800138000");
    let body = recording.input[0]["content"]["Text"].as_str().unwrap();
    let expected = format!("call {}, not 138001380001 or +49", &address[3..]);
    assert!(body.starts_with(&expected) && !body.contains("30123456"), "{body}");
    assert_reproduced(&play(&rehearsal("echo", |_| {}).await, &recording).await, &recording);
}

#[tokio::test]
async fn what_is_not_in_the_recording_is_answered_so() {
    let mut mailer = recorded("mailer", 1.0, mail).await;
    mailer.connection.send(&[personal("m1")]).await;
    let mut recording = mailer.next();
    recording.exchanges.clear();
    let outcome = |performance: Performance| serde_json::from_value(performance.output[0].clone());
    let performance = play(&rehearsal("mailer", mail).await, &recording).await;
    assert_eq!(performance.requests[0].matched, Match::None);
    let Outcome::Deferred(deferral) = outcome(performance).unwrap() else { panic!("not deferred") };
    assert_eq!(deferral.detail, "not in the recording");
    // What was not granted is denied, as it is outside.
    let performance = play(&rehearsal("mailer", |_| {}).await, &recording).await;
    let Outcome::Refused(refusal) = outcome(performance).unwrap() else { panic!("not refused") };
    assert!(refusal.detail.contains("may not send mail"), "{refusal:?}");
}

fn with_secrets(settings: &mut Settings) {
    settings.secrets = [("key", "Jefe"), ("other", "hid/den+value")]
        .map(|(name, value)| (name.to_owned(), SecretValue::new(value)))
        .into();
    settings.permissions.secrets = [("key".to_owned(), [].into())].into();
    settings.permissions.reveal = ["other".to_owned()].into();
}

#[tokio::test]
async fn secrets_never_get_into_a_recording() {
    let mut probe = recorded("probe", 1.0, with_secrets).await;
    let words = ["placeholder key", "placeholder key", "reveal other", "reveal key", "config"];
    let recording = probe.ask(&words).await;
    let text = serde_json::to_string(&recording).unwrap();
    for word in ["Jefe", "hid/den", "waystation-secret-"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(recording.output[0]["Ok"], "\"Ok(\\\"{{secret:key}}\\\")\"");
    assert_eq!(recording.output[2]["Ok"], "\"Ok(\\\"{{secret:other}}\\\")\"");
    let performance = play(&rehearsal("probe", with_secrets).await, &recording).await;
    assert_reproduced(&performance, &recording);

    let recording = probe.ask(&["hmac sha256 TC3{key} 2026-11-22.{key}"]).await;
    let signed = &recording.exchanges.last().unwrap();
    assert_eq!(signed.function, "secrets.hmac");
    assert_eq!(signed.request["key"], "TC3{{secret:key}}");
    assert_eq!(signed.request["data"], "2026-11-22.{{secret:key}}");
    assert!(signed.answer["Ok"].as_str().unwrap().starts_with("{{hmac:"), "{signed:?}");
    let performance = play(&rehearsal("probe", with_secrets).await, &recording).await;
    // The plugin shows the code as a list of numbers, which is no usual encoding; the request is the same all the same.
    assert_eq!(performance.requests.len(), 1);
    assert_eq!(performance.requests[0].exchange, **signed);
}

#[tokio::test]
async fn codes_and_values_are_answered_as_recorded() {
    let (pool, values) = (Pool::open(), Arc::<Values>::default());
    let grants = |settings: &mut Settings| {
        settings.codes = Some(pool.grant());
        settings.store = Some(values.grant(1 << 10));
    };
    let mut probe = recorded("probe", 1.0, grants).await;
    probe.ask(&["set a=1"]).await;
    let words = [
        "take cart5 k1 k2",
        "give-back cart5 k1",
        "take elsewhere k1",
        "take cart5 broken",
        "get a b",
        "set a=2 b",
        "get a",
        "swap a 2 3",
        "swap a 2 4",
        "get a",
    ];
    let recording = probe.ask(&words).await;
    // The present state is another; it does not matter.
    probe.ask(&["set a=9", "give-back cart5 k2"]).await;
    let rehearsal = rehearsal("probe", grants).await;
    let performance = play(&rehearsal, &recording).await;
    assert_eq!(performance.output, recording.output);
    assert_eq!(values_of(&probe).await, "Ok([\"9\"])", "a rehearsal sets nothing");

    // A value that the call has set is read again, whatever was recorded.
    let mut other = recording.clone();
    other.input =
        serde_json::json!([order("set c=7"), order("get c"), order("swap c 7 8"), order("get c")]);
    let performance = play(&rehearsal, &other).await;
    let answers: Vec<_> =
        performance.output.as_array().unwrap().iter().map(|one| &one["Ok"]).collect();
    assert_eq!(answers[1], "\"Ok([\\\"7\\\"])\"");
    assert_eq!(answers[2], "\"Ok(true)\"");
    assert_eq!(answers[3], "\"Ok([\\\"8\\\"])\"");
}

async fn values_of(probe: &Recorded) -> String {
    let answer = probe.connection.run(&[order("get a")]).await.remove(0).expect("it answers");
    serde_json::from_str(&answer).expect("it is a string")
}

#[tokio::test]
async fn clock_and_randomness_come_from_the_recording_and_go_on_the_same_way() {
    let mut probe = recorded("probe", 1.0, |_| {}).await;
    let recording = probe.ask(&["draw 4", "now", "draw 3"]).await;
    let rehearsal = rehearsal("probe", |settings| {
        settings.clock = Arc::new(|| panic!("a rehearsal has no clock"));
    })
    .await;
    assert_reproduced(&play(&rehearsal, &recording).await, &recording);

    let mut longer = recording.clone();
    longer.input =
        serde_json::json!([order("draw 9"), order("now"), order("now"), order("draw 9")]);
    let first = play(&rehearsal, &longer).await;
    assert_eq!(first, play(&rehearsal, &longer).await);
    let answer = |index: usize| first.output[index]["Ok"].as_str().unwrap().to_owned();
    assert_eq!(answer(1), format!("\"{NOW}\""));
    assert_eq!(answer(2), format!("\"{}\"", NOW + 1));
    assert_ne!(answer(0), answer(3));
    longer.at += 1;
    assert_ne!(
        first.output[3],
        play(&rehearsal, &longer).await.output[3],
        "it hangs on the recording"
    );
}

#[tokio::test]
async fn a_share_of_calls_is_recorded() {
    for (share, least, most) in [(0.0, 0, 0), (0.25, 40, 160), (1.0, 400, 400)] {
        let mut echo = recorded("echo", share, |_| {}).await;
        let mut count = 0;
        for _ in 0..400 {
            echo.connection.send(&batch(1)).await;
            count += u32::from(echo.takes.try_recv().is_ok());
        }
        assert!((least..=most).contains(&count), "{count} of 400 at {share}");
        assert_eq!(echo.recorder.counts().recorded, u64::from(count));
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_counted_and_costs_the_call_nothing() {
    let mut echo = recorded("echo", 1.0, |_| {}).await;
    let large = text("m1", "+8613800138000", &"x".repeat(300 << 10));
    assert!(matches!(echo.connection.send(&[large]).await[..], [Outcome::Accepted(_)]));
    assert!(echo.takes.try_recv().is_err());
    assert_eq!(echo.recorder.counts().too_large, 1);
    // Nobody takes the recordings, of which eight may wait.
    for _ in 0..10 {
        assert!(matches!(echo.connection.send(&batch(1)).await[..], [Outcome::Accepted(_)]));
    }
    let counts = echo.recorder.counts();
    assert_eq!((counts.recorded, counts.missed), (8, 2));
    echo.takes.close();
    assert!(matches!(echo.connection.send(&batch(1)).await[..], [Outcome::Accepted(_)]));
    assert_eq!(echo.recorder.counts().missed, 3);

    // Many small exchanges are too much as well.
    let mut probe = recorded("probe", 1.0, |_| {}).await;
    let calls = vec![order("random 65536"); 5];
    assert!(probe.connection.run(&calls).await.iter().all(Result::is_ok));
    assert!(probe.takes.try_recv().is_err());
    assert_eq!(probe.recorder.counts().too_large, 1);
}

#[tokio::test]
async fn a_call_that_crashes_is_recorded_with_what_was_said_of_it() {
    let mut crashes = recorded("crashes", 1.0, |_| {}).await;
    crashes.connection.send(&batch(2)).await;
    let recording = crashes.next();
    assert!(recording.output[1]["Unknown"].as_str().unwrap().contains("crashed"), "{recording:?}");
    let performance = play(&rehearsal("crashes", |_| {}).await, &recording).await;
    assert_reproduced(&performance, &recording);
}

#[tokio::test]
async fn a_recorded_audience_names_nobody_and_is_reproduced() {
    let crowd = |settings: &mut Settings| settings.audience = Some(Crowd(2).grant(&["level"]));
    let mut probe = recorded("probe", 1.0, crowd).await;
    let recording = probe.ask(&["audience 1 - all"]).await;
    assert_eq!(recording.exchanges[0].function, "audience.read");
    let text = serde_json::to_string(&recording).unwrap();
    assert!(!text.contains("c-00001") && !text.contains("gold"), "{text}");
    assert_reproduced(&play(&rehearsal("probe", crowd).await, &recording).await, &recording);
    // A connection that may not read customers is told so.
    let without = play(&rehearsal("probe", |_| {}).await, &recording).await;
    assert!(without.output.to_string().contains("NotGranted"), "{}", without.output);
}
