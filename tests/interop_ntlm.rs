//! NTLM without SPNEGO around it, against gss-ntlmssp in both roles.

#![cfg(feature = "ntlm")]
#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::error::{AuthenticationFailure, Error};
use credssp::gss::{
    AcceptorRequest, AcceptorStep, ChannelBindings, InitiatorRequest, InitiatorStep,
    MechanismProvider, SecurityContext,
};
use credssp::ntlm::Ntlm;
use credssp::{Account, AccountName, Credentials, ServicePrincipalName};
use peer::{GssMechanism, GssPeer, GssRole, Peer};

mod peer;

const PASSWORD: &str = "pass-canary";
const ACCOUNT: &str = r"account=CORP\alice:pass-canary";
/// Application data of channel bindings, and how the peer takes it.
const BINDINGS: (&[u8], &str) = (b"\xc0\xff\xee", "cb=c0ffee");

/// Logs on to gss-ntlmssp, which has `options`; its refusal is `None`.
fn log_on(
    password: &str,
    bindings: Option<&[u8]>,
    options: &[&str],
) -> Option<(Box<dyn SecurityContext>, GssPeer)> {
    let mut peer = GssPeer::start(
        GssRole::Accept,
        GssMechanism::Ntlm,
        &[&[ACCOUNT], options].concat(),
    );
    let target = ServicePrincipalName::termsrv("localhost").unwrap();
    let credentials = Credentials::password(AccountName::new("CORP", "alice"), password);
    let environment = Environment::default();
    let bindings = bindings.map(ChannelBindings::from_application_data);
    let mut request = InitiatorRequest::new(&target, &credentials, &environment);
    if let Some(bindings) = &bindings {
        request = request.with_channel_bindings(bindings);
    }

    let initiator = Ntlm::default().initiator(request).unwrap();
    let InitiatorStep::NeedsToken { token, next } = initiator.step(None).unwrap() else {
        panic!("no offer");
    };
    let challenge = peer.step(Some(&token)).unwrap().token;
    let InitiatorStep::Established { token, context } = next.step(Some(&challenge)).unwrap() else {
        panic!("no answer");
    };
    let last = peer.step(Some(&token.unwrap())).ok()?;
    assert!(last.complete);
    Some((context, peer))
}

/// Lets gss-ntlmssp log on to `server`.
fn accept(
    server: &Ntlm,
    password: &str,
    bindings: Option<&[u8]>,
    options: &[&str],
) -> Result<(Box<dyn SecurityContext>, GssPeer), Error> {
    let password = format!("password={password}");
    let own = [r"user=CORP\alice", &password, "target=TERMSRV@localhost"];
    let mut peer = GssPeer::start(
        GssRole::Initiate,
        GssMechanism::Ntlm,
        &[&own, options].concat(),
    );
    let environment = Environment::default();
    let bindings = bindings.map(ChannelBindings::from_application_data);
    let mut request = AcceptorRequest::new(&environment);
    if let Some(bindings) = &bindings {
        request = request.with_channel_bindings(bindings);
    }

    let offer = peer.step(None).unwrap().token;
    let AcceptorStep::NeedsToken { token, next } = server.acceptor(request).step(&offer)? else {
        panic!("no challenge");
    };
    let answer = peer.step(Some(&token)).unwrap().token;
    let AcceptorStep::NeedsAccount { request, next } = next.step(&answer)? else {
        panic!("no question");
    };
    assert_eq!(request.account, AccountName::new("CORP", "alice"));
    let AcceptorStep::Established { context, .. } = next.step(Some(Account::password(PASSWORD)))?
    else {
        panic!("not established");
    };
    Ok((context, peer))
}

/// gss-ntlmssp sends its MIC only inside SPNEGO.
fn lenient() -> Ntlm {
    Ntlm::default().allow_missing_mic(true)
}

fn talk((mut context, mut peer): (Box<dyn SecurityContext>, GssPeer)) {
    for text in ["first", "second", ""] {
        let mut message = BytesMut::from(text);
        context.wrap_in_place(&mut message).unwrap();
        let opened = peer.unwrap(&message).unwrap();
        assert_eq!(
            (opened.message.as_slice(), opened.encrypted),
            (text.as_bytes(), true)
        );
        let mut token = peer.wrap(b"answer").unwrap();
        assert_eq!(context.unwrap_in_place(&mut token).unwrap(), b"answer");

        let mut mic = Vec::new();
        context.get_mic(b"signed", &mut mic).unwrap();
        peer.verify(b"signed", &mic).unwrap();
        let mic = peer.mic(b"signed too").unwrap();
        context.verify_mic(b"signed too", &mic).unwrap();
    }
}

#[test]
fn gss_ntlmssp_accepts_our_logon_and_talks() {
    if peer::available(Peer::Gss) {
        talk(log_on(PASSWORD, None, &[]).unwrap());
        assert!(log_on("another", None, &[]).is_none());
    }
}

#[test]
fn gss_ntlmssp_logs_on_to_us_and_talks() {
    if peer::available(Peer::Gss) {
        talk(accept(&lenient(), PASSWORD, None, &[]).unwrap());
        assert_failure(
            accept(&lenient(), "another", None, &[]),
            AuthenticationFailure::WrongResponse,
        );
        assert_failure(
            accept(&Ntlm::default(), PASSWORD, None, &[]),
            AuthenticationFailure::MissingMic,
        );
    }
}

#[test]
fn channel_bindings_mean_the_same_to_gss_ntlmssp() {
    if !peer::available(Peer::Gss) {
        return;
    }
    let (data, option) = BINDINGS;
    talk(log_on(PASSWORD, Some(data), &[option]).unwrap());
    talk(accept(&lenient(), PASSWORD, Some(data), &[option]).unwrap());
    // A server without bindings does not mind the client's.
    talk(log_on(PASSWORD, Some(data), &[]).unwrap());
    talk(accept(&lenient(), PASSWORD, None, &[option]).unwrap());

    assert!(log_on(PASSWORD, Some(b"others"), &[option]).is_none());
    for options in [&[][..], &[option]] {
        assert_failure(
            accept(&lenient(), PASSWORD, Some(b"others"), options),
            AuthenticationFailure::WrongChannelBindings,
        );
    }
}

fn assert_failure<T>(result: Result<T, Error>, expected: AuthenticationFailure) {
    match result.map(drop) {
        Err(Error::AuthenticationFailed { reason, .. }) => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
}
