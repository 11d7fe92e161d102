use crate::codec::der::{self, INITIAL_CONTEXT_TOKEN, OBJECT_IDENTIFIER, Reader};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::mechanism::Oid;

/// What a context token holds (RFC 4121, section 4.1; draft-swift-win2k-krb-user2user for the last two).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenId {
    /// 01 00: an AP-REQ.
    ApReq,
    /// 02 00: an AP-REP.
    ApRep,
    /// 03 00: a KRB-ERROR.
    Error,
    /// 04 00: a KERB-TGT-REQUEST.
    TgtRequest,
    /// 04 01: a KERB-TGT-REPLY.
    TgtReply,
}

impl TokenId {
    const ALL: [Self; 5] = [
        Self::ApReq,
        Self::ApRep,
        Self::Error,
        Self::TgtRequest,
        Self::TgtReply,
    ];

    const fn octets(self) -> [u8; 2] {
        match self {
            Self::ApReq => [1, 0],
            Self::ApRep => [2, 0],
            Self::Error => [3, 0],
            Self::TgtRequest => [4, 0],
            Self::TgtReply => [4, 1],
        }
    }
}

/// A token that establishes a context (RFC 2743, section 3.1; RFC 4121, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitialToken<'a> {
    /// [`Oid::KERBEROS`] or [`Oid::KERBEROS_USER_TO_USER`].
    pub oid: Oid,
    /// What it holds.
    pub id: TokenId,
    /// The message.
    pub message: &'a [u8],
}

impl<'a> InitialToken<'a> {
    /// From parts.
    pub fn new(oid: Oid, id: TokenId, message: &'a [u8]) -> Self {
        Self { oid, id, message }
    }

    /// Takes the framing off.
    ///
    /// # Errors
    /// Where it is malformed, or of another mechanism.
    pub fn decode(token: &'a [u8]) -> Result<Self, InvalidMessage> {
        const NAME: &str = "InitialContextToken";

        let mut reader = Reader::new(token);
        let mut inner = reader.read(INITIAL_CONTEXT_TOKEN, NAME)?;
        reader.finish(NAME)?;
        let oid = inner.read(OBJECT_IDENTIFIER, "InitialContextToken.thisMech")?;
        let oid = [Oid::KERBEROS, Oid::KERBEROS_USER_TO_USER]
            .into_iter()
            .find(|known| known.contents() == oid.rest())
            .ok_or_else(|| {
                oid.error("InitialContextToken.thisMech", InvalidMessageKind::BadValue)
            })?;
        let error = |kind| inner.error("TOK_ID", kind);
        let (id, message) = inner
            .rest()
            .split_first_chunk()
            .ok_or_else(|| error(InvalidMessageKind::Truncated))?;
        let id = TokenId::ALL
            .into_iter()
            .find(|known| known.octets() == *id)
            .ok_or_else(|| error(InvalidMessageKind::BadValue))?;
        Ok(Self { oid, id, message })
    }

    /// Appends the token.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let oid = self.oid.contents();
        let id = self.id.octets();
        let contents = der::value_len(oid.len()) + id.len() + self.message.len();
        der::put_header(out, INITIAL_CONTEXT_TOKEN, contents);
        der::put_header(out, OBJECT_IDENTIFIER, oid.len());
        out.extend_from_slice(oid);
        out.extend_from_slice(&id);
        out.extend_from_slice(self.message);
    }
}
