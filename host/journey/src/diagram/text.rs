//! Widths of texts and where their lines break. No font is at hand here, so each character counts as wide as it is in the
//! wider ones of the usual fonts.

/// Characters that are not shown as they are: control characters, which XML does not allow, and those that turn the
/// direction of what follows.
pub(super) fn shown(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
            || matches!(c, '\u{e0000}'..='\u{e0fff}')
    };
    let mark = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if hidden(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(mark).collect()
}

/// Width in hundredths of the font's size.
pub(super) fn width(text: &str) -> u32 {
    text.chars().map(of_char).sum()
}

fn of_char(c: char) -> u32 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 38,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | '"' => 46,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 102,
        'A'..='Z' | '&' | '=' | '+' | '<' | '>' | '#' | '~' => 84,
        '\0'..='\u{24f}' => 64,
        // Letters of most other scripts, as wide as a capital.
        '\u{250}'..='\u{10ff}' => 84,
        // The rest is as wide as high, twice as wide as a letter: Chinese, Japanese, Korean, and pictures.
        _ => 128,
    }
}

/// Breaks a text into lines of at most `limit` hundredths; what does not fit into `most` lines ends with `…`.
pub(super) fn lines(text: &str, limit: u32, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in words(&shown(text)) {
        let length = width(word.trim_end());
        if used > 0 && used + length > limit {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in word.chars() {
            if used + of_char(c) > limit && !c.is_whitespace() {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += of_char(c);
        }
        if lines.len() > most {
            break;
        }
    }
    lines.push(line);
    let mut lines: Vec<String> =
        lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            while width(last) + of_char('…') > limit {
                last.pop();
            }
            last.push('…');
        }
    }
    lines
}

/// Parts after which a line may break: at spaces, after `.`, `,` and brackets of long words, and around every
/// character that is as wide as high.
fn words(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let end = at + c.len_utf8();
        let next = characters.peek().map(|(_, next)| *next);
        let breaks = c == ' ' || of_char(c) == 128 || next.is_some_and(|next| of_char(next) == 128);
        // No line begins with what closes a sentence.
        let closes =
            next.is_some_and(|next| matches!(next, '，' | '。' | '、' | '？' | '！' | '…'));
        if breaks && !closes || next.is_none() {
            parts.push(&text[start..end]);
            start = end;
        }
    }
    parts
}
