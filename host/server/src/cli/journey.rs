//! `waystation journey`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Body, Client, segment};
use super::{files, output};

/// See journeys and their versions; pause, resume, drain and retire them; decide their splits.
#[derive(Subcommand)]
pub(crate) enum Journey {
    /// List journeys: state, version in use, when somebody last entered.
    List {
        #[command(flatten)]
        client: Client,
    },
    /// Print a version's file; that of the version in use if none is named.
    #[command(disable_version_flag = true)]
    Show {
        #[command(flatten)]
        which: Which,
        /// The version.
        #[arg(long)]
        version: Option<i64>,
    },
    /// List the versions of a journey.
    Versions {
        #[command(flatten)]
        which: Which,
    },
    /// List what was done with a journey as a whole, by whom, and what became of those inside.
    History {
        #[command(flatten)]
        which: Which,
    },
    /// Tell what differs between two versions, or between a version and a file, step by step.
    Diff {
        #[command(flatten)]
        which: Which,
        /// A file to compare with, instead of a version.
        file: Option<PathBuf>,
        /// The older version; the one before the newer, or for a file the one in use, if absent.
        #[arg(long)]
        from: Option<i64>,
        /// The newer version; the newest if absent.
        #[arg(long, conflicts_with = "file")]
        to: Option<i64>,
    },
    /// Put a stored version into use.
    #[command(disable_version_flag = true)]
    Live {
        #[command(flatten)]
        which: Which,
        /// The version; the newest if absent.
        #[arg(long)]
        version: Option<i64>,
        #[command(flatten)]
        treatment: Treatment,
    },
    /// Nobody enters any more, and whatever is due for those inside waits.
    Pause {
        #[command(flatten)]
        which: Which,
    },
    /// Let a paused or draining journey go on where it was.
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// Nobody enters any more; once the last one inside has come to the end, the journey is retired.
    Drain {
        #[command(flatten)]
        which: Which,
    },
    /// Nobody enters any more, and those inside leave.
    Retire {
        #[command(flatten)]
        which: Which,
    },
    /// List splits: what came of their arms, and which one won.
    Splits {
        #[command(flatten)]
        which: Which,
    },
    /// Decide a split: everybody who reaches it from now on gets this arm.
    Winner {
        /// The journey's name.
        name: String,
        /// The split's name.
        split: String,
        /// The arm's name.
        arm: String,
        #[command(flatten)]
        client: Client,
    },
}

/// Which journey.
#[derive(Args)]
pub(crate) struct Which {
    /// The journey's name.
    name: String,
    #[command(flatten)]
    client: Client,
}

/// What becomes of those inside.
#[derive(Args)]
pub(crate) struct Treatment {
    /// What becomes of those inside; if it is not said they stay, and move where only texts differ.
    #[arg(long, value_parser = ["stay", "move", "leave"])]
    pub(crate) inside: Option<String>,
    /// Steps that are the same ones, as `OLD=NEW` with their paths, such as `steps[2]=steps[3]`.
    #[arg(long, value_name = "OLD=NEW")]
    pub(crate) map: Vec<String>,
}

impl Which {
    fn path(&self, rest: &str) -> String {
        format!("/v1/journeys/{}{rest}", segment(&self.name))
    }

    async fn get(&self, rest: &str) -> anyhow::Result<Value> {
        self.client.request(Method::GET, &self.path(rest), Body::None).await
    }

    async fn operate(&self, operation: &str) -> anyhow::Result<()> {
        let body = json!({ "operation": operation });
        let path = self.path("/state");
        let answer = self.client.request(Method::POST, &path, Body::Json(&body)).await?;
        output::line(standing(&answer));
        Ok(())
    }
}

