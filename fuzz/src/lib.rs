//! What the fuzz targets do with their input.

use std::sync::OnceLock;

use bytes::BytesMut;
use credssp::Account;
use credssp::gss::{AcceptorStep, InitiatorStep, MechanismProvider};
use credssp::ntlm::{
    AuthenticateMessage, AvPairs, ChallengeMessage, NegotiateMessage, Ntlm, Ntlmv2Response,
};
use credssp::spnego::{NegTokenInit, NegTokenResp, NegotiationToken, TokenKind};
use credssp::ts_request::{self, MAX_MESSAGE_LEN, TsRequest};

pub mod ap_req;
mod der;
pub mod kdc_reply;
pub mod kerberos_files;
pub mod live;
pub mod pac;
pub mod per_message;
pub mod pk_as_rep;
pub mod policy_files;
pub mod rdp_negotiation;
#[path = "../../tests/twin/mod.rs"]
mod twin;
pub mod winrm;

/// The decoder of `TSRequest`, against its rasn twin.
pub fn ts_request(data: &[u8]) {
    let framed = ts_request::frame_length(data, MAX_MESSAGE_LEN);
    if twin::ts_request_agrees(data) && data.len() <= MAX_MESSAGE_LEN {
        assert_eq!(framed, Ok(Some(data.len())));
        planted_panic(data);
    }
    // A longer one needs no more than its header to be refused.
    if let (Ok(Some(length)), Some(header)) = (framed, data.get(..6)) {
        assert!(length <= MAX_MESSAGE_LEN);
        assert_eq!(ts_request::frame_length(header, MAX_MESSAGE_LEN), framed);
    }
}

/// `fuzz/run --prove` must find this: a request that is not among the seeds.
fn planted_panic(data: &[u8]) {
    static PLANTED: OnceLock<bool> = OnceLock::new();
    if *PLANTED.get_or_init(|| std::env::var_os("CREDSSP_FUZZ_PLANTED_PANIC").is_some()) {
        let request = TsRequest::decode(data).expect("it has been decoded");
        assert_ne!(request.version, 113, "the planted panic");
    }
}

/// The decoder of `TSCredentials`, against its rasn twin.
pub fn ts_credentials(data: &[u8]) {
    twin::ts_credentials_agree(data);
}

/// NTLM's decoders, and each end in the place where such a message is due.
pub fn ntlm_messages(data: &[u8]) {
    let environment = live::environment(1);
    if let Ok(message) = NegotiateMessage::decode(data) {
        let acceptor = Ntlm::default().acceptor(live::acceptor_request(&environment));
        let _ = acceptor.step(data);
        let _ = format!("{message:?}");
    }
    if let Ok(message) = ChallengeMessage::decode(data) {
        if let Some(pairs) = message.target_info {
            av_pairs(pairs);
        }
        let _ = format!("{message:?}");
        live::with_initiator(&Ntlm::default(), |initiator| {
            let Ok(InitiatorStep::NeedsToken { next, .. }) = initiator.step(None) else {
                panic!("an initiator begins");
            };
            if let Ok(InitiatorStep::Established {
                token: Some(token), ..
            }) = next.step(Some(data))
            {
                // Whatever the challenge was, our answer to it is well formed.
                let message = AuthenticateMessage::decode(&token).expect("our own answer");
                Ntlmv2Response::decode(message.nt_challenge_response).expect("our own response");
            }
        });
    }
    if let Ok(message) = AuthenticateMessage::decode(data) {
        let _ = (message.user_name_text(), message.domain_name_text());
        let _ = (message.workstation_text(), format!("{message:?}"));
        if let Ok(response) = Ntlmv2Response::decode(message.nt_challenge_response) {
            av_pairs(response.av_pairs);
        }
        let acceptor = Ntlm::default().allow_missing_mic(true).resume(
            live::acceptor_request(&environment),
            b"",
            live::CHALLENGE,
        );
        let step = acceptor.expect("a good challenge").step(data);
        if let Ok(AcceptorStep::NeedsAccount { next, .. }) = step {
            let _ = next.step(Some(Account::password("Password")));
        }
    }
}

fn av_pairs(pairs: AvPairs<'_>) {
    let _ = (pairs.flags(), pairs.timestamp(), pairs.channel_bindings());
    for pair in pairs.iter() {
        let _ = (pairs.get(pair.id), pairs.text(pair.id));
    }
}

/// SPNEGO's decoders: what is read is written so that it reads the same.
pub fn spnego_tokens(data: &[u8]) {
    let kind = TokenKind::of(data);
    let Ok(token) = NegotiationToken::decode(data) else {
        return;
    };
    assert_eq!(kind, Some(TokenKind::Spnego));
    let _ = format!("{token:?}");
    match token {
        NegotiationToken::Init(init) => {
            assert!(init.mech_types.iter().count() <= credssp::spnego::MechTypeList::MAX_LEN);
            assert_eq!(NegTokenInit::decode(&init.encode()), Ok(init));
        }
        NegotiationToken::Resp(resp) => {
            let encoded = resp.encode();
            assert_eq!(NegTokenResp::decode(&encoded), Ok(resp));
            // DER has one encoding for each value.
            assert_eq!(BytesMut::from(data), encoded);
        }
        _ => unreachable!("a token of neither kind"),
    }
}
