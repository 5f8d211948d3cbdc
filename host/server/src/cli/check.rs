//! `waystation check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use waystation_journey::{Policy, Severity, check_under, conflicts};

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
    /// Hold the journeys against this policy file, too: its window, quiet hours and limits.
    #[arg(long, value_name = "FILE", conflicts_with = "online")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    client: Client,
}

impl Check {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.online {
            return send(&self.client, &self.paths, "/v1/journeys?check=true").await;
        }
        let policy = match &self.policy {
            Some(file) => policy(file)?,
            None => Policy::default(),
        };
        let mut code = ExitCode::SUCCESS;
        let mut sound = Vec::new();
        for file in files::expand(&self.paths)? {
            let checked = check_under(&files::read(&file)?, None, &policy);
            for problem in &checked.problems {
                output::line(format!("{}:{problem}", file.display()));
            }
            match checked.program {
                Some(program) => {
                    output::line(format!("{}: {} is valid", file.display(), program.name()));
                    sound.push((file, program));
                }
                None => code = ExitCode::FAILURE,
            }
        }
        let programs: Vec<_> = sound.iter().map(|(_, program)| program).collect();
        for conflict in conflicts(&programs) {
            let (first, second) = (&sound[conflict.journeys.0].0, &sound[conflict.journeys.1].0);
            output::line(format!("{}, {}: {conflict}", first.display(), second.display()));
            if conflict.severity == Severity::Error {
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    }
}

/// The policy of a file without errors.
fn policy(file: &Path) -> anyhow::Result<Policy> {
    let checked = Policy::check(&files::read(file)?);
    for problem in &checked.problems {
        output::line(format!("{}:{problem}", file.display()));
    }
    match checked.policy {
        Some(policy) => Ok(policy),
        None => bail!("{} has errors; mend them first", file.display()),
    }
}
