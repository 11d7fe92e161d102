//! SPNEGO with the real NTLM below it: our two sides with each other, and with MIT's SPNEGO over gss-ntlmssp.

#![cfg(feature = "ntlm")]
#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, Initiator, InitiatorRequest, InitiatorStep,
    MechanismProvider, SecurityContext,
};
use credssp::mechanism::Mechanism;
use credssp::ntlm::Ntlm;
use credssp::spnego::{self, NegTokenResp};
use credssp::{Account, AccountName, Credentials, ServicePrincipalName};
use peer::{GssError, GssMechanism, GssPeer, GssRole, Peer};

mod peer;
mod toy;

const PASSWORD: &str = "pass-canary";

/// NTLM, and before it a stand-in for Kerberos that no foreign peer takes.
fn mechanisms(optimistic_kerberos: bool) -> Vec<Arc<dyn MechanismProvider>> {
    let mut mechanisms = toy::providers(if optimistic_kerberos {
        &[toy::KERBEROS]
    } else {
        &[]
    });
    mechanisms.push(Arc::new(Ntlm::default()));
    mechanisms
}

fn initiator(optimistic_kerberos: bool, password: &str) -> Box<dyn Initiator> {
    let target = ServicePrincipalName::termsrv("localhost").unwrap();
    let credentials = Credentials::password(AccountName::new("CORP", "alice"), password);
    let environment = Environment::default();
    let request = InitiatorRequest::new(&target, &credentials, &environment);
    let mechanisms = mechanisms(optimistic_kerberos);
    spnego::initiator(&mechanisms, request).unwrap()
}

fn acceptor(first_token: &[u8]) -> Box<dyn Acceptor> {
    let environment = Environment::default();
    let request = AcceptorRequest::new(&environment);
    spnego::acceptor(&mechanisms(false), request, first_token).unwrap()
}

/// A step of an acceptor that knows one account.
fn accept(acceptor: Box<dyn Acceptor>, token: &[u8]) -> Result<AcceptorStep, credssp::Error> {
    match acceptor.step(token)? {
        AcceptorStep::NeedsAccount { request, next } => {
            assert_eq!(request.account.user(), "alice");
            next.step(Some(Account::password(PASSWORD)))
        }
        step => Ok(step),
    }
}

fn wrap(context: &mut dyn SecurityContext, message: &[u8]) -> Vec<u8> {
    let mut buffer = BytesMut::from(message);
    context.wrap_in_place(&mut buffer).unwrap();
    buffer.to_vec()
}

/// Messages in both directions, twice: sequence numbers and key stream go on from where the MICs left them.
fn talk(ours: &mut dyn SecurityContext, peer: &mut GssPeer) {
    for message in [&b"first message"[..], b"second"] {
        let sealed = wrap(ours, message);
        assert_eq!(peer.unwrap(&sealed).unwrap().message, message);
        let mut sealed = peer.wrap(message).unwrap();
        assert_eq!(ours.unwrap_in_place(&mut sealed).unwrap(), message);
    }
    let mic = peer.mic(b"signed").unwrap();
    ours.verify_mic(b"signed", &mic).unwrap();
    let mut mic = Vec::new();
    ours.get_mic(b"signed", &mut mic).unwrap();
    peer.verify(b"signed", &mic).unwrap();
}

#[test]
fn both_sides_of_ours_agree() {
    for optimistic_kerberos in [false, true] {
        let mut client_state = initiator(optimistic_kerberos, PASSWORD);
        let mut server_state = None;
        let mut reply = None;
        let (mut client, last) = loop {
            match client_state.step(reply.as_deref()).unwrap() {
                InitiatorStep::NeedsToken { token, next } => {
                    client_state = next;
                    let state = server_state.take().unwrap_or_else(|| acceptor(&token));
                    let AcceptorStep::NeedsToken { token, next } = accept(state, &token).unwrap()
                    else {
                        panic!("established early");
                    };
                    server_state = Some(next);
                    reply = Some(token);
                }
                InitiatorStep::Established { token, context } => break (context, token.unwrap()),
                _ => unreachable!(),
            }
        };
        // As in CredSSP, the client's first sealed message goes out before it has seen the server's MIC.
        let mut sealed = wrap(&mut *client, b"pubKeyAuth");
        let Ok(AcceptorStep::Established {
            account,
            token,
            context: mut server,
            ..
        }) = accept(server_state.unwrap(), &last)
        else {
            panic!("not established");
        };
        assert_eq!(account, AccountName::new("CORP", "alice"));
        assert_eq!(server.unwrap_in_place(&mut sealed).unwrap(), b"pubKeyAuth");
        let mut sealed = wrap(&mut *server, b"answer");
        client.finish(token.as_deref()).unwrap();
        assert_eq!(client.unwrap_in_place(&mut sealed).unwrap(), b"answer");
    }
}

