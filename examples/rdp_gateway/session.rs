//! One session: two logons, and what is said behind them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use credssp::credentials::TsCredentials;
use credssp::error::Progress;
use credssp::policy::DelegatedKind;
use credssp::rdp::EarlyUserAuthorization;
use credssp::rdp::client::{self, Selected};
use credssp::rdp::server::{self, Accepted};
use credssp::tls::{Acceptor, Connector};
use credssp::{AccountName, Credentials, ServicePrincipalName, stream};
use serde_json::{Map, Value, json};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time;

use crate::command_line::tls_name;
use crate::connect_pdu::{self, Repeated, Unfit};
use crate::directory::Directory;
use crate::protocol_name::protocol_name;
use crate::splice::{End, Traffic, farewell, splice};

/// How long all of the target's addresses together may take to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// After how long a silence an end is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

type ClientStream = tokio_rustls::server::TlsStream<TcpStream>;
type TargetStream = tokio_rustls::client::TlsStream<TcpStream>;

/// What all sessions share.
pub(crate) struct Gateway {
    pub(crate) acceptor: Acceptor,
    pub(crate) negotiation: server::NegotiationConfig,
    pub(crate) directory: Arc<Directory>,
    pub(crate) connector: Connector,
    pub(crate) target: String,
    pub(crate) spn: ServicePrincipalName,
    /// In place of what clients delegate.
    pub(crate) inject: Option<Credentials>,
    /// For each logon, and for each end's first message behind them together.
    pub(crate) logon_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
}

/// The line about a session, as it grows.
struct Audit(Map<String, Value>);

impl Audit {
    fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    fn failure(&mut self, verdict: &str, failure: &Failure) {
        self.note("verdict", verdict);
        self.note("kind", failure.kind());
        if let Failure::Handshake(error) = failure {
            self.note("step", error.progress().step.to_string());
        }
        self.note("error", failure.to_string());
    }
}

impl Gateway {
    /// Answers one client until its session is over, and tells what became of it.
    ///
    /// `pending` is its place among those who have not logged on yet.
    pub(crate) async fn answer(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        pending: OwnedSemaphorePermit,
    ) -> Value {
        let begin = Instant::now();
        let mut audit = Audit(Map::new());
        audit.note("client", peer.to_string());
        audit.note("target", self.target.as_str());
        self.carry(tcp, pending, &mut audit).await;
        let milliseconds = begin.elapsed().as_millis();
        audit.note("milliseconds", u64::try_from(milliseconds).ok());
        Value::Object(audit.0)
    }

    async fn carry(&self, tcp: TcpStream, pending: OwnedSemaphorePermit, audit: &mut Audit) {
        let (mut client, credentials, accepted) = match self.accept(tcp, audit).await {
            Ok(accepted) => accepted,
            Err(failure) => return audit.failure("client-failed", &failure),
        };
        drop(pending);
        let (mut target, selected) = match self.log_on(credentials, audit).await {
            Ok(target) => target,
            Err(failure) => {
                farewell(client.shutdown()).await;
                return audit.failure("target-failed", &failure);
            }
        };
        let traffic = Traffic::new();
        let connection = connect(&mut client, &mut target, &accepted, &selected, &traffic);
        let connected = time::timeout(self.logon_timeout, connection)
            .await
            .unwrap_or_else(|_| Err(Failure::TimedOut));
        let end = match connected {
            Ok(()) => Ok(splice(client, target, self.idle_timeout, &traffic).await),
            Err(failure) => {
                farewell(async { tokio::join!(client.shutdown(), target.shutdown()) }).await;
                Err(failure)
            }
        };
        match end {
            Ok(end) => {
                audit.note("verdict", "completed");
                audit.note(
                    "end",
                    match end {
                        End::Client => "the client closed the connection",
                        End::Target => "the target closed the connection",
                        End::Idle => "neither end has said anything for too long",
                    },
                );
            }
            Err(failure) => audit.failure("session-failed", &failure),
        }
        let octets = [&traffic.to_target, &traffic.to_client].map(|n| n.load(Ordering::Relaxed));
        let [to_target, to_client] = octets;
        audit.note(
            "octets",
            json!({ "to_target": to_target, "to_client": to_client }),
        );
    }

