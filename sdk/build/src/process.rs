//! Running a program with a clean environment and a time limit.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::BuildError;

/// Most text that is kept of a program's standard error output.
const KEPT_BYTES: usize = 256 * 1024;

/// Most text that is kept of a program's standard output: many times what cargo says of a large workspace.
const KEPT_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    /// Lines of the standard output, from which cargo's messages are read; at most [`KEPT_ANSWER_BYTES`] of them.
    pub(crate) stdout: Vec<String>,
    /// The beginning of the standard error output, at most [`KEPT_BYTES`].
    pub(crate) stderr: String,
}

enum Line {
    Out(String),
    Err(String),
}

/// Runs `command` to its end, at most `limit` long, and hands each line of its standard error output to `progress`.
pub(crate) fn run(
    mut command: Command,
    limit: Duration,
    progress: &dyn Fn(&str),
) -> Result<Finished, BuildError> {
    let deadline = Instant::now() + limit;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BuildError::Start { command: written(&command), source })?;
    let lines = read_lines(&mut child);

    let mut finished = Finished { success: false, stdout: Vec::new(), stderr: String::new() };
    let mut answered = 0;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Line::Out(line)) => {
                answered += line.len();
                if answered < KEPT_ANSWER_BYTES {
                    finished.stdout.push(line);
                }
            }
            Ok(Line::Err(line)) => {
                progress(&line);
                if finished.stderr.len() + line.len() < KEPT_BYTES {
                    finished.stderr.push_str(&line);
                    finished.stderr.push('\n');
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // The child may have ended by itself just now; then there is nothing left to stop.
                let _ = child.kill();
                let _ = child.wait();
                return Err(BuildError::TimedOut { command: written(&command), limit });
            }
        }
    }
    let status =
        child.wait().map_err(|source| BuildError::Start { command: written(&command), source })?;
    finished.success = status.success();
    Ok(finished)
}

/// Both streams are read at once, because a program that fills one pipe while the other is awaited would stand still.
fn read_lines(child: &mut Child) -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::sync_channel(1024);
    if let Some(stream) = child.stdout.take() {
        forward(stream, Line::Out, sender.clone());
    }
    if let Some(stream) = child.stderr.take() {
        forward(stream, Line::Err, sender);
    }
    receiver
}

fn forward(
    stream: impl Read + Send + 'static,
    wrap: fn(String) -> Line,
    sender: mpsc::SyncSender<Line>,
) {
    // The thread ends with the stream; after a time-out its next send fails and ends it.
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if sender.send(wrap(String::from_utf8_lossy(&line).into_owned())).is_err() {
                break;
            }
        }
    });
}

/// A command that runs in `dir` and inherits nothing that an outer cargo, or a user's build settings, would change in it.
///
/// What says where things are and how to reach them stays: `CARGO_HOME`, `RUSTUP_HOME`, proxies, registries.
pub(crate) fn clean_command(program: impl AsRef<std::ffi::OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_leak) {
            command.env_remove(&name);
        }
    }
    command
}

fn is_leak(name: &str) -> bool {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRY_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
        "CARGO_BUILD_JOBS",
    ];
    if KEPT.iter().any(|kept| name.starts_with(kept)) {
        return false;
    }
    let inner =
        name == "CARGO" || name == "RUSTC" || name == "RUSTDOC" || name == "RUSTUP_TOOLCHAIN";
    let flags =
        name == "RUSTFLAGS" || name == "RUSTDOCFLAGS" || name == "MAKEFLAGS" || name == "MFLAGS";
    inner || flags || ["CARGO_", "RUSTC_", "__CARGO"].iter().any(|prefix| name.starts_with(prefix))
}

/// The command line as one would type it.
pub(crate) fn written(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
