//! The Rust that Debian packages. It has no libraries for the guest's target, so cargo compiles the standard library too.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{self, clean_command};
use crate::toolchain::answer;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";

/// Compiler, cargo and the standard library's source: the rolling packages, as the others are too old.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// The linker belongs to one LLVM; this is the one of the packages above at the time of writing.
const EXPECTED_LLVM: u32 = 22;

/// The standard library is compiled with a panic that ends the sandbox, as plugins are.
pub(crate) const BUILD_ARGUMENTS: &[&str] = &["-Zbuild-std=std,panic_abort"];

const APT_LIMIT: Duration = Duration::from_secs(900);

/// A complete set of the distribution's packages.
#[derive(Debug)]
pub(crate) struct Rust {
    pub(crate) cargo: PathBuf,
    linker: PathBuf,
}

impl Rust {
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("RUSTC", RUSTC.to_owned()),
            // Building the standard library is a feature that only an unlocked compiler offers.
            ("RUSTC_BOOTSTRAP", "1".to_owned()),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", self.linker.display().to_string()),
            // An outer cargo of another toolchain leaves its own libraries here.
            ("LD_LIBRARY_PATH", String::new()),
        ]
    }
}

/// What keeps the distribution's Rust from being used.
enum Missing {
    /// One of [`PACKAGES`], or all.
    Rust,
    /// The linker for this LLVM.
    Linker(u32),
}

impl Missing {
    fn packages(&self) -> Vec<String> {
        match self {
            Missing::Rust => PACKAGES
                .iter()
                .map(|&name| name.to_owned())
                .chain([format!("lld-{EXPECTED_LLVM}")])
                .collect(),
            Missing::Linker(llvm) => vec![format!("lld-{llvm}")],
        }
    }
}

/// The distribution's Rust, installed first if it is missing and this process may do that.
pub(crate) fn ready(dir: &Path, progress: &dyn Fn(&str)) -> Result<Rust, String> {
    let missing = match look(dir)? {
        Ok(rust) => return Ok(rust),
        Err(missing) => missing,
    };
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!(
            "there is no apt-get here; on Debian or one of its relatives, run `{}`",
            by_hand(&missing.packages())
        ));
    }
    if !is_root() {
        return Err(format!(
            "packages are missing; as root, run `{}`",
            by_hand(&missing.packages())
        ));
    }
    // Where two builds begin at once, the second finds everything installed.
    let _lock = machine_lock()?;
    apt(&["update"], dir, progress).map_err(|reason| {
        format!("{reason}; mend it and run `{}`", by_hand(&missing.packages()))
    })?;
    // Two rounds may install something: the compiler, and then the linker it turns out to need.
    for _ in 0..3 {
        match look(dir)? {
            Ok(rust) => return Ok(rust),
            Err(missing) => install(&missing.packages(), dir, progress)?,
        }
    }
    Err("its packages were installed, but are still not complete".to_owned())
}

fn look(dir: &Path) -> Result<Result<Rust, Missing>, String> {
    if !Path::new(RUSTC).exists() || !Path::new(CARGO).exists() {
        return Ok(Err(Missing::Rust));
    }
    let mut command = clean_command(RUSTC, dir);
    command.env("LD_LIBRARY_PATH", "").args(["--print", "sysroot"]);
    let source =
        PathBuf::from(answer(command)?).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !source.exists() {
        return Ok(Err(Missing::Rust));
    }
    let mut command = clean_command(RUSTC, dir);
    command.env("LD_LIBRARY_PATH", "").arg("-vV");
    let llvm = llvm_major(&answer(command)?).unwrap_or(EXPECTED_LLVM);
    let linker = PathBuf::from(format!("/usr/bin/wasm-ld-{llvm}"));
    Ok(if linker.exists() {
        Ok(Rust { cargo: CARGO.into(), linker })
    } else {
        Err(Missing::Linker(llvm))
    })
}

/// Reads `LLVM version: 22.1.8`.
fn llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

fn install(packages: &[String], dir: &Path, progress: &dyn Fn(&str)) -> Result<(), String> {
    progress(&format!("installing the distribution's Rust: {}", packages.join(" ")));
    // An older Rust of the distribution is in the way of these packages. Whether it may go is not ours to decide.
    let options = ["install", "-y", "--no-install-recommends", "--no-remove"];
    let arguments: Vec<&str> =
        options.into_iter().chain(packages.iter().map(String::as_str)).collect();
    apt(&arguments, dir, progress)
        .map_err(|reason| format!("{reason}; mend it and run `{}`", by_hand(packages)))
}

/// What an administrator types. The lists come first, because those of a machine's image may be older than the packages.
fn by_hand(packages: &[String]) -> String {
    format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "))
}

/// Kept while packages are installed: two runs of apt-get do not wait for each other in every phase.
fn machine_lock() -> Result<File, String> {
    let path = Path::new("/run/lock/waystation-build.lock");
    let locked = || {
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
}

fn apt(arguments: &[&str], dir: &Path, progress: &dyn Fn(&str)) -> Result<(), String> {
    let mut command = clean_command("apt-get", dir);
    // Somebody else's apt-get is waited for rather than failed on.
    command.args(["-q", "-o", "DPkg::Lock::Timeout=600"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    let text = process::written(&command);
    let finished = process::run(command, APT_LIMIT, progress).map_err(|error| error.to_string())?;
    if finished.success {
        Ok(())
    } else {
        Err(format!("`{text}` failed: {}", finished.stderr.trim()))
    }
}

/// Only root may install packages. The owner of this process's own entry under `/proc` is its effective user.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}
