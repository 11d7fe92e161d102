//! Both sides of SPNEGO in memory, with a hook that changes what passes between them.

use credssp::Account;
use credssp::error::{Error, NtStatus};
use credssp::gss::{Acceptor, AcceptorStep, Initiator, InitiatorStep, SecurityContext};
use credssp::mechanism::{Mechanism, Oid};
use credssp::spnego::{MechTypeList, NegState, NegTokenInit, NegTokenResp};

use super::{NTLM, STATUS, Toy, acceptor, initiator, mic, token};

/// How a negotiation ended for both.
pub(crate) struct Outcome {
    pub(crate) client: Box<dyn SecurityContext>,
    pub(crate) server: Box<dyn SecurityContext>,
    pub(crate) status: Option<NtStatus>,
    pub(crate) tokens: Vec<Vec<u8>>,
}

/// Runs both sides, as CredSSP does, with each token put through `tamper`; the first error ends it.
pub(crate) fn negotiate(
    client: &[Toy],
    server: &[Toy],
    mut tamper: impl FnMut(usize, &mut Vec<u8>),
) -> Result<Outcome, Error> {
    let mut tokens = Vec::new();
    let mut pass = |mut token: Vec<u8>| {
        tamper(tokens.len(), &mut token);
        tokens.push(token.clone());
        token
    };
    let mut step = initiator(client)?.step(None)?;
    let mut acceptor_state: Option<Box<dyn Acceptor>> = None;
    let mut logon = None;
    let mut client = loop {
        let (sent, next) = match step {
            InitiatorStep::NeedsToken { token, next } => (Some(token), Ok(next)),
            InitiatorStep::Established { token, context } => (token, Err(context)),
            _ => unreachable!(),
        };
        let Some(sent) = sent.map(&mut pass) else {
            break next.err().unwrap();
        };
        let state = match acceptor_state.take() {
            Some(state) => state,
            None => acceptor(server, &sent)?,
        };
        let mut answer = state.step(&sent)?;
        if let AcceptorStep::NeedsAccount { next, .. } = answer {
            answer = next.step(Some(Account::password("secret").with_status(STATUS)))?;
        }
        let reply = match answer {
            AcceptorStep::NeedsToken { token, next } => {
                acceptor_state = Some(next);
                Some(token)
            }
            AcceptorStep::Established {
                account,
                status,
                token,
                context,
                ..
            } => {
                assert_eq!(account.user(), "alice");
                logon = Some((context, status));
                token
            }
            _ => unreachable!(),
        }
        .map(&mut pass);
        match next {
            Ok(next) => step = next.step(reply.as_deref())?,
            Err(mut context) => {
                context.finish(reply.as_deref())?;
                break context;
            }
        }
    };
    let (mut server, status) = logon.expect("the client is done, and the server is not");
    server.finish(None)?;
    client.finish(None)?;
    Ok(Outcome {
        client,
        server,
        status,
        tokens,
    })
}

pub(crate) fn untouched(_: usize, _: &mut Vec<u8>) {}

/// Changes the `number`th token, a NegTokenResp.
pub(crate) fn edit(
    number: usize,
    change: impl Fn(&mut NegTokenResp<'_>),
) -> impl FnMut(usize, &mut Vec<u8>) {
    move |index, token| {
        if index == number {
            let copy = token.clone();
            let mut resp = NegTokenResp::decode(&copy).unwrap();
            change(&mut resp);
            *token = resp.encode();
        }
    }
}

pub(crate) fn resp(
    neg_state: Option<NegState>,
    supported_mech: Option<Oid>,
    response_token: Option<&[u8]>,
    mech_list_mic: Option<&[u8]>,
) -> Vec<u8> {
    let mut resp = NegTokenResp::default();
    resp.neg_state = neg_state;
    resp.supported_mech = supported_mech.map(Into::into);
    resp.response_token = response_token;
    resp.mech_list_mic = mech_list_mic;
    resp.encode()
}

pub(crate) fn init(mech_types: &[Oid], mech_token: Option<&[u8]>) -> Vec<u8> {
    let list = MechTypeList::encode(mech_types.iter().copied());
    let mut init = NegTokenInit::new(MechTypeList::decode(&list).unwrap());
    init.mech_token = mech_token;
    init.encode()
}

/// An initiator that has sent its first token.
pub(crate) fn started(toys: &[Toy]) -> (Box<dyn Initiator>, Vec<u8>) {
    match initiator(toys).unwrap().step(None).unwrap() {
        InitiatorStep::NeedsToken { token, next } => (next, token),
        _ => panic!("SPNEGO always waits for a reply"),
    }
}

pub(crate) fn established(
    step: Result<InitiatorStep, Error>,
) -> (Box<dyn SecurityContext>, Option<Vec<u8>>) {
    match step.unwrap() {
        InitiatorStep::Established { token, context } => (context, token),
        _ => panic!("not established"),
    }
}

pub(crate) fn needs_token(step: Result<InitiatorStep, Error>) -> (Box<dyn Initiator>, Vec<u8>) {
    match step.unwrap() {
        InitiatorStep::NeedsToken { token, next } => (next, token),
        _ => panic!("established"),
    }
}

pub(crate) fn awaits_token(step: Result<AcceptorStep, Error>) -> (Box<dyn Acceptor>, Vec<u8>) {
    match step.unwrap() {
        AcceptorStep::NeedsToken { token, next } => (next, token),
        _ => panic!("established"),
    }
}

/// An NTLM client whose AUTHENTICATE and MIC have gone out.
pub(crate) fn ntlm_client() -> (Box<dyn SecurityContext>, Vec<u8>) {
    let (client, _) = started(&[NTLM]);
    let challenge = resp(
        Some(NegState::AcceptIncomplete),
        Some(Oid::NTLMSSP),
        Some(&token(Mechanism::Ntlm, 2)),
        None,
    );
    let (context, last) = established(client.step(Some(&challenge)));
    let last = last.unwrap();
    let list = MechTypeList::encode([Oid::NTLMSSP]);
    let last = NegTokenResp::decode(&last).unwrap();
    assert_eq!(last.response_token, Some(&*token(Mechanism::Ntlm, 3)));
    assert_eq!(
        last.mech_list_mic,
        Some(&*mic(Mechanism::Ntlm, true, &list))
    );
    (context, challenge)
}

macro_rules! assert_err {
    ($result:expr, $pattern:pat) => {
        match $result {
            Err($pattern) => {}
            Err(error) => panic!("another error: {error:?}"),
            Ok(_) => panic!("no error"),
        }
    };
}

macro_rules! misbehaved {
    ($name:ident) => {
        credssp::Error::PeerMisbehaved(credssp::error::PeerMisbehaved::$name)
    };
}

macro_rules! wrong_mic {
    () => {
        credssp::Error::AuthenticationFailed {
            reason: credssp::error::AuthenticationFailure::WrongMechListMic,
            ..
        }
    };
}

pub(crate) use {assert_err, misbehaved, wrong_mic};
