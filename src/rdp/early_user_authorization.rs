use bytes::{Buf, BufMut, BytesMut};

use crate::error::{Error, InvalidMessage, InvalidMessageKind};

const RESULT: &str = "Early User Authorization Result";
const AUTHZ_SUCCESS: u32 = 0;
const AUTHZ_ACCESS_DENIED: u32 = 5;

/// The Early User Authorization Result (MS-RDPBCGR, section 2.2.10.2), by which a server says whether the user may log on.
///
/// It is sent inside TLS, without a frame, directly behind CredSSP, and only where
/// [`Protocol::HybridEx`](super::Protocol::HybridEx) was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EarlyUserAuthorization {
    /// AUTHZ_SUCCESS.
    Success,
    /// AUTHZ_ACCESS_DENIED: the server closes after it.
    AccessDenied,
}

impl EarlyUserAuthorization {
    /// Its length, in octets.
    pub const LEN: usize = 4;

    /// Decodes the whole of it.
    ///
    /// # Errors
    /// For any number but 0 and 5.
    pub fn decode(result: [u8; Self::LEN]) -> Result<Self, InvalidMessage> {
        match u32::from_le_bytes(result) {
            AUTHZ_SUCCESS => Ok(Self::Success),
            AUTHZ_ACCESS_DENIED => Ok(Self::AccessDenied),
            _ => Err(InvalidMessage::new(RESULT, 0, InvalidMessageKind::BadValue)),
        }
    }

    /// Takes it from the front of what came behind CredSSP; `None` while it is not whole. What stays in `input` is the
    /// application's.
    ///
    /// # Errors
    /// As [`Self::decode()`].
    pub fn take(input: &mut BytesMut) -> Result<Option<Self>, InvalidMessage> {
        let Some(result) = input.first_chunk::<{ Self::LEN }>() else {
            return Ok(None);
        };
        let result = Self::decode(*result)?;
        input.advance(Self::LEN);
        Ok(Some(result))
    }

    /// Appends it to `out`.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_u32_le(match self {
            Self::Success => AUTHZ_SUCCESS,
            Self::AccessDenied => AUTHZ_ACCESS_DENIED,
        });
    }

    /// What it means to a client.
    ///
    /// # Errors
    /// [`Error::EarlyAuthorizationDenied`] where the server denies access.
    pub fn into_result(self) -> Result<(), Error> {
        match self {
            Self::Success => Ok(()),
            Self::AccessDenied => Err(Error::EarlyAuthorizationDenied),
        }
    }
}
