//! The tokens of RFC 4121, section 4.2.

use bytes::BytesMut;
use subtle::ConstantTimeEq;

use super::{ContextParameters, End, Unwrapped, failed, invalid, of_token};
use crate::environment::Random;
use crate::error::{AuthenticationFailure, Error, InvalidMessageKind};
use crate::kerberos::crypto::{ChecksumKey, EncryptionKey, KeyUsage, ProtectionKey};

/// The length of a token's header, in octets.
const HEADER_LEN: usize = 16;

const WRAP_TOK_ID: [u8; 2] = [5, 4];
const MIC_TOK_ID: [u8; 2] = [4, 4];

/// RFC 4121, section 4.2.2.
const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;

/// RFC 4121, section 4.2.6: "Contains the hex value FF".
const FILLER: u8 = 0xff;

/// Makes and takes tokens under a key of RFC 3961.
pub(super) struct CfxTokens {
    outgoing: Direction,
    incoming: Direction,
    /// For what comes in signed only.
    incoming_checksum: ChecksumKey,
    /// RRC of what goes out: header and checksum, which stand behind the message, change places with it.
    rotation: u16,
}

/// What one end sends.
struct Direction {
    flags: u8,
    seal: ProtectionKey,
    sign: ChecksumKey,
}

impl CfxTokens {
    pub(super) fn new(parameters: &ContextParameters<'_>) -> Self {
        let subkey = parameters.acceptor_subkey;
        let key = parameters.key;
        let (out, into) = match parameters.end {
            End::Initiator => (End::Initiator, End::Acceptor),
            End::Acceptor => (End::Acceptor, End::Initiator),
        };
        let outgoing = Direction::new(out, subkey, key);
        Self {
            rotation: u16::from(outgoing.seal.trailer_len()) + 16,
            outgoing,
            incoming: Direction::new(into, subkey, key),
            incoming_checksum: key.checksum_key(seal_usage(into)),
        }
    }

    pub(super) fn wrap_overhead(&self) -> usize {
        // The token's header twice, of which one is encrypted.
        2 * HEADER_LEN + self.outgoing.overhead()
    }

    pub(super) fn wrap(
        &self,
        sequence: u64,
        random: &dyn Random,
        message: &mut BytesMut,
    ) -> Result<(), Error> {
        let header = |rotation: u16| {
            let Self { outgoing, .. } = self;
            wrap_header(outgoing.flags | SEALED, 0, rotation, sequence)
        };
        let length = message.len();
        let confounder = usize::from(self.outgoing.seal.header_len());
        message.resize(length + self.wrap_overhead(), 0);
        message.copy_within(..length, HEADER_LEN + confounder);
        if let Some((token_header, body)) = message.split_first_chunk_mut() {
            *token_header = header(self.rotation);
            // RFC 4121, section 4.2.4: what is encrypted is "plaintext-data | filler | "header"", with an RRC of 0.
            if let Some(copy) = body
                .get_mut(confounder + length..)
                .and_then(<[u8]>::first_chunk_mut)
            {
                *copy = header(0);
            }
            self.outgoing
                .seal
                .encrypt_in_place(random, body)
                .map_err(|error| of_token(error, "Wrap token", HEADER_LEN))?;
            body.rotate_right(self.rotation.into());
        }
        Ok(())
    }

