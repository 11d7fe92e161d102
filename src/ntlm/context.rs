//! Session security: sealing and signing (MS-NLMP, section 3.4).

use bytes::BytesMut;
use hmac::Mac;
use rc4::{Rc4, StreamCipher};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::failed;
use super::key::{self, HmacMd5, Sender};
use crate::error::{ApiMisuse, AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind};
use crate::gss::SecurityContext;
use crate::mechanism::Mechanism;

/// NTLMSSP_MESSAGE_SIGNATURE with extended session security: version 1, checksum, sequence number
/// (MS-NLMP, section 2.2.2.9.2).
const SIGNATURE_LEN: usize = 16;

/// The checksum in it.
const CHECKSUM_LEN: usize = 8;

/// The version, little-endian.
const SIGNATURE_VERSION: [u8; 4] = [1, 0, 0, 0];

/// An established NTLM context with extended session security, 128-bit keys and key exchange.
pub(crate) struct NtlmContext {
    outgoing: Direction,
    incoming: Direction,
    requires_mech_list_mic: bool,
}

impl NtlmContext {
    /// For one end. `mic` says whether the AUTHENTICATE_MESSAGE carried a MIC.
    pub(crate) fn new(end: Sender, exported_session_key: &[u8; 16], mic: bool) -> Self {
        let client = Direction::new(exported_session_key, Sender::Client);
        let server = Direction::new(exported_session_key, Sender::Server);
        let (outgoing, incoming) = match end {
            Sender::Client => (client, server),
            Sender::Server => (server, client),
        };
        Self {
            outgoing,
            incoming,
            requires_mech_list_mic: mic,
        }
    }
}

impl SecurityContext for NtlmContext {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn wrap_overhead(&self) -> usize {
        SIGNATURE_LEN
    }

    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error> {
        let checksum = self.outgoing.checksum(message)?;
        let length = message.len();
        message.resize(length.saturating_add(SIGNATURE_LEN), 0);
        message.copy_within(..length, SIGNATURE_LEN);
        if let Some((signature, data)) = message.split_first_chunk_mut() {
            // The data is sealed before the checksum, which takes the keystream behind it (MS-NLMP, section 3.4.3).
            self.outgoing.keystream.apply(data);
            *signature = self.outgoing.signature(checksum)?;
        }
        Ok(())
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let (signature, data) = token
            .split_first_chunk_mut::<SIGNATURE_LEN>()
            .ok_or_else(truncated)?;
        self.incoming.check_sequence(signature)?;
        self.incoming.keystream.apply(data);
        self.incoming.verify(data, signature)?;
        Ok(data)
    }

    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let checksum = self.outgoing.checksum(message)?;
        out.extend_from_slice(&self.outgoing.signature(checksum)?);
        Ok(())
    }

    fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), Error> {
        let signature = mic.try_into().map_err(|_| truncated())?;
        self.incoming.check_sequence(signature)?;
        self.incoming.verify(message, signature)
    }

    fn get_mech_list_mic(&mut self, mech_types: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        // The keystream is put back to where it was before this one signature; the sequence number stays (MS-SPNG,
        // sections 3.2.5.1 and 3.3.5.1).
        let start = self.outgoing.keystream.peek();
        self.get_mic(mech_types, out)?;
        self.outgoing.keystream.put_back(start);
        Ok(())
    }

    fn verify_mech_list_mic(&mut self, mech_types: &[u8], mic: &[u8]) -> Result<(), Error> {
        let start = self.incoming.keystream.peek();
        self.verify_mic(mech_types, mic)
            .map_err(|error| match error {
                Error::AuthenticationFailed { .. } => {
                    failed(AuthenticationFailure::WrongMechListMic)
                }
                other => other,
            })?;
        self.incoming.keystream.put_back(start);
        Ok(())
    }

    fn requires_mech_list_mic(&self) -> bool {
        self.requires_mech_list_mic
    }

    fn skip_mech_list_mic(&mut self) -> Result<(), Error> {
        // It has taken a sequence number, and given the keystream back.
        self.incoming.sequence = self.incoming.sequence()?.checked_add(1);
        Ok(())
    }
}

/// An RC4 keystream into which the octets of one checksum can be put back.
///
/// That is all a rewind needs, and spares it RC4's key schedule, which costs more than a short message.
struct Keystream {
    rc4: Rc4,
    /// Come before the stream goes on.
    put_back: Zeroizing<[u8; CHECKSUM_LEN]>,
    /// How many of those have been used.
    used: usize,
}

