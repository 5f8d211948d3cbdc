//! A server process that dies and comes back, and requests to it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long a start may take, on a machine that may be busy with other things for a while.
const START: Duration = Duration::from_secs(180);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// A server with a folder and an address of its own.
pub(crate) struct Host {
    program: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    /// It has an IP address that no other server has, so that a killed one finds its port free again.
    address: String,
    /// Environment of the process beside the faults.
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

/// How a start went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// It listens; a new workspace tells its token.
    Listens { token: Option<String> },
    /// It ended before, at the place that was set up.
    Died { place: Option<String> },
}

impl Host {
    /// A server that is not started yet.
    pub(crate) fn new(program: &Path, folder: &Path, number: u8) -> anyhow::Result<Self> {
        // All of 127.0.0.0/8 is this machine.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let ip = format!("127.{}.{high}.{low}", 100 + number);
        let port = TcpListener::bind((ip.as_str(), 0))?.local_addr()?.port();
        Ok(Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            log: folder.join("log"),
            address: format!("{ip}:{port}"),
            environment: Vec::new(),
            process: None,
        })
    }

    /// Something in the environment of every process from now on.
    pub(crate) fn set(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The folder with the database and everything else.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts the process on its folder, with faults set up, and waits until it listens or has ended.
    pub(crate) async fn start(&mut self, faults: &str) -> anyhow::Result<Started> {
        ensure!(self.process.is_none(), "the server runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .context("the server's log")?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", &self.address, "--data"])
            .arg(self.data())
            .env("RUST_LOG", "warn,waystation=info,waystation_engine=info")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        if !faults.is_empty() {
            command.env("WAYSTATION_FAULTS", faults);
        }
        let mut child =
            command.spawn().with_context(|| format!("starting {}", self.program.display()))?;
        let output = child.stdout.take().context("the server has no output")?;
        let process =
            self.process.insert(Process { child, output: BufReader::new(output).lines() });
        let (mut token, mut place) = (None, None);
        let listens = async {
            while let Some(line) = process.output.next_line().await? {
                if let Some(text) = line.strip_prefix("token: ") {
                    token = Some(text.to_owned());
                } else if let Some(text) = line.strip_prefix("fault: ") {
                    place = Some(text.to_owned());
                    // It may stay there.
                    return Ok(false);
                } else if line.starts_with("listening on ") {
                    return Ok(true);
                }
            }
            anyhow::Ok(false)
        };
        let listens = tokio::time::timeout(START, listens)
            .await
            .context("the server neither listens nor ends")??;
        if listens {
            return Ok(Started::Listens { token });
        }
        self.kill().await?;
        Ok(Started::Died { place })
    }

    /// Waits until the server reaches a place that was set up, if it does; gives its name.
    pub(crate) async fn reached(&mut self) -> anyhow::Result<Option<String>> {
        let Some(process) = &mut self.process else { bail!("the server does not run") };
        while let Some(line) = process.output.next_line().await? {
            if let Some(place) = line.strip_prefix("fault: ") {
                return Ok(Some(place.to_owned()));
            }
        }
        Ok(None)
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            // It may have ended already.
            let _ = process.child.start_kill();
            process.child.wait().await?;
        }
        Ok(())
    }

    /// Whether the process runs.
    pub(crate) fn is_alive(&mut self) -> anyhow::Result<bool> {
        let Some(process) = &mut self.process else { return Ok(false) };
        Ok(process.child.try_wait()?.is_none())
    }

    /// The file that every process appends its log to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

/// The last lines of a log, for whoever has to find out what went wrong.
pub(crate) fn last_lines(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Requests with the workspace's token.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    token: String,
}

/// What is sent.
pub(crate) enum Body {
    Nothing,
    Json(Value),
    Wasm(Vec<u8>),
    Yaml(&'static str),
}

impl Api {
    pub(crate) fn new(token: String) -> anyhow::Result<Self> {
        Ok(Self { http: Client::builder().timeout(ANSWER).build()?, token })
    }

    /// A request to a server that may not be there.
    pub(crate) async fn attempt(
        &self,
        method: Method,
        url: String,
        body: Body,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = match body {
            Body::Nothing => request,
            Body::Json(value) => request.json(&value),
            Body::Yaml(text) => request.header("content-type", "application/yaml").body(text),
            Body::Wasm(bytes) => request.header("content-type", "application/wasm").body(bytes),
        };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// A request that must succeed.
    pub(crate) async fn ask(
        &self,
        method: Method,
        url: String,
        body: Body,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.attempt(method, url.clone(), body).await?;
        ensure!(status.is_success(), "{url}: {status}: {answer}");
        Ok(answer)
    }

    pub(crate) async fn get(&self, url: String) -> anyhow::Result<Value> {
        self.ask(Method::GET, url, Body::Nothing).await
    }

    /// All rows of a list, page by page; `key` is the field that pages go by.
    pub(crate) async fn list(&self, url: &str, key: &str) -> anyhow::Result<Vec<Value>> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let after = match rows.last() {
                Some(row) => format!("&after={}", row[key].as_str().context("a row has a key")?),
                None => String::new(),
            };
            let page = self.get(format!("{url}?limit=1000{after}")).await?;
            let page = page.as_array().context("a list")?;
            rows.extend(page.iter().cloned());
            if page.len() < 1000 {
                return Ok(rows);
            }
        }
    }
}
