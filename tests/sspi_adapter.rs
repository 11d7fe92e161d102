//! The `sspi` crate's contexts as mechanisms of ours, against our own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pair;

use std::sync::Arc;

use bytes::BytesMut;
use credssp::client::{Client, Handshake, NeedsKdc};
use credssp::credentials::TsCredentials;
use credssp::environment::Environment;
use credssp::error::{
    AuthenticationFailure, Error, InvalidMessageKind, KdcError, PeerIncompatible,
};
use credssp::gss::{
    AcceptorRequest, AcceptorStep, ChannelBindings, Initiator, InitiatorRequest, InitiatorStep,
    MechanismProvider, SecurityContext,
};
use credssp::kdc::KdcUnreachable;
use credssp::mechanism::{Mechanism, Negotiation};
use credssp::ntlm::Ntlm;
use credssp::proof::ServerProof;
use credssp::{
    Account, AccountName, ClientConfig, Credentials, DelegationPolicy, Secret,
    ServicePrincipalName, sspi,
};

use pair::{PASSWORD, Pair, State, alice, ntlm};

/// Each role by the adapter, and the other by our own NTLM, bare and in SPNEGO.
fn pairs() -> Vec<(&'static str, Pair)> {
    let mut pairs = Vec::new();
    for negotiation in [Negotiation::Bare, Negotiation::Spnego] {
        for (role, client, server) in [
            ("initiator", adapter(), ntlm()),
            ("acceptor", ntlm(), adapter()),
        ] {
            let mut pair = Pair::with_mechanisms(vec![client], vec![server]);
            pair.client.negotiation = negotiation;
            pairs.push((role, pair));
        }
    }
    pairs
}

fn adapter() -> Arc<dyn MechanismProvider> {
    Arc::new(sspi::Ntlm::default())
}

#[test]
fn its_ntlm_delegates_in_both_roles() {
    for (role, pair) in pairs() {
        let (client, server) = pair.run().complete();
        assert_eq!(client.mechanism, Mechanism::Ntlm, "{role}");
        assert_eq!(server.account, alice(), "{role}");
        let TsCredentials::Password(credentials) = &server.credentials else {
            panic!("{role}: {:?}", server.credentials);
        };
        assert_eq!(credentials.password.expose(), PASSWORD, "{role}");
    }
}

#[test]
fn a_wrong_password_and_an_unknown_account_are_refused_alike() {
    for (role, mut pair) in pairs() {
        pair.credentials = Credentials::password(alice(), "wrong");
        let wrong = pair.run();
        assert!(
            matches!(
                wrong.server_error(),
                Error::AuthenticationFailed {
                    reason: AuthenticationFailure::WrongResponse,
                    ..
                }
            ),
            "{role}: {}",
            wrong.server_error()
        );
        pair.accounts = |_| None;
        let unknown = pair.run();
        assert!(
            matches!(
                unknown.server_error(),
                Error::AuthenticationFailed {
                    reason: AuthenticationFailure::UnknownAccount,
                    ..
                }
            ),
            "{role}: {}",
            unknown.server_error()
        );
        let last = |outcome: &pair::Outcome| outcome.sent.last().unwrap().bytes.clone();
        assert_eq!(last(&wrong), last(&unknown), "{role}");
    }
}

/// The MIC covers the three messages, the version and the key what comes with them.
#[test]
fn no_octet_of_a_bare_exchange_may_change() {
    for (role, pair) in pairs() {
        if pair.client.negotiation != Negotiation::Bare {
            continue;
        }
        let sent = pair.run().sent;
        for original in &sent {
            for at in 0..original.bytes.len() {
                for change in [0x01, 0x80, 0xff] {
                    let outcome = pair.run_with(|mut message| {
                        // The crate's messages have the same lengths in each exchange.
                        if message.is(original.from, original.index) {
                            message.bytes[at] ^= change;
                        }
                        message.bytes
                    });
                    assert!(
                        !matches!(outcome.server.state, State::ServerComplete(_)),
                        "{role}: {:?} {}, octet {at}, {change:x}",
                        original.from,
                        original.index
                    );
                }
            }
        }
    }
}

#[test]
fn logs_on_with_an_nt_hash() {
    const NT_HASH: [u8; 16] = [0x5a; 16];

    for (role, mut pair) in pairs() {
        let delegated =
            TsCredentials::Password(credssp::credentials::TsPasswordCreds::new("", "", ""));
        pair.credentials = Credentials::nt_hash(alice(), Secret::new(NT_HASH), delegated);
        pair.accounts = |_| Some(Account::nt_hash(Secret::new(NT_HASH)));
        assert_eq!(pair.run().complete().1.account, alice(), "{role}");
    }
}