    /// The client's logon here, and with which credentials to go on.
    async fn accept(
        &self,
        tcp: TcpStream,
        audit: &mut Audit,
    ) -> Result<(ClientStream, Credentials, Accepted), Failure> {
        prepare(&tcp);
        let accepted = self
            .acceptor
            .accept_rdp_async(
                tcp,
                self.negotiation,
                |request| {
                    let directory = self.directory.clone();
                    async move { Ok(directory.look_up(&request.account)) }
                },
                |_| EarlyUserAuthorization::Success,
            )
            .await;
        let (client, complete, accepted) = accepted.inspect_err(|error| {
            let Progress { account, .. } = error.progress();
            audit.note("account", account.as_ref().map(AccountName::to_string));
        })?;
        audit.note("account", complete.account.to_string());
        let cookie = accepted.cookie.as_deref();
        audit.note("logon", {
            json!({
                "mechanism": complete.mechanism.to_string().to_lowercase(),
                "version": complete.version,
                "tls": tls_name(client.get_ref().1.protocol_version()),
                "selected": protocol_name(accepted.selected),
                "restricted_admin": accepted.restricted_admin,
                "delegated": complete.credentials.kind(),
                "cookie": cookie.map(String::from_utf8_lossy),
            })
        });
        let nothing = complete.credentials.delegated_kind() == DelegatedKind::Nothing;
        let credentials = match (&self.inject, complete.credentials) {
            (Some(credentials), _) => credentials.clone(),
            (None, _) if nothing => return Err(Failure::CannotLogOnWith("nothing")),
            (None, TsCredentials::Password(delegated)) => Credentials::password(
                AccountName::new(&delegated.domain_name, &delegated.user_name),
                delegated.password,
            ),
            (None, other) => return Err(Failure::CannotLogOnWith(other.kind())),
        };
        Ok((client, credentials, accepted))
    }

    /// The gateway's own logon at the target.
    async fn log_on(
        &self,
        credentials: Credentials,
        audit: &mut Audit,
    ) -> Result<(TargetStream, Selected), Failure> {
        let account = credentials.account().to_string();
        let tcp = time::timeout(CONNECT_DEADLINE, TcpStream::connect(&self.target))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(Failure::Connect)?;
        prepare(&tcp);
        let negotiation = client::NegotiationConfig::default();
        let connected = self
            .connector
            .connect_rdp_async(tcp, self.spn.clone(), credentials, &negotiation)
            .await;
        let (target, complete, selected) =
            connected.inspect_err(|_| audit.note("target_logon", json!({ "account": account })))?;
        audit.note("target_logon", {
            json!({
                "account": account,
                "spn": self.spn.as_str(),
                "mechanism": complete.mechanism.to_string().to_lowercase(),
                "version": complete.version,
                "tls": tls_name(target.get_ref().1.protocol_version()),
                "proof": complete.proof.to_string(),
                "selected": protocol_name(selected.protocol),
            })
        });
        Ok((target, selected))
    }
}

/// What a connection that may last for days needs; it works without, too.
fn prepare(tcp: &TcpStream) {
    // Each message is one write: nothing is won by waiting for more.
    let _ = tcp.set_nodelay(true);
    // Whoever vanishes without a word would keep a place for ever, where neither end has anything to say.
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / 6);
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
}

/// Passes the first message of each end on, which repeats what was negotiated.
async fn connect(
    client: &mut ClientStream,
    target: &mut TargetStream,
    accepted: &Accepted,
    selected: &Selected,
    traffic: &Traffic,
) -> Result<(), Failure> {
    let client_closed = |error| Failure::Closed("client", error);
    let target_closed = |error| Failure::Closed("target", error);

    let [here, there] =
        [accepted.selected, selected.protocol].map(Repeated::ServerSelectedProtocol);
    let message = connect_pdu::read(client).await.map_err(client_closed)?;
    let message = connect_pdu::mend(message, here, there)?;
    target.write_all(&message).await.map_err(target_closed)?;
    target.flush().await.map_err(target_closed)?;
    traffic.count(&traffic.to_target, message.len());

    let [here, there] =
        [accepted.requested, selected.requested].map(Repeated::ClientRequestedProtocols);
    let message = connect_pdu::read(target).await.map_err(target_closed)?;
    let message = connect_pdu::mend(message, there, here)?;
    client.write_all(&message).await.map_err(client_closed)?;
    client.flush().await.map_err(client_closed)?;
    traffic.count(&traffic.to_client, message.len());
    Ok(())
}

/// Why there was no session.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Handshake(#[from] stream::Error),
    #[error(
        "the client delegated no password ({0}), and this gateway can log on with nothing else: use --inject"
    )]
    CannotLogOnWith(&'static str),
    #[error(
        "cannot connect to the target: {0}: check --target, and that it runs and can be reached"
    )]
    Connect(io::Error),
    #[error("the {0} ended the connection before the session began: {1}")]
    Closed(&'static str, io::Error),
    #[error("the session did not begin in time: --logon-timeout says how long that may take")]
    TimedOut,
    #[error("{0}")]
    Unfit(Unfit),
}

impl Failure {
    fn kind(&self) -> &'static str {
        match self {
            Self::Handshake(error) => error.kind(),
            Self::CannotLogOnWith(_) => "CannotLogOnWith",
            Self::Connect(_) => "Connect",
            Self::Closed(..) => "Closed",
            Self::TimedOut => "TimedOut",
            Self::Unfit(Unfit::Malformed(_)) => "Malformed",
            Self::Unfit(Unfit::Changed { .. }) => "NegotiationChanged",
        }
    }
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}
