//! `waystation diagram`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use waystation_journey::{Severity, check};

use super::{files, output};

/// Draw a journey file as a diagram.
#[derive(Args)]
pub(crate) struct Diagram {
    /// The journey file.
    journey: PathBuf,
    /// How to draw it.
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
    /// Where to write it instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A picture for browsers and documents.
    Svg,
    /// A flowchart in Mermaid's language, as Markdown pages show it.
    Mermaid,
}

impl Diagram {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let checked = check(&files::read(&self.journey)?, None);
        let Some(program) = checked.program else {
            for problem in checked.problems.iter().filter(|one| one.severity == Severity::Error) {
                output::progress(format!("{}:{problem}", self.journey.display()));
            }
            return Ok(ExitCode::FAILURE);
        };
        let diagram = program.diagram();
        let text = match self.format {
            Format::Svg => diagram.to_svg(),
            Format::Mermaid => diagram.to_mermaid(),
        };
        match &self.output {
            Some(file) => std::fs::write(file, text)
                .with_context(|| format!("cannot write {}", file.display()))?,
            None => output::line(text.trim_end()),
        }
        Ok(ExitCode::SUCCESS)
    }
}
