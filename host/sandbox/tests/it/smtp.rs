//! A real mail server, run as a process: aiosmtpd, in a virtual environment under the target folder.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

const PACKAGES: &[&str] = &["aiosmtpd==1.4.6", "atpublic==6.0.1", "attrs==25.3.0"];

/// Ports of the running server.
pub(crate) struct Server {
    /// Takes mail from anybody.
    pub(crate) open: u16,
    /// Takes mail from `shop@example.com` with the password `p:w/d`.
    pub(crate) guarded: u16,
    /// Holds the pipe to the server, which ends when the pipe does.
    _process: Child,
}

pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/server.py");
    let mut process = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the mail server starts");
    let mut line = String::new();
    let output = process.stdout.as_mut().expect("it was piped");
    BufReader::new(output).read_line(&mut line).expect("the mail server prints its ports");
    let ports: Vec<u16> =
        line.split_whitespace().map(|port| port.parse().expect("a port")).collect();
    Server { open: ports[0], guarded: ports[1], _process: process }
});

/// The Python of an environment that has the packages; it is made on the first run.
fn python() -> PathBuf {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd-1.4.6");
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    if !complete.exists() {
        run(Command::new("python3").arg("-m").arg("venv").arg("--clear").arg(&environment));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
        fs::write(complete, "").expect("the environment is ours");
    }
    python
}

fn run(command: &mut Command) {
    let status = command.status().expect("Python 3 with venv is installed");
    assert!(status.success(), "{command:?} failed");
}