    pub(super) fn unwrap<'a>(&self, token: &'a mut [u8]) -> Result<(Unwrapped<'a>, u64), Error> {
        let bad = |offset, kind| invalid("Wrap token", offset, kind);
        let (&mut header, body) = token
            .split_first_chunk_mut::<HEADER_LEN>()
            .ok_or_else(|| bad(0, InvalidMessageKind::Truncated))?;
        let [t0, t1, flags, filler, e0, e1, r0, r1, sequence @ ..] = header;
        if [t0, t1] != WRAP_TOK_ID {
            return Err(bad(0, InvalidMessageKind::BadValue));
        }
        if filler != FILLER {
            return Err(bad(3, InvalidMessageKind::BadValue));
        }
        self.check_sender(flags)?;
        let extra_count = usize::from(u16::from_be_bytes([e0, e1]));
        let rotation = usize::from(u16::from_be_bytes([r0, r1]));
        let sequence = u64::from_be_bytes(sequence);

        // RFC 4121, section 4.2.5: the receiver "MUST be able to interpret all possible rotation count values, including
        // rotation counts greater than the length of the token".
        let rotation = rotation
            .checked_rem(body.len())
            .ok_or_else(|| bad(HEADER_LEN, InvalidMessageKind::Truncated))?;
        body.rotate_left(rotation);

        let conf_state = flags & SEALED != 0;
        let message = if conf_state {
            let plaintext = self
                .incoming
                .seal
                .decrypt_in_place(body)
                .map_err(|error| of_token(error, "Wrap token", HEADER_LEN))?;
            let (message, rest) = split_off(plaintext, extra_count + HEADER_LEN)
                .ok_or_else(|| bad(4, InvalidMessageKind::BadValue))?;
            // RFC 4121, section 4.2.4: the header that was encrypted has an RRC of 0, and is otherwise the token's own.
            let expected = wrap_header(flags, u16::from_be_bytes([e0, e1]), 0, sequence);
            let same = rest
                .last_chunk::<HEADER_LEN>()
                .is_some_and(|found| found.ct_eq(&expected).into());
            if !same {
                return Err(failed(AuthenticationFailure::WrongSignature));
            }
            message
        } else {
            // RFC 4121, section 4.2.4: without confidentiality, EC is the length of the checksum, which is over the
            // message and the header with an EC and an RRC of 0.
            let (message, checksum) =
                split_off(body, extra_count).ok_or_else(|| bad(4, InvalidMessageKind::BadValue))?;
            self.incoming_checksum
                .verify(&[message, &wrap_header(flags, 0, 0, sequence)], checksum)
                .map_err(|error| of_token(error, "Wrap token", HEADER_LEN))?;
            message
        };
        let unwrapped = Unwrapped {
            message,
            conf_state,
        };
        Ok((unwrapped, sequence))
    }

    pub(super) fn get_mic(&self, sequence: u64, message: &[u8], out: &mut Vec<u8>) {
        let header = mic_header(self.outgoing.flags, sequence);
        let checksum = self.outgoing.sign.checksum(&[message, &header]);
        out.extend_from_slice(&header);
        out.extend_from_slice(checksum.as_ref());
    }

    pub(super) fn verify_mic(&self, message: &[u8], mic: &[u8]) -> Result<u64, Error> {
        let bad = |offset, kind| invalid("MIC token", offset, kind);
        let (header, checksum) = mic
            .split_first_chunk::<HEADER_LEN>()
            .ok_or_else(|| bad(0, InvalidMessageKind::Truncated))?;
        let [t0, t1, flags, filler @ .., a, b, c, d, e, f, g, h] = *header;
        if [t0, t1] != MIC_TOK_ID {
            return Err(bad(0, InvalidMessageKind::BadValue));
        }
        if filler != [FILLER; 5] {
            return Err(bad(3, InvalidMessageKind::BadValue));
        }
        self.check_sender(flags)?;
        self.incoming
            .sign
            .verify(&[message, header], checksum)
            .map_err(|error| of_token(error, "MIC token", HEADER_LEN))?;
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// A token must come from the other end, which stops those that come back, and must be under the key that both ends
    /// have; flags that are not known are ignored (RFC 4121, section 4.2.2).
    fn check_sender(&self, flags: u8) -> Result<(), Error> {
        if flags & (SENT_BY_ACCEPTOR | ACCEPTOR_SUBKEY) == self.incoming.flags {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::WrongSignature))
        }
    }
}

impl Direction {
    fn new(sender: End, acceptor_subkey: bool, key: &EncryptionKey) -> Self {
        let (sent_by, sign) = match sender {
            End::Initiator => (0, KeyUsage::INITIATOR_SIGN),
            End::Acceptor => (SENT_BY_ACCEPTOR, KeyUsage::ACCEPTOR_SIGN),
        };
        let subkey = if acceptor_subkey { ACCEPTOR_SUBKEY } else { 0 };
        Self {
            flags: sent_by | subkey,
            seal: key.protection_key(seal_usage(sender)),
            sign: key.checksum_key(sign),
        }
    }

    fn overhead(&self) -> usize {
        usize::from(self.seal.header_len()) + usize::from(self.seal.trailer_len())
    }
}

fn seal_usage(sender: End) -> KeyUsage {
    match sender {
        End::Initiator => KeyUsage::INITIATOR_SEAL,
        End::Acceptor => KeyUsage::ACCEPTOR_SEAL,
    }
}

fn wrap_header(flags: u8, extra_count: u16, rotation: u16, sequence: u64) -> [u8; HEADER_LEN] {
    let [t0, t1] = WRAP_TOK_ID;
    let [e0, e1] = extra_count.to_be_bytes();
    let [r0, r1] = rotation.to_be_bytes();
    with_sequence([t0, t1, flags, FILLER, e0, e1, r0, r1], sequence)
}

fn mic_header(flags: u8, sequence: u64) -> [u8; HEADER_LEN] {
    let [t0, t1] = MIC_TOK_ID;
    let f = FILLER;
    with_sequence([t0, t1, flags, f, f, f, f, f], sequence)
}

fn with_sequence(start: [u8; 8], sequence: u64) -> [u8; HEADER_LEN] {
    let header = u128::from(u64::from_be_bytes(start)) << 64 | u128::from(sequence);
    header.to_be_bytes()
}

/// `data` without its last `length` octets, and those.
fn split_off(data: &mut [u8], length: usize) -> Option<(&mut [u8], &mut [u8])> {
    let at = data.len().checked_sub(length)?;
    data.split_at_mut_checked(at)
}
