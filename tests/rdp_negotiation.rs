//! Remote Desktop's negotiation, and the early user authorization.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use bytes::BytesMut;
use credssp::Error;
use credssp::error::{
    ApiMisuse, InvalidMessage, InvalidMessageKind, NegotiationFailure, PeerIncompatible,
    PeerMisbehaved,
};
use credssp::rdp::{
    self, ConnectionConfirm, ConnectionRequest, CorrelationId, EarlyUserAuthorization,
    NegotiationRequest, Protocol, Protocols, RequestFlags, ResponseFlags, Routing, client, server,
};
use proptest::array::uniform16;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const ALL: [Protocol; 6] = [
    Protocol::Rdp,
    Protocol::Ssl,
    Protocol::Hybrid,
    Protocol::Rdstls,
    Protocol::HybridEx,
    Protocol::Rdsaad,
];

/// An X.224 message with this code and body, and headers that fit it.
fn framed(code: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 11).unwrap().to_be_bytes();
    let indicator = u8::try_from(body.len() + 6).unwrap();
    let header = [3, 0, length[0], length[1], indicator, code, 0, 0, 0, 0, 0];
    [&header, body].concat()
}

fn request(body: &[u8]) -> Result<(), InvalidMessageKind> {
    let decoded = ConnectionRequest::decode(&framed(0xe0, body)).map(|_| ());
    decoded.map_err(|error| error.kind)
}

fn encoded(confirm: ConnectionConfirm) -> BytesMut {
    let mut out = BytesMut::new();
    confirm.encode(&mut out);
    out
}

/// A request with all that there can be.
fn full_request() -> BytesMut {
    let mut negotiation = NegotiationRequest::new(Protocols::SSL | Protocols::HYBRID);
    negotiation.flags = RequestFlags::RESTRICTED_ADMIN;
    negotiation.correlation_id = CorrelationId::new([7; 16]);
    let mut request = ConnectionRequest::default();
    request.routing = Routing::cookie(b"alice");
    request.negotiation = Some(negotiation);
    let mut out = BytesMut::new();
    request.encode(&mut out).unwrap();
    out
}

/// What a client makes of an answer.
fn client(
    config: &client::NegotiationConfig<'_>,
    confirm: ConnectionConfirm,
) -> Result<client::Selected, Error> {
    let state = client::start(config, &mut BytesMut::new())?;
    match state.process(&mut encoded(confirm))? {
        client::Negotiation::Complete(selected) => Ok(selected),
        other => panic!("{other:?}"),
    }
}

