//! A plugin that is built and swapped whenever it is saved.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::server::Server;

/// A first build compiles the plugin's dependencies, on a machine that may have other things to do.
const BUILD: Duration = Duration::from_secs(600);
/// Longest time from the end of the compiler to the swap, in seconds.
const SWAP: f64 = 2.0;

/// The smallest plugin there is, in a workspace of its own that may be changed.
fn copy(folder: &Path) -> PathBuf {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
    let from = sdk.join("build/tests/plugins");
    let to = folder.join("plugins");
    for place in ["", "broken", "foreign", "library", "several-kinds", "smallest"] {
        std::fs::create_dir_all(to.join(place).join("src")).unwrap();
        for file in ["Cargo.toml", "Cargo.lock", "src/lib.rs"] {
            let source = from.join(place).join(file);
            if source.exists() {
                std::fs::copy(source, to.join(place).join(file)).unwrap();
            }
        }
    }
    std::fs::remove_dir(to.join("src")).unwrap();
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).unwrap();
    let rust = sdk.canonicalize().unwrap().join("rust");
    let changed = manifest.replace("../../../rust", rust.to_str().unwrap());
    assert_ne!(changed, manifest);
    std::fs::write(to.join("Cargo.toml"), changed).unwrap();
    to.join("smallest")
}

/// A command while it runs.
struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts a command that goes on until it is told to stop.
    fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        for stream in [
            Box::new(process.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(process.stderr.take().unwrap()),
        ] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { process, lines }
    }

    /// SIGINT, and whether it ended well.
    fn interrupt(&mut self) -> bool {
        let sent = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.process.wait().unwrap().success()
    }

    /// Reads until a line with this text; gives all of them.
    fn until(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(BUILD) {
                Ok(line) => lines.push(line),
                Err(_) => panic!("`{text}` did not come:\n{}", lines.join("\n")),
            }
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    /// Seconds from the compiler's end to the swap, as the command measured them.
    fn swapped(&self) -> f64 {
        let lines = self.until("after the compiler finished");
        let line = lines.last().unwrap();
        assert!(line.starts_with("small uses smallest@0.1.0 ("), "{line}");
        let seconds = line.rsplit_once("), ").unwrap().1.split(' ').next().unwrap();
        seconds.parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plugin_is_in_use_within_two_seconds_of_the_compiler() {
    let server = Server::start(None);
    let plugin = copy(server.folder());
    let source = plugin.join("src/lib.rs");
    let first = std::fs::read_to_string(&source).unwrap();
    let built = server.run(&["plugin", "build", plugin.to_str().unwrap()]);
    server.run(&["plugin", "install", built.trim_end()]);
    let file = server.write("small.yaml", "connection: small\nplugin: smallest\n");
    server.run(&["connection", "apply", &file]);
    let missing =
        server.command(&["plugin", "dev", plugin.to_str().unwrap(), "--connection", "other"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("connection `other`"));

    let mut dev = Running::spawn(server.prepare(&[
        "plugin",
        "dev",
        plugin.to_str().unwrap(),
        "--connection",
        "small",
    ]));
    dev.until("nothing has changed");
    dev.until("waiting for changes");
    let title = async || {
        let release = server.get("/v1/connections/small").await["release"].clone();
        let releases = server.get("/v1/plugins").await;
        let releases = releases.as_array().unwrap().clone();
        let used = releases.into_iter().find(|one| one["digest"] == release).unwrap();
        used["manifest"]["title"].as_str().unwrap().to_owned()
    };
    assert_eq!(title().await, "Smallest");
    let save = |title: &str| {
        let text = first.replace("manifest!(\"Smallest\")", &format!("manifest!(\"{title}\")"));
        assert_ne!(text, first);
        let greeting =
            format!("waystation_sdk::log::info(\"hello from {title}\", &[]); Ok(Smallest)");
        let text = text.replacen("Ok(Smallest)", &greeting, 1);
        assert!(text.contains("hello"), "{text}");
        std::fs::write(&source, text).unwrap();
    };
    assert_eq!(server.run(&["plugin", "logs", "small"]), "");
    let mut logs = Running::spawn(server.prepare(&["plugin", "logs", "small", "--follow"]));
    for name in ["Second", "Third", "Fourth", "Fifth"] {
        save(name);
        let took = dev.swapped();
        println!("swapped {took:.2} s after the compiler finished");
        assert!(took < SWAP, "the swap took {took} s");
        assert_eq!(title().await, name);
        // What the plugin says is seen as it says it.
        logs.until(&format!("INFO  smallest@0.1.0 hello from {name}"));
    }
    assert!(logs.interrupt());
    let listed = server.run(&["plugin", "logs", "small", "--lines", "1"]);
    assert!(listed.lines().count() == 1 && listed.contains("hello from Fifth"), "{listed}");
    // The installed one and two in development: the one in use and the one to go back to.
    let three =
        async || (server.get("/v1/plugins").await.as_array().unwrap().len() == 3).then_some(());
    server.until("the removal of older releases", three).await;

    std::fs::write(&source, "fn broken( {").unwrap();
    let said = dev.until("src/lib.rs").join("\n");
    assert!(said.contains("error: "), "{said}");
    dev.until("error: ");
    assert_eq!(title().await, "Fifth");
    save("Mended");
    assert!(dev.swapped() < SWAP);
    assert_eq!(title().await, "Mended");
    assert!(dev.interrupt());
}
