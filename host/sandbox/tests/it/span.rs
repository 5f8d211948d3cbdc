//! Calls as tracing shows them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::{
    guests::connect,
    messages::{batch, order},
};

#[derive(Clone, Default)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics with it").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    /// The spans that ended, with their fields.
    fn spans(&self) -> Vec<Value> {
        let bytes = self.0.lock().expect("no test panics with it");
        let lines = std::str::from_utf8(&bytes).expect("the log is text").lines();
        lines
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .filter(|line: &Value| line["fields"]["message"] == "close")
            .map(|line| line["span"].clone())
            .collect()
    }
}

#[tokio::test]
async fn a_call_is_a_span_that_says_what_it_was_and_how_it_ended() {
    let echo = connect("echo", |settings| settings.name = "notice".to_owned()).await;
    let spins = connect("spins", |settings| {
        settings.limits.wall_time = std::time::Duration::from_millis(50);
    })
    .await;
    let writer = Writer::default();
    let target = writer.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || target.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    echo.send(&batch(3)).await;
    spins.send(&batch(1)).await;
    echo.run(&[order("x")]).await;
    drop(guard);

    let spans = writer.spans();
    let said: Vec<(&str, u64, &str)> = spans
        .iter()
        .map(|span| {
            let word = |name: &str| span[name].as_str().expect("it is text");
            (word("function"), span["items"].as_u64().expect("a number"), word("outcome"))
        })
        .collect();
    assert_eq!(
        said,
        [
            ("channel.send", 3, "answered"),
            ("channel.send", 1, "timeout"),
            ("action.run", 1, "not_exported")
        ]
    );
    let first = &spans[0];
    assert_eq!(
        (&first["name"], &first["connection"], &first["plugin.name"], &first["plugin.version"]),
        (&"plugin.call".into(), &"notice".into(), &"echo".into(), &"0.1.0".into())
    );
    assert_eq!(first["plugin.digest"].as_str(), Some(echo.release().digest()));
    assert!(first["duration_ms"].as_f64().is_some_and(|duration| duration > 0.0));
    assert!(spans[1]["duration_ms"].as_f64().is_some_and(|duration| duration >= 50.0));
}
