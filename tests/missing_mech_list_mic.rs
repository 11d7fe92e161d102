//! A server that leaves the token with its `mechListMIC` out, beside a `pubKeyAuth` that makes up for it.

#![cfg(feature = "ntlm")]
#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

use std::sync::Arc;

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::error::{Error, PeerMisbehaved};
use credssp::gss::{
    AcceptorRequest, AcceptorStep, Initiator, InitiatorRequest, InitiatorStep, MechanismProvider,
    SecurityContext,
};
use credssp::ntlm::Ntlm;
use credssp::spnego::{self, NegState, NegTokenInit, NegTokenResp};
use credssp::{Account, AccountName, Credentials, ServicePrincipalName};

const PASSWORD: &str = "correct horse";

/// SPNEGO's client, which waits for the server's `mechListMIC`; and the server's NTLM, which has sent none.
struct Ends {
    client: Box<dyn SecurityContext>,
    server: Box<dyn SecurityContext>,
    /// The list to sign, as the client has sent it.
    mech_types: Vec<u8>,
}

impl Ends {
    fn new() -> Self {
        let environment = Environment::default();
        let target = ServicePrincipalName::termsrv("server.example.com").unwrap();
        let credentials = Credentials::password(AccountName::new("CORP", "alice"), PASSWORD);
        let request = InitiatorRequest::new(&target, &credentials, &environment);
        let client = spnego::initiator(&[Arc::new(Ntlm::default())], request).unwrap();
        let server = Ntlm::default().acceptor(AcceptorRequest::new(&environment));

        let (token, client) = waiting(client, None);
        let init = NegTokenInit::decode(&token).unwrap();
        let mech_types = init.mech_types.as_der().to_vec();
        let Ok(AcceptorStep::NeedsToken {
            token: challenge,
            next: server,
        }) = server.step(init.mech_token.unwrap())
        else {
            panic!("no CHALLENGE_MESSAGE");
        };
        let mut resp = NegTokenResp::default();
        resp.neg_state = Some(NegState::AcceptIncomplete);
        resp.response_token = Some(&challenge);
        let Ok(InitiatorStep::Established {
            token: Some(token),
            context: mut client,
        }) = client.step(Some(&resp.encode()))
        else {
            panic!("no AUTHENTICATE_MESSAGE");
        };
        let resp = NegTokenResp::decode(&token).unwrap();
        let Ok(AcceptorStep::NeedsAccount { next, .. }) = server.step(resp.response_token.unwrap())
        else {
            panic!("no account");
        };
        let Ok(AcceptorStep::Established {
            context: mut server,
            ..
        }) = next.step(Some(Account::password(PASSWORD)))
        else {
            panic!("no context");
        };
        server
            .verify_mech_list_mic(&mech_types, resp.mech_list_mic.unwrap())
            .unwrap();
        assert!(client.unwrap_in_place(&mut [0; 48]).is_err());
        Self {
            client,
            server,
            mech_types,
        }
    }

    /// Gives the server's message to the client.
    fn unwrap(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut message = BytesMut::from(plaintext);
        self.server.wrap_in_place(&mut message).unwrap();
        let plaintext = self.client.unwrap_in_place(&mut message)?;
        Ok(plaintext.to_vec())
    }
}

fn waiting(initiator: Box<dyn Initiator>, token: Option<&[u8]>) -> (Vec<u8>, Box<dyn Initiator>) {
    match initiator.step(token) {
        Ok(InitiatorStep::NeedsToken { token, next }) => (token, next),
        _ => panic!("not waiting"),
    }
}

fn is_missing(result: Result<impl Sized, Error>) -> bool {
    matches!(
        result,
        Err(Error::PeerMisbehaved(PeerMisbehaved::MissingMechListMic))
    )
}

#[test]
fn the_number_of_a_message_shows_that_the_mic_was_computed() {
    for none in [None, Some(&b""[..])] {
        let mut ends = Ends::new();
        ends.server
            .get_mech_list_mic(&ends.mech_types, &mut Vec::new())
            .unwrap();
        ends.client.finish_bound(none).unwrap();
        assert_eq!(ends.unwrap(b"pubKeyAuth").unwrap(), b"pubKeyAuth");
        assert_eq!(ends.unwrap(b"more").unwrap(), b"more");
    }
}

#[test]
fn a_server_that_has_computed_none_is_refused() {
    let mut ends = Ends::new();
    ends.client.finish_bound(None).unwrap();
    assert!(is_missing(ends.unwrap(b"pubKeyAuth")));
    // Nor does the message behind it count as the first.
    assert!(is_missing(ends.unwrap(b"pubKeyAuth")));
}

#[test]
fn it_is_not_left_out_where_nothing_else_protects_the_choice() {
    let mut ends = Ends::new();
    ends.server
        .get_mech_list_mic(&ends.mech_types, &mut Vec::new())
        .unwrap();
    assert!(is_missing(ends.client.finish(None)));
    assert!(is_missing(ends.unwrap(b"message")));
}

#[test]
fn a_token_that_comes_has_to_hold_it() {
    for bound in [false, true] {
        let mut ends = Ends::new();
        let mut resp = NegTokenResp::default();
        resp.neg_state = Some(NegState::AcceptCompleted);
        let token = resp.encode();
        let result = if bound {
            ends.client.finish_bound(Some(&token))
        } else {
            ends.client.finish(Some(&token))
        };
        assert!(is_missing(result));
    }
}