#[test]
fn our_initiator_is_accepted_by_gss_ntlmssp() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for optimistic_kerberos in [false, true] {
        let (result, mut peer) = initiate(optimistic_kerberos, PASSWORD);
        let mut context = result.unwrap();
        assert_eq!(context.mechanism(), Mechanism::Ntlm);
        let info = peer.info().unwrap();
        assert!(
            info.contains(&r"initiator=CORP\alice".to_owned()),
            "{info:?}"
        );
        talk(&mut *context, &mut peer);
    }
}

#[test]
fn gss_ntlmssp_refuses_our_initiator_with_a_wrong_password() {
    if !peer::available(Peer::Gss) {
        return;
    }
    for optimistic_kerberos in [false, true] {
        assert!(initiate(optimistic_kerberos, "another").0.is_err());
    }
}

/// Our initiator, with MIT's acceptor: which call refused, if one did.
fn initiate(
    optimistic_kerberos: bool,
    password: &str,
) -> (Result<Box<dyn SecurityContext>, GssError>, GssPeer) {
    let account = format!(r"account=CORP\alice:{PASSWORD}");
    let mut peer = GssPeer::start(GssRole::Accept, GssMechanism::SpnegoNtlm, &[&account]);
    let mut state = initiator(optimistic_kerberos, password);
    let mut reply = None;
    loop {
        match state.step(reply.as_deref()).unwrap() {
            InitiatorStep::NeedsToken { token, next } => {
                state = next;
                match peer.step(Some(&token)) {
                    Ok(step) => reply = Some(step.token),
                    Err(error) => return (Err(error), peer),
                }
            }
            InitiatorStep::Established { token, mut context } => {
                let step = match peer.step(token.as_deref()) {
                    Ok(step) => step,
                    Err(error) => return (Err(error), peer),
                };
                assert!(step.complete);
                let last = NegTokenResp::decode(&step.token).unwrap();
                assert!(last.mech_list_mic.is_some());
                context.finish(Some(&step.token)).unwrap();
                return (Ok(context), peer);
            }
            _ => unreachable!(),
        }
    }
}

#[test]
fn our_acceptor_takes_gss_ntlmssp() {
    if !peer::available(Peer::Gss) {
        return;
    }
    let (mut context, last, mut peer) = accept_peer(PASSWORD).unwrap();
    assert!(peer.step(Some(&last)).unwrap().complete);
    talk(&mut *context, &mut peer);
}

#[test]
fn gss_ntlmssp_refuses_a_changed_mic_of_our_acceptor() {
    if !peer::available(Peer::Gss) {
        return;
    }
    let (_, mut last, mut peer) = accept_peer(PASSWORD).unwrap();
    *last.last_mut().unwrap() ^= 1;
    assert!(peer.step(Some(&last)).is_err());
}

#[test]
fn our_acceptor_refuses_gss_ntlmssp_with_a_wrong_password() {
    if !peer::available(Peer::Gss) {
        return;
    }
    let Err(credssp::Error::AuthenticationFailed { mechanism, .. }) = accept_peer("another") else {
        panic!("not refused");
    };
    assert_eq!(mechanism, Mechanism::Ntlm);
}

/// Our context, our last token, and the peer.
type Accepted = (Box<dyn SecurityContext>, Vec<u8>, GssPeer);

/// MIT's initiator, with our acceptor.
fn accept_peer(password: &str) -> Result<Accepted, credssp::Error> {
    let password = format!("password={password}");
    let options = [r"user=CORP\alice", &password, "target=TERMSRV@localhost"];
    let mut peer = GssPeer::start(GssRole::Initiate, GssMechanism::SpnegoNtlm, &options);
    let mut token = peer.step(None).unwrap().token;
    let mut state = acceptor(&token);
    loop {
        match accept(state, &token)? {
            AcceptorStep::NeedsToken { token: reply, next } => {
                state = next;
                token = peer.step(Some(&reply)).unwrap().token;
            }
            AcceptorStep::Established {
                token: last,
                context,
                ..
            } => return Ok((context, last.unwrap(), peer)),
            _ => unreachable!(),
        }
    }
}
