//! The syntax of krb5.conf: sections, relations and includes, whatever they are for.

use std::path::{Path, PathBuf};

use super::{ConfigurationFiles, InvalidKrb5Conf};

/// The most octets of all files together.
const MAX_LEN: usize = 1 << 20;

/// The most octets of a line.
const MAX_LINE: usize = 1 << 12;

/// The most files.
const MAX_FILES: usize = 256;

/// How deep files may include files.
const MAX_INCLUDES: usize = 10;

/// How deep braces may stand in braces.
const MAX_DEPTH: usize = 8;

/// The most names with an asterisk.
const MAX_FINAL: usize = 64;

/// Takes a relation: the sections it stands in, its name and its value. The error says what was expected.
type Sink<'a> = &'a mut dyn FnMut(&[String], &str, &str) -> Result<(), &'static str>;

/// Reads files, one after the other, and what they include.
pub(super) fn read<F: ConfigurationFiles>(
    paths: &[PathBuf],
    files: &mut F,
    sink: Sink<'_>,
) -> Result<(), F::Error> {
    let mut reader = Reader {
        files,
        sink,
        octets: 0,
        count: 0,
        open: Vec::new(),
        sealed: Vec::new(),
        sealing: Vec::new(),
    };
    for path in paths {
        reader.file(path)?;
        reader.sealed.append(&mut reader.sealing);
    }
    Ok(())
}

struct Reader<'a, F> {
    files: &'a mut F,
    sink: Sink<'a>,
    /// Of the files that have been read.
    octets: usize,
    /// Of the files that have been read.
    count: usize,
    /// The file that is read, behind those that include it.
    open: Vec<PathBuf>,
    /// What earlier files have made final: paths of sections and relations.
    sealed: Vec<Vec<String>>,
    /// What this file makes final.
    sealing: Vec<Vec<String>>,
}

/// Where in a file the reader is.
#[derive(Default)]
struct Position {
    /// The section, and those in braces inside it.
    sections: Vec<String>,
    /// Whether a section's brace stands on the next line.
    awaits_brace: bool,
}

