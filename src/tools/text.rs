//! Cleans texts of tools. They come from whoever supplied the tool and are shown to models.

/// How much of a name is shown. A program may ask for a name that does not exist, of any length.
pub(super) const NAME_CHARS_MAX: usize = 100;

/// Returns `text` cut to `chars_max` characters, without control characters other than line feeds and without Unicode's
/// invisible formatting, which could hide text or move the cursor.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut visible = lines.trim().chars().filter(|&char| !is_invisible(char)).map(|char| match char {
        '\n' => '\n',
        control if control.is_control() => ' ',
        char => char,
    });
    let mut cleaned: String = visible.by_ref().take(chars_max).collect();
    if visible.next().is_some() {
        cleaned.pop();
        cleaned.push('…');
    }
    cleaned
}

/// Returns [`clean`] text in one line.
pub(super) fn line(text: &str, chars_max: usize) -> String {
    clean(&text.split_whitespace().collect::<Vec<_>>().join(" "), chars_max)
}

/// Returns whether a character is zero-width, a filler, a directional override or isolate, a tag, a variation selector,
/// or a control of shorthand or musical notation.
pub(super) fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn texts_are_cleaned_and_bounded() {
        let cases = [
            ("  One.\r\nTwo.\n", "One.\nTwo."),
            ("a\u{1b}[31mred\0\u{9b}b\tc", "a [31mred  b c"),
            ("x\u{202e}y\u{200b}z\u{e0041}\u{feff}", "xyz"),
            ("x\u{fe00}\u{fe0f}\u{34f}\u{3164}\u{2800}y", "xy"),
            ("x\u{1bca0}\u{1bca3}\u{1d173}\u{1d17a}\u{fff0}y", "xy"),
            ("größe 家", "größe 家"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdefg", "0123456789abcde…"),
        ];
        for (text, cleaned) in cases {
            assert_eq!(clean(text, 16), cleaned);
        }
    }
}
