use bytes::BytesMut;
use credssp::error::NtStatus;
use credssp::ts_request::TsRequest;

use super::Side;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub from: Side,
    /// How many messages its sender sent before.
    pub index: usize,
    pub bytes: Vec<u8>,
}

impl Message {
    pub fn is(&self, from: Side, index: usize) -> bool {
        (self.from, self.index) == (from, index)
    }

    pub fn decode(&self) -> Fields {
        Fields::decode(&self.bytes)
    }

    /// Decodes, changes and encodes it anew.
    pub fn change(&self, change: impl FnOnce(&mut Fields)) -> Vec<u8> {
        let mut fields = self.decode();
        change(&mut fields);
        fields.encode()
    }
}

/// A `TSRequest` that owns its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub version: u32,
    pub nego_token: Option<Vec<u8>>,
    pub auth_info: Option<Vec<u8>>,
    pub pub_key_auth: Option<Vec<u8>>,
    pub error_code: Option<NtStatus>,
    pub client_nonce: Option<[u8; 32]>,
}

impl Fields {
    pub fn new(version: u32) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    pub fn decode(bytes: &[u8]) -> Self {
        let request = TsRequest::decode(bytes).unwrap();
        Self {
            version: request.version,
            nego_token: request.nego_token.map(<[u8]>::to_vec),
            auth_info: request.auth_info.map(<[u8]>::to_vec),
            pub_key_auth: request.pub_key_auth.map(<[u8]>::to_vec),
            error_code: request.error_code,
            client_nonce: request.client_nonce,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut request = TsRequest::new(self.version);
        request.nego_token = self.nego_token.as_deref();
        request.auth_info = self.auth_info.as_deref();
        request.pub_key_auth = self.pub_key_auth.as_deref();
        request.error_code = self.error_code;
        request.client_nonce = self.client_nonce;
        let mut out = BytesMut::new();
        request.encode(&mut out);
        out.to_vec()
    }

    /// Which fields there are, by their letters: `t` for `negoTokens`, `i` for `authInfo`, `k` for `pubKeyAuth`, `e` for
    /// `errorCode`, `n` for `clientNonce`.
    pub fn shape(&self) -> String {
        [
            (self.nego_token.is_some(), 't'),
            (self.auth_info.is_some(), 'i'),
            (self.pub_key_auth.is_some(), 'k'),
            (self.error_code.is_some(), 'e'),
            (self.client_nonce.is_some(), 'n'),
        ]
        .into_iter()
        .filter_map(|(there, letter)| there.then_some(letter))
        .collect()
    }
}
