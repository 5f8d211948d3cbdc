//! The timeline, printed as it happens.

use tokio::sync::broadcast;
use waystation_engine::Happening;
use waystation_journey::{Entry, EntryKind};

use crate::cli::output;

/// Prints what happens until the sender is gone. Hours and minutes count from `started`.
pub(crate) async fn print(mut happenings: broadcast::Receiver<Happening>, started: i64) {
    loop {
        match happenings.recv().await {
            Ok(happening) => show(&happening, started),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                output::line(format!("… {missed} more"))
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

fn show(happening: &Happening, started: i64) {
    let minutes = (happening.at - started) / 60_000;
    for entry in &happening.entries {
        output::line(format!(
            "{:>3}:{:02}  {:<11} {:<21} {}",
            minutes / 60,
            minutes % 60,
            happening.customer,
            happening.journey,
            sentence(entry)
        ));
    }
}

fn sentence(entry: &Entry) -> String {
    let what = match entry.kind {
        EntryKind::Enrolled => "进入旅程 enrolled",
        EntryKind::Waiting => "等待 waiting",
        EntryKind::Woken => "继续 woken",
        EntryKind::AwaitingEvent => "等待事件 waiting for",
        EntryKind::EventCame => "事件到达 came",
        EntryKind::TimedOut => "等待超时 timed out",
        EntryKind::Branched => "分支 branch",
        EntryKind::Sending => "发送 sending",
        EntryKind::Issuing => "发券 issuing",
        EntryKind::Running => "执行动作 running",
        EntryKind::Settled => "结果 outcome",
        EntryKind::Revoking => "撤券 revoking",
        EntryKind::Changed => "更新客户 changed",
        EntryKind::GoalReached => "达成目标 goal reached",
        EntryKind::Ended => "结束 ended",
        EntryKind::Failed => "失败 failed",
        other => other.as_str(),
    };
    if entry.detail.is_empty() { what.to_owned() } else { format!("{what}: {}", entry.detail) }
}
