//! X.224 Connection Requests and Confirms, and the word on the user behind CredSSP.

use bytes::BytesMut;
use credssp::error::NegotiationFailure;
use credssp::rdp::{
    self, ConnectionConfirm, ConnectionRequest, EarlyUserAuthorization, Protocol, Protocols,
};

use super::Entry;

pub(super) fn x224(entry: &Entry<'_>) {
    assert_eq!(rdp::frame_length(&entry.bytes), Ok(Some(entry.bytes.len())));
    let mut encoded = BytesMut::new();
    if entry.id.contains("CR") {
        let request = ConnectionRequest::decode(&entry.bytes).unwrap();
        request.encode(&mut encoded).unwrap();
        let cookie = request
            .routing
            .map(|routing| routing.as_cookie().expect("a cookie"));
        let protocols = request.negotiation.expect("RDP_NEG_REQ").protocols;
        let hybrid_ex = Protocols::SSL | Protocols::HYBRID | Protocols::HYBRID_EX;
        match entry.id {
            "CR spec" => {
                assert_eq!(cookie, Some(&b"eltons"[..]));
                assert_eq!(protocols, Protocols::default());
            }
            "mstsc CR cookie" => {
                assert!(cookie.is_some());
                assert_eq!(protocols, hybrid_ex);
            }
            _ => assert_eq!((cookie, protocols), (None, hybrid_ex)),
        }
    } else {
        let confirm = ConnectionConfirm::decode(&entry.bytes).unwrap();
        confirm.encode(&mut encoded);
        if entry.id.contains("failure") {
            let failure = NegotiationFailure::SSL_REQUIRED_BY_SERVER;
            assert_eq!(confirm, ConnectionConfirm::Failure(failure));
        } else {
            let ConnectionConfirm::Response { selected, .. } = confirm else {
                panic!("no RDP_NEG_RSP");
            };
            assert_eq!(selected, Protocol::Rdp);
        }
    }
    assert_eq!(encoded, entry.bytes);
}

pub(super) fn early_user_authorization(entry: &Entry<'_>) {
    let expected = match entry.id {
        "AUTHZ_SUCCESS" => EarlyUserAuthorization::Success,
        "AUTHZ_ACCESS_DENIED" => EarlyUserAuthorization::AccessDenied,
        other => panic!("{other}"),
    };
    let mut bytes = BytesMut::from(&entry.bytes[..]);
    assert_eq!(EarlyUserAuthorization::take(&mut bytes), Ok(Some(expected)));
    assert!(bytes.is_empty());
    expected.encode(&mut bytes);
    assert_eq!(bytes, entry.bytes);
}