/// Runs NTLM without CredSSP around it, as far as the AUTHENTICATE_MESSAGE, which may be changed before it arrives.
fn authenticate(
    client: &dyn MechanismProvider,
    server: &dyn MechanismProvider,
    client_bindings: Option<&ChannelBindings>,
    server_bindings: Option<&ChannelBindings>,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<[Box<dyn SecurityContext>; 2], Error> {
    let environment = Environment::default();
    let target = pair::target();
    let credentials = Credentials::password(alice(), PASSWORD);
    let mut request = InitiatorRequest::new(&target, &credentials, &environment);
    request.channel_bindings = client_bindings;
    let initiator = client.initiator(request).unwrap();
    let mut request = AcceptorRequest::new(&environment);
    request.channel_bindings = server_bindings;
    let acceptor = server.acceptor(request);

    let (token, initiator) = needs_token(initiator, None)?;
    let AcceptorStep::NeedsToken { token, next } = acceptor.step(&token)? else {
        panic!("no challenge");
    };
    let InitiatorStep::Established {
        token: Some(mut token),
        context: client,
    } = initiator.step(Some(&token))?
    else {
        panic!("not established");
    };
    change(&mut token);
    let AcceptorStep::NeedsAccount { request, next } = next.step(&token)? else {
        panic!("no account");
    };
    assert_eq!(request.account, alice());
    match next.step(Some(Account::password(PASSWORD)))? {
        AcceptorStep::Established {
            context: server, ..
        } => Ok([client, server]),
        _ => panic!("not established"),
    }
}

fn needs_token(
    initiator: Box<dyn Initiator>,
    token: Option<&[u8]>,
) -> Result<(Vec<u8>, Box<dyn Initiator>), Error> {
    match initiator.step(token)? {
        InitiatorStep::NeedsToken { token, next } => Ok((token, next)),
        _ => panic!("no token"),
    }
}

#[test]
fn its_server_refuses_a_client_without_a_mic() {
    let result = authenticate(
        &Ntlm::default(),
        &sspi::Ntlm::default(),
        None,
        None,
        |token| {
            // MsvAvFlags: announces a MIC.
            let flags = [6, 0, 4, 0, 2, 0, 0, 0];
            let at = token.windows(8).position(|window| window == flags).unwrap();
            token[at + 4] = 0;
        },
    );
    let error = result.err().unwrap();
    assert!(
        matches!(
            error,
            Error::PeerIncompatible(PeerIncompatible::WeakNtlm(_))
        ),
        "{error}"
    );
}

#[test]
fn channel_bindings_must_be_there_and_match() {
    let [one, other] =
        [b"tls-unique:1", b"tls-unique:2"].map(|data| ChannelBindings::from_application_data(data));
    let providers: [(Box<dyn MechanismProvider>, Box<dyn MechanismProvider>); 2] = [
        (Box::new(Ntlm::default()), Box::new(sspi::Ntlm::default())),
        (Box::new(sspi::Ntlm::default()), Box::new(Ntlm::default())),
    ];
    for (client, server) in &providers {
        let run = |bindings| authenticate(&**client, &**server, bindings, Some(&one), |_| {});
        run(Some(&one)).unwrap_or_else(|error| panic!("{error}"));
        for bindings in [None, Some(&other)] {
            let error = run(bindings).err().unwrap();
            assert!(
                matches!(
                    error,
                    Error::AuthenticationFailed {
                        reason: AuthenticationFailure::WrongChannelBindings,
                        ..
                    }
                ),
                "{error}"
            );
        }
    }
}

#[test]
fn a_context_keeps_its_numbers_through_signatures_of_all_kinds() {
    let [mut client, mut server] =
        authenticate(&sspi::Ntlm::default(), &Ntlm::default(), None, None, |_| {})
            .unwrap_or_else(|error| panic!("{error}"));
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut client, &mut server];
        let mut mic = Vec::new();
        ends[from].get_mech_list_mic(b"list", &mut mic).unwrap();
        ends[to].verify_mech_list_mic(b"list", &mic).unwrap();
        for message in [&b"as long as a pubKeyAuth, or so"[..], b"", b"short"] {
            let mut token = BytesMut::from(message);
            ends[from].wrap_in_place(&mut token).unwrap();
            assert_eq!(token.len(), message.len() + ends[from].wrap_overhead());
            assert_eq!(ends[to].unwrap_in_place(&mut token).unwrap(), message);

            let mut mic = Vec::new();
            ends[from].get_mic(message, &mut mic).unwrap();
            ends[to].verify_mic(message, &mic).unwrap();
        }
        let mut token = BytesMut::from(&b"once"[..]);
        ends[from].wrap_in_place(&mut token).unwrap();
        let mut again = token.clone();
        ends[to].unwrap_in_place(&mut token).unwrap();
        let error = ends[to].unwrap_in_place(&mut again).unwrap_err();
        assert!(
            matches!(error, Error::AuthenticationFailed { .. }),
            "{error}"
        );
    }
}

