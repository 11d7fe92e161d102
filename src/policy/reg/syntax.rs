//! The syntax of `.reg` files: keys and values, whatever they mean.

use std::borrow::Cow;

use super::{InvalidRegFile, Reason};
use crate::codec::utf16;

/// The longest file that is read, in octets.
pub(super) const MAX_LEN: usize = 1 << 20;

/// The first line of files in UTF-16.
pub(super) const VERSION_5: &str = "Windows Registry Editor Version 5.00";

/// The first line of older files, which have octets where [`VERSION_5`] has UTF-16.
const VERSION_4: &str = "REGEDIT4";

/// What stands in a file, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// `[…]`: what follows belongs to this key.
    Key(&'a str),
    /// `[-…]`: this key is deleted, with all below it.
    DeletedKey(&'a str),
    /// A value of the key before; without a name it is the key's default value.
    Value(Option<String>, Data),
}

/// What a value holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// `-`: the value is deleted.
    Deleted,
    Text(String),
    Number(u32),
    /// A type that nothing here has.
    Other,
}

/// The text of a file: UTF-16LE with its byte order mark, or UTF-8.
pub(super) fn text(file: &[u8]) -> Result<Cow<'_, str>, InvalidRegFile> {
    if file.len() > MAX_LEN {
        return Err(InvalidRegFile::new(0, Reason::TooLong));
    }
    let not_text = || InvalidRegFile::new(0, Reason::NotText);
    if let Some(rest) = file.strip_prefix(b"\xff\xfe") {
        return utf16::decode(rest).map(Cow::Owned).ok_or_else(not_text);
    }
    let rest = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    str::from_utf8(rest)
        .map(Cow::Borrowed)
        .map_err(|_| not_text())
}

