//! `waystation rehearse`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use waystation_engine::{Moment, Rehearsed, Repertoire};
use waystation_journey::Span;

use super::{described, output};

/// Play the tests of journey files on a clock of their own, against stand-ins of all connections. Nothing is sent.
#[derive(Args)]
pub(crate) struct Rehearse {
    /// Files of journeys, segments and the policy, or folders of them. Journeys that a test names beside its own must be
    /// among them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only tests whose name contains this.
    #[arg(long)]
    test: Option<String>,
    /// The workspace's policy, if it is not among the files: zone, quiet hours, window, limits, who goes first.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Tell what happened in every test, not only in those that failed.
    #[arg(long, short)]
    timeline: bool,
}

impl Rehearse {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut repertoire = Repertoire::default();
        let described = described::read(&self.paths, self.policy.as_deref())?;
        repertoire.set_policy(described.policy);
        repertoire.set_segments(described.segments);
        let mut sound = described.sound;
        let mut sources: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (file, program) in described.journeys {
            if let Some(other) = sources.insert(program.name().to_owned(), file.clone()) {
                let (name, other, file) = (program.name(), other.display(), file.display());
                output::line(format!("{file}: {other} is called {name} too; rename one"));
                sound = false;
            }
            repertoire.add(program);
        }
        let begun = Instant::now();
        let (mut played, mut failed) = (0_u32, 0_u32);
        for program in repertoire.journeys() {
            for test in program.tests() {
                if self.test.as_ref().is_some_and(|part| !test.name.contains(part)) {
                    continue;
                }
                played += 1;
                let file = sources.get(program.name()).map_or(Path::new(""), PathBuf::as_path);
                let title = format!("{}: {}", program.name(), test.name);
                match repertoire.rehearse(program.name(), test) {
                    Ok(rehearsed) => failed += u32::from(!self.show(file, &title, &rehearsed)),
                    Err(error) => {
                        output::line(format!("FAILED {title}\n  {}: {error}", file.display()));
                        failed += 1;
                    }
                }
            }
        }
        let ms = begun.elapsed().as_millis();
        output::line(format!("{played} tests, {failed} failed, {ms} ms"));
        if played == 0 && sound {
            output::line("there is nothing to rehearse; write `tests:` into the journey");
        }
        Ok(if sound && failed == 0 && played > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Says whether everything came as expected.
    fn show(&self, file: &Path, title: &str, rehearsed: &Rehearsed) -> bool {
        let passed = rehearsed.failures.is_empty();
        output::line(format!("{} {title}", if passed { "passed" } else { "FAILED" }));
        for failure in &rehearsed.failures {
            output::line(format!("  {}: {failure}", file.display()));
        }
        if self.timeline || !passed {
            timeline(rehearsed);
        }
        passed
    }
}

/// What happened, customer by customer.
fn timeline(rehearsed: &Rehearsed) {
    let mut by_customer: BTreeMap<&str, Vec<&Moment>> = BTreeMap::new();
    for told in &rehearsed.timeline {
        by_customer.entry(&told.customer).or_default().push(told);
    }
    for (customer, told) in by_customer {
        output::line(format!("  {customer}"));
        let mut last = None;
        for one in told {
            // A time is written once for all that happens then.
            let time = if last == Some(one.at) {
                String::new()
            } else {
                format!("{}  {:>8}", rehearsed.zone.write(one.at), after(one.at - rehearsed.start))
            };
            last = Some(one.at);
            let journey =
                if one.journey.is_empty() { String::new() } else { format!("{}: ", one.journey) };
            let until = one
                .until
                .map_or(String::new(), |until| format!(" until {}", rehearsed.zone.write(until)));
            output::line(format!("    {time:<31}  {journey}{}{until}", one.text));
        }
    }
}

/// A time after the start, such as `+3d12h`.
fn after(ms: i64) -> String {
    let day = 24 * 60 * 60 * 1000;
    format!("+{}", Span { days: ms / day, ms: ms % day })
}
