//! What plugins write to the operator's log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;
use waystation_sandbox::{LogLine, LogSink, SecretValue};

use crate::{guests::connect, messages::order};

/// The log of this thread while it lives.
pub(crate) struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics with it").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn start() -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(Arc::clone(&bytes));
        let subscriber =
            tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        Self { bytes, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// All that was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no test panics with it")).into_owned()
    }

    /// The plugins' lines and the host's lines about them.
    fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.bytes.lock().expect("no test panics with it");
        let text = std::str::from_utf8(&bytes).expect("the log is text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .filter(|line: &serde_json::Value| line["target"] == "waystation::plugin")
            .collect()
    }
}

#[tokio::test]
async fn a_line_says_whose_it_is_and_hides_secrets() {
    let probe = connect("probe", |settings| {
        settings.name = "shop".to_owned();
        settings.secrets = [("key".to_owned(), SecretValue::new("s3cret"))].into();
    })
    .await;
    let log = Log::start();
    assert!(probe.run(&[order("say the key is s3cret\nFAKE")]).await[0].is_ok());
    let lines = log.lines();
    let fields = &lines[0]["fields"];
    assert_eq!(fields["message"], "the key is [secret] FAKE field=the-key-is-[secret] FAKE");
    assert_eq!(
        (&fields["connection"], &fields["plugin.release"]),
        (&"shop".into(), &"probe@1.2.3-test".into())
    );
    assert_eq!(lines[0]["level"], "WARN");
}

#[tokio::test]
async fn lines_are_bounded_in_length() {
    let probe = connect("probe", |_| {}).await;
    let log = Log::start();
    let long = "长".repeat(100_000);
    assert!(probe.run(&[order(&format!("say {long}"))]).await[0].is_ok());
    let message = log.lines()[0]["fields"]["message"].as_str().map(str::len);
    assert_eq!(message, Some(4_095), "4 KiB, cut between characters");
}

#[tokio::test]
async fn lines_are_bounded_in_number_and_the_lost_ones_counted() {
    let probe = connect("probe", |settings| settings.limits.log_lines = 10).await;
    let log = Log::start();
    assert!(probe.run(&[order("log 25")]).await[0].is_ok());
    let lines = log.lines();
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[9]["fields"]["message"], "line 9");
    assert_eq!(lines[10]["fields"]["dropped"], 15);
}

/// Lines as `connection release level text`.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn write(&self, line: LogLine<'_>) {
        let text =
            format!("{} {} {} {}", line.connection, line.release, line.level.as_str(), line.text);
        self.0.lock().expect("no test panics with it").push(text);
    }
}

#[tokio::test]
async fn lines_go_to_the_sink_too() {
    let lines = Arc::new(Lines::default());
    let sink = Arc::clone(&lines);
    let probe = connect("probe", move |settings| {
        settings.name = "shop".to_owned();
        settings.limits.log_lines = 2;
        settings.log = Some(sink);
        settings.secrets = [("key".to_owned(), SecretValue::new("s3cret"))].into();
    })
    .await;
    assert!(probe.run(&[order("say s3cret")]).await[0].is_ok());
    assert!(probe.run(&[order("log 5")]).await[0].is_ok());
    assert_eq!(
        *lines.0.lock().expect("no test panics with it"),
        [
            "shop probe@1.2.3-test warn [secret] field=[secret]",
            "shop probe@1.2.3-test info line 0",
            "shop probe@1.2.3-test info line 1",
            "shop probe@1.2.3-test warn 3 more lines of this call are not kept",
        ]
    );
}
