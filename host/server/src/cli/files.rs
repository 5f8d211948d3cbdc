//! Files that a command line names.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The named files, and of named folders the `.yaml`, `.yml` and `.json` files in them and below, in order.
pub(crate) fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before {
                bail!("there is no .yaml, .yml or .json file in {}", path.display());
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let fits = path
            .extension()
            .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|one| end == *one));
        if path.is_dir() {
            walk(&path, files)?;
        } else if fits {
            files.push(path);
        }
    }
    Ok(())
}

/// A file's text.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
