//! Compiled plugins on disk.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tempfile::TempDir;
use waystation_sandbox::{Options, Sandbox, SandboxError};

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

/// Spoils the file, and checks that the next load notices and the one after that need not compile.
async fn check_rebuilt(spoil: impl FnOnce(&Path)) {
    let filled = filled().await;
    let folder = filled.path();
    let good = bytes(&file(folder));
    spoil(&file(folder));
    assert!(load(folder).await, "the spoiled file was used");
    assert_eq!(bytes(&file(folder)).len(), good.len());
    assert!(!load(folder).await, "the mended file was not used");
}

#[tokio::test]
async fn a_compiled_plugin_is_used_again() {
    let filled = filled().await;
    assert!(!load(filled.path()).await);
}

#[tokio::test]
async fn a_damaged_file_is_compiled_again() {
    check_rebuilt(|file| {
        let mut bytes = bytes(file);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_truncated_file_is_compiled_again() {
    check_rebuilt(|file| fs::write(file, &bytes(file)[..1_000]).unwrap()).await;
    check_rebuilt(|file| fs::write(file, b"way").unwrap()).await;
}

#[tokio::test]
async fn a_foreign_file_is_compiled_again() {
    check_rebuilt(|file| {
        fs::write(file, b"something else entirely, of another program, that is long enough")
            .unwrap()
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_write_is_compiled_again() {
    use std::os::unix::fs::PermissionsExt as _;
    check_rebuilt(|file| fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap())
        .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = fresh_folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Sandbox::new(&Options::new(folder.path()))
        .expect_err("anybody could plant machine code there");
    assert!(
        matches!(&error, SandboxError::Cache { detail, .. } if detail.contains("777")),
        "{error}"
    );
}

#[cfg(unix)]
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
