//! A remote shell, by WS-Management (MS-WSMV, section 3.1.4).

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use credssp::environment::Environment;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use super::Failure;
use super::connection::Connection;

const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";
const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";

/// The most that is kept of a command's output.
const MAX_OUTPUT: usize = 16 * 1024 * 1024;

/// The operation timed out: ask again.
const TIMED_OUT: &str = "2150858793";

/// Asks which product the service is.
pub(crate) async fn identify(connection: &mut Connection) -> Result<Value, Failure> {
    let envelope = format!(
        "<s:Envelope xmlns:s=\"{ENVELOPE}\" xmlns:i=\"{IDENTITY}\"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
    );
    let text = connection.post(&envelope).await?.1;
    let document = parse(&text)?;
    let told = |name| find(&document, name).and_then(|node| node.text());
    Ok(json!({ "vendor": told("ProductVendor"), "product": told("ProductVersion") }))
}

/// Runs a command in a shell of its own.
pub(crate) async fn run(connection: &mut Connection, words: &[String]) -> Result<Value, Failure> {
    let body = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams>\
                <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>";
    let text = ask(connection, None, &format!("{TRANSFER}/Create"), body).await?;
    let document = parse(&text)?;
    let shell = document
        .descendants()
        .find(|node| node.attribute("Name") == Some("ShellId"))
        .and_then(|node| node.text())
        .ok_or_else(|| Failure::Answer("it has no ShellId".into()))?;
    let ran = run_in(connection, shell, words).await;
    let deleted = ask(connection, Some(shell), &format!("{TRANSFER}/Delete"), "").await;
    let ran = ran?;
    deleted?;
    Ok(ran)
}

async fn run_in(
    connection: &mut Connection,
    shell: &str,
    words: &[String],
) -> Result<Value, Failure> {
    let mut body = String::from("<rsp:CommandLine>");
    for (index, word) in words.iter().enumerate() {
        let element = if index == 0 { "Command" } else { "Arguments" };
        let _ = write!(body, "<rsp:{element}>{}</rsp:{element}>", escape(word));
    }
    body.push_str("</rsp:CommandLine>");
    let text = ask(connection, Some(shell), &format!("{SHELL}/Command"), &body).await?;
    let document = parse(&text)?;
    let command = find(&document, "CommandId")
        .and_then(|node| node.text())
        .ok_or_else(|| Failure::Answer("it has no CommandId".into()))?;
    let received = receive(connection, shell, command).await;
    let terminate = format!(
        "<rsp:Signal CommandId=\"{}\"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>",
        escape(command)
    );
    let ended = ask(
        connection,
        Some(shell),
        &format!("{SHELL}/Signal"),
        &terminate,
    )
    .await;
    let received = received?;
    ended?;
    Ok(received)
}

/// Gathers what the command says until it is done.
async fn receive(
    connection: &mut Connection,
    shell: &str,
    command: &str,
) -> Result<Value, Failure> {
    let body = format!(
        "<rsp:Receive><rsp:DesiredStream CommandId=\"{}\">stdout stderr</rsp:DesiredStream></rsp:Receive>",
        escape(command)
    );
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        let text = match ask(connection, Some(shell), &format!("{SHELL}/Receive"), &body).await {
            Err(Failure::Fault(reason)) if reason == TIMED_OUT => continue,
            answer => answer?,
        };
        let document = parse(&text)?;
        for stream in named(&document, "Stream") {
            let kept = match stream.attribute("Name") {
                Some("stdout") => &mut stdout,
                Some("stderr") => &mut stderr,
                _ => continue,
            };
            let digits = stream.text().unwrap_or_default();
            let octets = BASE64_STANDARD
                .decode(digits)
                .map_err(|error| Failure::Answer(error.to_string()))?;
            kept.extend(octets);
            if kept.len() > MAX_OUTPUT {
                return Err(Failure::Answer("the command says too much".into()));
            }
        }
        let state = find(&document, "CommandState").and_then(|node| node.attribute("State"));
        if state.is_some_and(|state| state.ends_with("/Done")) {
            let code =
                find(&document, "ExitCode").and_then(|node| node.text()?.parse::<i64>().ok());
            return Ok(json!({
                "exit_code": code,
                "stdout": String::from_utf8_lossy(&stdout),
                "stderr": String::from_utf8_lossy(&stderr),
            }));
        }
    }
}

/// Posts an operation on a shell, and gives the answer unless it is a fault.
async fn ask(
    connection: &mut Connection,
    shell: Option<&str>,
    action: &str,
    body: &str,
) -> Result<String, Failure> {
    let mut octets = [0; 16];
    Environment::default()
        .random
        .fill(&mut octets)
        .map_err(credssp::Error::from)?;
    let id = format!("{:032X}", u128::from_be_bytes(octets));
    let id = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| id.get(part).unwrap_or_default());
    let selector = shell.map_or_else(String::new, |shell| {
        let shell = escape(shell);
        format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet>")
    });
    let envelope = format!(
        "<s:Envelope xmlns:s=\"{ENVELOPE}\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\"><s:Header>\
         <a:To>/wsman</a:To><w:ResourceURI s:mustUnderstand=\"true\">{SHELL}/cmd</w:ResourceURI>\
         <a:ReplyTo><a:Address s:mustUnderstand=\"true\">\
         http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action><w:MaxEnvelopeSize>153600</w:MaxEnvelopeSize>\
         <a:MessageID>uuid:{}</a:MessageID><w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
         <w:OperationTimeout>PT20S</w:OperationTimeout>{selector}</s:Header><s:Body>{body}</s:Body></s:Envelope>",
        id.join("-"),
    );
    let (status, text) = connection.post(&envelope).await?;
    if status.is_success() {
        return Ok(text);
    }
    let document = parse(&text)?;
    let code = find(&document, "WSManFault").and_then(|fault| fault.attribute("Code"));
    Err(Failure::Fault(match code {
        Some(TIMED_OUT) => TIMED_OUT.into(),
        _ => {
            let reason = find(&document, "Text").and_then(|node| node.text());
            reason
                .unwrap_or("it does not say why")
                .escape_debug()
                .to_string()
        }
    }))
}

fn parse(text: &str) -> Result<Document<'_>, Failure> {
    Document::parse(text).map_err(|error| Failure::Answer(error.to_string()))
}

fn find<'a, 'd>(document: &'a Document<'d>, name: &'static str) -> Option<Node<'a, 'd>> {
    named(document, name).next()
}

/// Services differ in their prefixes, and in nothing that matters here in their namespaces.
fn named<'a, 'd>(
    document: &'a Document<'d>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'd>> {
    document
        .descendants()
        .filter(move |node| node.is_element() && node.tag_name().name() == name)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
