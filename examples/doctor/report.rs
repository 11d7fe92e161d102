//! What was found, for people and for machines.

use std::io::{self, Write};
use std::{fmt, iter};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use textwrap::Options;

use crate::command_line::print_json;
use crate::shown::shown;

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Resolve,
    Connect,
    Negotiate,
    Tls,
    Certificate,
    CredSsp,
    Version,
    Spn,
    Policy,
    Logon,
}

impl Step {
    /// The exit status where this is the first step that fails.
    pub(crate) fn exit_status(self) -> u8 {
        match self {
            Self::Resolve => 10,
            Self::Connect => 11,
            Self::Negotiate => 12,
            Self::Tls => 13,
            Self::Certificate => 14,
            Self::CredSsp => 15,
            Self::Version => 16,
            Self::Spn => 17,
            Self::Policy => 18,
            Self::Logon => 19,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Negotiate => "negotiate",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::CredSsp => "credssp",
            Self::Version => "version",
            Self::Spn => "spn",
            Self::Policy => "policy",
            Self::Logon => "logon",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// Nothing that has to be mended, but something to know.
    Note,
    Failed,
    NotChecked,
}

impl Verdict {
    fn style(self) -> Style {
        let style = Style::new();
        match self {
            Self::Ok => style.fg_color(Some(AnsiColor::Green.into())),
            Self::Note => style.fg_color(Some(AnsiColor::Yellow.into())),
            Self::Failed => style.fg_color(Some(AnsiColor::Red.into())).bold(),
            Self::NotChecked => style.dimmed(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "FAILED",
            Self::NotChecked => "-",
        })
    }
}

/// What was found out in one step.
#[derive(Debug)]
pub(crate) struct Finding {
    step: Step,
    verdict: Verdict,
    says: Vec<String>,
    remedies: Vec<String>,
    facts: Map<String, Value>,
}

impl Finding {
    pub(crate) fn new(step: Step, verdict: Verdict, says: impl Into<String>) -> Self {
        Self {
            step,
            verdict,
            says: vec![says.into()],
            remedies: Vec::new(),
            facts: Map::new(),
        }
    }

    /// One more line.
    pub(crate) fn also(mut self, says: impl Into<String>) -> Self {
        self.says.push(says.into());
        self
    }

    /// What to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedies.push(remedy.into());
        self
    }

    /// For machines.
    pub(crate) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.into(), value.into());
        self
    }

    fn to_json(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "failed",
            Verdict::NotChecked => "not checked",
        };
        let mut value = json!({
            "step": self.step.to_string(),
            "verdict": verdict,
            "says": self.says.join("; "),
            "remedies": self.remedies,
        });
        if let Value::Object(fields) = &mut value {
            fields.extend(self.facts.clone());
        }
        value
    }
}

/// The columns of a line for people.
const COLUMNS: usize = 116;
/// Those of the verdict.
const VERDICT: usize = 7;
/// Those before what is said.
const MARGIN: &str = "                   ";

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = format!("{:<VERDICT$}{:<12}", self.verdict, self.step);
        let headings = iter::once(heading.as_str()).chain(iter::repeat(MARGIN));
        let said = headings.zip(&self.says);
        let to_do = iter::repeat("                -> ").zip(&self.remedies);
        for (line, (heading, text)) in said.chain(to_do).enumerate() {
            let text = &shown(text);
            let options = Options::new(COLUMNS)
                .initial_indent(heading)
                .subsequent_indent(MARGIN)
                .break_words(false);
            let newline = if line == 0 { "" } else { "\n" };
            write!(f, "{newline}{}", textwrap::fill(text, options))?;
        }
        Ok(())
    }
}

/// All that was found. For people each finding is printed at once, for there may be a while to wait for the next one.
pub(crate) struct Report {
    json: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            findings: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, finding: Finding) -> io::Result<()> {
        if !self.json {
            let (style, text) = (finding.verdict.style(), finding.to_string());
            let (verdict, rest) = text.split_at_checked(VERDICT).unwrap_or((&text, ""));
            // In colour where that is a terminal, and NO_COLOR is not set.
            writeln!(anstream::stdout(), "{style}{verdict}{style:#}{rest}")?;
        }
        self.findings.push(finding);
        Ok(())
    }

    /// Prints the end, and tells the exit status.
    pub(crate) fn finish(self, target: &str) -> io::Result<u8> {
        let failed = |finding: &&Finding| finding.verdict == Verdict::Failed;
        let status = self.findings.iter().find(failed);
        let status = status.map_or(0, |finding| finding.step.exit_status());
        if self.json {
            let findings: Value = self.findings.iter().map(Finding::to_json).collect();
            print_json(&json!({
                "ok": status == 0,
                "target": target,
                "exit_status": status,
                "steps": findings,
            }))?;
        }
        Ok(status)
    }
}

/// As much of a server's text as anybody will read.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
