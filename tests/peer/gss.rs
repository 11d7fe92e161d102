use std::ffi::OsString;
use std::fmt;

use super::{Peer, Process};

#[derive(Clone, Copy, Debug)]
pub enum GssRole {
    Initiate,
    Accept,
}

#[derive(Clone, Copy, Debug)]
pub enum GssMechanism {
    /// Kerberos' tokens as they are (RFC 4121).
    Kerberos,
    /// NTLM's messages as they are.
    Ntlm,
    /// Kerberos inside SPNEGO.
    SpnegoKerberos,
    /// NTLM inside SPNEGO.
    SpnegoNtlm,
    /// SPNEGO that prefers Kerberos; an initiator without `ccache=` has a ticket that nobody can decrypt.
    SpnegoKerberosNtlm,
}

/// One side of a GSS exchange in MIT's libgssapi with gss-ntlmssp.
pub struct GssPeer {
    process: Process,
}

/// What a step gave.
#[derive(Debug)]
pub struct GssStep {
    /// What the other side must get; empty for nothing.
    pub token: Vec<u8>,
    pub complete: bool,
}

#[derive(Debug)]
pub struct GssUnwrapped {
    pub message: Vec<u8>,
    pub encrypted: bool,
}

/// A call that GSS-API refused.
#[derive(Debug)]
pub struct GssError {
    /// The exception's name, as python3-gssapi calls it: `BadMICError`.
    pub kind: String,
    /// What the other side should still be told; empty for nothing.
    pub token: Vec<u8>,
    pub message: String,
}

impl GssPeer {
    /// Starts one side; `options` as `gss_peer.py` tells them at its top: `user=CORP\alice`.
    pub fn start(role: GssRole, mechanism: GssMechanism, options: &[&str]) -> Self {
        let role = match role {
            GssRole::Initiate => "initiate",
            GssRole::Accept => "accept",
        };
        let mechanism = match mechanism {
            GssMechanism::Kerberos => "krb5",
            GssMechanism::Ntlm => "ntlm",
            GssMechanism::SpnegoKerberos => "spnego:krb5",
            GssMechanism::SpnegoNtlm => "spnego:ntlm",
            GssMechanism::SpnegoKerberosNtlm => "spnego:krb5,ntlm",
        };
        let script = Peer::script("gss_peer.py").into_os_string();
        let arguments = [script, role.into(), mechanism.into()]
            .into_iter()
            .chain(options.iter().map(OsString::from));
        let mut process = Process::start(Peer::Gss.python().as_os_str(), arguments);
        let ready = process.line();
        assert_eq!(ready, "ok ready");
        Self { process }
    }

    /// Takes the other side's token (none at the initiator's first step) and gives the next.
    pub fn step(&mut self, token: Option<&[u8]>) -> Result<GssStep, GssError> {
        let answer = self.ask("step", &[token.unwrap_or_default()])?;
        Ok(GssStep {
            token: bytes(&answer, 0),
            complete: flag(&answer, "complete=1"),
        })
    }

    pub fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, GssError> {
        Ok(bytes(&self.ask("wrap", &[message])?, 0))
    }

    pub fn unwrap(&mut self, token: &[u8]) -> Result<GssUnwrapped, GssError> {
        Ok(unwrapped(&self.ask("unwrap", &[token])?))
    }

    /// Seals as Windows' EncryptMessage does: a header, and as many octets as the message has.
    pub fn wrap_iov(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), GssError> {
        let answer = self.ask("wrapiov", &[message])?;
        Ok((bytes(&answer, 0), bytes(&answer, 1)))
    }

    pub fn unwrap_iov(&mut self, header: &[u8], message: &[u8]) -> Result<GssUnwrapped, GssError> {
        Ok(unwrapped(&self.ask("unwrapiov", &[header, message])?))
    }

    pub fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, GssError> {
        Ok(bytes(&self.ask("mic", &[message])?, 0))
    }

    pub fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), GssError> {
        let answer = self.ask("verify", &[message, mic])?;
        assert_eq!(answer, ["verified"]);
        Ok(())
    }

    /// What was established: `initiator=NAME`, `mechanism=OID`, `flags=A|B`; with Kerberos also `target=NAME`,
    /// `lifetime=SECONDS`.
    pub fn info(&mut self) -> Result<Vec<String>, GssError> {
        self.ask("info", &[])
    }

    fn ask(&mut self, command: &str, arguments: &[&[u8]]) -> Result<Vec<String>, GssError> {
        let mut line = command.to_owned();
        for argument in arguments {
            line.push(' ');
            line.push_str(&to_hex(argument));
        }
        self.process.tell(&line);
        let answer = self.process.line();
        let mut words = answer.split(' ').map(str::to_owned);
        match words.next().as_deref() {
            Some("ok") => Ok(words.collect()),
            Some("err") => Err(GssError {
                kind: words.next().unwrap_or_default(),
                token: from_hex(&words.next().unwrap_or_default()),
                message: words.collect::<Vec<_>>().join(" "),
            }),
            _ => panic!("the GSS peer said {answer:?}"),
        }
    }
}

impl fmt::Display for GssError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

fn unwrapped(answer: &[String]) -> GssUnwrapped {
    GssUnwrapped {
        message: bytes(answer, 0),
        encrypted: flag(answer, "encrypted=1"),
    }
}

fn flag(answer: &[String], word: &str) -> bool {
    answer.iter().any(|found| found == word)
}

fn bytes(answer: &[String], at: usize) -> Vec<u8> {
    from_hex(
        answer
            .get(at)
            .unwrap_or_else(|| panic!("no bytes in {answer:?}")),
    )
}

/// `-` stands for no bytes.
fn to_hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .unwrap_or_else(|| panic!("{text:?} is no hex"))
        })
        .collect();
    assert!(digits.len().is_multiple_of(2), "{text:?} is no hex");
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}
