//! Texts of others, made fit to be shown: nothing in them that a terminal or a reader
//! of a log would act on.
//!
//! A name with an escape sequence could rewrite what is on the screen, one with a line
//! break could forge a line of the log, and one with a change of direction reads as
//! another name than it is.

use std::borrow::Cow;

/// Returns a text of one line with every such character as its escape, `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// As [`line()`], of a text whose line breaks are ours.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |char| char == '\n')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let acts = |char: char| acts(char) && !keep(char);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut tame = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match acts(char) {
            true => tame.extend(char.escape_default()),
            false => tame.push(char),
        }
    }
    Cow::Owned(tame)
}

/// True of control characters, and of those that are not seen or turn the direction.
fn acts(char: char) -> bool {
    let unseen = matches!(
        char,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    );
    unseen || char.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_the_rest_stays() {
        assert_eq!(line("a\u{1b}[31m\r\nb\t\u{7f}\u{9b}"), "a\\u{1b}[31m\\r\\nb\\t\\u{7f}\\u{9b}");
        assert_eq!(line("\u{202e}vsc\u{2066}\u{200b}"), "\\u{202e}vsc\\u{2066}\\u{200b}");
        assert_eq!(line("\u{61c}\u{feff}"), "\\u{61c}\\u{feff}");
        let plain = "caf\u{e9} \u{5d0} \\ 100 %";
        assert!(matches!(line(plain), Cow::Borrowed(same) if same == plain));
        assert_eq!(lines("one\ntwo\r\n"), "one\ntwo\\r\n");
    }
}
