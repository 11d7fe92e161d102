//! The `sspi` crate's Kerberos in both roles, with tickets of Samba's KDC: its CredSSP, which always is user-to-user, and
//! the adapter `credssp::sspi`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod peer;
mod sspi_peer;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use credssp::client::{self, Client, ClientConfig};
use credssp::credentials::TsCredentials;
use credssp::environment::Environment;
use credssp::error::{Error, HandshakeError};
use credssp::gss::MechanismProvider;
use credssp::kdc::KdcTransport;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::initiator::{ClientName, ClientSecret, InitiatorOptions};
use credssp::kerberos::keytab::Keytab;
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::server::{self, ServerConfig};
use credssp::stream::kdc::{self, KdcClient};
use credssp::ts_request::ServerPublicKey;
use credssp::{AccountName, Credentials, DelegationPolicy};
use peer::{Peer, SambaAd};
use sspi::credssp::{ClientMode, ServerMode};
use sspi::kerberos::ServerProperties;
use sspi::{
    AuthIdentity, AuthIdentityBuffers, CredentialsBuffers, KerberosConfig, KerberosServerConfig,
    NegotiateConfig, Username,
};
use sspi_peer::{Failure, KEY};

const USER: &str = "alice";

/// Where their messages would go, were they not carried by the test.
const KDC_URL: &str = "tcp://kdc.invalid:88";

/// A domain, and who carries messages to its KDC.
struct Domain {
    samba: SambaAd,
    kdc: KdcClient,
}

impl Domain {
    /// `None` where the peer is missing.
    fn start() -> Option<Self> {
        peer::available(Peer::SambaAd).then(|| {
            let samba = SambaAd::start();
            let address = samba.address().to_string().parse().unwrap();
            Self {
                samba,
                kdc: KdcClient::default().with_realm(SambaAd::REALM, [address]),
            }
        })
    }

    /// Our server with a keytab or, for user-to-user, its own ticket-granting ticket.
    fn our_server(&self, user_to_user: bool) -> ServerConfig {
        let credentials = if user_to_user {
            let name = PrincipalName::new(PrincipalName::PRINCIPAL, &[SambaAd::RDP_ACCOUNT]);
            let secret = ClientSecret::Password(SambaAd::PASSWORD.into());
            let client = ClientName::new(SambaAd::REALM, name);
            let ticket = kdc::log_on(
                &self.kdc,
                client,
                secret,
                &InitiatorOptions::default(),
                &Environment::default(),
            )
            .unwrap();
            let tgt = ServiceTgt::new();
            tgt.set(ticket);
            ServiceCredentials::new(Keytab::parse(&[5, 2]).unwrap()).service_tgt_of(Arc::new(tgt))
        } else {
            let file = fs::read(self.samba.path("service.keytab")).unwrap();
            ServiceCredentials::new(Keytab::parse(&file).unwrap())
        };
        let mut kerberos = Kerberos::default();
        kerberos.acceptor = Some(Arc::new(credentials));
        ServerConfig::with_mechanisms(vec![Arc::new(kerberos)])
    }

    /// Our client with a mechanism of its own, and our server.
    fn ours(
        &self,
        mechanism: impl MechanismProvider + 'static,
        negotiation: Negotiation,
        password: &str,
        server: ServerConfig,
    ) -> Result<(client::Complete, server::Complete), HandshakeError> {
        let mut server = server::Server::new(server, key()).start()?;
        let mut out = bytes::BytesMut::new();
        let mut replies = bytes::BytesMut::new();
        let mut client = our_client(mechanism, negotiation, password).start(&mut out)?;
        loop {
            match client {
                client::Handshake::NeedsKdc(state) => {
                    let reply = KdcTransport::ask(&self.kdc, state.request(), None);
                    client = state.continue_with(reply, &mut out)?;
                    continue;
                }
                client::Handshake::NeedsInput(_) | client::Handshake::Complete(_) => {}
                state => panic!("{state:?}"),
            }
            server = match (server.process(&mut out, &mut replies)?, &client) {
                (server::Handshake::NeedsInput(state), _) => state,
                (server::Handshake::Complete(theirs), client::Handshake::Complete(ours)) => {
                    return Ok((ours.clone(), theirs));
                }
                (state, _) => panic!("{state:?}"),
            };
            client = match client {
                client::Handshake::NeedsInput(state) => state.process(&mut replies, &mut out)?,
                state => panic!("{state:?}"),
            };
        }
    }
}

fn key() -> ServerPublicKey {
    ServerPublicKey::from_subject_public_key(&KEY)
}

