//! The `waystation` program: a server of the test's own, and the commands that talk to it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_waystation");
/// How long to wait for something that must come. A mail that is put off comes again after a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// The reference plugins, built once for all tests: http-events, coupon-codes, smtp-email.
pub(crate) static PLUGINS: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let crates = ["http-events", "coupon-codes", "smtp-email"].map(|name| plugins.join(name));
    let built = waystation_build::build_all(&crates, &waystation_build::Options::default())
        .expect("the plugins build");
    built.into_iter().map(|built| built.wasm).collect()
});

const SHOP: &str = "
connection: shop
plugin: http-events
permissions: { secrets: [signing] }
secrets: { signing: { value: shop-signing-key } }
";
const COUPONS: &str = "
connection: coupons
plugin: coupon-codes
config: { mode: generate }
permissions: { secrets: [codes] }
secrets: { codes: { value: a-secret-for-codes-of-32-bytes-or-more } }
";
const NOTICE: &str = "
connection: notice
plugin: smtp-email
config: { sender: 驿站商城 <notice@shop.example> }
permissions: { mail: { relay: default, senders: [notice@shop.example] } }
";

/// A server in a folder of its own. Dropping it kills it.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    /// An address that no other server of the tests has, so that a killed one finds its port free again.
    address: String,
    relay: Option<String>,
    /// Environment of the server's process.
    environment: Vec<(&'static str, String)>,
    token: String,
    process: Option<Child>,
    http: reqwest::Client,
}

impl Server {
    /// Starts a server on a fresh folder and waits until it listens. It installs plugins that nobody signed, as those are that
    /// the tests build.
    pub(crate) fn start(relay: Option<&str>) -> Self {
        let server = Self::fresh(relay);
        server.run(&["settings", "set", "unsigned-plugins", "allow"]);
        server
    }

    /// As `start`, with every setting as a new workspace has it.
    pub(crate) fn fresh(relay: Option<&str>) -> Self {
        Self::with(relay, Vec::new())
    }

    /// As `fresh`, with something in the process's environment.
    pub(crate) fn with(relay: Option<&str>, environment: Vec<(&'static str, String)>) -> Self {
        // Only the first test of the process can install it, and one is enough.
        let _ = rustls::crypto::ring::default_provider().install_default();
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        // All of 127.0.0.0/8 is this machine.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let ip = format!("127.{}.{high}.{low}", number + 1);
        let port = TcpListener::bind((ip.as_str(), 0)).unwrap().local_addr().unwrap().port();
        let mut server = Self {
            folder: tempfile::tempdir().unwrap(),
            address: format!("{ip}:{port}"),
            relay: relay.map(str::to_owned),
            environment,
            token: String::new(),
            process: None,
            http: client(),
        };
        let lines = server.spawn();
        for line in lines {
            if let Some(token) = line.strip_prefix("token: ") {
                server.token = token.to_owned();
            } else if line.starts_with("listening on ") {
                return server;
            }
        }
        panic!("the server ended before it listened");
    }

    /// From the next start on the process has this in its environment.
    pub(crate) fn set_environment(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// Another host of the same workspace, in a folder of its own.
    pub(crate) fn beside(&self, environment: Vec<(&'static str, String)>) -> Self {
        let mut other = Self::with(self.relay.as_deref(), environment);
        other.token.clone_from(&self.token);
        other
    }

    /// Starts the process again on the same folder; gives the lines that it prints.
    pub(crate) fn spawn(&mut self) -> impl Iterator<Item = String> + use<> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--listen", &self.address])
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .args(["--public-url", "https://m.shop.example"])
            .env("RUST_LOG", "info")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log);
        if let Some(relay) = &self.relay {
            command.args(["--relay", &format!("default={relay}")]);
        }
        let mut process = command.spawn().expect("the server starts");
        let output = process.stdout.take().unwrap();
        self.process = Some(process);
        // Connections to an earlier process are of no use.
        self.http = client();
        BufReader::new(output).lines().map_while(Result::ok)
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// A command of the program against this server, to be started.
    pub(crate) fn prepare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("WAYSTATION_SERVER", self.url(""))
            .env("WAYSTATION_TOKEN", &self.token);
        command
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().unwrap();
        let sent =
            Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        process.wait().unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs a command of the program against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        self.prepare(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; gives what it prints.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?} failed:\n{out}{err}\n{}", self.log());
        out.into_owned()
    }

    /// Writes a file into the server's folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Installs the reference plugins and applies the connections `shop`, `coupons` and `notice`.
    pub(crate) fn set_up(&self) {
        self.set_up_without_mail();
        let file = self.write("notice.yaml", NOTICE);
        self.run(&["connection", "apply", &file]);
    }

    /// As `set_up`, but for `notice`, which needs a relay.
    pub(crate) fn set_up_without_mail(&self) {
        let plugins: Vec<&str> = PLUGINS.iter().map(|path| path.to_str().unwrap()).collect();
        self.run(&[&["plugin", "install"], plugins.as_slice()].concat());
        let folder = self.folder.path().join("connections");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in [("shop", SHOP), ("coupons", COUPONS)] {
            std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        }
        self.run(&["connection", "apply", folder.to_str().unwrap()]);
    }

    /// Checks a journey file and puts it into use.
    pub(crate) fn apply(&self, journey: &str) {
        let file = self.write("journey.yaml", journey);
        self.run(&["apply", &file]);
    }

    /// A request with the token, and its answer.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        self.try_request(method, path, body).await.unwrap()
    }

    /// As `request`, where the server may not be there.
    pub(crate) async fn try_request(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// What a path holds.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.request(Method::GET, path, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// All rows of a list, page by page.
    pub(crate) async fn list(&self, path: &str, key: &str) -> Vec<Value> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let after = rows
                .last()
                .map(|row| format!("&after={}", row[key].as_str().unwrap()))
                .unwrap_or_default();
            let page = self.get(&format!("{path}?limit=1000{after}")).await;
            let page = page.as_array().unwrap();
            rows.extend(page.iter().cloned());
            if page.len() < 1000 {
                return rows;
            }
        }
    }

    /// Waits until it is so; fails with the server's log if it takes too long.
    pub(crate) async fn until<T>(&self, what: &str, mut it: impl AsyncFnMut() -> Option<T>) -> T {
        let started = Instant::now();
        let mut look = tokio::time::interval(Duration::from_millis(50));
        loop {
            look.tick().await;
            if let Some(found) = it().await {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "{what} did not come:\n{}", self.log());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}