impl Journey {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { client } => list(&client).await?,
            Self::Show { which, version } => show(&which, version).await?,
            Self::Versions { which } => versions(&which).await?,
            Self::History { which } => history(&which).await?,
            Self::Diff { which, file, from, to } => diff(&which, file, from, to).await?,
            Self::Live { which, version, treatment } => {
                let pairs = treatment.map.iter().flat_map(|map| map.split(','));
                let pairs: Vec<_> = pairs.filter_map(|pair| pair.split_once('=')).collect();
                let body = json!({ "version": version, "inside": treatment.inside, "map": pairs });
                let path = which.path("/live");
                let answer = which.client.request(Method::POST, &path, Body::Json(&body)).await?;
                output::line(standing(&answer));
            }
            Self::Pause { which } => which.operate("pause").await?,
            Self::Resume { which } => which.operate("resume").await?,
            Self::Drain { which } => which.operate("drain").await?,
            Self::Retire { which } => which.operate("retire").await?,
            Self::Splits { which } => splits(&which.get("/splits").await?),
            Self::Winner { name, split, arm, client } => {
                let path =
                    format!("/v1/journeys/{}/splits/{}/winner", segment(&name), segment(&split));
                let body = json!({ "arm": arm });
                splits(&client.request(Method::PUT, &path, Body::Json(&body)).await?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let journeys = client.request(Method::GET, "/v1/journeys", Body::None).await?;
    for journey in rows(&journeys) {
        let entered = match number(journey, "last_entered_at") {
            Some(at) => format!("last entered {}", time(at)),
            None => "never entered".to_owned(),
        };
        let (name, state) = (word(journey, "journey"), word(journey, "state"));
        let version = number(journey, "live_version").unwrap_or(0);
        output::line(format!("{name} {state} version {version}, {entered}"));
    }
    Ok(())
}

async fn show(which: &Which, version: Option<i64>) -> anyhow::Result<()> {
    let found = match version {
        Some(version) => which.get(&format!("/versions/{version}")).await?,
        None => which.get("").await?,
    };
    output::line(word(&found, "source").trim_end());
    Ok(())
}

async fn versions(which: &Which) -> anyhow::Result<()> {
    for version in rows(&which.get("/versions").await?) {
        let number_of = number(version, "version").unwrap_or(0);
        let at = time(number(version, "created_at").unwrap_or(0));
        let in_use = version.get("in_use").and_then(Value::as_bool).unwrap_or(false);
        output::line(format!("{number_of} {at}{}", if in_use { ", in use" } else { "" }));
    }
    Ok(())
}

async fn history(which: &Which) -> anyhow::Result<()> {
    for change in rows(&which.get("/history?limit=1000").await?) {
        let mut line =
            format!("{} {}", time(number(change, "at").unwrap_or(0)), word(change, "kind"));
        if let Some(version) = number(change, "version") {
            line.push_str(&format!(" version {version}"));
        }
        if !word(change, "detail").is_empty() {
            line.push_str(&format!(": {}", word(change, "detail")));
        }
        output::line(format!("{line} ({})", word(change, "actor")));
    }
    for transfer in rows(&which.get("/transfers?limit=1000").await?) {
        let into = number(transfer, "version").map(|version| format!(" into version {version}"));
        let done = number(transfer, "done").unwrap_or(0);
        let stayed = number(transfer, "stayed").unwrap_or(0);
        let state = match number(transfer, "finished_at") {
            Some(at) => format!("finished {}", time(at)),
            None => "under way".to_owned(),
        };
        output::line(format!(
            "{} {}{}: {done} done, {stayed} stayed, {state}",
            time(number(transfer, "created_at").unwrap_or(0)),
            word(transfer, "kind"),
            into.unwrap_or_default(),
        ));
    }
    Ok(())
}

async fn diff(
    which: &Which,
    file: Option<PathBuf>,
    from: Option<i64>,
    to: Option<i64>,
) -> anyhow::Result<()> {
    let mut query = Vec::new();
    query.extend(from.map(|from| format!("from={from}")));
    query.extend(to.map(|to| format!("to={to}")));
    let path = which.path(&format!("/diff?{}", query.join("&")));
    let answer = match file {
        Some(file) => {
            let body = Body::Bytes("application/yaml", files::read(&file)?.into_bytes());
            which.client.request(Method::POST, &path, body).await?
        }
        None => which.client.request(Method::GET, &path, Body::None).await?,
    };
    for change in rows(&answer) {
        let was = change.get("was").and_then(Value::as_str);
        let was = was.map_or_else(String::new, |was| format!(" (was {was})"));
        output::line(format!(
            "{} {}{was}: {}",
            word(change, "kind"),
            word(change, "at"),
            word(change, "what")
        ));
    }
    Ok(())
}

fn splits(answer: &Value) {
    for split in rows(answer) {
        let decided = split.get("decided").filter(|decided| !decided.is_null());
        let end = match decided {
            Some(decided) => {
                format!("{} won (decided by {})", word(decided, "arm"), word(decided, "decided_by"))
            }
            None => format!("not decided, {}", word(split, "winner")),
        };
        output::line(format!("{}: {end}", word(split, "split")));
        for arm in rows(split.get("arms").unwrap_or(&Value::Null)) {
            let share = arm.get("share").and_then(Value::as_f64).unwrap_or(0.0) * 100.0;
            output::line(format!(
                "  {}: {} entered, {} reached the goal ({share:.1} %)",
                word(arm, "arm"),
                number(arm, "entered").unwrap_or(0),
                number(arm, "reached").unwrap_or(0)
            ));
        }
    }
}

/// Where a journey stands, in a line.
fn standing(answer: &Value) -> String {
    let (name, state) = (word(answer, "journey"), word(answer, "state"));
    let version = number(answer, "version").unwrap_or(0);
    format!("{name} version {version} is {state}{}", inside(answer))
}

/// What becomes of those inside, as the end of a line.
pub(crate) fn inside(answer: &Value) -> &'static str {
    match answer.get("inside").and_then(Value::as_str) {
        Some("move") => "; those inside move into it",
        Some("copy") => "; only texts differ, so those inside move into it",
        Some("leave") => "; those inside leave",
        Some("wake") => "; those inside go on",
        _ => "",
    }
}

fn rows(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.as_array().into_iter().flatten()
}

fn word<'v>(row: &'v Value, name: &str) -> &'v str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Value, name: &str) -> Option<i64> {
    row.get(name).and_then(Value::as_i64)
}

fn time(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| format!("{time:.0}"))
}
