//! Decoding and encoding the message in which a client answers a challenge and binds to the server's key.

use bytes::BytesMut;
use credssp::ts_request::TsRequest;

const NEGO_TOKEN: [u8; 181] = [0x4e; 181];
const PUB_KEY_AUTH: [u8; 48] = [0x01; 48];
const CLIENT_NONCE: [u8; 32] = [0x07; 32];

/// The message, encoded: 293 bytes.
pub(crate) fn message() -> BytesMut {
    let mut message = BytesMut::new();
    encode(&request(), &mut message);
    assert_eq!(message.len(), 293);
    message
}

pub(crate) fn request() -> TsRequest<'static> {
    let mut request = TsRequest::new(6);
    request.nego_token = Some(&NEGO_TOKEN);
    request.pub_key_auth = Some(&PUB_KEY_AUTH);
    request.client_nonce = Some(CLIENT_NONCE);
    request
}

pub(crate) fn decode(message: &[u8]) -> TsRequest<'_> {
    TsRequest::decode(message).expect("a TSRequest")
}

pub(crate) fn encode(request: &TsRequest<'_>, out: &mut BytesMut) {
    request.encode(out);
}

#[cfg(feature = "sspi")]
pub(crate) mod sspi_peer {
    use sspi::credssp::TsRequest;

    use super::{CLIENT_NONCE, NEGO_TOKEN, PUB_KEY_AUTH};

    pub(crate) fn request() -> TsRequest {
        TsRequest {
            nego_tokens: Some(NEGO_TOKEN.to_vec()),
            pub_key_auth: Some(PUB_KEY_AUTH.to_vec()),
            client_nonce: Some(CLIENT_NONCE),
            ..TsRequest::default()
        }
    }

    pub(crate) fn decode(message: &[u8]) -> TsRequest {
        TsRequest::from_buffer(message).expect("a TSRequest")
    }

    pub(crate) fn encode(request: &TsRequest, out: &mut Vec<u8>) {
        request.encode_ts_request(out).expect("an encoding");
    }
}