/// Reads what stands in a file.
pub(super) struct Reader<'a> {
    rest: &'a str,
    line: usize,
    /// Whether hexadecimal texts are in UTF-16.
    wide: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, InvalidRegFile> {
        let mut reader = Self {
            rest: text,
            line: 1,
            wide: true,
        };
        match reader.take_line().trim() {
            VERSION_5 => {}
            VERSION_4 => reader.wide = false,
            _ => return Err(InvalidRegFile::new(1, Reason::NoHeader)),
        }
        Ok(reader)
    }

    /// The next entry, with its line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Entry<'a>)>, InvalidRegFile> {
        loop {
            self.skip_blanks_and_lines();
            let line = self.line;
            let entry = match self.rest.chars().next() {
                None => return Ok(None),
                Some(';') => {
                    self.take_line();
                    continue;
                }
                Some('[') => self.key()?,
                Some('@') => {
                    self.advance(1);
                    Entry::Value(None, self.data()?)
                }
                Some('"') => {
                    let name = self.quoted()?;
                    Entry::Value(Some(name), self.data()?)
                }
                Some(_) => return Err(self.malformed("a key in brackets or a value's name")),
            };
            self.end_of_line()?;
            return Ok(Some((line, entry)));
        }
    }

    fn malformed(&self, expected: &'static str) -> InvalidRegFile {
        InvalidRegFile::new(self.line, Reason::Malformed { expected })
    }

    /// Steps over `length` octets of ASCII.
    fn advance(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// The rest of the line, without its end.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = match self.rest.split_once('\n') {
            Some((line, rest)) => {
                self.line = self.line.saturating_add(1);
                (line, rest)
            }
            None => (self.rest, ""),
        };
        self.rest = rest;
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn skip_blanks_and_lines(&mut self) {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let skipped = self.rest.len().saturating_sub(rest.len());
        let lines = self.rest.bytes().take(skipped).filter(|&b| b == b'\n');
        self.line = self.line.saturating_add(lines.count());
        self.rest = rest;
    }

    /// Nothing but blanks and a comment may follow an entry.
    fn end_of_line(&mut self) -> Result<(), InvalidRegFile> {
        self.skip_blanks();
        if self.rest.is_empty() || self.rest.starts_with([';', '\r', '\n']) {
            self.take_line();
            return Ok(());
        }
        Err(self.malformed("the end of the line"))
    }

    fn key(&mut self) -> Result<Entry<'a>, InvalidRegFile> {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = self.rest.get(..end).unwrap_or_default();
        // A key's name may hold brackets.
        let close = line
            .rfind(']')
            .ok_or_else(|| self.malformed("a closing bracket"))?;
        let path = line.get(1..close).unwrap_or_default();
        self.advance(close.saturating_add(1));
        Ok(match path.strip_prefix('-') {
            Some(path) => Entry::DeletedKey(path),
            None => Entry::Key(path),
        })
    }

    /// A text in quotation marks.
    fn quoted(&mut self) -> Result<String, InvalidRegFile> {
        let expected = "a closing quotation mark";
        let unclosed = InvalidRegFile::new(self.line, Reason::Malformed { expected });
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        chars.next();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.advance(at.saturating_add(1));
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('\\' | '"'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                '\n' => {
                    self.line = self.line.saturating_add(1);
                    text.push(c);
                }
                other => text.push(other),
            }
        }
        Err(unclosed)
    }

    /// `=` and what a value holds.
    fn data(&mut self) -> Result<Data, InvalidRegFile> {
        self.skip_blanks();
        if !self.rest.starts_with('=') {
            return Err(self.malformed("an equals sign behind the value's name"));
        }
        self.advance(1);
        self.skip_blanks();
        if self.rest.starts_with('-') {
            self.advance(1);
            return Ok(Data::Deleted);
        }
        if self.rest.starts_with('"') {
            return self.quoted().map(Data::Text);
        }
        let kind = self.word(':');
        if kind.eq_ignore_ascii_case("dword") {
            return self.number();
        }
        let number = kind
            .get(..3)
            .filter(|word| word.eq_ignore_ascii_case("hex"))
            .and_then(|_| kind.get(3..));
        match number {
            Some("(1)" | "(2)") => self.hexadecimal_text(),
            Some(number) if number.is_empty() || is_hexadecimal_kind(number) => {
                self.octets(false)?;
                Ok(Data::Other)
            }
            _ => Err(self.malformed("a value: a text, dword:, hex: or -")),
        }
    }

    /// What stands before `end`, which is stepped over as well; nothing where it is not in this line.
    fn word(&mut self, end: char) -> &'a str {
        let line = self.rest.find('\n').unwrap_or(self.rest.len());
        let word = self
            .rest
            .get(..line)
            .and_then(|line| line.split_once(end))
            .map(|(word, _)| word);
        let Some(word) = word else {
            return "";
        };
        self.advance(word.len().saturating_add(1));
        word
    }

    fn number(&mut self) -> Result<Data, InvalidRegFile> {
        self.skip_blanks();
        let length = self.rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let digits = self.rest.get(..length).unwrap_or_default();
        let number = (length <= 8)
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
            .ok_or_else(|| self.malformed("up to eight hexadecimal digits"))?;
        self.advance(length);
        Ok(Data::Number(number))
    }

    /// REG_SZ or REG_EXPAND_SZ in octets.
    fn hexadecimal_text(&mut self) -> Result<Data, InvalidRegFile> {
        let octets = self.octets(true)?;
        let text = if self.wide {
            utf16::decode(&octets)
        } else {
            String::from_utf8(octets).ok()
        };
        let text = text.ok_or_else(|| self.malformed("octets that are a text"))?;
        // What is behind the first terminator is no part of it.
        let text = text.split_once('\0').map_or(&*text, |(text, _)| text);
        Ok(Data::Text(text.into()))
    }

    /// Octets in hexadecimal with commas between them, over several lines where a backslash ends all but the last.
    fn octets(&mut self, keep: bool) -> Result<Vec<u8>, InvalidRegFile> {
        let mut octets = Vec::new();
        loop {
            self.skip_blanks();
            if let Some(rest) = self.rest.strip_prefix('\\') {
                let rest = rest.trim_start_matches([' ', '\t', '\r']);
                let Some(rest) = rest.strip_prefix('\n') else {
                    return Err(self.malformed("the end of the line behind the backslash"));
                };
                self.rest = rest;
                self.line = self.line.saturating_add(1);
                continue;
            }
            if self.rest.starts_with(',') {
                self.advance(1);
                continue;
            }
            let length = self.rest.bytes().take_while(u8::is_ascii_hexdigit).count();
            if length == 0 {
                return Ok(octets);
            }
            let octet = self
                .rest
                .get(..length)
                .filter(|digits| digits.len() <= 2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or_else(|| self.malformed("octets of two hexadecimal digits"))?;
            if keep {
                octets.push(octet);
            }
            self.advance(length);
        }
    }
}

/// A type's number in brackets, such as `(b)`.
fn is_hexadecimal_kind(number: &str) -> bool {
    number
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .is_some_and(|digits| {
            !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit())
        })
}