/// What a server makes of a request, and its answer.
fn server(
    config: server::NegotiationConfig,
    negotiation: Option<NegotiationRequest>,
) -> (Result<server::Accepted, Error>, Option<ConnectionConfirm>) {
    let mut request = ConnectionRequest::default();
    request.negotiation = negotiation;
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    request.encode(&mut input).unwrap();
    let result = match server::start(config).process(&mut input, &mut out) {
        Ok(server::Negotiation::Complete(accepted)) => Ok(accepted),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let answer = (!out.is_empty()).then(|| ConnectionConfirm::decode(&out).unwrap());
    (result, answer)
}

#[test]
fn no_truncated_message_is_read() {
    let confirm = encoded(ConnectionConfirm::Response {
        flags: ResponseFlags::RESTRICTED_ADMIN,
        selected: Protocol::Hybrid,
    });
    for whole in [full_request(), confirm] {
        for length in 0..whole.len() {
            let cut = &whole[..length];
            assert!(rdp::frame_length(cut).is_ok(), "{length}");
            assert!(ConnectionRequest::decode(cut).is_err(), "{length}");
            assert!(ConnectionConfirm::decode(cut).is_err(), "{length}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(ConnectionRequest::decode(&longer).is_err());
        assert!(ConnectionConfirm::decode(&longer).is_err());
    }
}

/// The body ends at every octet in turn, with headers that fit: only whole structures are read.
#[test]
fn no_truncated_structure_is_read() {
    let whole = full_request();
    let body = &whole[11..];
    let cookie = b"Cookie: mstshash=alice\r\n".len();
    for length in 0..=body.len() {
        let good = [0, cookie, body.len()].contains(&length);
        assert_eq!(request(&body[..length]).is_ok(), good, "{length}");
    }
}

#[test]
fn rejects_lengths_that_are_too_small_or_too_large_at_once() {
    let kind = |input: &[u8]| rdp::frame_length(input).map_err(|error| error.kind);
    assert_eq!(kind(&[3, 0, 0, 10]), Err(InvalidMessageKind::BadValue));
    assert_eq!(kind(&[3, 0, 0, 11]), Ok(Some(11)));
    assert_eq!(kind(&[3, 0, 1, 3]), Ok(Some(rdp::MAX_MESSAGE_LEN)));
    assert_eq!(kind(&[3, 0, 1, 4]), Err(InvalidMessageKind::TooLarge));
    assert_eq!(kind(&[3, 0, 0xff, 0xff]), Err(InvalidMessageKind::TooLarge));
    assert_eq!(kind(&[0x16]), Err(InvalidMessageKind::BadEncoding));
    assert_eq!(kind(&[3, 0, 0]), Ok(None));
}

#[test]
fn rejects_headers_that_contradict_each_other() {
    let whole = full_request();
    for (at, kind) in [
        (4, InvalidMessageKind::BadValue),
        (5, InvalidMessageKind::BadEncoding),
        (10, InvalidMessageKind::BadValue),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let error = ConnectionRequest::decode(&damaged).unwrap_err();
        assert_eq!((error.offset, error.kind), (at, kind));
    }
}

/// What stands behind the frame is not its body, even if it would do as one.
#[test]
fn rejects_a_negotiation_behind_its_frame() {
    for (code, body) in [
        (0xe0, [1, 0, 8, 0, 2, 0, 0, 0]),
        (0xd0, [2, 0, 8, 0, 2, 0, 0, 0]),
    ] {
        let message = [framed(code, &[]), body.to_vec()].concat();
        let request = ConnectionRequest::decode(&message).map(|_| ());
        let confirm = ConnectionConfirm::decode(&message).map(|_| ());
        for result in [request, confirm] {
            let error = result.unwrap_err();
            assert_eq!(
                (error.offset, error.kind),
                (11, InvalidMessageKind::TrailingData)
            );
        }
    }
}

#[test]
fn rejects_structures_that_break_their_rules() {
    const NEG_REQ: [u8; 8] = [1, 0, 8, 0, 3, 0, 0, 0];
    let with_info = |flags: u8, info: &[u8]| {
        let mut negotiation = NEG_REQ;
        negotiation[1] = flags;
        request(&[&negotiation, info].concat())
    };
    let info = |flags: u8, length: u8, first: u8, last: u8, reserved: u8| {
        let mut info = [9; 36];
        info[..4].copy_from_slice(&[6, flags, length, 0]);
        info[4] = first;
        info[19] = last;
        info[20..].fill(reserved);
        info
    };
    assert_eq!(with_info(8, &info(0, 36, 1, 1, 0)), Ok(()));
    for bad in [
        info(0, 36, 0, 1, 0),
        info(0, 36, 0xf4, 1, 0),
        info(0, 36, 1, 0x0d, 0),
        info(0, 36, 1, 1, 1),
        info(0, 35, 1, 1, 0),
    ] {
        assert_eq!(with_info(8, &bad), Err(InvalidMessageKind::BadValue));
    }
    let flagged = with_info(8, &info(1, 36, 1, 1, 0));
    assert_eq!(flagged, Err(InvalidMessageKind::BadEncoding));
    // The flag and what it speaks of, one without the other.
    assert_eq!(with_info(8, &[]), Err(InvalidMessageKind::MissingField));
    let unannounced = with_info(0, &info(0, 36, 1, 1, 0));
    assert_eq!(unannounced, Err(InvalidMessageKind::TrailingData));

    for (body, kind) in [
        (&b"Cookie: mstshash=x"[..], InvalidMessageKind::Truncated),
        (b"Cookie: mstshash=x\r", InvalidMessageKind::Truncated),
        (b"\r\n", InvalidMessageKind::BadValue),
        (b"a\r\nb\r\n", InvalidMessageKind::BadEncoding),
        (&[1, 0, 9, 0, 0, 0, 0, 0], InvalidMessageKind::BadValue),
        (&[1, 0, 8, 0, 0, 0, 0], InvalidMessageKind::Truncated),
    ] {
        assert_eq!(request(body), Err(kind), "{body:x?}");
    }
    assert_eq!(request(&[b'a'; 248]), Err(InvalidMessageKind::Truncated));

    for (body, kind) in [
        // Two protocols at once, flags in a failure, a request, and something behind.
        (&[2, 0, 8, 0, 3, 0, 0, 0][..], InvalidMessageKind::BadValue),
        (&[3, 1, 8, 0, 1, 0, 0, 0], InvalidMessageKind::BadValue),
        (&NEG_REQ, InvalidMessageKind::BadEncoding),
        (
            &[2, 0, 8, 0, 2, 0, 0, 0, 0],
            InvalidMessageKind::TrailingData,
        ),
    ] {
        let error = ConnectionConfirm::decode(&framed(0xd0, body)).unwrap_err();
        assert_eq!(error.kind, kind, "{body:x?}");
    }
}

#[test]
fn what_would_not_be_read_is_not_written() {
    assert_eq!(Routing::token(b""), None);
    assert_eq!(Routing::token(&[1, 2]), None);
    assert_eq!(Routing::token(b"a\r\nb"), None);
    assert_eq!(Routing::cookie(b"a\r"), None);
    assert_eq!(Routing::token(b"Cookie: mstshash=a"), Routing::cookie(b"a"));
    for (length, fits) in [(246, true), (247, false)] {
        let token = vec![b'a'; length];
        let mut request = ConnectionRequest::default();
        request.routing = Routing::token(&token);
        let mut out = BytesMut::new();
        let result = request.encode(&mut out);
        if fits {
            assert_eq!(ConnectionRequest::decode(&out), Ok(request));
            assert_eq!(out.len(), rdp::MAX_MESSAGE_LEN);
        } else {
            assert!(matches!(result, Err(ApiMisuse::TooLong(_))));
            assert!(out.is_empty());
        }
    }
}

/// Octet by octet, and with TLS's first octets behind.
#[test]
fn any_fragmentation_is_read_and_what_follows_is_left() {
    let (mut request, mut answer) = (BytesMut::new(), BytesMut::new());
    let mut config = client::NegotiationConfig::default();
    config.routing = Routing::cookie(b"alice");
    let mut client = client::start(&config, &mut request).unwrap();
    request.extend_from_slice(&[0x16, 3]);
    let mut server = server::start(server::NegotiationConfig::default());
    let mut input = BytesMut::new();
    let accepted = loop {
        input.extend_from_slice(&request.split_to(1));
        match server.process(&mut input, &mut answer).unwrap() {
            server::Negotiation::NeedsInput(state) => server = state,
            server::Negotiation::Complete(accepted) => break accepted,
            other => panic!("{other:?}"),
        }
        assert!(answer.is_empty());
    };
    assert_eq!(request[..], [0x16, 3]);
    assert_eq!(accepted.cookie.as_deref(), Some(&b"alice"[..]));
    assert!(!format!("{accepted:?}").contains("97, 108"));
    answer.extend_from_slice(&[0x16]);
    let mut input = BytesMut::new();
    let selected = loop {
        input.extend_from_slice(&answer.split_to(1));
        match client.process(&mut input).unwrap() {
            client::Negotiation::NeedsInput(state) => client = state,
            client::Negotiation::Complete(selected) => break selected,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(answer[..], [0x16]);
    assert_eq!(selected.protocol, accepted.selected);
    assert_eq!(selected.requested, accepted.requested);
}

#[test]
fn a_client_takes_credssp_that_it_requested_and_nothing_else() {
    for hybrid_ex in [false, true] {
        let mut config = client::NegotiationConfig::default();
        config.hybrid_ex = hybrid_ex;
        for selected in ALL {
            let flags = ResponseFlags::default();
            let result = client(&config, ConnectionConfirm::Response { flags, selected });
            match selected {
                Protocol::Hybrid => assert_eq!(result.unwrap().protocol, selected),
                Protocol::HybridEx if hybrid_ex => assert_eq!(result.unwrap().protocol, selected),
                Protocol::Rdp | Protocol::Ssl => assert!(matches!(
                    result,
                    Err(Error::PeerIncompatible(PeerIncompatible::NoCredSsp))
                )),
                _ => assert!(matches!(
                    result,
                    Err(Error::PeerMisbehaved(
                        PeerMisbehaved::SelectedUnrequestedProtocol
                    ))
                )),
            }
        }
        assert!(matches!(
            client(&config, ConnectionConfirm::Plain),
            Err(Error::PeerIncompatible(PeerIncompatible::NoCredSsp))
        ));
    }
}

#[test]
fn a_client_goes_nowhere_without_the_mode_that_it_wants() {
    let mut config = client::NegotiationConfig::default();
    for (wanted, supported, expected) in [
        (
            RequestFlags::RESTRICTED_ADMIN,
            ResponseFlags::RESTRICTED_ADMIN,
            PeerIncompatible::NoRestrictedAdmin,
        ),
        (
            RequestFlags::REDIRECTED_AUTHENTICATION,
            ResponseFlags::REDIRECTED_AUTHENTICATION,
            PeerIncompatible::NoRedirectedAuthentication,
        ),
    ] {
        config.flags = wanted;
        for bits in 0..=u8::MAX {
            let flags = ResponseFlags::from_bits(bits);
            let selected = Protocol::Hybrid;
            let result = client(&config, ConnectionConfirm::Response { flags, selected });
            if flags.contains(supported) {
                assert_eq!(result.unwrap().flags, flags);
            } else {
                let error = result.unwrap_err();
                assert!(matches!(error, Error::PeerIncompatible(found) if found == expected));
            }
        }
    }
}

#[test]
fn a_client_names_every_failure() {
    for code in 0..=7 {
        let failure = NegotiationFailure::from_u32(code);
        let config = client::NegotiationConfig::default();
        let error = client(&config, ConnectionConfirm::Failure(failure)).unwrap_err();
        assert!(matches!(error, Error::ConnectionRefused(found) if found == failure));
        assert_eq!(error.kind(), "ConnectionRefused");
        let known = (1..=6).contains(&code);
        assert_eq!(failure.name().is_some(), known);
        assert_eq!(failure.description().is_some(), known);
        let text = failure.name().map_or("0x0000000", |name| name);
        assert!(error.to_string().contains(text), "{error}");
    }
    let named = NegotiationFailure::from_u32(5);
    assert_eq!(named.name(), Some("HYBRID_REQUIRED_BY_SERVER"));
}

#[test]
fn a_server_selects_the_best_of_what_both_have() {
    for bits in 0..32 {
        for hybrid_ex in [false, true] {
            let mut config = server::NegotiationConfig::default();
            config.hybrid_ex = hybrid_ex;
            let offered = Protocols::from_bits(bits);
            let (result, answer) = server(config, Some(NegotiationRequest::new(offered)));
            let expected = if hybrid_ex && bits & 8 != 0 {
                Protocol::HybridEx
            } else if bits & 2 != 0 {
                Protocol::Hybrid
            } else {
                let failure = NegotiationFailure::HYBRID_REQUIRED_BY_SERVER;
                assert_eq!(answer, Some(ConnectionConfirm::Failure(failure)));
                let error = result.unwrap_err();
                assert!(matches!(
                    error,
                    Error::PeerIncompatible(PeerIncompatible::NoCredSsp)
                ));
                continue;
            };
            let flags = ResponseFlags::default();
            let selected = expected;
            let response = ConnectionConfirm::Response { flags, selected };
            assert_eq!(answer, Some(response));
            let accepted = result.unwrap();
            assert_eq!((accepted.selected, accepted.requested), (expected, offered));
        }
    }
    let (result, answer) = server(server::NegotiationConfig::default(), None);
    assert!(result.is_err() && answer.is_none());
}

#[test]
fn a_server_grants_only_modes_that_it_supports() {
    let mut negotiation = NegotiationRequest::new(Protocols::HYBRID);
    for asked in 0..4 {
        negotiation.flags = RequestFlags::from_bits(asked);
        for supported in [0, 8, 0x10, 0x18] {
            let mut config = server::NegotiationConfig::default();
            config.flags = ResponseFlags::from_bits(supported);
            let (result, answer) = server(config, Some(negotiation));
            let accepted = result.unwrap();
            let granted = asked & (supported >> 3);
            assert_eq!(accepted.restricted_admin, granted & 1 != 0);
            assert_eq!(accepted.redirected_authentication, granted & 2 != 0);
            let Some(ConnectionConfirm::Response { flags, .. }) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!(flags, config.flags);
        }
    }
}

#[test]
fn early_user_authorization_is_granted_denied_or_invalid() {
    let mut out = BytesMut::new();
    EarlyUserAuthorization::Success.encode(&mut out);
    EarlyUserAuthorization::AccessDenied.encode(&mut out);
    assert_eq!(out[..], [0, 0, 0, 0, 5, 0, 0, 0]);
    out.extend_from_slice(&[3, 0, 0]);
    let granted = EarlyUserAuthorization::take(&mut out).unwrap().unwrap();
    assert!(granted.into_result().is_ok());
    let denied = EarlyUserAuthorization::take(&mut out).unwrap().unwrap();
    assert!(matches!(
        denied.into_result(),
        Err(Error::EarlyAuthorizationDenied)
    ));
    assert_eq!(EarlyUserAuthorization::take(&mut out), Ok(None));
    assert_eq!(out[..], [3, 0, 0]);
    for other in [[1, 0, 0, 0], [0, 0, 0, 5], [5, 0, 0, 1], [0xff; 4]] {
        let error = EarlyUserAuthorization::decode(other).unwrap_err();
        assert_eq!(error.kind, InvalidMessageKind::BadValue);
    }
}

fn negotiation() -> impl Strategy<Value = NegotiationRequest> {
    let id = option::of(uniform16(any::<u8>()));
    (any::<u32>(), 0_u8..8, id).prop_map(|(protocols, flags, id)| {
        let mut negotiation = NegotiationRequest::new(Protocols::from_bits(protocols));
        negotiation.flags = RequestFlags::from_bits(flags);
        negotiation.correlation_id = id.and_then(CorrelationId::new);
        negotiation
    })
}

fn check_decoders(data: &[u8]) -> Result<(), InvalidMessage> {
    rdp::frame_length(data)?;
    let mut out = BytesMut::new();
    if let Ok(request) = ConnectionRequest::decode(data) {
        request.encode(&mut out).unwrap();
        assert_eq!(ConnectionRequest::decode(&out), Ok(request));
    }
    if let Ok(confirm) = ConnectionConfirm::decode(data) {
        assert_eq!(ConnectionConfirm::decode(&encoded(confirm)), Ok(confirm));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn reads_every_request_that_it_writes(
        line in vec(any::<u8>(), 0..180),
        is_cookie in any::<bool>(),
        negotiation in option::of(negotiation()),
    ) {
        let mut request = ConnectionRequest::default();
        request.routing = if is_cookie { Routing::cookie(&line) } else { Routing::token(&line) };
        request.negotiation = negotiation;
        let mut out = BytesMut::new();
        request.encode(&mut out).unwrap();
        prop_assert_eq!(rdp::frame_length(&out), Ok(Some(out.len())));
        prop_assert_eq!(ConnectionRequest::decode(&out), Ok(request));
    }

    #[test]
    fn no_input_makes_it_panic(body in vec(any::<u8>(), 0..248), raw in vec(any::<u8>(), 0..300)) {
        let _ = check_decoders(&framed(0xe0, &body));
        let _ = check_decoders(&framed(0xd0, &body));
        let _ = check_decoders(&raw);
    }

    #[test]
    fn a_damaged_message_makes_no_end_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut message = full_request();
        let at = at.index(message.len());
        message[at] = value;
        let _ = check_decoders(&message);
        let state = server::start(server::NegotiationConfig::default());
        let _ = state.process(&mut message, &mut BytesMut::new());
    }
}
