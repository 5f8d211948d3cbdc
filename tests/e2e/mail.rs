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

/// The encoded words of RFC 2047 in a header, decoded.
pub(crate) fn decode_words(header: &str) -> String {
    let mut text = String::new();
    let mut bytes: Vec<u8> = Vec::new();
    let joined = header.replace("?= =?", "?==?");
    let mut rest = joined.as_str();
    while let Some(start) = rest.find("=?") {
        text.push_str(&rest[..start]);
        let mut parts = rest[start + 2..].splitn(4, '?');
        let (charset, encoding, word) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        assert!(charset.eq_ignore_ascii_case("utf-8"));
        match encoding {
            "B" | "b" => bytes.extend(BASE64_STANDARD.decode(word).unwrap()),
            _ => bytes.extend(quoted_printable(&word.replace('_', " "))),
        }
        rest = parts.next().unwrap().strip_prefix('=').unwrap();
        if !rest.starts_with("=?") {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            bytes.clear();
        }
    }
    text + rest
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

/// Content type and decoded text of each part of a multipart/alternative message.
pub(crate) fn alternative_parts(mail: &Mail) -> Vec<(String, String)> {
    let kind = mail.header("content-type");
    assert!(kind.starts_with("multipart/alternative"), "{kind}");
    let boundary = kind.split("boundary=").nth(1).unwrap().trim_matches('"');
    let body = mail.text.split_once("\r\n\r\n").unwrap().1;
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.last().unwrap().trim(), "--");
    parts[1..parts.len() - 1]
        .iter()
        .map(|part| {
            let (head, body) = part.trim_start_matches("\r\n").split_once("\r\n\r\n").unwrap();
            let head = head.to_lowercase();
            let body = if head.contains("content-transfer-encoding: base64") {
                BASE64_STANDARD.decode(body.replace("\r\n", "")).unwrap()
            } else if head.contains("content-transfer-encoding: quoted-printable") {
                quoted_printable(body)
            } else {
                body.as_bytes().to_vec()
            };
            assert!(head.contains("charset=utf-8") || head.contains("charset=\"utf-8\""), "{head}");
            let kind =
                head.split("content-type: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
            (kind, String::from_utf8(body).unwrap())
        })
        .collect()
}
