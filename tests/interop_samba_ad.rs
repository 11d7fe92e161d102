//! Our Kerberos client in a domain: Samba is its controller, and MIT's libgssapi the server.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod peer;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::error::KdcError;
use credssp::gss::{
    Initiator, InitiatorRequest, InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::kerberos::Kerberos;
use credssp::{AccountName, Credentials, Error};
use peer::{GssMechanism, GssPeer, GssRole, Peer, SambaAd};

/// What logs on.
struct Client<'a> {
    domain: &'a SambaAd,
    account: &'a str,
    password: &'a str,
    service: &'a str,
    asked: usize,
}

impl<'a> Client<'a> {
    fn new(domain: &'a SambaAd, account: &'a str) -> Self {
        Self {
            domain,
            account,
            password: SambaAd::PASSWORD,
            service: SambaAd::WINRM_SERVICE,
            asked: 0,
        }
    }

    /// The first token for the server.
    fn token(&mut self) -> Result<(Vec<u8>, Box<dyn Initiator>), Error> {
        let account: AccountName = self.account.parse().unwrap();
        let credentials = Credentials::password(account, self.password);
        let target = self.service.parse().unwrap();
        let environment = Environment::default();
        let mut kerberos = Kerberos::default();
        kerberos.initiator.default_realm = Some(SambaAd::REALM.into());
        let request = InitiatorRequest::new(&target, &credentials, &environment);
        let mut step = kerberos.initiator(request).unwrap().step(None);
        loop {
            match step? {
                InitiatorStep::NeedsKdc { request, next } => {
                    self.asked += 1;
                    step = next.step(Ok(self.domain.ask(&request.message)));
                }
                InitiatorStep::NeedsToken { token, next } => return Ok((token, next)),
                _ => panic!("no token"),
            }
        }
    }

    fn meet(&mut self) -> (Box<dyn SecurityContext>, GssPeer) {
        let krb5_conf = format!("krb5_conf={}", self.domain.krb5_conf().display());
        let keytab = format!("keytab={}", self.domain.path("service.keytab").display());
        let options = [&*krb5_conf, &keytab];
        let mut server = GssPeer::start(GssRole::Accept, GssMechanism::Kerberos, &options);
        let (token, next) = self.token().unwrap();
        let answer = server.step(Some(&token)).unwrap();
        match next.step(Some(&answer.token)) {
            Ok(InitiatorStep::Established { context, .. }) => (context, server),
            Ok(_) => panic!("no context"),
            Err(error) => panic!("{error}"),
        }
    }

    fn refused(&mut self) -> KdcError {
        match self.token() {
            Err(Error::Kdc(error)) => error,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{} got a ticket", self.account),
        }
    }
}

#[test]
fn logs_on_by_every_name_that_the_domain_knows() {
    if !(peer::available(Peer::SambaAd) && peer::available(Peer::Gss)) {
        return;
    }
    let domain = SambaAd::start();
    for (account, known, service) in [
        ("alice", "alice", SambaAd::WINRM_SERVICE),
        (r"ADLAB\alice", "alice", SambaAd::RDP_SERVICE),
        (r"AD.EXAMPLE\alice", "alice", SambaAd::HTTP_SERVICE),
        ("alice@ad.example", "alice", SambaAd::RDP_SERVICE),
        (SambaAd::ALICE_UPN, "alice", SambaAd::WINRM_SERVICE),
        (SambaAd::PROTECTED, "protected", SambaAd::RDP_SERVICE),
    ] {
        let mut client = Client::new(&domain, account);
        client.service = service;
        let (mut context, mut server) = client.meet();
        let info = server.info().unwrap();
        let initiator = format!("initiator={known}@AD.EXAMPLE");
        assert!(info.contains(&initiator), "{account} {info:?}");

        let mut sealed = BytesMut::from("message");
        context.wrap_in_place(&mut sealed).unwrap();
        assert_eq!(server.unwrap(&sealed).unwrap().message, b"message");
        let mut sealed = server.wrap(b"answer").unwrap();
        assert_eq!(context.unwrap_in_place(&mut sealed).unwrap(), b"answer");
    }
}

#[test]
fn tells_apart_why_the_domain_refuses() {
    if !peer::available(Peer::SambaAd) {
        return;
    }
    let domain = SambaAd::start();
    for (account, password, expected, asked) in [
        ("alice", "wrong", KdcError::WrongPassword, 2),
        (
            SambaAd::MUST_CHANGE,
            SambaAd::PASSWORD,
            KdcError::PasswordExpired,
            2,
        ),
        (
            SambaAd::DISABLED,
            SambaAd::PASSWORD,
            KdcError::ClientRevoked,
            2,
        ),
        ("nobody", SambaAd::PASSWORD, KdcError::ClientUnknown, 1),
        (
            "nobody@ad.example",
            SambaAd::PASSWORD,
            KdcError::ClientUnknown,
            2,
        ),
    ] {
        let mut client = Client::new(&domain, account);
        client.password = password;
        assert_eq!(client.refused(), expected, "{account}");
        assert_eq!(client.asked, asked, "{account}");
    }
    let mut client = Client::new(&domain, "alice");
    client.service = "TERMSRV/unknown.ad.example";
    assert_eq!(client.refused(), KdcError::ServiceUnknown);
}
