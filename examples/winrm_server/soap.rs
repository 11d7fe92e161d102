//! As much of WS-Management (DSP0226, MS-WSMV) as a shell takes.

use std::fmt::Write;
use std::time::Duration;

use roxmltree::{Document, Node};

const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
const MANAGEMENT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";

/// What a client asks for.
#[derive(Debug)]
pub(crate) enum Operation {
    Identify,
    Create,
    Command {
        name: String,
        arguments: usize,
    },
    Receive {
        command: String,
    },
    Signal {
        command: String,
    },
    Delete,
    /// An action that is none of these.
    Other(String),
}

/// A request, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) message_id: String,
    pub(crate) shell: Option<String>,
    pub(crate) timeout: Duration,
}

impl Request {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document = Document::parse(text).map_err(|error| error.to_string())?;
        let envelope = document.root_element();
        if !envelope.has_tag_name((ENVELOPE, "Envelope")) {
            return Err("it is no SOAP envelope".into());
        }
        let header = child(envelope, ENVELOPE, "Header");
        let body = child(envelope, ENVELOPE, "Body").ok_or("it has no body")?;
        let in_header = |namespace, name| {
            let text = header.and_then(|header| child(header, namespace, name)?.text());
            text.map(|text| text.trim().to_owned())
        };
        let action = in_header(ADDRESSING, "Action").unwrap_or_default();
        let shell = header
            .and_then(|header| child(header, MANAGEMENT, "SelectorSet"))
            .and_then(|selectors| {
                let mut selectors = selectors.children().filter(Node::is_element);
                selectors.find(|selector| selector.attribute("Name") == Some("ShellId"))
            })
            .and_then(|selector| selector.text());
        Ok(Self {
            operation: operation(&action, body),
            message_id: in_header(ADDRESSING, "MessageID").unwrap_or_default(),
            shell: shell.map(|shell| shell.trim().to_owned()),
            timeout: in_header(MANAGEMENT, "OperationTimeout")
                .and_then(|timeout| seconds(&timeout))
                .unwrap_or(Duration::from_secs(60)),
        })
    }
}

fn operation(action: &str, body: Node<'_, '_>) -> Operation {
    if action.is_empty() && child(body, IDENTITY, "Identify").is_some() {
        return Operation::Identify;
    }
    let command = |element: &str, holder: &str| {
        let element = child(body, SHELL, element);
        let holder = match holder {
            "" => element,
            holder => element.and_then(|element| child(element, SHELL, holder)),
        };
        let id = holder.and_then(|holder| holder.attribute("CommandId"));
        id.unwrap_or_default().to_owned()
    };
    let (namespace, verb) = action.rsplit_once('/').unwrap_or_default();
    match (namespace, verb) {
        (TRANSFER, "Create") => Operation::Create,
        (TRANSFER, "Delete") => Operation::Delete,
        (SHELL, "Command") => {
            let line = child(body, SHELL, "CommandLine");
            let name = line.and_then(|line| child(line, SHELL, "Command")?.text());
            let arguments = line.map_or(0, |line| {
                line.children()
                    .filter(|node| node.has_tag_name((SHELL, "Arguments")))
                    .count()
            });
            Operation::Command {
                name: name.unwrap_or_default().trim().trim_matches('"').to_owned(),
                arguments,
            }
        }
        (SHELL, "Receive") => Operation::Receive {
            command: command("Receive", "DesiredStream"),
        },
        (SHELL, "Signal") => Operation::Signal {
            command: command("Signal", ""),
        },
        _ => Operation::Other(action.to_owned()),
    }
}

fn child<'a, 'd>(node: Node<'a, 'd>, namespace: &str, name: &str) -> Option<Node<'a, 'd>> {
    node.children()
        .find(|child| child.has_tag_name((namespace, name)))
}