/// A line that asks for other files.
enum Include<'a> {
    File(&'a Path),
    Directory(&'a Path),
}

impl<F: ConfigurationFiles> Reader<'_, F> {
    fn file(&mut self, path: &Path) -> Result<(), F::Error> {
        let invalid = |line, expected| InvalidKrb5Conf::new(path, line, expected);
        let text = self.files.read(path)?;
        self.octets = self.octets.saturating_add(text.len());
        if self.octets > MAX_LEN {
            return Err(invalid(0, "files of at most 1 MiB together").into());
        }
        self.open.push(path.into());
        // What is included is not inside a section of what includes it.
        let mut position = Position::default();
        let mut number = 0;
        for line in text.trim_start_matches('\u{feff}').lines() {
            number += 1;
            let include = self
                .line(&mut position, line)
                .map_err(|expected| invalid(number, expected))?;
            let paths = match include {
                None => continue,
                Some(Include::File(path)) => vec![path.into()],
                Some(Include::Directory(path)) => self.files.list(path)?,
            };
            for path in paths {
                self.count += 1;
                if self.count > MAX_FILES || self.open.len() > MAX_INCLUDES {
                    return Err(invalid(number, "fewer files to be included").into());
                }
                if self.open.contains(&path) {
                    return Err(invalid(number, "a file that does not include itself").into());
                }
                self.file(&path)?;
            }
        }
        self.open.pop();
        if position.sections.len() > 1 {
            return Err(invalid(number, "`}` before the end of the file").into());
        }
        Ok(())
    }

    fn line<'l>(
        &mut self,
        position: &mut Position,
        line: &'l str,
    ) -> Result<Option<Include<'l>>, &'static str> {
        if line.len() > MAX_LINE {
            return Err("a line of at most 4096 octets");
        }
        if let Some(path) = directive(line, "include") {
            return Ok(Some(Include::File(path)));
        }
        if let Some(path) = directive(line, "includedir") {
            return Ok(Some(Include::Directory(path)));
        }
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with([';', '#']) {
            return Ok(None);
        }
        if std::mem::take(&mut position.awaits_brace) {
            return (line == "{").then_some(None).ok_or("`{`");
        }
        if let Some(rest) = line.strip_prefix('[') {
            self.section(position, rest)?;
        } else if let Some(rest) = line.strip_prefix('}') {
            if position.sections.len() < 2 {
                return Err("`{` before `}`");
            }
            if ends_final(rest, "nothing behind `}` but an asterisk")? {
                self.seal(&position.sections, None)?;
            }
            position.sections.pop();
        } else if !position.sections.is_empty() {
            // In front of the first section stands what is not for this format's readers.
            self.relation(position, line)?;
        }
        Ok(None)
    }

    fn section(&mut self, position: &mut Position, rest: &str) -> Result<(), &'static str> {
        if position.sections.len() > 1 {
            return Err("`}` before another section");
        }
        let (name, rest) = rest.split_once(']').ok_or("`]` behind a section's name")?;
        position.sections = vec![name.to_owned()];
        if ends_final(rest, "nothing behind `]` but an asterisk")? {
            self.seal(&position.sections, None)?;
        }
        Ok(())
    }

    fn relation(&mut self, position: &mut Position, line: &str) -> Result<(), &'static str> {
        const EXPECTED: &str = "`name = value`, `name = {`, `[section]` or `}`";

        let (name, value) = line.split_once('=').ok_or(EXPECTED)?;
        let name = name.trim_ascii();
        let (name, is_final) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(EXPECTED);
        }
        if is_final {
            self.seal(&position.sections, Some(name))?;
        }
        let value = value.trim_ascii();
        if value.is_empty() || value == "{" {
            if position.sections.len() > MAX_DEPTH {
                return Err("fewer braces in braces");
            }
            position.awaits_brace = value.is_empty();
            position.sections.push(name.to_owned());
            return Ok(());
        }
        let sections = &*position.sections;
        let is_sealed = |path: &Vec<String>| match path.split_at_checked(sections.len()) {
            Some((path, [last])) => path == sections && last == name,
            _ => sections.starts_with(path),
        };
        if self.sealed.iter().any(is_sealed) {
            return Ok(());
        }
        match value.strip_prefix('"') {
            Some(quoted) => (self.sink)(sections, name, &unquote(quoted)),
            None => (self.sink)(sections, name, value),
        }
    }

    fn seal(&mut self, sections: &[String], name: Option<&str>) -> Result<(), &'static str> {
        let path: Vec<_> = sections
            .iter()
            .cloned()
            .chain(name.map(str::to_owned))
            .collect();
        if !self.sealing.contains(&path) {
            self.sealing.push(path);
        }
        let fits = self.sealed.len().saturating_add(self.sealing.len()) <= MAX_FINAL;
        fits.then_some(()).ok_or("fewer names with an asterisk")
    }
}

/// A directive stands at the very beginning of a line, so that a relation of that name is none.
fn directive<'l>(line: &'l str, name: &str) -> Option<&'l Path> {
    let path = line.strip_prefix(name)?;
    path.starts_with(|c: char| c.is_ascii_whitespace())
        .then(|| Path::new(path.trim_ascii()))
}

fn ends_final(rest: &str, expected: &'static str) -> Result<bool, &'static str> {
    match rest.trim_ascii() {
        "" => Ok(false),
        "*" => Ok(true),
        _ => Err(expected),
    }
}

/// What stands up to the closing quote, with its escapes resolved.
fn unquote(quoted: &str) -> String {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next().filter(|c| *c != '"') {
        match character {
            '\\' => text.extend(characters.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                'b' => '\u{8}',
                other => other,
            })),
            other => text.push(other),
        }
    }
    text
}
