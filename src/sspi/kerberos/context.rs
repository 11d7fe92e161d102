use ::sspi::{EncryptionFlags, SecurityBufferRef, Sspi};
use bytes::BytesMut;

use super::super::failed;
use crate::error::{
    AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind, OtherError, PeerMisbehaved,
};
use crate::gss::SecurityContext;
use crate::mechanism::Mechanism;

/// A Wrap token's header (RFC 4121, section 4.2.6.2).
const HEADER_LEN: usize = 16;

/// What the crate puts before the data: the header, and confounder, encrypted header and checksum, which are turned to
/// the front.
const TRAILER_LEN: usize = 60;

/// By how much the crate takes the rest of a token to be turned, beyond what `EC` says.
const RRC: usize = 28;

/// `Flags`: SentByAcceptor.
const SENT_BY_ACCEPTOR: u8 = 1;

/// `Flags`: Sealed.
const SEALED: u8 = 2;

/// An established context of a client.
///
/// The first message's number is taken as it comes, since only the crate knows what the server announced; each later one
/// must be the next. It is read where it lies in the clear: TLS vouches for it.
pub(super) struct KerberosContext {
    kerberos: ::sspi::Kerberos,
    /// The server's next number, once there has been one.
    expected: Option<u64>,
}

impl KerberosContext {
    pub(super) fn new(kerberos: ::sspi::Kerberos) -> Self {
        Self {
            kerberos,
            expected: None,
        }
    }
}

impl SecurityContext for KerberosContext {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn wrap_overhead(&self) -> usize {
        TRAILER_LEN
    }

    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error> {
        let length = message.len();
        message.resize(length.saturating_add(TRAILER_LEN), 0);
        message.copy_within(..length, TRAILER_LEN);
        let Some((trailer, data)) = message.split_at_mut_checked(TRAILER_LEN) else {
            return Ok(());
        };
        let buffers = &mut [
            SecurityBufferRef::token_buf(trailer),
            SecurityBufferRef::data_buf(data),
        ];
        self.kerberos
            .encrypt_message(EncryptionFlags::empty(), buffers)
            .map_err(|error| failed(&error))?;
        Ok(())
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let Header {
            extra_count,
            sequence,
        } = Header::prepare(token)?;
        if self.expected.is_some_and(|expected| expected != sequence) {
            return Err(refused());
        }
        let (trailer, data) = token
            .split_at_mut_checked(TRAILER_LEN.saturating_add(extra_count))
            .ok_or_else(|| malformed(InvalidMessageKind::Truncated))?;
        let buffers = &mut [
            SecurityBufferRef::token_buf(trailer),
            SecurityBufferRef::data_buf(data),
        ];
        self.kerberos
            .decrypt_message(buffers)
            .map_err(|_| refused())?;
        self.expected = Some(sequence.wrapping_add(1));
        Ok(data)
    }

    fn get_mic(&mut self, _message: &[u8], _out: &mut Vec<u8>) -> Result<(), Error> {
        Err(no_mic())
    }

    fn verify_mic(&mut self, _message: &[u8], _mic: &[u8]) -> Result<(), Error> {
        Err(no_mic())
    }
}

/// What a Wrap token's header says.
struct Header {
    extra_count: usize,
    sequence: u64,
}

impl Header {
    /// Checks a Wrap token's header, and turns the rest as the crate wants it.
    fn prepare(token: &mut [u8]) -> Result<Self, Error> {
        let (header, rest) = token
            .split_first_chunk_mut::<HEADER_LEN>()
            .ok_or_else(|| malformed(InvalidMessageKind::Truncated))?;
        let [5, 4, flags, 0xff, ec1, ec2, rrc1, rrc2, sequence @ ..] = *header else {
            return Err(malformed(InvalidMessageKind::BadEncoding));
        };
        if flags & SENT_BY_ACCEPTOR == 0 {
            return Err(refused());
        }
        if flags & SEALED == 0 {
            return Err(PeerMisbehaved::UnsealedMessage.into());
        }
        let extra_count = usize::from(u16::from_be_bytes([ec1, ec2]));
        let rotation = extra_count.saturating_add(RRC);
        // Below 2¹⁶, for the crate counts the rotation in 16 bits.
        if rest.len() < TRAILER_LEN - HEADER_LEN + extra_count || rotation > usize::from(u16::MAX) {
            return Err(malformed(InvalidMessageKind::Truncated));
        }
        // RFC 4121, section 4.2.5: a receiver must be able to interpret all possible rotation counts.
        let received = usize::from(u16::from_be_bytes([rrc1, rrc2]));
        rest.rotate_left(received.checked_rem(rest.len()).unwrap_or_default());
        rest.rotate_right(rotation);
        Ok(Self {
            extra_count,
            sequence: u64::from_be_bytes(sequence),
        })
    }
}

fn malformed(kind: InvalidMessageKind) -> Error {
    InvalidMessage::new("Wrap token", 0, kind).into()
}

fn refused() -> Error {
    Error::AuthenticationFailed {
        mechanism: Mechanism::Kerberos,
        reason: AuthenticationFailure::WrongSignature,
    }
}

fn no_mic() -> Error {
    let text = "the sspi crate gives no MICs of Kerberos: let Kerberos be the mechanism that both ends prefer";
    OtherError::new(text).into()
}
