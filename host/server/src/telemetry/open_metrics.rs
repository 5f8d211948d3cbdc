//! Reading the counters' text format (`OpenMetrics` 1.0), in which the engine keeps them: what is exported is what `/metrics` shows.

/// Metrics of one name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) help: String,
    /// `counter`, `gauge`, `histogram`, …
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// What its name has after the family's: `_total`, `_bucket`, `_sum`, `_count`, or nothing.
    pub(super) suffix: String,
    pub(super) labels: Vec<(String, String)>,
    /// As it is written, so that whole numbers stay whole.
    pub(super) value: String,
}

/// The families of a text. Lines that are not understood are passed over.
pub(super) fn parse(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut parts = comment.splitn(3, ' ');
            let (Some(word), Some(name)) = (parts.next(), parts.next()) else { continue };
            let rest = parts.next().unwrap_or_default();
            let family = family(&mut families, name);
            match word {
                "HELP" => rest.clone_into(&mut family.help),
                "TYPE" => rest.clone_into(&mut family.kind),
                _ => {}
            }
        } else if let Some(family) = families.last_mut()
            && let Some(sample) = line.strip_prefix(family.name.as_str()).and_then(sample)
        {
            family.samples.push(sample);
        }
    }
    families
}

fn family<'a>(families: &'a mut Vec<Family>, name: &str) -> &'a mut Family {
    if families.last().is_none_or(|last| last.name != name) {
        families.push(Family {
            name: name.to_owned(),
            help: String::new(),
            kind: String::new(),
            samples: Vec::new(),
        });
    }
    let last = families.len() - 1;
    &mut families[last]
}

/// What follows a family's name: `_total{label="value"} 7`.
fn sample(text: &str) -> Option<Sample> {
    let end = text.find(['{', ' '])?;
    let (suffix, rest) = text.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?;
    Some(Sample { suffix: suffix.to_owned(), labels, value: value.to_owned() })
}

/// Labels up to the closing brace, and what comes after it.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches(',');
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        text = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_with_their_labels() {
        let text = "# HELP waystation_events Events handed over.\n# TYPE waystation_events counter\n\
                    waystation_events_total{result=\"a \\\"b\\\\c\\n\",x=\"{}\"} 3\n\
                    # HELP waystation_open Open.\n# TYPE waystation_open gauge\nwaystation_open -1.5\nnonsense\n\
                    # TYPE waystation_call_seconds histogram\nwaystation_call_seconds_sum{connection=\"n\"} 0.5\n\
                    waystation_call_seconds_bucket{le=\"+Inf\",connection=\"n\"} 2\n# EOF\n";
        let families = parse(text);
        let named: Vec<(&str, &str, usize)> = families
            .iter()
            .map(|one| (one.name.as_str(), one.kind.as_str(), one.samples.len()))
            .collect();
        assert_eq!(
            named,
            [
                ("waystation_events", "counter", 1),
                ("waystation_open", "gauge", 1),
                ("waystation_call_seconds", "histogram", 2)
            ]
        );
        assert_eq!(families[0].help, "Events handed over.");
        let events = &families[0].samples[0];
        assert_eq!((events.suffix.as_str(), events.value.as_str()), ("_total", "3"));
        assert_eq!(
            events.labels,
            [("result".to_owned(), "a \"b\\c\n".to_owned()), ("x".to_owned(), "{}".to_owned())]
        );
        assert_eq!(families[1].samples[0].value, "-1.5");
        assert_eq!(families[2].samples[1].suffix, "_bucket");
    }
}
