//! What must be known of a template before minijinja reads it.
//!
//! Filters and tests it looks up only while it renders. And its parser calls itself for every operator, so that a long
//! enough placeholder would exhaust the stack; [`Unbounded`] says what is too long.

/// What a word is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `{% word … %}`
    Statement,
    /// `x | word`, or `x | word("…", "…")` with all arguments if they are written out.
    Filter,
    /// `x is word`
    Test,
    /// `*` or `**`
    Operator,
}

/// Longest placeholder or statement in bytes, from its opening to its closing bracket.
const MAX_BLOCK: usize = 1000;

/// Most `elif` of one text.
const MAX_ELIF: usize = 50;

/// A text that must not be given to the parser, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unbounded(pub(crate) String);

/// All words that are looked up while rendering, and those that start a statement.
pub(crate) fn words(text: &str) -> Result<Vec<(Role, &str)>, Unbounded> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.find("#}").map_or("", |end| &comment[end + 2..]);
        } else if let Some(block) = rest.strip_prefix(['{', '%']) {
            let statement = rest.starts_with('%');
            let before = found.len();
            rest = read_block(block, statement, &mut found);
            if block.len() - rest.len() > MAX_BLOCK {
                return Err(Unbounded(format!(
                    "a placeholder is longer than {MAX_BLOCK} bytes; compute it in a `set` step"
                )));
            }
            if found.get(before) == Some(&(Role::Statement, "raw")) {
                rest = rest.find("endraw").map_or("", |end| &rest[end..]);
            }
        }
    }
    if found.iter().filter(|word| **word == (Role::Statement, "elif")).count() > MAX_ELIF {
        return Err(Unbounded(format!(
            "there are more than {MAX_ELIF} `elif`; compute the text in a `set` step"
        )));
    }
    Ok(found)
}

/// Reads to the end of a block and gives what follows.
fn read_block<'t>(block: &'t str, statement: bool, found: &mut Vec<(Role, &'t str)>) -> &'t str {
    let close = if statement { "%}" } else { "}}" };
    let mut rest = block;
    let mut depth = 0_usize;
    let mut next = statement.then_some(Role::Statement);
    let mut after_dot = false;
    while let Some(first) = rest.chars().next() {
        if depth == 0 && rest.starts_with(close) {
            return &rest[close.len()..];
        }
        if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let from_word = rest;
            let (word, following) = rest.split_at(end);
            rest = following;
            next = match next.take() {
                Some(Role::Test) if word == "not" => Some(Role::Test),
                Some(role) => {
                    let literals =
                        if role == Role::Filter { literal_arguments(following) } else { 0 };
                    found.push((role, &from_word[..end + literals]));
                    (role == Role::Statement && word == "filter").then_some(Role::Filter)
                }
                None => (word == "is" && !after_dot).then_some(Role::Test),
            };
            after_dot = false;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        after_dot = first == '.';
        match first {
            '"' | '\'' => rest = after_string(rest, first),
            '|' => next = Some(Role::Filter),
            '*' => found.push((Role::Operator, "*")),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    ""
}

/// Length of the bracket that a text starts with, if it holds nothing but strings and commas; else 0.
fn literal_arguments(text: &str) -> usize {
    let Some(mut rest) = text.strip_prefix('(') else { return 0 };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest = after_string(&rest[1..], quote),
            Some(')') => return text.len() - rest.len() + 1,
            _ => return 0,
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_string(text: &str, quote: char) -> &str {
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return &text[at + c.len_utf8()..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::{Role, words};

    #[test]
    fn words_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("plain { text } | x is y", vec![]),
            ("{{ a | upper }}", vec![(Role::Filter, "upper")]),
            (
                "{{ a|f(b|g) | h }} {{ c }}",
                vec![(Role::Filter, "f"), (Role::Filter, "g"), (Role::Filter, "h")],
            ),
            ("{{ '}} | x' | y }}", vec![(Role::Filter, "y")]),
            ("{{ {'a': {'b': 1}} | y }}", vec![(Role::Filter, "y")]),
            ("{{ 'it\\'s' | y }}", vec![(Role::Filter, "y")]),
            ("{# {{ a | x }} #}{{ a | y }}", vec![(Role::Filter, "y")]),
            (
                "{% raw %}{{ a | x }}{% endraw %}{{ a | y }}",
                vec![(Role::Statement, "raw"), (Role::Filter, "y")],
            ),
            ("{%- if a is not defined -%}", vec![(Role::Statement, "if"), (Role::Test, "defined")]),
            ("{{ a.is.b }}", vec![]),
            (
                "{{ a | f('x', \"y\") | g(1) }}",
                vec![(Role::Filter, "f('x', \"y\")"), (Role::Filter, "g")],
            ),
            ("{% filter upper %}", vec![(Role::Statement, "filter"), (Role::Filter, "upper")]),
            ("{{ 名 | 大 }}", vec![(Role::Filter, "大")]),
            ("{{ a |", vec![]),
        ] {
            let mut found = words(text).unwrap();
            found.retain(|(_, word)| *word != "endraw");
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_would_exhaust_the_stack_is_refused() {
        assert!(words(&format!("{{{{ {}1 }}}}", "-".repeat(997))).is_err());
        assert!(words(&format!("{{{{ '}}}}'{} }}}}", "+1".repeat(500))).is_err());
        assert!(words(&format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(51))).is_err());
        assert!(words(&"{{ customer.name }}".repeat(1000)).is_ok());
    }
}