/// A client whose mechanism is the crate's Kerberos, at its first question for a KDC.
fn asks_kdc(mechanisms: Vec<Arc<dyn MechanismProvider>>) -> (NeedsKdc, BytesMut) {
    let policy = DelegationPolicy::permit_everything();
    let mut out = BytesMut::new();
    let account = AccountName::new("corp.example", "alice");
    let handshake = Client::new(
        ClientConfig::with_mechanisms(policy, mechanisms),
        ServicePrincipalName::termsrv("web.corp.example").unwrap(),
        Credentials::password(account, PASSWORD),
        pair::key(),
    )
    .start(&mut out)
    .unwrap();
    match handshake {
        Handshake::NeedsKdc(state) => (state, out),
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_kerberos_asks_the_realm_of_the_account() {
    let (state, out) = asks_kdc(vec![Arc::new(sspi::Kerberos::default())]);
    let request = state.request();
    assert_eq!(&*request.realm, "CORP.EXAMPLE");
    // [APPLICATION 10], an AS-REQ, without the length that TCP wants.
    assert_eq!(request.message[0], 0x6a);
    assert!(out.is_empty());
}

#[test]
fn its_kerberos_does_not_prove_the_server() {
    let start = |mechanism: Arc<dyn MechanismProvider>, proof| {
        let policy = DelegationPolicy::default().allow_fresh("TERMSRV/*".parse().unwrap());
        Client::new(
            ClientConfig::with_mechanisms(policy, vec![mechanism]),
            ServicePrincipalName::termsrv("web.corp.example").unwrap(),
            Credentials::password(AccountName::new("corp.example", "alice"), PASSWORD),
            pair::key(),
        )
        .with_proof(proof)
        .start(&mut BytesMut::new())
        .map_err(|error| error.error)
    };
    let theirs = || Arc::new(sspi::Kerberos::default());
    let refused = start(theirs(), ServerProof::None).unwrap_err();
    assert!(matches!(refused, Error::DelegationDenied(_)), "{refused}");
    start(theirs(), ServerProof::Certificate).unwrap();
    #[cfg(feature = "kerberos")]
    start(
        Arc::new(credssp::kerberos::Kerberos::default()),
        ServerProof::None,
    )
    .unwrap();
}

#[test]
fn what_a_kdc_should_not_answer_is_an_error() {
    let kerberos = || asks_kdc(vec![Arc::new(sspi::Kerberos::default())]);
    let answered = |reply: Vec<u8>| {
        let (state, mut out) = kerberos();
        state.continue_with(Ok(reply), &mut out).unwrap_err().error
    };
    for (reply, expected) in [
        (vec![], InvalidMessageKind::Truncated),
        (
            vec![0x7e, 0x84, 0x7f, 0xff, 0xff, 0xff],
            InvalidMessageKind::Truncated,
        ),
        (vec![0x7e, 0x02, 0x30, 0x7f], InvalidMessageKind::Truncated),
        (vec![0x30; 2 << 20], InvalidMessageKind::TooLarge),
    ] {
        match answered(reply.clone()) {
            Error::InvalidMessage(error) => assert_eq!(error.kind, expected),
            error => panic!("{error}"),
        }
    }
    // Well-formed, and no KDC's.
    for reply in [
        &[0x7e, 0][..],
        &[0x30, 0],
        &[0x6b, 2, 0x30, 0],
        &[0x7e, 2, 0x30, 0],
    ] {
        let error = answered(reply.to_vec());
        assert!(
            matches!(error, Error::InvalidMessage(_) | Error::Other(_)),
            "{error}"
        );
    }
}

#[test]
fn without_a_kdc_its_ntlm_may_take_over() {
    let (state, mut out) = asks_kdc(vec![
        Arc::new(sspi::Kerberos::default()),
        Arc::new(sspi::Ntlm::default()),
    ]);
    let unreachable = KdcUnreachable::new("CORP.EXAMPLE", "the wire is cut");
    let handshake = state
        .continue_with(Err(unreachable.clone()), &mut out)
        .unwrap();
    assert!(
        matches!(handshake, Handshake::NeedsInput(_)),
        "{handshake:?}"
    );
    assert!(out.windows(8).any(|window| window == b"NTLMSSP\0"));

    let (state, mut out) = asks_kdc(vec![Arc::new(sspi::Kerberos::default())]);
    let error = state
        .continue_with(Err(unreachable), &mut out)
        .unwrap_err()
        .error;
    assert!(
        matches!(error, Error::Kdc(KdcError::Unreachable(_))),
        "{error}"
    );
}
