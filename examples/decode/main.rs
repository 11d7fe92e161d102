//! Shows what stands in a token of CredSSP, SPNEGO, NTLM or Kerberos, and opens whole exchanges. `--help` shows the options and
//! examples.
//!
//! Exit status:
//! - 0: every token is of a known kind and right, and everything that could be checked holds.
//! - 1: a token is malformed or of no known kind, or something that was checked fails.
//! - 64: the command line is wrong, or a file cannot be read.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use credssp::stream::files;
use credssp::tls::server_public_key;
use credssp::ts_request::ServerPublicKey;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

mod credssp_types;
mod der;
mod exchange;
mod gss_tokens;
mod input;
mod kerberos_types;
mod names;
mod ntlm_layout;
#[expect(dead_code, reason = "there need not be one here")]
#[path = "../shared/password.rs"]
mod password;
#[path = "../shared/shown.rs"]
mod shown;
mod token;
mod tree;
#[path = "../shared/usage.rs"]
mod usage;
mod winrm;
mod x224;

use exchange::{Check, Knowledge};
use input::{Sender, Token};
use password::PasswordOptions;
use token::View;
use tree::{At, Node};
use usage::USAGE;

/// Exit status: a token is malformed, or a check fails.
const WRONG: u8 = 1;

/// Shows what stands in a token of CredSSP, SPNEGO, NTLM, Kerberos or Remote Desktop's negotiation, or in what WinRM carries, and
/// opens whole exchanges.
#[derive(Parser)]
#[command(after_help = r"Examples:
  A token as a log or a header has it; the two numbers before each line are its place and its length in octets:
    decode TlRMTVNTUAABAAAAl4II4gAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==
    decode 'Authorization: CredSSP MC+gAwIBBqEoMCYwJKAiBCBOVExNU1NQAAEAAACXggjiAAAAAAAAAAAAAAAAAAAAAA=='
    decode 30:0d:a0:03:02:01:06:a4:06:02:04:c0:00:00:6d
    decode @challenge.bin
  A whole exchange, one token a line: which proofs hold, whether it is bound to the server's certificate, what was delegated:
    decode @exchange.txt --password-file pw.txt --certificate server.pem
  By Kerberos, with the service's key:
    decode @exchange.txt --keytab service.keytab --certificate server.pem

Exit status: 0 all is well, 1 a token is malformed or of no known kind or a check fails, 64 wrong command line.
C: or S: before a token says that the client or the server sends it, where its kind does not tell.
Passwords, PINs and keys are not shown, unless --show-secrets asks for them.
A password in an argument is visible to the other users of this machine: prefer --password-file.")]
struct Options {
    /// A token in hexadecimal or base64; @FILE: a file with one, with one a line, or binary; -: the same from standard input
    #[arg(required = true, value_name = "TOKEN|@FILE|-")]
    tokens: Vec<String>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Show passwords, PINs and keys
    #[arg(long)]
    show_secrets: bool,
    // By which an exchange by NTLM is opened.
    #[command(flatten)]
    password: PasswordOptions,
    /// The service's keys, by which an exchange by Kerberos is opened
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// The certificate that the server presented, in PEM or DER, to check the binding to its key
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    certificate: Option<PathBuf>,
    /// That key itself: the contents of the BIT STRING subjectPublicKey
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Option<ServerPublicKey>,
}

fn main() -> ExitCode {
    let options: Options = match usage::parse() {
        Ok(options) => options,
        Err(status) => return status.into(),
    };
    let (tokens, knowledge) = match read(&options) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("decode: {error}");
            return USAGE.into();
        }
    };
    let view = View::new(options.show_secrets);
    let senders = exchange::senders(&tokens);
    let nodes: Vec<_> = tokens
        .iter()
        .map(|token| token::whole(&view, At::new(&token.octets)))
        .collect();
    let checks = exchange::open(&tokens, &senders, &knowledge, &view);
    let wrong = nodes.iter().any(Node::is_wrong) || checks.iter().any(Check::is_wrong);
    let output = if options.json {
        to_json(&senders, &nodes, &checks, !wrong)
    } else {
        to_text(&senders, &nodes, &checks)
    };
    match io::stdout().lock().write_all(output.as_bytes()) {
        // Who reads us through a pipe may have seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("decode: cannot print the result: {error}");
            USAGE.into()
        }
        _ if wrong => WRONG.into(),
        _ => ExitCode::SUCCESS,
    }
}

/// Reads all that the command line names.
fn read(options: &Options) -> Result<(Vec<Token>, Knowledge), Box<dyn Error>> {
    let mut tokens = Vec::new();
    for argument in &options.tokens {
        tokens.extend(input::tokens(argument)?);
    }
    let keytab = options
        .keytab
        .as_ref()
        .map(files::read_keytab)
        .transpose()?;
    let public_key = match &options.certificate {
        Some(path) => Some(key_of_certificate(path)?),
        None => options.public_key.clone(),
    };
    let password = options.password.read()?;
    let knowledge = Knowledge {
        password,
        keytab,
        public_key,
    };
    Ok((tokens, knowledge))
}

fn key_of_certificate(path: &Path) -> Result<ServerPublicKey, Box<dyn Error>> {
    let file = fs::read(path);
    let octets = file.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let certificate = match CertificateDer::from_pem_slice(&octets) {
        Ok(certificate) => certificate,
        Err(_) => CertificateDer::from(octets),
    };
    let key = server_public_key(&certificate);
    Ok(key.map_err(|error| format!("{} holds no certificate: {error}", path.display()))?)
}

fn public_key(text: &str) -> Result<ServerPublicKey, &'static str> {
    match input::hexadecimal(text) {
        Some(octets) => Ok(ServerPublicKey::from_subject_public_key(&octets)),
        None => Err("a key is given in hexadecimal"),
    }
}

fn to_json(senders: &[Sender], nodes: &[Node], checks: &[Check], ok: bool) -> String {
    let mut out = format!("{{\"ok\":{ok},\"tokens\":[");
    for (index, (node, sender)) in nodes.iter().zip(senders).enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(match sender {
            Sender::Client => "{\"sender\":\"client\",\"tree\":",
            Sender::Server => "{\"sender\":\"server\",\"tree\":",
        });
        node.write_json(&mut out);
        out.push('}');
    }
    out.push_str("],\"checks\":[");
    for (index, check) in checks.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        check.write_json(&mut out);
    }
    out.push_str("]}\n");
    out
}

fn to_text(senders: &[Sender], nodes: &[Node], checks: &[Check]) -> String {
    let mut out = String::new();
    for (node, sender) in nodes.iter().zip(senders) {
        if nodes.len() > 1 {
            out.push_str(match sender {
                Sender::Client => "client to server\n",
                Sender::Server => "server to client\n",
            });
        }
        node.to_lines(0, &mut out);
    }
    if !checks.is_empty() {
        out.push_str("the exchange\n");
    }
    for check in checks {
        check.to_lines(&mut out);
    }
    out
}
