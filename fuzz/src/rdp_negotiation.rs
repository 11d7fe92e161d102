//! Remote Desktop's negotiation: the codecs, and each end as its peer's octets come.

use bytes::BytesMut;
use credssp::error::NegotiationFailure;
use credssp::rdp::{
    ConnectionConfirm, ConnectionRequest, CorrelationId, EarlyUserAuthorization, MAX_MESSAGE_LEN,
    NegotiationRequest, Protocol, Protocols, RequestFlags, ResponseFlags, Routing, client,
    frame_length, server,
};

/// What is read is written as something that reads the same, and no end takes what its decoder refuses.
pub fn run(data: &[u8]) {
    let framed = frame_length(data);
    if let Ok(Some(length)) = framed {
        assert!(length <= MAX_MESSAGE_LEN);
    }
    let mut out = BytesMut::new();
    if let Ok(request) = ConnectionRequest::decode(data) {
        assert_eq!(framed, Ok(Some(data.len())));
        let _ = format!("{request:?}");
        request.encode(&mut out).expect("it was as long");
        assert_eq!(out.len(), data.len());
        assert_eq!(ConnectionRequest::decode(&out), Ok(request));
    }
    out.clear();
    if let Ok(confirm) = ConnectionConfirm::decode(data) {
        assert_eq!(framed, Ok(Some(data.len())));
        confirm.encode(&mut out);
        assert_eq!(ConnectionConfirm::decode(&out), Ok(confirm));
    }
    server_end(data);
    client_end(data);
    let _ = EarlyUserAuthorization::take(&mut data.into());
}

fn server_end(data: &[u8]) {
    let (mut input, mut out) = (BytesMut::from(data), BytesMut::new());
    let state = server::start(server::NegotiationConfig::default());
    match state.process(&mut input, &mut out) {
        Ok(server::Negotiation::Complete(accepted)) => {
            assert!(accepted.selected.is_credssp());
            assert!(accepted.requested.contains(accepted.selected.into()));
            assert!(!accepted.restricted_admin, "it is not supported");
            let answered = client_end(&out).expect("a client takes it");
            assert_eq!(answered.protocol, accepted.selected);
        }
        Ok(_) => assert!(out.is_empty()),
        Err(_) if out.is_empty() => {}
        Err(_) => assert!(matches!(
            ConnectionConfirm::decode(&out),
            Ok(ConnectionConfirm::Failure(_))
        )),
    }
}

fn client_end(data: &[u8]) -> Option<client::Selected> {
    let config = client::NegotiationConfig::default();
    let state = client::start(&config, &mut BytesMut::new()).expect("it fits");
    match state.process(&mut data.into()) {
        Ok(client::Negotiation::Complete(selected)) => {
            assert!(selected.protocol.is_credssp());
            Some(selected)
        }
        _ => None,
    }
}

/// Names and contents of seeds beside the published messages.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut negotiation =
        NegotiationRequest::new(Protocols::SSL | Protocols::HYBRID | Protocols::HYBRID_EX);
    negotiation.flags = RequestFlags::RESTRICTED_ADMIN;
    negotiation.correlation_id = CorrelationId::new([7; 16]);
    let mut request = ConnectionRequest::default();
    request.routing = Routing::token(b"token");
    request.negotiation = Some(negotiation);
    let mut full = BytesMut::new();
    request.encode(&mut full).expect("it fits");
    let confirm = |confirm: ConnectionConfirm| {
        let mut out = BytesMut::new();
        confirm.encode(&mut out);
        out.to_vec()
    };
    vec![
        ("full-request", full.to_vec()),
        (
            "hybrid-ex",
            confirm(ConnectionConfirm::Response {
                flags: ResponseFlags::RESTRICTED_ADMIN,
                selected: Protocol::HybridEx,
            }),
        ),
        (
            "failure",
            confirm(ConnectionConfirm::Failure(
                NegotiationFailure::HYBRID_REQUIRED_BY_SERVER,
            )),
        ),
    ]
}
