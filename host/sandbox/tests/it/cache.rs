//! Compiled plugins on disk.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use waystation_sandbox::{Options, Sandbox, SandboxError, Sweep, Swept};

use crate::guests::{fresh_folder, sandbox, wasm};

/// The one file in a cache.
fn file(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the cache is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn bytes(file: &Path) -> Vec<u8> {
    fs::read(file).expect("the file is there")
}

/// Loads `echo` and says whether it had to be compiled.
async fn load(folder: &Path) -> bool {
    let before = identity(folder);
    sandbox(folder).load(wasm("echo")).await.expect("echo loads");
    identity(folder) != before
}

/// Tells one writing of the file from another: each is a new file, so at least its time differs.
fn identity(folder: &Path) -> Option<(SystemTime, Vec<u8>)> {
    fs::read_dir(folder).expect("the cache is there").next()?.ok()?;
    let file = file(folder);
    let time = fs::metadata(&file).and_then(|metadata| metadata.modified());
    Some((time.expect("files have times"), bytes(&file)))
}

/// A cache with `echo` in it.
async fn filled() -> TempDir {
    let folder = fresh_folder();
    assert!(load(folder.path()).await);
    folder
}

/// What is done to the file of a compiled plugin.
type Spoil = Box<dyn Fn(&Path)>;

/// Spoils the file, and checks that the next load notices, mends it, and the one after that need not compile.
async fn check_rebuilt(what: &str, spoil: &Spoil) {
    let outer = fresh_folder();
    let folder = outer.path().join("cache");
    fs::create_dir(&folder).unwrap();
    assert!(load(&folder).await);
    let good = file(&folder);
    let length = bytes(&good).len();
    spoil(&good);
    let spoiled = fs::symlink_metadata(&good).expect("something is there");
    let loaded = sandbox(&folder).load(wasm("echo")).await;
    loaded.unwrap_or_else(|error| panic!("{what}: {error}"));
    // Only what was not used is written again, and always as a file of its own.
    let mended = fs::symlink_metadata(&good).expect("something is there");
    assert_ne!(mended.ino(), spoiled.ino(), "{what}: the spoiled file was used");
    assert!(mended.is_file() && mended.mode() & 0o077 == 0, "{what}: {mended:?}");
    assert_eq!(bytes(&good).len(), length, "{what}");
    assert!(!load(&folder).await, "{what}: the mended file was not used");
}

fn spoil(spoil: impl Fn(&Path) + 'static) -> Spoil {
    Box::new(spoil)
}

/// Changes the bytes of the file.
fn edit(change: impl Fn(&mut Vec<u8>) + 'static) -> Spoil {
    spoil(move |file| {
        let mut bytes = bytes(file);
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    })
}

/// Flips a bit so far into the file, in thousandths of its length.
fn flip(place: usize) -> Spoil {
    edit(move |bytes| {
        let at = (bytes.len() - 1) * place / 1_000;
        bytes[at] ^= 1;
    })
}

fn mode(mode: u32) -> Spoil {
    spoil(move |file| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap())
}

/// Puts other code into the file, with a header that is right for it.
fn forge(code: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> Spoil {
    spoil(move |file| {
        let (digest, settings) =
            file.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap();
        let settings = u64::from_str_radix(settings, 16).unwrap();
        let code = code(bytes(file)[HEADER..].to_vec());
        let mut hash = Sha256::new();
        hash.update(digest);
        hash.update(settings.to_be_bytes());
        hash.update(&code);
        fs::write(file, [MAGIC, hash.finalize().as_slice(), &code].concat()).unwrap();
    })
}

const MAGIC: &[u8] = b"waystation-aot-2";
const HEADER: usize = 48;

/// Replaces the version of wasmtime that compiled code names, which stands in a section of its own after its length.
fn other_version(mut code: Vec<u8>) -> Vec<u8> {
    let version = include_str!("../../../../Cargo.lock")
        .split_once("name = \"wasmtime\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version)
        .unwrap();
    let major = version.split('.').next().unwrap();
    let mut changed = 0;
    for named in [version, major] {
        let named = [&[0, u8::try_from(named.len()).unwrap()], named.as_bytes()].concat();
        for at in 0..code.len() - named.len() {
            if code[at..].starts_with(&named) {
                code[at + 2] ^= 1;
                changed += 1;
            }
        }
    }
    assert!(changed > 0, "the code does not name wasmtime {version}");
    code
}

/// The same plugin, compiled as another engine would: without anything that stops it.
fn other_settings(_: Vec<u8>) -> Vec<u8> {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true).epoch_interruption(false);
    wasmtime::Engine::new(&config).unwrap().precompile_component(&wasm("echo")).unwrap()
}

/// Compiled code of another plugin for this very engine, as its own cache holds it.
fn of_another_plugin(file: &Path) {
    let other = fresh_folder();
    let runtime = tokio::runtime::Handle::current();
    let sandbox = sandbox(other.path());
    tokio::task::block_in_place(|| runtime.block_on(sandbox.load(wasm("crashes")))).unwrap();
    fs::copy(self::file(other.path()), file).unwrap();
}

fn pipe(file: &Path) {
    let made = std::process::Command::new("mkfifo").arg(file).status().unwrap();
    assert!(made.success());
}

/// Moves the file elsewhere and leaves a link to it.
fn link(file: &Path) {
    let elsewhere = file.with_file_name("..").join("moved");
    fs::rename(file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, file).unwrap();
}

/// Everything that can be wrong with a file of compiled code.
fn ways() -> Vec<(&'static str, Spoil)> {
    let mut ways = vec![
        ("its first byte", flip(0)),
        ("a bit of the checksum", edit(|bytes| bytes[40] ^= 0x80)),
        ("a bit of the first code", edit(|bytes| bytes[HEADER] ^= 1)),
        ("a bit in the middle", flip(500)),
        ("a bit near the end", flip(900)),
        ("its last bit", flip(1_000)),
        ("a byte too many", edit(|bytes| bytes.push(0))),
        ("empty", edit(Vec::clear)),
        ("cut within the mark", edit(|bytes| bytes.truncate(3))),
        ("cut within the header", edit(|bytes| bytes.truncate(HEADER - 1))),
        ("cut after the header", edit(|bytes| bytes.truncate(HEADER))),
        ("cut in the code", edit(|bytes| bytes.truncate(bytes.len() / 2))),
        ("cut by a byte", edit(|bytes| bytes.truncate(bytes.len() - 1))),
        ("another format", edit(|bytes| bytes[15] = b'1')),
        (
            "something else",
            spoil(|file| fs::write(file, "not of this program ".repeat(99)).unwrap()),
        ),
        ("of another wasmtime", forge(other_version)),
        ("of other settings", forge(other_settings)),
        ("no code at all", forge(|_| b"but a right header".to_vec())),
        (
            "a module",
            forge(|_| {
                let engine = wasmtime::Engine::default();
                engine.precompile_module(b"\0asm\x01\0\0\0").unwrap()
            }),
        ),
        ("of another plugin", spoil(of_another_plugin)),
        ("writable for all", mode(0o666)),
        ("writable for the group", mode(0o660)),
        ("writable for the group only", mode(0o420)),
        (
            "larger than any code",
            spoil(|file| {
                fs::File::options().write(true).open(file).unwrap().set_len((1 << 30) + 1).unwrap();
            }),
        ),
        ("a link to the same", spoil(link)),
        (
            "a link to nothing",
            spoil(|file| {
                fs::remove_file(file).unwrap();
                std::os::unix::fs::symlink("nowhere", file).unwrap();
            }),
        ),
        (
            "a pipe",
            spoil(|file| {
                fs::remove_file(file).unwrap();
                pipe(file);
            }),
        ),
        (
            "a link to a pipe",
            spoil(|file| {
                let place = file.with_file_name("..").join("pipe");
                pipe(&place);
                fs::remove_file(file).unwrap();
                std::os::unix::fs::symlink(&place, file).unwrap();
            }),
        ),
        (
            "a folder",
            spoil(|file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
                fs::write(file.join("inside"), "something").unwrap();
            }),
        ),
    ];
    // Only root can give a file away; anybody else cannot come into this situation by a mistake of their own.
    let probe = tempfile::NamedTempFile::new().unwrap();
    if std::os::unix::fs::chown(probe.path(), Some(12_345), None).is_ok() {
        let foreign = |file: &Path| std::os::unix::fs::chown(file, Some(12_345), None).unwrap();
        ways.push(("of another user", spoil(foreign)));
    }
    ways
}

#[tokio::test]
async fn a_compiled_plugin_is_used_again() {
    let filled = filled().await;
    assert!(!load(filled.path()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_file_it_is_compiled_again() {
    for (what, spoil) in ways() {
        check_rebuilt(what, &spoil).await;
    }
}

#[tokio::test]
async fn nothing_is_put_into_a_folder_that_others_may_write_meanwhile() {
    let folder = fresh_folder();
    let sandbox = sandbox(folder.path());
    let mode = |mode: u32| {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o777);
    sandbox.load(wasm("echo")).await.expect("it is compiled");
    assert_eq!(identity(folder.path()), None);
    mode(0o700);
    assert!(load(folder.path()).await);
}

#[tokio::test]
async fn what_nobody_needs_is_deleted() {
    let folder = fresh_folder();
    let sandbox = sandbox(folder.path());
    let echo = sandbox.load(wasm("echo")).await.unwrap().digest().to_owned();
    let crashes = sandbox.load(wasm("crashes")).await.unwrap().digest().to_owned();
    let old = folder.path().join(format!("{echo}-0123456789abcdef.aot"));
    let notes = folder.path().join("notes.txt");
    let unfinished = folder.path().join(".tmpABCDEF");
    let abandoned = folder.path().join(".tmpGHIJKL");
    for file in [&old, &notes, &unfinished, &abandoned] {
        fs::write(file, "12345").unwrap();
    }
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    fs::File::options().write(true).open(&abandoned).unwrap().set_modified(yesterday).unwrap();

    let known = BTreeSet::from([echo.clone()]);
    let looked = sandbox.tidy(&known, Sweep::Look).unwrap();
    assert_eq!(looked.files, 3);
    assert_eq!(sandbox.tidy(&known, Sweep::Delete).unwrap(), looked);
    assert!(!old.exists() && !abandoned.exists() && notes.exists() && unfinished.exists());
    assert_eq!(sandbox.tidy(&known, Sweep::Delete).unwrap(), Swept::default());
    assert_eq!(sandbox.forget(&crashes).unwrap(), Swept::default());
    assert_eq!(sandbox.forget(&echo).unwrap().files, 1);
    sandbox.load(wasm("echo")).await.expect("what is forgotten can be compiled again");
}

#[tokio::test]
async fn a_folder_that_others_may_write_is_refused() {
    let folder = fresh_folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Sandbox::new(&Options::new(folder.path()))
        .expect_err("anybody could plant machine code there");
    assert!(
        matches!(&error, SandboxError::Cache { detail, .. } if detail.contains("777")),
        "{error}"
    );
}

#[tokio::test]
async fn what_belongs_to_another_user_is_not_trusted() {
    use std::os::unix::fs::chown;
    let folder = fresh_folder();
    // Only root can give a folder away; anybody else cannot come into this situation by a mistake of their own.
    if chown(folder.path(), Some(12_345), None).is_err() {
        return;
    }
    let error = Sandbox::new(&Options::new(folder.path()))
        .expect_err("another user could plant machine code there");
    assert!(
        matches!(&error, SandboxError::Cache { detail, .. } if detail.contains("12345")),
        "{error}"
    );
}

#[tokio::test]
async fn two_loads_at_once_leave_one_whole_file() {
    let folder = fresh_folder();
    let sandbox = sandbox(folder.path());
    let echo = wasm("echo");
    let (first, second) = tokio::join!(sandbox.load(Arc::clone(&echo)), sandbox.load(echo));
    assert_eq!(first.unwrap().digest(), second.unwrap().digest());
    assert!(!load(folder.path()).await);
}
