//! Builds the plugins in `tests/plugins` as an author would.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use waystation_build::{BuildError, Built, Options, Toolchain, build, build_all};

fn plugin(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins").join(name)
}

fn refusal(name: &str) -> BuildError {
    build(&plugin(name), &Options::default()).unwrap_err()
}

/// Interfaces that the component exports, without package and version.
fn exports(built: &Built) -> Vec<String> {
    let component = std::fs::read(&built.wasm).unwrap();
    let decoded = wit_component::decode(&component).unwrap();
    let resolve = decoded.resolve();
    let (_, world) = resolve.worlds.iter().next_back().unwrap();
    let name =
        |key| resolve.name_world_key(key).replace("waystation:plugin/", "").replace("@1.0.0", "");
    // Their order is the linker's.
    let mut names: Vec<String> = world.exports.keys().map(name).collect();
    names.sort();
    names
}

/// One test for all, because they write the same file. The distribution's Rust is installed if need be, and compiles the
/// standard library the first time; where there is no distribution to install it from, the user is told what to do.
#[test]
fn each_toolchain_builds_a_plugin() {
    let dir = plugin("smallest");
    for toolchain in Toolchain::ALL {
        let options = Options { toolchain: Some(toolchain), ..Options::default() };
        let built = build(&dir, &options);
        if toolchain == Toolchain::Distribution && !Path::new("/usr/bin/apt-get").exists() {
            let text = built.unwrap_err().to_string();
            assert!(text.contains("no apt-get") && text.contains("rustc-web"), "{text}");
            continue;
        }
        let built = built.unwrap();
        assert_eq!(built.toolchain, toolchain);
        assert_eq!(built.wasm, plugin("target/waystation/smallest.wasm"));
        assert_eq!(exports(&built), ["action", "plugin"]);
        let size = built.wasm.metadata().unwrap().len();
        assert!(size < 200_000, "{toolchain}: {size} bytes");
    }

    let again =
        build(&dir, &Options { toolchain: Some(Toolchain::Installed), ..Options::default() })
            .unwrap();
    assert!(!again.fresh, "another toolchain made the present file of another module");
    let quickest = (0..3).map(|_| timed_fresh_build(&dir)).min().unwrap();
    assert!(quickest < Duration::from_secs(1), "a build with nothing to do took {quickest:?}");

    std::fs::remove_file(&again.wasm).unwrap();
    let again =
        build(&dir, &Options { toolchain: Some(Toolchain::Installed), ..Options::default() })
            .unwrap();
    assert!(!again.fresh && again.wasm.exists());
}

fn timed_fresh_build(dir: &Path) -> Duration {
    let start = Instant::now();
    let built =
        build(dir, &Options { toolchain: Some(Toolchain::Installed), ..Options::default() })
            .unwrap();
    assert!(built.fresh);
    start.elapsed()
}

#[test]
fn a_plugin_may_be_of_several_kinds() {
    let progress = RefCell::new(Vec::new());
    let note = |line: &str| progress.borrow_mut().push(line.to_owned());
    let dirs = [plugin("several-kinds")];
    let built = build_all(&dirs, &Options { progress: &note, ..Options::default() }).unwrap();
    let exports = exports(&built[0]);
    assert_eq!(exports, ["action", "channel", "coupon", "plugin", "trigger-source"]);
    assert!(progress.borrow().iter().any(|line| line.contains("Finished")), "{progress:?}");
}

#[test]
fn builds_at_once_wait_for_each_other() {
    let dir = plugin("several-kinds");
    std::thread::scope(|scope| {
        let builds: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| build(&dir, &Options::default()).unwrap().wasm))
            .collect();
        for build in builds {
            assert!(build.join().unwrap().exists());
        }
    });
}

#[test]
fn the_compiler_says_what_does_not_compile() {
    let BuildError::Compile { crates, output } = refusal("broken") else { panic!("it compiled") };
    assert_eq!(crates, "broken");
    assert!(
        output.contains("mismatched types") && output.contains("broken/src/lib.rs:4:5"),
        "{output}"
    );
}

#[test]
fn a_function_from_elsewhere_is_refused_by_name() {
    let text = refusal("foreign").to_string();
    assert!(text.starts_with("foreign compiled, but cannot become a component: "), "{text}");
    assert!(text.contains("`elsewhere`"), "{text}");
}

#[test]
fn what_is_no_plugin_is_refused() {
    let library = refusal("library").to_string();
    assert!(
        library.ends_with("its Cargo.toml needs `crate-type = [\"cdylib\"]` under `[lib]`"),
        "{library}"
    );
    let workspace = refusal(".").to_string();
    assert!(
        workspace.ends_with("its Cargo.toml describes no package; name a crate's folder"),
        "{workspace}"
    );
    let source = refusal("smallest/src").to_string();
    assert!(source.ends_with("there is no Cargo.toml in it"), "{source}");
    let nowhere = refusal("nowhere").to_string();
    assert!(nowhere.ends_with("there is no such folder"), "{nowhere}");
}

#[test]
fn toolchains_have_names() {
    for toolchain in Toolchain::ALL {
        assert_eq!(toolchain.name().parse::<Toolchain>().unwrap(), toolchain);
    }
    let error = "gcc".parse::<Toolchain>().unwrap_err().to_string();
    assert!(error.contains("`gcc`") && error.contains("`distribution`"), "{error}");
}