fn our_client(
    mechanism: impl MechanismProvider + 'static,
    negotiation: Negotiation,
    password: &str,
) -> Client {
    let policy = DelegationPolicy::windows_defaults();
    let mut config = ClientConfig::with_mechanisms(policy, vec![Arc::new(mechanism)]);
    config.negotiation = negotiation;
    Client::new(
        config,
        SambaAd::RDP_SERVICE.parse().unwrap(),
        Credentials::password(AccountName::new(SambaAd::REALM, USER), password),
        key(),
    )
}

fn assert_delegated(complete: &server::Complete) {
    assert_eq!(complete.mechanism, Mechanism::Kerberos);
    assert_eq!(complete.account, AccountName::new(SambaAd::REALM, USER));
    let TsCredentials::Password(credentials) = &complete.credentials else {
        panic!("not a password: {complete:?}");
    };
    assert_eq!(&*credentials.user_name, USER);
    assert_eq!(credentials.password.expose(), SambaAd::PASSWORD);
}

/// Their client's and their server's way to Kerberos alone.
fn negotiate(config: Box<dyn sspi::negotiate::ProtocolConfig>) -> NegotiateConfig {
    let packages = Some("kerberos,!ntlm".to_owned());
    NegotiateConfig::new(config, packages, "WORKSTATION".to_owned())
}

fn their_config() -> KerberosConfig {
    KerberosConfig::new_with_kdc_url(KDC_URL, "WORKSTATION".to_owned())
}

#[test]
fn their_client_delegates_to_our_server_by_user_to_user() {
    let Some(domain) = Domain::start() else {
        return;
    };
    let delegate = |password| {
        let account = sspi_peer::their_account(SambaAd::REALM, USER, password);
        let mode = ClientMode::Negotiate(negotiate(Box::new(their_config())));
        let client = sspi_peer::their_client(mode, account, SambaAd::RDP_SERVICE, &KEY);
        let nobody = AccountName::new("", "");
        sspi_peer::to_our_server(client, domain.our_server(true), &nobody, "", &domain.kdc)
    };
    assert_delegated(&delegate(SambaAd::PASSWORD).unwrap());
    assert!(matches!(delegate("wrong"), Err(Failure::Theirs(_))));
}

#[test]
fn our_client_delegates_to_their_server_by_user_to_user() {
    let Some(domain) = Domain::start() else {
        return;
    };
    let owner =
        AuthIdentityBuffers::from_utf8(SambaAd::RDP_ACCOUNT, SambaAd::REALM, SambaAd::PASSWORD);
    let service: Vec<_> = SambaAd::RDP_SERVICE.split('/').collect();
    let properties = ServerProperties::new(
        &service,
        Some(CredentialsBuffers::AuthIdentity(owner)),
        Duration::from_secs(300),
        None,
    )
    .unwrap();
    let mode = ServerMode::Negotiate(negotiate(Box::new(KerberosServerConfig {
        kerberos_config: their_config(),
        server_properties: properties,
    })));
    let mut kerberos = Kerberos::default();
    kerberos.initiator.user_to_user = true;
    // They look for the client among their accounts by the ticket's name, with the realm as a suffix in small letters.
    let known = AuthIdentity {
        username: Username::new_upn(USER, &SambaAd::REALM.to_lowercase()).unwrap(),
        password: SambaAd::PASSWORD.to_owned().into(),
    };
    let client = our_client(kerberos, Negotiation::Spnego, SambaAd::PASSWORD);
    let (complete, received) =
        sspi_peer::to_their_server(client, mode, known, &domain.kdc).unwrap();
    assert_eq!(complete.mechanism, Mechanism::Kerberos);
    assert_eq!(received.username.account_name(), USER);
}

#[test]
fn the_adapter_delegates_to_our_server_through_its_kdc() {
    let Some(domain) = Domain::start() else {
        return;
    };
    for (user_to_user, negotiation) in [
        (false, Negotiation::Spnego),
        (false, Negotiation::Bare),
        (true, Negotiation::Bare),
    ] {
        let run = |password| {
            let adapter = credssp::sspi::Kerberos::default().user_to_user(user_to_user);
            let server = domain.our_server(user_to_user);
            domain.ours(adapter, negotiation, password, server)
        };
        let (ours, theirs) = run(SambaAd::PASSWORD)
            .unwrap_or_else(|error| panic!("{user_to_user}, {negotiation:?}: {error}"));
        assert_eq!(ours.mechanism, Mechanism::Kerberos);
        assert_delegated(&theirs);

        let error = run("wrong").unwrap_err().error;
        assert!(matches!(error, Error::Other(_)), "{error}");
    }
}
