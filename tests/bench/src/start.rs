//! What it takes to start the server with many plugins: the time until it serves, and the memory it keeps.
//!
//! Two reference plugins, each in several releases that differ in one custom section, are installed and given connections
//! over the HTTP API. The server is then stopped and started again with its compiled plugins in the cache, several times.
//! It is ready when it says where it listens: every connection is loaded before that.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Two plugins in ten releases each.
const RELEASES: usize = 10;
const PLUGINS: [&str; 2] = ["webhook", "smtp-email"];
/// Starts of each sort, of which the median counts.
const STARTS: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Connections of each plugin in the second measurement
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=50))]
    connections: u32,
    /// The `waystation` program; the one beside this program if absent
    #[arg(long)]
    program: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let beside = std::env::current_exe()?.with_file_name("waystation");
    let program = arguments.program.clone().unwrap_or(beside);
    ensure!(
        program.exists(),
        "there is no {}; build it with `cargo build --release -p waystation`",
        program.display()
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let (mut server, _) = Server::start(&program, &data)?;
    let digests = runtime.block_on(install(&server))?;
    runtime.block_on(connect(&server, &digests, 0..1))?;
    server.stop()?;
    let few = starts(&program, &data, digests.len())?;
    let (again, _) = Server::start(&program, &data)?;
    let token = std::mem::take(&mut server.token);
    server = Server { token, ..again };
    runtime.block_on(connect(&server, &digests, 1..arguments.connections))?;
    server.stop()?;
    let many = starts(&program, &data, digests.len() * arguments.connections as usize)?;
    print(arguments.json, digests.len(), &few, &many);
    Ok(())
}

/// Medians over a number of starts.
struct Figures {
    connections: usize,
    start: Duration,
    rss_mb: f64,
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(as_json: bool, plugins: usize, few: &Figures, many: &Figures) {
    let ms = |figures: &Figures| (figures.start.as_secs_f64() * 1e4).round() / 10.0;
    if as_json {
        let figures = json!({
            "plugins": plugins,
            "start_ms": ms(few),
            "rss_mb": few.rss_mb.round(),
            "connections": many.connections,
            "start_many_ms": ms(many),
            "rss_many_mb": many.rss_mb.round(),
        });
        println!("{figures}");
        return;
    }
    println!("plugins  connections     start  resident");
    for figures in [few, many] {
        println!(
            "{plugins:>7}  {:>11}  {:>5.0} ms  {:>5.0} MB",
            figures.connections,
            ms(figures),
            figures.rss_mb
        );
    }
}

fn starts(program: &Path, data: &Path, connections: usize) -> anyhow::Result<Figures> {
    let mut times = Vec::with_capacity(STARTS);
    let mut sizes = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let (mut server, time) = Server::start(program, data)?;
        sizes.push(server.resident_kb()?);
        times.push(time);
        server.stop()?;
    }
    times.sort_unstable();
    sizes.sort_unstable();
    Ok(Figures { connections, start: times[STARTS / 2], rss_mb: sizes[STARTS / 2] as f64 / 1024.0 })
}

/// A server process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Server {
    /// Starts a server; answers when it serves, with the time that took.
    pub(crate) fn start(program: &Path, data: &Path) -> anyhow::Result<(Self, Duration)> {
        let started = Instant::now();
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--relay", "default=smtp://127.0.0.1:1"])
            .arg("--data")
            .arg(data)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let output = child.stdout.take().context("the server has no output")?;
        let mut token = String::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some(text) = line.strip_prefix("token: ") {
                text.clone_into(&mut token);
            } else if let Some(address) = line.strip_prefix("listening on ") {
                let address = address.to_owned();
                return Ok((Self { child, address, token }, started.elapsed()));
            }
        }
        bail!("the server ended before it served: {}", child.wait()?)
    }

    pub(crate) fn resident_kb(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let text = line.context("the system does not tell the resident memory")?;
        Ok(text.trim().trim_end_matches(" kB").parse()?)
    }

    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "the server cannot be told to stop");
        ensure!(self.child.wait()?.success(), "the server did not stop as it should");
        Ok(())
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> anyhow::Result<Value> {
        let request = Client::new()
            .request(method, format!("{}{path}", self.address))
            .bearer_auth(&self.token);
        let request = match body {
            Body::Json(value) => request.json(&value),
            Body::Yaml(text) => request.header("content-type", "application/yaml").body(text),
            Body::Wasm(bytes) => request.header("content-type", "application/wasm").body(bytes),
        };
        let response = request.send().await?;
        let status = response.status();
        let answer = response.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {answer}");
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }
}

pub(crate) enum Body {
    Json(Value),
    Wasm(Vec<u8>),
    Yaml(String),
}

/// Installs the releases; answers with their digests, each with its plugin.
async fn install(server: &Server) -> anyhow::Result<Vec<(&'static str, String)>> {
    let settings = Body::Json(json!({ "unsigned_plugins": "allow" }));
    server.ask(Method::PUT, "/v1/settings", settings).await?;
    let mut digests = Vec::new();
    for plugin in PLUGINS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(plugin);
        let built = waystation_build::build(&folder, &waystation_build::Options::default())?;
        let wasm = std::fs::read(&built.wasm)?;
        for number in 0..RELEASES {
            // A custom section of seven bytes: its name of five and its number.
            let section = [&[0x00, 0x07, 0x05][..], b"again", &[u8::try_from(number)?]].concat();
            let body = Body::Wasm([&wasm[..], &section].concat());
            let installed = server.ask(Method::POST, "/v1/plugins?development=true", body).await?;
            let digest = installed["digest"].as_str().context("no digest")?;
            digests.push((plugin, digest.to_owned()));
        }
    }
    Ok(digests)
}

/// Gives each release connections with these numbers.
async fn connect(
    server: &Server,
    digests: &[(&str, String)],
    numbers: std::ops::Range<u32>,
) -> anyhow::Result<()> {
    for number in numbers {
        for (place, (plugin, digest)) in digests.iter().enumerate() {
            let mut body = match *plugin {
                "webhook" => json!({
                    "config": { "url": "http://127.0.0.1:1/", "address": "phone" },
                    "permissions": {
                        "http": { "origins": ["http://127.0.0.1:1"], "networks": ["127.0.0.0/8"] },
                        "secrets": ["signing-key"],
                    },
                    "secrets": { "signing-key": "a key for this run" },
                }),
                _ => json!({
                    "config": { "sender": "notice@shop.example" },
                    "permissions": { "mail": { "relay": "default", "senders": ["*"] } },
                }),
            };
            body["plugin"] = json!(digest);
            let path = format!("/v1/connections/c-{place}-{number}");
            server.ask(Method::PUT, &path, Body::Json(body)).await?;
        }
    }
    Ok(())
}
