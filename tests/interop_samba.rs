//! Logons by Kerberos in a domain: our client, and our server over TLS or MIT's libgssapi; and Samba's domain controller
//! beside them.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

mod logon;
mod loopback;
mod pair;
mod peer;

use std::process::Command;
use std::sync::OnceLock;

use bytes::BytesMut;
use credssp::account::LogonInfo;
use credssp::environment::Environment;
use credssp::error::KdcError;
use credssp::gss::{
    Initiator, InitiatorRequest, InitiatorStep, MechanismProvider, SecurityContext,
};
use credssp::kerberos::Kerberos;
use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::initiator::{ClientName, ClientSecret};
use credssp::{AccountName, Credentials, Error};
use logon::{Logon, PASSWORD, assert_delegated};
use peer::{GssMechanism, GssPeer, GssRole, Peer, SambaAd};

const REALM: &str = SambaAd::REALM;

/// The domain of all tests here, which takes its time to start; `None` where it is missing.
fn domain() -> Option<&'static SambaAd> {
    static DOMAIN: OnceLock<SambaAd> = OnceLock::new();
    peer::available(Peer::SambaAd).then(|| DOMAIN.get_or_init(SambaAd::start))
}

fn logon(domain: &SambaAd, account: &str, target: &str) -> Logon {
    let keytab = domain.path("service.keytab");
    Logon::new(domain.address(), &keytab, account, target)
}

