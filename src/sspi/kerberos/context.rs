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
        // Both count in 16 bits, and so should their sum.
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
    let text =
        "the sspi crate gives no MICs of Kerberos, which SPNEGO wants here: use Negotiation::Bare";
    OtherError::new(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's sealed token with so many octets behind the header.
    fn token(extra_count: u16, rotation: u16, length: usize) -> Vec<u8> {
        let mut token = vec![5, 4, SENT_BY_ACCEPTOR | SEALED, 0xff];
        token.extend_from_slice(&extra_count.to_be_bytes());
        token.extend_from_slice(&rotation.to_be_bytes());
        token.extend_from_slice(&7_u64.to_be_bytes());
        token.extend((0..length).map(|at| at.to_le_bytes()[0]));
        token
    }

    #[test]
    fn refuses_headers_that_the_rest_does_not_bear_out() {
        let least = TRAILER_LEN - HEADER_LEN;
        assert!(Header::prepare(&mut token(0, 28, least)).is_ok());
        assert!(Header::prepare(&mut token(16, 28, least + 16)).is_ok());
        for (extra_count, length) in [
            (0, 0),
            (0, least - 1),
            (1, least),
            (16, least + 15),
            (u16::MAX, least),
            (u16::MAX, least + usize::from(u16::MAX)),
        ] {
            let mut token = token(extra_count, 28, length);
            assert!(
                matches!(Header::prepare(&mut token), Err(Error::InvalidMessage(_))),
                "{extra_count}, {length}"
            );
        }
        for cut in 0..HEADER_LEN {
            let token = &mut token(0, 28, least)[..cut];
            assert!(matches!(
                Header::prepare(token),
                Err(Error::InvalidMessage(_))
            ));
        }
    }

    #[test]
    fn refuses_what_is_not_sealed_by_the_server() {
        for (at, octet) in [(0, 4), (1, 5), (2, SEALED), (2, SENT_BY_ACCEPTOR), (3, 0)] {
            let mut token = token(0, 28, 100);
            token[at] = octet;
            assert!(Header::prepare(&mut token).is_err(), "{at}");
        }
    }

    #[test]
    fn turns_every_rotation_to_the_one_that_the_crate_takes() {
        let prepared = |rotation: u16, turned: usize| {
            let mut token = token(0, rotation, 100);
            token[HEADER_LEN..].rotate_right(turned);
            Header::prepare(&mut token).unwrap();
            token[HEADER_LEN..].to_vec()
        };
        let expected = prepared(28, 28);
        for rotation in [0, 1, 99, 100, 101, u16::MAX] {
            assert_eq!(prepared(rotation, usize::from(rotation) % 100), expected);
        }
    }
}
