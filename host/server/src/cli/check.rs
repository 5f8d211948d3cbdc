//! `waystation check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use waystation_journey::check;

use super::apply::send;
use super::client::Client;
use super::{files, output};

/// Check journey files and change nothing.
#[derive(Args)]
pub(crate) struct Check {
    /// Journey files, or folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Also check connections and channels, against the server named by --server or `WAYSTATION_SERVER`.
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    client: Client,
}

impl Check {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.online {
            return send(&self.client, &self.paths, "/v1/journeys?check=true").await;
        }
        let mut code = ExitCode::SUCCESS;
        for file in files::expand(&self.paths)? {
            let checked = check(&files::read(&file)?, None);
            for problem in &checked.problems {
                output::line(format!("{}:{problem}", file.display()));
            }
            match checked.program {
                Some(program) => {
                    output::line(format!("{}: {} is valid", file.display(), program.name()))
                }
                None => code = ExitCode::FAILURE,
            }
        }
        Ok(code)
    }
}
