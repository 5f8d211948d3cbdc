//! What the files of a command line describe: journeys, segments, the workspace's policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use waystation_journey::{Policy, Problem, Program, Segments, check_segments, check_under};

use super::{files, output};

/// What files describe, checked.
#[derive(Default)]
pub(crate) struct Described {
    /// The sound journeys, each with its file.
    pub(crate) journeys: Vec<(PathBuf, Program)>,
    pub(crate) segments: Segments,
    pub(crate) policy: Policy,
    /// Whether no file has an error.
    pub(crate) sound: bool,
}

/// Reads files and folders, and prints what is wrong with them. A policy that is named apart counts before one among them.
pub(crate) fn read(paths: &[PathBuf], named: Option<&Path>) -> anyhow::Result<Described> {
    let (mut journeys, mut segments) = (Vec::new(), Vec::new());
    let mut policy = named.map(read_policy).transpose()?;
    for file in files::expand(paths)? {
        let source = files::read(&file)?;
        match Kind::of(&source) {
            Kind::Journey => journeys.push((file, source)),
            Kind::Segment => segments.push((file, source)),
            Kind::Policy if policy.is_none() => policy = Some(read_policy(&file)?),
            Kind::Policy => {}
        }
    }
    let policy = policy.unwrap_or_default();
    let (segments, faulty) = check_segments(segments);
    for (file, problems) in &faulty {
        show(file, problems);
    }
    let mut sound = faulty.is_empty();
    let mut programs = Vec::with_capacity(journeys.len());
    for (file, source) in journeys {
        let checked = check_under(&source, None, &policy);
        show(&file, &checked.problems);
        match checked.program {
            Some(program) => programs.push((file, program)),
            None => sound = false,
        }
    }
    Ok(Described { journeys: programs, segments, policy, sound })
}

fn show(file: &Path, problems: &[Problem]) {
    for problem in problems {
        output::line(format!("{}:{problem}", file.display()));
    }
}

fn read_policy(file: &Path) -> anyhow::Result<Policy> {
    let checked = Policy::check(&files::read(file)?);
    show(file, &checked.problems);
    checked
        .policy
        .with_context(|| format!("the policy {} has errors; mend them first", file.display()))
}

enum Kind {
    Journey,
    Segment,
    Policy,
}

impl Kind {
    /// A file that is none of them is taken for a journey, whose check says what is wrong.
    fn of(source: &str) -> Self {
        let keys = serde_saphyr::from_str::<BTreeMap<String, serde_json::Value>>(source);
        let keys = keys.unwrap_or_default();
        let has = |names: &[&str]| names.iter().any(|name| keys.contains_key(*name));
        if has(&["journey", "steps"]) {
            Self::Journey
        } else if has(&["segment"]) {
            Self::Segment
        } else if has(&["quiet", "window", "limits", "first", "calendar", "zone"]) {
            Self::Policy
        } else {
            Self::Journey
        }
    }
}
