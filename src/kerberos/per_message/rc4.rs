//! The tokens of RFC 4757, section 7, which are those of RFC 1964 with other algorithms.

use bytes::BytesMut;
use subtle::ConstantTimeEq;

use super::{ContextParameters, End, Unwrapped, failed, invalid};
use crate::codec::der::{self, Output};
use crate::environment::Random;
use crate::error::{AuthenticationFailure, Error, InvalidMessageKind};
use crate::kerberos::crypto::{EncryptionType, Rc4ContextKey};
use crate::mechanism::Oid;

/// Tag and length twice, of which one length may take five octets, the OID, the header, and a padding of one octet.
pub(super) const WRAP_OVERHEAD: usize = 1 + 5 + 2 + OID.len() + HEADER_LEN + CONFOUNDER_LEN + 1;

const OID: &[u8] = Oid::KERBEROS.contents();

/// TOK_ID, SGN_ALG, SEAL_ALG, Filler; SND_SEQ; SGN_CKSUM.
const HEADER_LEN: usize = 24;
const CONFOUNDER_LEN: usize = 8;

/// TOK_ID, SGN_ALG HMAC, SEAL_ALG RC4, Filler (RFC 4757, section 7.3).
const SEALED: [u8; 8] = [2, 1, 0x11, 0, 0x10, 0, 0xff, 0xff];
/// The same without encryption.
const UNSEALED: [u8; 8] = [2, 1, 0x11, 0, 0xff, 0xff, 0xff, 0xff];
/// TOK_ID, SGN_ALG HMAC, Filler (RFC 4757, section 7.2).
const MIC: [u8; 8] = [1, 1, 0x11, 0, 0xff, 0xff, 0xff, 0xff];

/// The numbers that stand for the two kinds of tokens in their checksums.
const WRAP_MESSAGE_TYPE: u32 = 13;
const MIC_MESSAGE_TYPE: u32 = 15;

/// Makes and takes tokens under an RC4 key.
pub(super) struct Rc4Tokens {
    key: Rc4ContextKey,
    outgoing: [u8; 4],
    incoming: [u8; 4],
}

impl Rc4Tokens {
    /// `None` where the key is of another type.
    pub(super) fn new(parameters: &ContextParameters<'_>) -> Option<Self> {
        if parameters.key.encryption_type() != EncryptionType::Rc4Hmac {
            return None;
        }
        let (outgoing, incoming) = match parameters.end {
            End::Initiator => (0, 0xff),
            End::Acceptor => (0xff, 0),
        };
        Some(Self {
            key: Rc4ContextKey::new(parameters.key),
            outgoing: [outgoing; 4],
            incoming: [incoming; 4],
        })
    }

    pub(super) fn wrap(
        &self,
        sequence: u64,
        random: &dyn Random,
        message: &mut BytesMut,
    ) -> Result<(), Error> {
        let sequence = low_half(sequence);
        let mut confounder = [0; CONFOUNDER_LEN];
        random.fill(&mut confounder)?;

        let length = message.len();
        let inner = HEADER_LEN + CONFOUNDER_LEN + length + 1;
        let framing = framing_len(inner);
        message.resize(framing + inner, 0);
        message.copy_within(..length, framing + HEADER_LEN + CONFOUNDER_LEN);
        let Some((mut start, inner_token)) = message.split_at_mut_checked(framing) else {
            return Ok(());
        };
        put_framing(&mut start, inner);
        let Some((header, data)) = inner_token.split_first_chunk_mut::<HEADER_LEN>() else {
            return Ok(());
        };
        if let Some(start) = data.first_chunk_mut() {
            *start = confounder;
        }
        if let Some(padding) = data.last_mut() {
            // RFC 4757, section 7.3: the padding is one octet, of the value 1.
            *padding = 1;
        }
        let checksum = self.key.checksum(WRAP_MESSAGE_TYPE, &[&SEALED, data]);
        self.key.apply_to_message(sequence, data);
        *header = self.header(SEALED, sequence, checksum);
        Ok(())
    }

