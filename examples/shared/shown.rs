//! What a peer says, as a terminal may see it.

/// With what a terminal would obey escaped, and what would turn the order of the text around.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if is_obeyed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_obeyed(c: char) -> bool {
    // The second are the marks of direction (Unicode Standard Annex #9, section 2).
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
