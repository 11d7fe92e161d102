//! SPNEGO with the real NTLM below it, our two sides with each other.

#![cfg(feature = "ntlm")]
#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::gss::{
    Acceptor, AcceptorRequest, AcceptorStep, Initiator, InitiatorRequest, InitiatorStep,
    MechanismProvider, SecurityContext,
};
use credssp::ntlm::Ntlm;
use credssp::spnego;
use credssp::{Account, AccountName, Credentials, ServicePrincipalName};

mod toy;

const PASSWORD: &str = "pass-canary";

/// NTLM, and before it a stand-in for Kerberos that our acceptor does not have.
fn mechanisms(optimistic_kerberos: bool) -> Vec<Arc<dyn MechanismProvider>> {
    let mut mechanisms = toy::providers(if optimistic_kerberos {
        &[toy::KERBEROS]
    } else {
        &[]
    });
    mechanisms.push(Arc::new(Ntlm::default()));
    mechanisms
}

fn initiator(optimistic_kerberos: bool) -> Box<dyn Initiator> {
    let target = ServicePrincipalName::termsrv("localhost").unwrap();
    let credentials = Credentials::password(AccountName::new("CORP", "alice"), PASSWORD);
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

#[test]
fn both_sides_of_ours_agree() {
    for optimistic_kerberos in [false, true] {
        let mut client_state = initiator(optimistic_kerberos);
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
