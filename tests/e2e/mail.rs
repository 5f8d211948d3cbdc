//! A real mail server, run as a process: aiosmtpd, in a virtual environment under the target folder.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

const PACKAGES: &[&str] = &["aiosmtpd==1.4.6", "atpublic==6.0.1", "attrs==25.3.0"];

/// A running mail server. It ends when this is dropped.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    journal: PathBuf,
    process: Child,
}

/// A message as it arrived.
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
}

impl MailServer {
    /// Starts a server that keeps its messages in this folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let journal = folder.join("mail.jsonl");
        let mut process = Command::new(&*PYTHON)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/mail_server.py"))
            .arg(&journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mail server starts");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self {
            port: line.trim().parse().expect("the mail server prints its port"),
            journal,
            process,
        }
    }

    /// The relay's URL.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// What has been accepted so far, in order.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let text = std::fs::read_to_string(&self.journal).unwrap_or_default();
        // A line that is just being written has no end yet.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let message = BASE64_STANDARD.decode(line["message"].as_str().unwrap()).unwrap();
                Mail {
                    from: line["from"].as_str().unwrap().to_owned(),
                    to: line["to"][0].as_str().unwrap().to_owned(),
                    text: String::from_utf8(message).unwrap(),
                }
            })
            .collect()
    }
}

impl Mail {
    /// A header's value, unfolded.
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self
            .text
            .split("\r\n\r\n")
            .next()
            .unwrap()
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ");
        let found = head
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.process.stdin.take();
        let _ = self.process.wait();
    }
}

/// The Python of an environment that has the packages; it is made on the first run.
pub(crate) static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd-1.4.6");
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    if !complete.exists() {
        run(Command::new("python3").arg("-m").arg("venv").arg("--clear").arg(&environment));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
        std::fs::write(complete, "").unwrap();
    }
    python
});

fn run(command: &mut Command) {
    let status = command.status().expect("Python 3 with venv is installed");
    assert!(status.success(), "{command:?} failed");
}