impl Keystream {
    fn new(seal_key: &[u8; 16]) -> Self {
        Self {
            rc4: key::rc4(seal_key),
            put_back: Zeroizing::default(),
            used: CHECKSUM_LEN,
        }
    }

    fn apply(&mut self, data: &mut [u8]) {
        let waiting = CHECKSUM_LEN.saturating_sub(self.used).min(data.len());
        let (head, tail) = data.split_at_mut(waiting);
        for (byte, mask) in head.iter_mut().zip(self.put_back.iter().skip(self.used)) {
            *byte ^= mask;
        }
        self.used = self.used.saturating_add(waiting);
        self.rc4.apply_keystream(tail);
    }

    /// The octets that the next checksum will take.
    fn peek(&mut self) -> Zeroizing<[u8; CHECKSUM_LEN]> {
        let mut next = Zeroizing::new([0; CHECKSUM_LEN]);
        self.apply(next.as_mut());
        self.put_back(next.clone());
        next
    }

    /// Lets these octets come next; those that were put back before must have been used.
    fn put_back(&mut self, octets: Zeroizing<[u8; CHECKSUM_LEN]>) {
        self.put_back = octets;
        self.used = 0;
    }
}

/// The keys and counters of one direction.
struct Direction {
    mac: HmacMd5,
    keystream: Keystream,
    /// The next message's number; `None` when all have been used.
    sequence: Option<u32>,
}

impl Direction {
    fn new(exported_session_key: &[u8; 16], sender: Sender) -> Self {
        let seal_key = key::seal_key(exported_session_key, sender);
        Self {
            mac: key::hmac_md5(&key::sign_key(exported_session_key, sender)),
            keystream: Keystream::new(&seal_key),
            sequence: Some(0),
        }
    }

    /// `HMAC_MD5(SigningKey, SeqNum || message)[0..7]`, not yet encrypted (MS-NLMP, section 3.4.4.2).
    fn checksum(&self, message: &[u8]) -> Result<[u8; CHECKSUM_LEN], Error> {
        let mac = self
            .mac
            .clone()
            .chain_update(self.sequence()?.to_le_bytes())
            .chain_update(message);
        let mac: [u8; 16] = mac.finalize().into_bytes().into();
        let [a, b, c, d, e, f, g, h, ..] = mac;
        Ok([a, b, c, d, e, f, g, h])
    }

    /// The next message's signature, which uses up its sequence number.
    fn signature(
        &mut self,
        mut checksum: [u8; CHECKSUM_LEN],
    ) -> Result<[u8; SIGNATURE_LEN], Error> {
        let sequence = self.sequence()?;
        // With key exchange, the checksum is encrypted too (MS-NLMP, section 3.4.4.2).
        self.keystream.apply(&mut checksum);
        self.sequence = sequence.checked_add(1);

        let parts = SIGNATURE_VERSION
            .into_iter()
            .chain(checksum)
            .chain(sequence.to_le_bytes());
        let mut signature = [0; SIGNATURE_LEN];
        for (to, from) in signature.iter_mut().zip(parts) {
            *to = from;
        }
        Ok(signature)
    }

    /// Checks what is not secret before the keystream moves: a message out of order changes nothing.
    fn check_sequence(&self, signature: &[u8; SIGNATURE_LEN]) -> Result<(), Error> {
        let expected = self.sequence()?.to_le_bytes();
        if signature.first_chunk() == Some(&SIGNATURE_VERSION)
            && signature.last_chunk() == Some(&expected)
        {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::WrongSignature))
        }
    }

    /// Verifies `signature` over the plaintext, which uses up the sequence number.
    fn verify(&mut self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> Result<(), Error> {
        let checksum = self.checksum(message)?;
        let expected = self.signature(checksum)?;
        if bool::from(expected.ct_eq(signature)) {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::WrongSignature))
        }
    }

    fn sequence(&self) -> Result<u32, Error> {
        self.sequence
            .ok_or_else(|| ApiMisuse::ContextExhausted.into())
    }
}

fn truncated() -> Error {
    InvalidMessage::new(
        "NTLMSSP_MESSAGE_SIGNATURE",
        0,
        InvalidMessageKind::Truncated,
    )
    .into()
}