/// What the domain's own database says of an account.
fn attribute(domain: &SambaAd, account: &str, attribute: &str) -> String {
    let database = domain.path("private/sam.ldb");
    let output = Command::new("samba-tool")
        .args(["user", "show", account, "--attributes", attribute, "-H"])
        .arg(database)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let prefix = format!("{attribute}: ");
    let line = said.lines().find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[track_caller]
fn check(info: &LogonInfo, name: &str, upn: &str, sid: &str) {
    assert_eq!(info.upn.as_deref(), Some(upn));
    assert_eq!(info.dns_domain.as_deref(), Some(REALM));
    assert_eq!(info.sam_name.as_deref(), Some(name));
    assert_eq!(info.sid.as_deref(), Some(sid));
    let (domain, _) = sid.rsplit_once('-').unwrap();
    let domain_users = format!("{domain}-513");
    assert!(
        info.group_sids.iter().any(|group| **group == *domain_users),
        "{info:?}"
    );
}

#[test]
fn an_account_is_the_same_by_each_of_its_names() {
    let Some(domain) = domain() else {
        return;
    };
    let sid = attribute(domain, "alice", "objectSid");
    for (number, (account, [delegated_domain, user])) in [
        (SambaAd::ALICE_UPN, ["", SambaAd::ALICE_UPN]),
        ("alice@AD.EXAMPLE", ["", "alice@AD.EXAMPLE"]),
        ("Alice@ad.example", ["", "Alice@ad.example"]),
        (r"ADLAB\alice", ["ADLAB", "alice"]),
        (r"AD.EXAMPLE\alice", [REALM, "alice"]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut logon = logon(domain, account, SambaAd::RDP_SERVICE);
        // Whose KDC knows names with suffixes that are no realm's.
        logon.initiator.default_realm = Some(REALM.into());
        let outcome = if number % 2 == 0 {
            logon.run()
        } else {
            logon.run_async()
        };
        let server = outcome.assert_kerberos(REALM, "alice");
        assert_delegated(&server, [delegated_domain, user, PASSWORD]);
        check(
            &server.logon_info.unwrap(),
            "alice",
            SambaAd::ALICE_UPN,
            &sid,
        );
    }
}

#[test]
fn one_keytab_serves_all_services_and_all_users() {
    let Some(domain) = domain() else {
        return;
    };
    for (account, service) in [
        ("bob", SambaAd::WINRM_SERVICE),
        ("Éva日本", SambaAd::RDP_SERVICE),
        ("bob", SambaAd::HTTP_SERVICE),
    ] {
        let logon = logon(domain, &format!(r"{REALM}\{account}"), service);
        let server = logon.run().assert_kerberos(REALM, account);
        assert_delegated(&server, [REALM, account, PASSWORD]);
        let sid = attribute(domain, account, "objectSid");
        // It has none of its own.
        let upn = format!("{account}@ad.example");
        check(&server.logon_info.unwrap(), account, &upn, &sid);
    }
}

#[test]
fn protected_users_log_on_with_aes() {
    let Some(domain) = domain() else {
        return;
    };
    let account = format!(r"{REALM}\{}", SambaAd::PROTECTED);
    let logon = logon(domain, &account, SambaAd::RDP_SERVICE);
    let server = logon.run().assert_kerberos(REALM, SambaAd::PROTECTED);
    let groups = server.logon_info.unwrap().group_sids;
    assert!(
        groups.iter().any(|group| group.ends_with("-525")),
        "{groups:?}"
    );
}

#[cfg(feature = "rc4-hmac")]
#[test]
fn protected_users_do_not_log_on_with_rc4() {
    use std::sync::Arc;

    use credssp::kerberos::acceptor::ServiceCredentials;
    use credssp::kerberos::crypto::EncryptionType;
    use credssp::stream::files::read_keytab;

    let Some(domain) = domain() else {
        return;
    };
    let by_rc4 = |account| {
        let account = format!(r"{REALM}\{account}");
        let mut logon = logon(domain, &account, SambaAd::RDP_SERVICE);
        logon.initiator.encryption_types = vec![EncryptionType::Rc4Hmac];
        let keytab = read_keytab(domain.path("service.keytab")).unwrap();
        let permitted = [EncryptionType::Rc4Hmac, EncryptionType::Aes256Sha1];
        let credentials = ServiceCredentials::new(keytab).encryption_types(&permitted);
        logon.acceptor = Some(Arc::new(credentials));
        logon.run()
    };
    by_rc4("alice").assert_kerberos(REALM, "alice");
    let error = by_rc4(SambaAd::PROTECTED).client_error();
    assert!(
        matches!(error, Error::Kdc(KdcError::NoCommonEncryptionType)),
        "{error}"
    );
}

#[test]
fn why_a_logon_is_refused_is_told_apart_and_ntlm_is_not_tried() {
    let Some(domain) = domain() else {
        return;
    };
    for (account, password, expected) in [
        ("alice", "wrong", KdcError::WrongPassword),
        ("nobody", PASSWORD, KdcError::ClientUnknown),
        (SambaAd::DISABLED, PASSWORD, KdcError::ClientRevoked),
        (SambaAd::EXPIRED, PASSWORD, KdcError::ClientRevoked),
        (SambaAd::MUST_CHANGE, PASSWORD, KdcError::PasswordExpired),
    ] {
        let account = format!(r"{REALM}\{account}");
        let mut logon = logon(domain, &account, SambaAd::RDP_SERVICE).with_ntlm(true);
        logon.password = password.to_owned();
        let outcome = logon.run();
        match outcome.client_error() {
            Error::Kdc(error) => assert_eq!(error, expected, "{account}"),
            error => panic!("{account}: {error}"),
        }
        assert_eq!(outcome.server.err().unwrap().progress().peer_version, None);
    }
}

#[test]
fn a_service_that_the_domain_does_not_have_gets_ntlm() {
    let Some(domain) = domain() else {
        return;
    };
    let target = "TERMSRV/nobody.ad.example";
    let logon = logon(domain, r"AD.EXAMPLE\alice", target).with_ntlm(true);
    let reason = logon.run().assert_fallback();
    assert!(
        matches!(reason, Error::Kdc(KdcError::ServiceUnknown)),
        "{reason}"
    );
}

#[test]
fn a_service_without_a_keytab_is_served_by_user_to_user() {
    let Some(domain) = domain() else {
        return;
    };
    let owner = PrincipalName::new(PrincipalName::PRINCIPAL, &[SambaAd::RDP_ACCOUNT]);
    for owner in [Some(owner), None] {
        let mut logon = logon(domain, r"AD.EXAMPLE\alice", SambaAd::RDP_SERVICE);
        let service = AccountName::new(REALM, SambaAd::RDP_ACCOUNT);
        let secret = ClientSecret::Password(PASSWORD.into());
        logon.serve_user_to_user(ClientName::of(&service, ""), secret);
        logon.initiator.user_to_user = true;
        logon.initiator.user_to_user_owner = owner;
        let server = logon.run().assert_kerberos(REALM, "alice");
        assert_delegated(&server, [REALM, "alice", PASSWORD]);
        let sid = attribute(domain, "alice", "objectSid");
        check(
            &server.logon_info.unwrap(),
            "alice",
            SambaAd::ALICE_UPN,
            &sid,
        );
    }
}

/// What logs on without CredSSP, MIT's libgssapi being the server.
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
fn mit_s_server_knows_the_account_by_every_name() {
    let Some(domain) = domain().filter(|_| peer::available(Peer::Gss)) else {
        return;
    };
    for (account, known, service) in [
        ("alice", "alice", SambaAd::WINRM_SERVICE),
        (r"ADLAB\alice", "alice", SambaAd::RDP_SERVICE),
        (r"AD.EXAMPLE\alice", "alice", SambaAd::HTTP_SERVICE),
        ("alice@ad.example", "alice", SambaAd::RDP_SERVICE),
        (SambaAd::ALICE_UPN, "alice", SambaAd::WINRM_SERVICE),
        (SambaAd::PROTECTED, "protected", SambaAd::RDP_SERVICE),
    ] {
        let mut client = Client::new(domain, account);
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
fn a_refused_password_is_not_tried_again() {
    let Some(domain) = domain() else {
        return;
    };
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
        let mut client = Client::new(domain, account);
        client.password = password;
        assert_eq!(client.refused(), expected, "{account}");
        assert_eq!(client.asked, asked, "{account}");
    }
    let mut client = Client::new(domain, "alice");
    client.service = "TERMSRV/unknown.ad.example";
    assert_eq!(client.refused(), KdcError::ServiceUnknown);
}
