//! `waystation check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use waystation_journey::{Severity, conflicts};

use super::apply::send;
use super::client::Client;
use super::{described, output};

/// Check journey files and change nothing.
#[derive(Args)]
pub(crate) struct Check {
    /// Files of journeys, segments and the policy, or folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Also check connections and channels, against the server named by --server or `WAYSTATION_SERVER`.
    #[arg(long)]
    online: bool,
    /// The workspace's policy, if it is not among the files: journeys are held against its window, quiet hours and limits.
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
        let described = described::read(&self.paths, self.policy.as_deref())?;
        let mut code = if described.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        let sound = described.journeys;
        for (file, program) in &sound {
            output::line(format!("{}: {} is valid", file.display(), program.name()));
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
