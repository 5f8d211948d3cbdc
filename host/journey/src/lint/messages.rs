//! Limits that starve a journey, and what has no effect.

use super::Finding;
use super::elapsed::message;
use super::times::shown;
use crate::connection::ContentKind;
use crate::consent::Purpose;
use crate::flow::{Way, ways};
use crate::policy::{Limit, Over, Policy};
use crate::program::{Op, Program};

/// Most steps that counting messages takes.
const MAX_COUNTED: usize = 50_000;

pub(super) fn lint(program: &Program, policy: &Policy) -> Vec<Finding> {
    let mut found = Vec::new();
    if program.purpose == Purpose::Transactional {
        for (key, given) in
            [("window", program.window.is_some()), ("limits", !program.limits.is_empty())]
        {
            if given {
                let text = format!(
                    "`{key}` has no effect: transactional messages are sent at any time, however many; remove it, or say `purpose: marketing`"
                );
                found.push(Finding::warning(key, text));
            }
        }
        return found;
    }
    for (index, limit) in program.limits.iter().enumerate() {
        let path = if program.limits.len() == 1 {
            "limits".to_owned()
        } else {
            format!("limits[{index}]")
        };
        found.extend(starves(program, limit, &path, "the limit"));
    }
    for limit in policy.limits() {
        found.extend(starves(program, limit, "steps", "the workspace's limit"));
    }
    found.extend(no_way_out(program));
    found
}

fn starves(program: &Program, limit: &Limit, path: &str, whose: &str) -> Option<Finding> {
    if limit.tag.as_ref().is_some_and(|tag| !program.tags.contains(tag)) {
        return None;
    }
    let mut budget = MAX_COUNTED;
    let starts = (0..program.code.len()).filter(|at| counts(program, limit, *at));
    let most = starts.map(|at| most_from(program, limit, at, limit.per, &mut budget)).max()?;
    if most <= limit.messages {
        return None;
    }
    let fate = match limit.over {
        Over::Skip => "the others are not sent",
        Over::Wait => "the others wait",
    };
    let text = format!(
        "{whose} of {limit} is below what the journey itself can send: {most} to one customer in {}; {fate}. Allow {most}, or send less",
        shown(limit.per)
    );
    Some(Finding::warning(path, text))
}

fn counts(program: &Program, limit: &Limit, at: usize) -> bool {
    message(&program.code[at].op).is_some_and(|delivery| {
        limit.channel.as_ref().is_none_or(|channel| delivery.channels.first() == Some(channel))
    })
}

/// Most messages on a way from here within a time. Each turn of a repeat but the first is left out.
fn most_from(program: &Program, limit: &Limit, at: usize, left: i64, budget: &mut usize) -> u32 {
    if at >= program.code.len() || *budget == 0 {
        return 0;
    }
    *budget -= 1;
    let own = u32::from(counts(program, limit, at));
    let further = ways(&program.code, at).into_iter().filter_map(|(way, to)| {
        let time = match (&program.code[at].op, way) {
            (Op::Wait { duration }, _) => duration.usual(),
            (Op::WaitFor(wait), Way::TimeUp) => wait.up_to.usual(),
            // How long these take nobody knows: such a way proves nothing.
            (Op::WaitFor(_) | Op::WaitUntil(_), _) => return None,
            _ => 0,
        };
        (to > at && time < left).then(|| (to, left - time))
    });
    let further: Vec<(usize, i64)> = further.collect();
    own + further
        .into_iter()
        .map(|(to, left)| most_from(program, limit, to, left, budget))
        .max()
        .unwrap_or(0)
}

/// Marketing emails in which a customer finds no way to unsubscribe.
fn no_way_out(program: &Program) -> Vec<Finding> {
    let mut found = Vec::new();
    for delivery in program.code.iter().filter_map(|one| message(&one.op)) {
        for name in &delivery.templates {
            let Some(template) = program.templates.by_name.get(name) else { continue };
            for locale in &template.locales {
                let email =
                    locale.contents.iter().find(|body| body.source.kind() == ContentKind::Email);
                if email.is_none_or(|body| body.needs.unsubscribe_url) {
                    continue;
                }
                let path = format!("templates.{name}.{}.email", locale.tag);
                let text = "a marketing email without `{{ unsubscribe_url }}` leaves its reader no way out; add the link, or say `purpose: transactional`";
                if !found.iter().any(|one: &Finding| one.path == path) {
                    found.push(Finding::warning(path, text.to_owned()));
                }
            }
        }
    }
    found
}
