//! The first message that each end sends behind Network Level Authentication: MCS Connect Initial and Connect Response,
//! with GCC's user data inside (MS-RDPBCGR, sections 2.2.1.3 and 2.2.1.4).
//!
//! Each repeats what the negotiation before TLS came to, so that both ends can tell whether somebody has changed that. Here
//! are two negotiations, one on either side of the gateway: it does for each what the other end would do, and puts in place
//! of the one what is due in the other.

use std::fmt;
use std::io;

use credssp::rdp::{Protocol, Protocols};
use tokio::io::{AsyncRead, AsyncReadExt};

/// TPKT's header, in octets (RFC 1006, section 6).
const TPKT_LEN: usize = 4;
/// The header of an X.224 Data TPDU (MS-RDPBCGR, section 2.2.1.3).
const DATA: [u8; 3] = [0x02, 0xf0, 0x80];

/// T.124's object identifier, which is how both begin.
const T124: [u8; 7] = [0x00, 0x05, 0x00, 0x14, 0x7c, 0x00, 0x01];

/// Which message it is, and which of its fields is at stake.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeated {
    /// `serverSelectedProtocol` in the client's core data (section 2.2.1.3.2).
    ServerSelectedProtocol(Protocol),
    /// `clientRequestedProtocols` in the server's core data (section 2.2.1.4.2).
    ClientRequestedProtocols(Protocols),
}

/// Where the field is.
struct Shape {
    /// BER's tag of the message.
    tag: [u8; 2],
    /// How many BER elements go before the user data.
    before: usize,
    /// How many octets of T.124 go before the key.
    gcc: usize,
    /// The key behind which the blocks of data begin.
    key: &'static [u8],
    block: u16,
    /// Of the field, in its block.
    offset: usize,
}

const CONNECT_INITIAL: Shape = Shape {
    tag: [0x7f, 0x65],
    before: 6,
    gcc: 8,
    key: b"Duca",
    block: 0xc001,
    offset: 212,
};

const CONNECT_RESPONSE: Shape = Shape {
    tag: [0x7f, 0x66],
    before: 3,
    gcc: 9,
    key: b"McDn",
    block: 0x0c01,
    offset: 8,
};

impl Repeated {
    fn shape(self) -> &'static Shape {
        match self {
            Self::ServerSelectedProtocol(_) => &CONNECT_INITIAL,
            Self::ClientRequestedProtocols(_) => &CONNECT_RESPONSE,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::ServerSelectedProtocol(protocol) => protocol.to_u32(),
            Self::ClientRequestedProtocols(protocols) => protocols.bits(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::ServerSelectedProtocol(_) => "the client's serverSelectedProtocol",
            Self::ClientRequestedProtocols(_) => "the target's clientRequestedProtocols",
        }
    }
}

/// Why a message is not passed on.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// Not what is due.
    Malformed(Repeated),
    /// It repeats something else than what was negotiated.
    Changed { negotiated: Repeated, repeated: u32 },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(Repeated::ServerSelectedProtocol(_)) => f.write_str(
                "the client's first message is no MCS Connect Initial with GCC user data",
            ),
            Self::Malformed(Repeated::ClientRequestedProtocols(_)) => f.write_str(
                "the target's first message is no MCS Connect Response with GCC user data",
            ),
            Self::Changed {
                negotiated,
                repeated,
            } => write!(
                f,
                "{} is 0x{repeated:X}, and 0x{:X} was negotiated: somebody in between has changed the negotiation",
                negotiated.name(),
                negotiated.number()
            ),
        }
    }
}

/// Reads one message in its TPKT frame, of up to 65 535 octets, or only the first octets of what is in none.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut header = [0; TPKT_LEN];
    from.read_exact(&mut header).await?;
    let length = match header {
        [3, _, high, low] => usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    let mut rest = vec![0; length.saturating_sub(TPKT_LEN)];
    from.read_exact(&mut rest).await?;
    Ok([&header[..], &rest].concat())
}

/// Checks what `message` repeats against what was `negotiated` with its sender, and puts in its place what was negotiated
/// with its receiver. A field that is not there is fine, for it is optional.
pub(crate) fn mend(
    mut message: Vec<u8>,
    negotiated: Repeated,
    beyond: Repeated,
) -> Result<Vec<u8>, Unfit> {
    let field = find(&mut message, negotiated.shape()).ok_or(Unfit::Malformed(negotiated))?;
    if let Some(field) = field {
        let repeated = u32::from_le_bytes(*field);
        if repeated != negotiated.number() {
            return Err(Unfit::Changed {
                negotiated,
                repeated,
            });
        }
        *field = beyond.number().to_le_bytes();
    }
    Ok(message)
}

/// The field in `message`, if that has it; `None` where it is another message.
fn find<'a>(message: &'a mut [u8], shape: &Shape) -> Option<Option<&'a mut [u8; 4]>> {
    let mut reader = Reader(message.get_mut(TPKT_LEN..)?);
    reader.expect(&DATA)?;
    reader.expect(&shape.tag)?;
    reader.ber_length()?;
    for _ in 0..shape.before {
        reader.take(1)?;
        let length = reader.ber_length()?;
        reader.take(length)?;
    }
    reader.expect(&[0x04])?;
    let length = reader.ber_length()?;
    let mut reader = Reader(reader.take(length)?);
    reader.expect(&T124)?;
    reader.per_length()?;
    reader.take(shape.gcc)?;
    reader.expect(shape.key)?;
    reader.per_length()?;
    // Blocks, each with its type and length.
    loop {
        let header = reader.0.first_chunk::<4>()?;
        let [kind, length] =
            [[header[0], header[1]], [header[2], header[3]]].map(u16::from_le_bytes);
        if length < 4 {
            return None;
        }
        let block = reader.take(length.into())?;
        if kind == shape.block {
            return Some(
                block
                    .get_mut(shape.offset..)
                    .and_then(<[u8]>::first_chunk_mut),
            );
        }
    }
}

/// What is left of a message.
struct Reader<'a>(&'a mut [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a mut [u8]> {
        let rest = std::mem::take(&mut self.0);
        let (taken, rest) = rest.split_at_mut_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn expect(&mut self, octets: &[u8]) -> Option<()> {
        (self.take(octets.len())? == octets).then_some(())
    }

    fn octet(&mut self) -> Option<usize> {
        self.take(1)?.first().copied().map(usize::from)
    }

    /// BER's definite form, of up to four octets, of which any may be 0 (X.690, section 8.1.3).
    fn ber_length(&mut self) -> Option<usize> {
        match self.octet()? {
            short @ ..=0x7f => Some(short),
            long @ 0x81..=0x84 => (0x80..long).try_fold(0_usize, |length, _| {
                length.checked_mul(0x100)?.checked_add(self.octet()?)
            }),
            _ => None,
        }
    }

    /// PER's length determinant, unfragmented (X.691, section 10.9).
    fn per_length(&mut self) -> Option<usize> {
        match self.octet()? {
            short @ ..=0x7f => Some(short),
            long @ 0x80..=0xbf => Some((long & 0x3f) << 8 | self.octet()?),
            _ => None,
        }
    }
}
