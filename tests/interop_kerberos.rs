//! Kerberos from credentials to protected messages: MIT's krb5kdc issues the tickets, and MIT's libgssapi is the server.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::gss::{
    ChannelBindings, Initiator, InitiatorRequest, InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::kerberos::Kerberos;
use credssp::mechanism::Mechanism;
use credssp::spnego;
use credssp::{AccountName, Credentials, Error, ServicePrincipalName};
use peer::{GssError, GssMechanism, GssPeer, GssRole, MitKdc, Peer};

const HOST: &str = "server.test.example";

const FRAMINGS: [GssMechanism; 2] = [GssMechanism::Kerberos, GssMechanism::SpnegoKerberos];

/// Which of the two refused, and how.
#[derive(Debug)]
enum Refusal {
    Ours(Error),
    Peer(GssError),
}

/// A logon and its server.
struct Meeting<'a> {
    kdc: &'a MitKdc,
    framing: GssMechanism,
    kerberos: Kerberos,
    account: &'a str,
    password: &'a str,
    host: &'a str,
    bindings: Option<ChannelBindings>,
    environment: Environment,
    /// Options of the server.
    server: Vec<String>,
    /// How often the KDC was asked.
    asked: usize,
}

impl<'a> Meeting<'a> {
    fn new(kdc: &'a MitKdc, framing: GssMechanism) -> Self {
        Self {
            kdc,
            framing,
            kerberos: Kerberos::default(),
            account: r"TEST.EXAMPLE\alice",
            password: MitKdc::PASSWORD,
            host: HOST,
            bindings: None,
            environment: Environment::default(),
            server: Vec::new(),
            asked: 0,
        }
    }

    fn initiator(&self) -> Box<dyn Initiator> {
        let account: AccountName = self.account.parse().unwrap();
        let credentials = Credentials::password(account, self.password);
        let target = ServicePrincipalName::termsrv(self.host).unwrap();
        let mut request = InitiatorRequest::new(&target, &credentials, &self.environment);
        if let Some(bindings) = &self.bindings {
            request = request.with_channel_bindings(bindings);
        }
        if matches!(self.framing, GssMechanism::Kerberos) {
            return self.kerberos.initiator(request).unwrap();
        }
        let kerberos: Arc<dyn MechanismProvider> = Arc::new(self.kerberos.clone());
        Box::new(spnego::Initiator::new(&[kerberos], request).unwrap())
    }

    /// Until our side is done or either refuses.
    fn meet(&mut self) -> Result<(Box<dyn SecurityContext>, GssPeer), Refusal> {
        let initiator = self.initiator();
        let krb5_conf = format!("krb5_conf={}", self.kdc.krb5_conf().display());
        let keytab = format!("keytab={}", self.kdc.path("service.keytab").display());
        let mut options = vec![krb5_conf.as_str(), &keytab];
        options.extend(self.server.iter().map(String::as_str));
        let mut server = GssPeer::start(GssRole::Accept, self.framing, &options);
        let mut step = initiator.step(None);
        loop {
            match step.map_err(Refusal::Ours)? {
                InitiatorStep::NeedsKdc { request, next } => {
                    self.asked += 1;
                    step = next.step(Ok(self.kdc.ask(&request.message)));
                }
                InitiatorStep::NeedsToken { token, next } => {
                    let answer = server.step(Some(&token)).map_err(Refusal::Peer)?;
                    step = next.step(Some(&answer.token));
                }
                InitiatorStep::Established { token, mut context } => {
                    if let Some(token) = token {
                        let answer = server.step(Some(&token)).map_err(Refusal::Peer)?;
                        assert!(answer.complete);
                        context
                            .finish(Some(&answer.token).filter(|t| !t.is_empty()).map(|t| &**t))
                            .map_err(Refusal::Ours)?;
                    } else {
                        context.finish(None).map_err(Refusal::Ours)?;
                    }
                    return Ok((context, server));
                }
                _ => unreachable!(),
            }
        }
    }
}

fn wrap(context: &mut dyn SecurityContext, message: &[u8]) -> Vec<u8> {
    let mut sealed = BytesMut::from(message);
    context.wrap_in_place(&mut sealed).unwrap();
    sealed.to_vec()
}

/// Sealed and signed messages in both directions, in each layout that the server has.
fn talk(ours: &mut dyn SecurityContext, server: &mut GssPeer) {
    assert_eq!(ours.mechanism(), Mechanism::Kerberos);
    for message in [&b"first message"[..], b"2", &[0x5a; 20_000]] {
        let sealed = wrap(ours, message);
        let opened = server.unwrap(&sealed).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));

        let mut sealed = server.wrap(message).unwrap();
        assert_eq!(ours.unwrap_in_place(&mut sealed).unwrap(), message);

        let (header, sealed) = server.wrap_iov(message).unwrap();
        let mut token = [header, sealed].concat();
        assert_eq!(ours.unwrap_in_place(&mut token).unwrap(), message);

        let sealed = wrap(ours, message);
        let (header, sealed) = sealed.split_at(sealed.len() - message.len());
        let opened = server.unwrap_iov(header, sealed).unwrap();
        assert_eq!((&*opened.message, opened.encrypted), (message, true));

        let mut mic = Vec::new();
        ours.get_mic(message, &mut mic).unwrap();
        server.verify(message, &mic).unwrap();

        let mic = server.mic(message).unwrap();
        ours.verify_mic(message, &mic).unwrap();
    }
}

fn peers_are_available() -> bool {
    peer::available(Peer::MitKdc) && peer::available(Peer::Gss)
}

#[test]
fn seals_and_signs_for_a_server_that_proves_itself() {
    if !peers_are_available() {
        return;
    }
    let kdc = MitKdc::start();
    for framing in FRAMINGS {
        let mut meeting = Meeting::new(&kdc, framing);
        let (mut context, mut server) = meeting.meet().unwrap();
        // Without and with the timestamp, and for the service.
        assert_eq!(meeting.asked, 3);
        let info = server.info().unwrap();
        for expected in [
            "initiator=alice@TEST.EXAMPLE",
            "target=TERMSRV/server.test.example@TEST.EXAMPLE",
            "mechanism=1.2.840.113554.1.2.2",
        ] {
            assert!(info.iter().any(|word| word == expected), "{info:?}");
        }
        talk(&mut *context, &mut server);
    }
}
