//! Characters that make a text read as another one: in a name that becomes a key, in a line that a person reads.

/// Whether a character turns the direction of a text: Unicode's property `Bidi_Control`.
pub(crate) fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character shows nothing and joins nothing: the zero-width space, word joiner and no-break space, invisible
/// operators, deprecated format characters, and tags. Joiners are none of these: Persian, Hindi and others need them.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
