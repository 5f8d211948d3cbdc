//! `waystation copy`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use waystation_store::{Database, copy};

use super::output;
use super::serve::shared_database;
use crate::folder::Folder;
use crate::server::database_in;

/// Move a workspace to another database, while no server uses it.
///
/// All tables are copied in one transaction, and the components of installed plugins with them; their rows are counted at both
/// ends. What stays in the data folder is the key that seals secrets: the servers on the new database need the same one, from
/// this folder or by `WAYSTATION_KEY`.
#[derive(Args)]
pub(crate) struct Copy {
    /// The workspace's data folder.
    #[arg(long, env = "WAYSTATION_DATA", default_value = "data")]
    data: PathBuf,
    /// The database to copy from, if it is not the file in the data folder: `postgres://user:password@host:port/database`.
    #[arg(long, value_name = "URL", value_parser = shared_database)]
    from: Option<Database>,
    /// The database to copy to, which must be there and be empty: `postgres://user:password@host:port/database`.
    #[arg(
        long,
        env = "WAYSTATION_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        value_parser = shared_database
    )]
    to: Database,
}

impl Copy {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (from, components, _folder) = match self.from {
            Some(from) => (from, None, None),
            None => {
                anyhow::ensure!(
                    self.data.is_dir(),
                    "{} is no folder; name the workspace's with --data",
                    self.data.display()
                );
                let folder = Folder::open(&self.data)?;
                (database_in(&self.data), Some(self.data.join("releases")), Some(folder))
            }
        };
        let copied = copy(&from, &self.to, components.as_deref())
            .await
            .with_context(|| format!("nothing was copied from {from} to {}", self.to))?;
        let rows: i64 = copied.iter().map(|one| one.rows).sum();
        for one in copied.iter().filter(|one| one.rows > 0) {
            output::line(format!("{:>12}  {}", one.rows, one.table));
        }
        output::line(format!("{rows:>12}  rows are now in {}", self.to));
        Ok(ExitCode::SUCCESS)
    }
}
