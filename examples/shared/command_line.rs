//! What the command lines of the client and of the server have in common.

use std::io::{self, Write};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use credssp::gss::MechanismProvider;
use credssp::kerberos::Kerberos;
use credssp::mechanism::Negotiation;
use credssp::ntlm::Ntlm;
use credssp::tls::TlsVersions;
use rustls::ProtocolVersion;
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

/// Exit status: the connection failed.
pub(crate) const TRANSPORT: u8 = 3;

#[derive(Args)]
pub(crate) struct Protocol {
    /// Kerberos where that is possible, else NTLM; or one of them alone. NTLM alone travels without SPNEGO, as Remote
    /// Desktop clients send it where Kerberos is impossible
    #[arg(long, value_enum, default_value = "negotiate")]
    mechanism: MechanismOption,
    /// Speak this version of TLS only, instead of both
    #[arg(long, value_enum)]
    tls: Option<TlsOption>,
    /// The lowest CredSSP version to accept, 2 to 6; below 5 the exchange is open to CVE-2018-0886 [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=6))]
    min_version: Option<u32>,
    /// The CredSSP version to claim, 2 to 6 [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=6))]
    own_version: Option<u32>,
}

impl Protocol {
    pub(crate) fn negotiation(&self) -> Negotiation {
        match self.mechanism {
            MechanismOption::Negotiate | MechanismOption::Kerberos => Negotiation::Spnego,
            MechanismOption::Ntlm => Negotiation::Bare,
        }
    }

    /// The mechanisms, of which `kerberos` may be missing.
    pub(crate) fn mechanisms(
        &self,
        kerberos: Option<Kerberos>,
    ) -> Result<Vec<Arc<dyn MechanismProvider>>, String> {
        let ntlm = Arc::new(Ntlm::default());
        match (self.mechanism, kerberos) {
            (MechanismOption::Negotiate, Some(kerberos)) => Ok(vec![Arc::new(kerberos), ntlm]),
            (MechanismOption::Negotiate, None) | (MechanismOption::Ntlm, _) => Ok(vec![ntlm]),
            (MechanismOption::Kerberos, Some(kerberos)) => Ok(vec![Arc::new(kerberos)]),
            (MechanismOption::Kerberos, None) => Err(
                "--mechanism kerberos: a client needs --kdc, --krb5-conf, --kdc-proxy or --ccache, a server --keytab"
                    .into(),
            ),
        }
    }

    pub(crate) fn tls_versions(&self) -> TlsVersions {
        match self.tls {
            None => TlsVersions::All,
            Some(TlsOption::Tls12) => TlsVersions::Tls12,
            Some(TlsOption::Tls13) => TlsVersions::Tls13,
        }
    }

    /// Our own CredSSP version and the lowest to accept, where the configuration's are `own` and `min`.
    pub(crate) fn versions(&self, own: u32, min: u32) -> Result<(u32, u32), String> {
        let (own, min) = (
            self.own_version.unwrap_or(own),
            self.min_version.unwrap_or(min),
        );
        if min > own {
            return Err(format!(
                "--own-version {own} is below {min}, the lowest version to accept: lower that by name too, with \
                 --min-version {own} (versions below 5 are open to CVE-2018-0886)"
            ));
        }
        Ok((own, min))
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum MechanismOption {
    Negotiate,
    Kerberos,
    Ntlm,
}

#[derive(Clone, Copy, ValueEnum)]
enum TlsOption {
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

/// Logs to stderr what `RUST_LOG` asks for (`debug` shows each message's size and fields); warnings by default.
pub(crate) fn log_to_stderr() {
    let level = std::env::var("RUST_LOG").ok();
    let level = level.and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level.unwrap_or(LevelFilter::WARN))
        .init();
}

/// Prints one line of JSON at once, for a program that reads us through a pipe, or for a terminal, which is to obey none of
/// what peers have said.
pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    let mut line = String::new();
    for c in value.to_string().chars() {
        match c {
            // JSON itself does without them, and serde_json leaves those above space as they are.
            _ if c.is_control() => line += &format!("\\u{:04x}", u32::from(c)),
            _ => line.push(c),
        }
    }
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

pub(crate) fn tls_name(version: Option<ProtocolVersion>) -> Option<&'static str> {
    match version? {
        ProtocolVersion::TLSv1_2 => Some("1.2"),
        ProtocolVersion::TLSv1_3 => Some("1.3"),
        _ => None,
    }
}
