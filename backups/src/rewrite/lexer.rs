//! As much of PostgreSQL's lexical rules as it takes to know where a statement ends: strings, quoted names, dollar quotes, comments.
//! Must stay true: nothing inside of a string, a name, a function's text or a comment ends a statement or begins a command.

/// Where the lexer is.
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// `'…'`; with backslashes when it is `E'…'`.
    Text { escapes: bool },
    /// A backslash in `E'…'`: the next byte stands for itself.
    Escaped,
    /// `"…"`.
    Name,
    /// `$tag` so far; from where in the text.
    Tag(usize),
    /// `$tag$…`; the delimiter and where its body begins.
    Dollar { delimiter: Vec<u8>, body: usize },
    /// `-- …`.
    Line,
    /// `/* … */`, which nest; and where the last mark ended.
    Block { depth: u32, from: usize },
    /// A psql command.
    Command,
}

/// What the last byte did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to note.
    Within,
    /// It was the semicolon of a statement.
    StatementEnd,
    /// It was the end of the line of a psql command.
    Command,
    /// It was a backslash where no dump has one; psql would take it for a command.
    Stray,
}

/// The state between two bytes.
#[derive(Debug, Default)]
pub(super) struct Lexer {
    state: State,
}

impl Lexer {
    /// Whether a dump may end here.
    pub(super) fn at_rest(&self) -> bool {
        matches!(self.state, State::Plain | State::Line)
    }

    /// Takes the last byte of `text`. `statement` is where the current statement begins.
    pub(super) fn step(&mut self, text: &[u8], statement: usize) -> Step {
        let Some((&byte, before)) = text.split_last() else {
            return Step::Within;
        };
        let next = match &mut self.state {
            State::Tag(start) => {
                let start = *start;
                if byte == b'$' {
                    Some(State::Dollar { delimiter: text.get(start..).unwrap_or_default().to_vec(), body: text.len() })
                } else if is_word(byte) && !(before.len() == start + 1 && byte.is_ascii_digit()) {
                    None
                } else {
                    self.state = State::Plain;
                    return self.plain(byte, before, statement);
                }
            }
            State::Plain => return self.plain(byte, before, statement),
            State::Text { escapes: true } if byte == b'\\' => Some(State::Escaped),
            State::Escaped => Some(State::Text { escapes: true }),
            State::Text { .. } if byte == b'\'' => Some(State::Plain),
            State::Name if byte == b'"' => Some(State::Plain),
            State::Dollar { delimiter, body } => {
                let ends = byte == b'$' && text.len() >= *body + delimiter.len() && text.ends_with(delimiter);
                ends.then_some(State::Plain)
            }
            State::Line if byte == b'\n' => Some(State::Plain),
            State::Block { depth, from } => block(depth, from, text),
            State::Command if byte == b'\n' => {
                self.state = State::Plain;
                return Step::Command;
            }
            _ => None,
        };
        if let Some(next) = next {
            self.state = next;
        }
        Step::Within
    }

    fn plain(&mut self, byte: u8, before: &[u8], statement: usize) -> Step {
        let last = before.last().copied();
        self.state = match byte {
            b';' => return Step::StatementEnd,
            b'\'' => State::Text { escapes: is_escape_string(before) },
            b'"' => State::Name,
            b'-' if last == Some(b'-') && before.len() > statement => State::Line,
            b'*' if last == Some(b'/') && before.len() > statement => State::Block { depth: 1, from: before.len() + 1 },
            b'$' if !last.is_some_and(is_word) => State::Tag(before.len()),
            b'\\'
                if last.is_none_or(|byte| byte == b'\n')
                    && super::is_blank(before.get(statement..).unwrap_or_default()) =>
            {
                State::Command
            }
            b'\\' => return Step::Stray,
            _ => State::Plain,
        };
        Step::Within
    }
}

fn block(depth: &mut u32, from: &mut usize, text: &[u8]) -> Option<State> {
    // Both bytes of a mark must come after the last mark: `/*/` does not end what it begins.
    if text.len() >= *from + 2 {
        if text.ends_with(b"*/") {
            (*depth, *from) = (*depth - 1, text.len());
        } else if text.ends_with(b"/*") {
            (*depth, *from) = (*depth + 1, text.len());
        }
    }
    (*depth == 0).then_some(State::Plain)
}

/// Whether the quote that follows begins an `E'…'`.
fn is_escape_string(before: &[u8]) -> bool {
    match before {
        [.., previous, b'E' | b'e'] => !is_word(*previous),
        [b'E' | b'e'] => true,
        _ => false,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
