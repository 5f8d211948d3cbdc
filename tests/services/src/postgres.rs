//! PostgreSQL: one server for the databases of all tests of a process, and servers of their own for tests that stop them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Ports that are tried, as another process may take one between the look and the start.
const PORTS: usize = 5;

/// A database that is empty at first, on the server of this process. It is dropped with this value.
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// Creates a database.
    #[must_use]
    pub fn new() -> Self {
        let server = shared();
        let name = server.create_database();
        Self { url: server.url(&name), name }
    }

    /// Runs a statement in it, and gives what it printed.
    pub fn run(&self, statement: &str) -> String {
        shared().run_in(&self.name, statement)
    }

    /// Its address, as Waystation and libpq read it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        shared().run(&format!("drop database if exists {} with (force)", self.name));
    }
}

fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(&[]))
}

/// A server.
pub struct Server {
    port: u16,
    programs: PathBuf,
    settings: String,
    /// Ends the server once its input is closed, which is when this process is gone at the latest.
    keeper: Mutex<Keeper>,
    databases: AtomicUsize,
}

struct Keeper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Keeper {
    /// Has a command carried out; gives what came of it.
    fn ask(&mut self, command: &str) -> String {
        let input = self.input.as_mut().expect("the input is open until the end");
        writeln!(input, "{command}").expect("the server's keeper listens");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the server's keeper answers");
        line.trim().to_owned()
    }
}

impl Server {
    /// Starts a server with these settings beside the usual ones, such as `max_connections=20`.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        let programs = programs();
        let mut keeper = keep(&programs);
        let first = keeper.answer();
        assert!(first.starts_with("ready"), "initdb failed: {first}");
        let settings: String = settings.iter().map(|setting| format!(" -c {setting}")).collect();
        let mut said = String::new();
        for _ in 0..PORTS {
            let port = free_port();
            said = keeper.ask(&format!("start {port}{settings}"));
            if said == "done" {
                let databases = AtomicUsize::new(0);
                return Self { port, programs, settings, keeper: Mutex::new(keeper), databases };
            }
        }
        panic!("PostgreSQL does not start: {said}");
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database that is empty, and gives its name.
    pub fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("create database {name}"));
        name
    }

    /// Runs a statement in the database `postgres`, and gives what it printed.
    pub fn run(&self, statement: &str) -> String {
        self.run_in("postgres", statement)
    }

    fn run_in(&self, database: &str, statement: &str) -> String {
        let said = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statement])
            .arg(self.url(database))
            .stdin(Stdio::null())
            .output()
            .expect("psql is beside initdb");
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{statement}: {error}");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Stops it at once, as if it were killed: connections break, and it recovers with the next start.
    pub fn kill(&self) {
        self.tell("kill");
    }

    /// Starts it again after it was killed, on the same port.
    pub fn restart(&self) {
        self.tell(&format!("start {}{}", self.port, self.settings));
    }

    fn tell(&self, command: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let said = keeper.ask(command);
        assert_eq!(said, "done", "{command}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        keeper.input.take();
        // It has nothing more to say than that it is gone.
        let _ = keeper.child.wait();
    }
}

/// A command of one of PostgreSQL's programs, such as `pg_dump`.
#[must_use]
pub fn program(name: &str) -> Command {
    Command::new(programs().join(name))
}

/// The user in whose name servers run, where that is not the one of this process.
#[must_use]
pub fn user() -> Option<&'static str> {
    is_root().then_some("postgres")
}

/// Starts the shell that keeps a server: in the name of the user `postgres` where this process is root, as the server does not
/// run as root.
fn keep(programs: &Path) -> Keeper {
    let script = include_str!("postgres.sh");
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c", script]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    };
    let mut child = command
        .arg("postgres.sh")
        .arg(programs)
        .current_dir("/")
        // A signal to the test's group must not end it before it has ended its server.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell can be started, by `runuser` where the tests run as root");
    let input = child.stdin.take();
    let output = BufReader::new(child.stdout.take().expect("its output is piped"));
    Keeper { child, input, output }
}

fn is_root() -> bool {
    let said = Command::new("id").arg("-u").output().expect("`id` is everywhere");
    said.stdout.trim_ascii() == b"0"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// The folder with PostgreSQL's programs: the newest of Debian's folders, or one of the path.
fn programs() -> PathBuf {
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = debian.into_iter().rev().map(|(_, folder)| folder);
    folders
        .find(|folder| folder.join("initdb").exists())
        .or_else(|| std::env::split_paths(&path).find(|folder| folder.join("initdb").exists()))
        .expect("PostgreSQL's `initdb` is not on this machine; install it, on Debian by `apt-get install postgresql`")
}
