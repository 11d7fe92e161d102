//! What was found in a token: a tree of names, places and values.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::shown::shown;

/// The octets that a line of text shows of a longer value; JSON has them all.
const SHOWN_OCTETS: usize = 32;

/// A part of the input, which knows where it stands.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: usize,
}

impl<'a> At<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first `length` octets, behind which it goes on; all that there are where they are fewer.
    pub(crate) fn take(&mut self, length: usize) -> Self {
        let (taken, rest) = self.bytes.split_at(length.min(self.len()));
        let taken = Self {
            bytes: taken,
            offset: self.offset,
        };
        self.bytes = rest;
        self.offset += taken.len();
        taken
    }

    /// `length` octets from `start` on, or `None` where they are not there.
    pub(crate) fn part(&self, start: usize, length: usize) -> Option<Self> {
        let bytes = self.bytes.get(start..start.checked_add(length)?)?;
        Some(Self {
            bytes,
            offset: self.offset + start,
        })
    }

    /// All from `start` on.
    pub(crate) fn from(&self, start: usize) -> Self {
        let mut rest = *self;
        rest.take(start);
        rest
    }
}

#[derive(Debug)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
    Octets(Vec<u8>),
    /// The bits, how many of them there are, and the names of those that have one.
    Flags(u32, u8, Vec<&'static str>),
    /// A secret that is not to be shown.
    Masked,
}

impl Value {
    fn to_json(&self) -> Json {
        match self {
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Octets(octets) => json!(hex(octets)),
            Self::Flags(bits, _, names) => json!({"bits": bits, "names": names}),
            Self::Masked => Json::Null,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            // With what a terminal would obey escaped.
            Self::Text(text) => format!("{text:?}"),
            Self::Octets(octets) => match octets.get(..SHOWN_OCTETS) {
                Some(start) if octets.len() > SHOWN_OCTETS => format!("{}...", hex(start)),
                _ => hex(octets),
            },
            Self::Flags(bits, width, names) => {
                let digits = usize::from(width / 4);
                format!("0x{bits:0digits$x} {}", names.join(" | "))
            }
            Self::Masked => "(a secret: --show-secrets shows it)".into(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    offset: usize,
    length: usize,
    pub(crate) value: Option<Value>,
    meaning: Option<String>,
    error: Option<String>,
    pub(crate) children: Vec<Self>,
}

impl Node {
    pub(crate) fn new(name: impl Into<String>, at: At<'_>) -> Self {
        Self {
            name: name.into(),
            offset: at.offset,
            length: at.len(),
            value: None,
            meaning: None,
            error: None,
            children: Vec::new(),
        }
    }

    pub(crate) fn value(mut self, value: Value) -> Self {
        self.value = Some(value);
        self
    }

    pub(crate) fn number(self, number: impl Into<i64>) -> Self {
        self.value(Value::Number(number.into()))
    }

    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.value(Value::Text(text.into()))
    }

    pub(crate) fn octets(self, octets: &[u8]) -> Self {
        self.value(Value::Octets(octets.into()))
    }

    /// Flags of `width` bits, named by the bits of `names`.
    pub(crate) fn flags(self, bits: u32, width: u8, names: &[(u32, &'static str)]) -> Self {
        let set = names.iter().filter(|(bit, _)| bits & bit != 0);
        let names = set.map(|(_, name)| *name).collect();
        self.value(Value::Flags(bits, width, names))
    }

    pub(crate) fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = Some(meaning.into());
        self
    }

    pub(crate) fn error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    pub(crate) fn push(&mut self, child: Self) {
        self.children.push(child);
    }

    /// Whether something is wrong with it, or with anything in it.
    pub(crate) fn is_wrong(&self) -> bool {
        self.error.is_some() || self.children.iter().any(Self::is_wrong)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Appends it as JSON, without a copy of the whole tree in between.
    pub(crate) fn write_json(&self, out: &mut String) {
        let mut member = |name: &str, value: Json| {
            let _ = write!(
                out,
                "{}{}:{value}",
                if name == "name" { '{' } else { ',' },
                json!(name)
            );
        };
        member("name", json!(self.name));
        member("offset", json!(self.offset));
        member("length", json!(self.length));
        if let Some(value) = &self.value {
            member("value", value.to_json());
        }
        if let Some(meaning) = &self.meaning {
            member("meaning", json!(meaning));
        }
        if let Some(error) = &self.error {
            member("error", json!(error));
        }
        for (index, child) in self.children.iter().enumerate() {
            out.push_str(if index == 0 { ",\"children\":[" } else { "," });
            child.write_json(out);
        }
        out.push_str(if self.children.is_empty() { "}" } else { "]}" });
    }

    /// Appends a line of text for each node: offset, length, name and value, indented by depth.
    pub(crate) fn to_lines(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        let _ = write!(
            out,
            "{:6} {:6}  {indent}{}",
            self.offset, self.length, self.name
        );
        if let Some(value) = &self.value {
            let _ = write!(out, ": {}", value.to_text());
        }
        if let Some(meaning) = &self.meaning {
            let _ = write!(out, " ({})", shown(meaning));
        }
        out.push('\n');
        for child in &self.children {
            child.to_lines(depth + 1, out);
        }
        // Behind what was read, which leads up to it.
        if let Some(error) = &self.error {
            let _ = writeln!(out, "{:13}  {indent}!! {error}", "");
        }
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut hex, octet| {
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}
