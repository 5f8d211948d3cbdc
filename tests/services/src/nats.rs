//! NATS with `JetStream`.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificates::Certificates;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Runs a server for as long as its own standard input is open, which ends with the test's process.
const WATCH: &str =
    r#""$0" "$@" & server=$!; cat > /dev/null; kill -KILL "$server"; wait "$server""#;

/// A server with its streams in a folder of its own. It ends when this is dropped.
pub struct Nats {
    folder: TempDir,
    address: String,
    process: Option<Child>,
    /// Beside the usual ones.
    settings: String,
}

impl Nats {
    /// Starts a server and waits until it listens.
    ///
    /// # Panics
    /// If there is no `nats-server`, or it does not listen.
    #[must_use]
    pub fn start() -> Self {
        static SERVERS: AtomicU8 = AtomicU8::new(0);
        let number = SERVERS.fetch_add(1, Ordering::Relaxed) % 100;
        // An address that no other server of the tests has, so that a killed one finds its port free again.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Self::at(&format!("127.{}.{high}.{low}", 150 + number), String::new())
    }

    /// The same with TLS, on 127.0.0.1.
    ///
    /// # Panics
    /// If there is no `nats-server`, or it does not listen.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let (certificate, key) = (certificate.display(), key.display());
        Self::at(
            "127.0.0.1",
            format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}"),
        )
    }

    fn at(ip: &str, settings: String) -> Self {
        let port = TcpListener::bind((ip, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port is free")
            .port();
        let folder = tempfile::tempdir().expect("a folder can be made");
        let address = format!("{ip}:{port}");
        let mut server = Self { folder, address, process: None, settings };
        server.resume();
        server
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// SIGKILL: no chance to tidy up.
    ///
    /// # Panics
    /// If its process cannot be waited for.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            process.wait().expect("the server ends");
        }
    }

    /// Starts it again with the streams that it had.
    ///
    /// # Panics
    /// If it does not listen in time.
    pub fn resume(&mut self) {
        self.kill();
        let place = |name: &str| self.folder.path().join(name);
        let settings = format!(
            "listen: \"{}\"\nserver_name: test\njetstream {{ store_dir: \"{}\" }}\n{}\n",
            self.address,
            place("streams").display(),
            self.settings
        );
        std::fs::write(place("nats.conf"), settings).expect("the settings can be written");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(place("log"))
            .expect("the log can be written");
        let process = Command::new("sh")
            .args(["-c", WATCH])
            .arg(program())
            .arg("--config")
            .arg(place("nats.conf"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            // A signal to the test's group must not end it before it has ended its server.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        self.process = Some(process);
        let started = Instant::now();
        while !self.greets() {
            assert!(started.elapsed() < PATIENCE, "nats-server does not listen:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Whether it says who it is, as a server does to whom connects.
    fn greets(&self) -> bool {
        let Ok(stream) = TcpStream::connect(&self.address) else { return false };
        let mut line = String::new();
        let limited = stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok();
        limited && BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
    folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file()).expect(
        "these tests need nats-server; install it, on Debian with `apt-get install nats-server`",
    )
}