    pub(super) fn unwrap<'a>(&self, token: &'a mut [u8]) -> Result<(Unwrapped<'a>, u64), Error> {
        let inner = inner_token(token)?;
        let offset = token.len() - inner.len();
        let truncated = || invalid("Wrap token", offset, InvalidMessageKind::Truncated);
        let (header, data) = token
            .get_mut(offset..)
            .and_then(<[u8]>::split_first_chunk_mut::<HEADER_LEN>)
            .ok_or_else(truncated)?;
        let (start, sequence, checksum) = self.open_header(header)?;
        let conf_state = match start {
            SEALED => true,
            UNSEALED => false,
            _ => return Err(invalid("Wrap token", offset, InvalidMessageKind::BadValue)),
        };
        if conf_state {
            self.key.apply_to_message(sequence, data);
        }
        let expected = self.key.checksum(WRAP_MESSAGE_TYPE, &[&start, data]);
        self.check(&expected, &checksum)?;
        let message = data.get_mut(CONFOUNDER_LEN..).ok_or_else(truncated)?;
        let Some((1, message)) = message.split_last_mut().map(|(last, rest)| (*last, rest)) else {
            return Err(invalid("Wrap token", offset, InvalidMessageKind::BadValue));
        };
        let unwrapped = Unwrapped {
            message,
            conf_state,
        };
        Ok((unwrapped, sequence.into()))
    }

    pub(super) fn get_mic(&self, sequence: u64, message: &[u8], out: &mut Vec<u8>) {
        let checksum = self.key.checksum(MIC_MESSAGE_TYPE, &[&MIC, message]);
        put_framing(out, HEADER_LEN);
        out.extend_from_slice(&self.header(MIC, low_half(sequence), checksum));
    }

    pub(super) fn verify_mic(&self, message: &[u8], mic: &[u8]) -> Result<u64, Error> {
        let inner = inner_token(mic)?;
        let offset = mic.len() - inner.len();
        let header = inner
            .try_into()
            .map_err(|_| invalid("MIC token", offset, InvalidMessageKind::Truncated))?;
        let (start, sequence, checksum) = self.open_header(header)?;
        if start != MIC {
            return Err(invalid("MIC token", offset, InvalidMessageKind::BadValue));
        }
        let expected = self.key.checksum(MIC_MESSAGE_TYPE, &[&MIC, message]);
        self.check(&expected, &checksum)?;
        Ok(sequence.into())
    }

    fn header(&self, start: [u8; 8], sequence: u32, checksum: [u8; 8]) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = sequence.to_be_bytes();
        let [e, f, g, h] = self.outgoing;
        let mut field = [a, b, c, d, e, f, g, h];
        self.key.apply_to_sequence(&checksum, &mut field);
        let mut header = [0; HEADER_LEN];
        for (to, from) in header
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip([start, field, checksum])
        {
            *to = from;
        }
        header
    }

    /// The start of a header, the sequence number and the checksum.
    ///
    /// The direction beside the sequence number is checked here, which stops tokens that come back; the number itself
    /// is bound to the checksum, under which its field was encrypted.
    fn open_header(&self, header: &[u8; HEADER_LEN]) -> Result<([u8; 8], u32, [u8; 8]), Error> {
        let ([start, field, checksum], []) = header.as_chunks::<8>() else {
            return Err(failed(AuthenticationFailure::WrongSignature));
        };
        let mut field = *field;
        self.key.apply_to_sequence(checksum, &mut field);
        let [a, b, c, d, direction @ ..] = field;
        self.check(&direction, &self.incoming)?;
        Ok((*start, u32::from_be_bytes([a, b, c, d]), *checksum))
    }

    fn check(&self, expected: &[u8], found: &[u8]) -> Result<(), Error> {
        if expected.ct_eq(found).into() {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::WrongSignature))
        }
    }
}

/// What stands below the framing of RFC 2743, section 3.1.
fn inner_token(token: &[u8]) -> Result<&[u8], Error> {
    let mut outer = der::Reader::new(token);
    let mut framed = outer.read(der::INITIAL_CONTEXT_TOKEN, "token")?;
    outer.finish("token")?;
    let oid = framed.read(der::OBJECT_IDENTIFIER, "token.thisMech")?;
    if oid.rest() != OID {
        return Err(oid
            .error("token.thisMech", InvalidMessageKind::BadValue)
            .into());
    }
    Ok(framed.rest())
}

fn framing_len(inner: usize) -> usize {
    der::value_len(der::value_len(OID.len()) + inner) - inner
}

fn put_framing(out: &mut impl Output, inner: usize) {
    let contents = der::value_len(OID.len()) + inner;
    der::put_header(out, der::INITIAL_CONTEXT_TOKEN, contents);
    der::put_header(out, der::OBJECT_IDENTIFIER, OID.len());
    out.put(OID);
}

/// The sequence never gets beyond 32 bits.
fn low_half(sequence: u64) -> u32 {
    u32::try_from(sequence).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kerberos::crypto::EncryptionKey;

    /// RFC 1964, section 1.2.2.3, knows other paddings, which RFC 4757 leaves no use for.
    #[test]
    fn a_padding_that_is_not_one_octet_of_one_is_refused() {
        let key = EncryptionKey::new(EncryptionType::Rc4Hmac, &[9; 16]).unwrap();
        let client = Rc4Tokens::new(&ContextParameters::new(End::Initiator, &key)).unwrap();
        let server = Rc4Tokens::new(&ContextParameters::new(End::Acceptor, &key)).unwrap();
        for padding in 0..=255 {
            let mut data = *b"confoundmessage\0";
            *data.last_mut().unwrap() = padding;
            let checksum = client.key.checksum(WRAP_MESSAGE_TYPE, &[&SEALED, &data]);
            client.key.apply_to_message(5, &mut data);
            let mut token = Vec::new();
            put_framing(&mut token, HEADER_LEN + data.len());
            token.extend_from_slice(&client.header(SEALED, 5, checksum));
            token.extend_from_slice(&data);
            match server.unwrap(&mut token) {
                Ok((unwrapped, 5)) => {
                    assert_eq!((padding, &*unwrapped.message), (1, &b"message"[..]));
                }
                Err(Error::InvalidMessage(_)) => assert_ne!(padding, 1),
                other => panic!("{other:?}"),
            }
        }
    }
}