/// An `xs:duration` of seconds, as clients write it: `PT20S`, `PT60.000S`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_prefix("PT")?.strip_suffix('S')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What a client is answered: the HTTP status, and the SOAP envelope.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// The answer to `request`, whose parts are XML.
pub(crate) fn answer(request: &Request, action: &str, body: &str) -> Answer {
    Answer {
        status: 200,
        body: envelope(request, action, body),
    }
}

/// What a SOAP fault says of an operation that did not come about; WSMan's code, where there is one.
pub(crate) fn fault(request: &Request, code: Option<u32>, reason: &str) -> Answer {
    let detail = code.map_or_else(String::new, |code| {
        let namespace = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
        format!(
            "<s:Detail><f:WSManFault xmlns:f=\"{namespace}\" Code=\"{code}\"><f:Message>{}</f:Message></f:WSManFault></s:Detail>",
            escape(reason)
        )
    });
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:{}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en-US\">{}</s:Text></s:Reason>{detail}</s:Fault>",
        if code.is_some() {
            "TimedOut"
        } else {
            "InvalidParameter"
        },
        escape(reason)
    );
    Answer {
        status: 500,
        body: envelope(request, &format!("{MANAGEMENT}/fault"), &body),
    }
}

fn envelope(request: &Request, action: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{ENVELOPE}\" xmlns:a=\"{ADDRESSING}\" xmlns:w=\"{MANAGEMENT}\" xmlns:x=\"{TRANSFER}\" \
         xmlns:rsp=\"{SHELL}\" xmlns:wsmid=\"{IDENTITY}\" xml:lang=\"en-US\"><s:Header><a:Action>{}</a:Action>\
         <a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>",
        escape(action),
        escape(&request.message_id),
    )
}

pub(crate) fn identified(request: &Request) -> Answer {
    let body = format!(
        "<wsmid:IdentifyResponse><wsmid:ProtocolVersion>{MANAGEMENT}</wsmid:ProtocolVersion>\
         <wsmid:ProductVendor>credssp</wsmid:ProductVendor><wsmid:ProductVersion>{}</wsmid:ProductVersion>\
         </wsmid:IdentifyResponse>",
        env!("CARGO_PKG_VERSION")
    );
    answer(request, "", &body)
}

pub(crate) fn created(request: &Request, shell: &str) -> Answer {
    let body = format!(
        "<x:ResourceCreated><a:Address>/wsman</a:Address><a:ReferenceParameters>\
         <w:ResourceURI>{SHELL}/cmd</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector>\
         </w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId>\
         <rsp:ResourceUri>{SHELL}/cmd</rsp:ResourceUri><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
    );
    answer(request, &format!("{TRANSFER}/CreateResponse"), &body)
}

pub(crate) fn started(request: &Request, command: &str) -> Answer {
    let body = format!(
        "<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"
    );
    answer(request, &format!("{SHELL}/CommandResponse"), &body)
}

/// All that a command has said; the streams are in base64.
pub(crate) fn done(
    request: &Request,
    command: &str,
    streams: &[(&str, String)],
    code: i32,
) -> Answer {
    let mut body = String::from("<rsp:ReceiveResponse>");
    for (name, text) in streams {
        for (text, end) in [(text.as_str(), ""), ("", " End=\"true\"")] {
            let _ = write!(
                body,
                "<rsp:Stream Name=\"{name}\" CommandId=\"{command}\"{end}>{text}</rsp:Stream>"
            );
        }
    }
    let _ = write!(
        body,
        "<rsp:CommandState CommandId=\"{command}\" State=\"{SHELL}/CommandState/Done\">\
         <rsp:ExitCode>{code}</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>"
    );
    answer(request, &format!("{SHELL}/ReceiveResponse"), &body)
}

pub(crate) fn signalled(request: &Request) -> Answer {
    answer(
        request,
        &format!("{SHELL}/SignalResponse"),
        "<rsp:SignalResponse/>",
    )
}

pub(crate) fn deleted(request: &Request) -> Answer {
    answer(request, &format!("{TRANSFER}/DeleteResponse"), "")
}

/// What a client has written comes back as text only.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
