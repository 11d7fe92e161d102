use std::fmt;

use bytes::{BufMut, BytesMut};

use super::protocol::{Protocols, RequestFlags};
use super::wire::{self, CONNECTION_REQUEST, MAX_BODY_LEN};
use crate::codec::little_endian::Reader;
use crate::error::{ApiMisuse, InvalidMessage, InvalidMessageKind};

const REQUEST: &str = "X.224 Connection Request";
const ROUTING: &str = "cookie or routingToken";
const NEG_REQ: &str = "RDP_NEG_REQ";
const CORRELATION_INFO: &str = "RDP_NEG_CORRELATION_INFO";

const TYPE_RDP_NEG_REQ: u8 = 0x01;
const TYPE_RDP_CORRELATION_INFO: u8 = 0x06;
const CORRELATION_INFO_LEN: u16 = 36;
const CORRELATION_INFO_PRESENT: u8 = 0x08;

const COOKIE: &[u8] = b"Cookie: mstshash=";
const CR_LF: &[u8] = b"\r\n";

/// The X.224 Connection Request, the first message of a client (MS-RDPBCGR, section 2.2.1.1), borrowed from the buffer
/// that it was decoded from or is made of.
///
/// ```
/// use bytes::BytesMut;
/// use credssp::rdp::{ConnectionRequest, NegotiationRequest, Protocols, Routing};
///
/// let mut request = ConnectionRequest::default();
/// request.routing = Routing::cookie(b"alice");
/// request.negotiation = Some(NegotiationRequest::new(Protocols::SSL | Protocols::HYBRID));
/// let mut message = BytesMut::new();
/// request.encode(&mut message)?;
/// assert_eq!(ConnectionRequest::decode(&message)?, request);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionRequest<'a> {
    /// What a load balancer reads: `cookie` or `routingToken`.
    pub routing: Option<Routing<'a>>,
    /// `rdpNegReq`, with `rdpCorrelationInfo`; clients without it know standard RDP security only.
    pub negotiation: Option<NegotiationRequest>,
}

impl<'a> ConnectionRequest<'a> {
    /// Decodes a whole message, of which nothing may be left.
    ///
    /// # Errors
    /// Where it breaks section 2.2.1.1 in any way, such as a cookie without an end, or a flag that announces what is not
    /// there.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut reader = wire::body(message, CONNECTION_REQUEST, REQUEST)?;
        let routing = match reader.rest().first() {
            None | Some(&TYPE_RDP_NEG_REQ) => None,
            Some(_) => Some(Routing::read(&mut reader)?),
        };
        let negotiation = match reader.rest().first() {
            None => None,
            Some(_) => Some(NegotiationRequest::read(&mut reader)?),
        };
        wire::finish(&reader, REQUEST)?;
        Ok(Self {
            routing,
            negotiation,
        })
    }

    /// Appends the message to `out`, which grows once at most, and is left alone in case of an error.
    ///
    /// # Errors
    /// [`ApiMisuse::TooLong`] where the routing does not fit: a whole message has 259 octets at most.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), ApiMisuse> {
        let routing = self.routing.map_or(0, Routing::encoded_len);
        let negotiation = self.negotiation.map_or(0, NegotiationRequest::encoded_len);
        let length = u8::try_from(routing.saturating_add(negotiation))
            .ok()
            .filter(|length| *length <= MAX_BODY_LEN)
            .ok_or(ApiMisuse::TooLong(ROUTING))?;
        wire::put_header(CONNECTION_REQUEST, 0, length, out);
        if let Some(routing) = self.routing {
            out.put_slice(routing.prefix());
            out.put_slice(routing.value);
            out.put_slice(CR_LF);
        }
        if let Some(negotiation) = self.negotiation {
            negotiation.put(out);
        }
        Ok(())
    }
}

/// What a client says to load balancers on its way: a cookie that names its user, or a token that it was given.
///
/// Nothing proves it. `Debug` shows its length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Routing<'a> {
    is_cookie: bool,
    /// Behind the prefix, and before CR LF.
    value: &'a [u8],
}

impl<'a> Routing<'a> {
    /// `Cookie: mstshash=` and an identifier, mostly the start of the user's name; `None` where that holds CR LF, or ends in
    /// CR.
    pub fn cookie(identifier: &'a [u8]) -> Option<Self> {
        is_one_line(identifier).then_some(Self {
            is_cookie: true,
            value: identifier,
        })
    }

    /// A routing token, without the CR LF at its end; `None` where it is empty, holds CR LF, ends in CR, or begins like an
    /// RDP_NEG_REQ with the octet 1.
    pub fn token(token: &'a [u8]) -> Option<Self> {
        match *token {
            [] | [TYPE_RDP_NEG_REQ, ..] => None,
            _ => match token.strip_prefix(COOKIE) {
                Some(identifier) => Self::cookie(identifier),
                None => is_one_line(token).then_some(Self {
                    is_cookie: false,
                    value: token,
                }),
            },
        }
    }

    /// The identifier of a cookie.
    pub fn as_cookie(&self) -> Option<&'a [u8]> {
        self.is_cookie.then_some(self.value)
    }

    /// A token, which is no cookie.
    pub fn as_token(&self) -> Option<&'a [u8]> {
        (!self.is_cookie).then_some(self.value)
    }

    fn prefix(self) -> &'static [u8] {
        if self.is_cookie { COOKIE } else { &[] }
    }

    fn encoded_len(self) -> usize {
        self.prefix()
            .len()
            .saturating_add(self.value.len())
            .saturating_add(CR_LF.len())
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, InvalidMessage> {
        // Section 2.2.1.1: both are "terminated by a 0x0D0A two-byte sequence".
        let length = reader
            .rest()
            .windows(CR_LF.len())
            .position(|pair| pair == CR_LF)
            .ok_or_else(|| reader.error(ROUTING, InvalidMessageKind::Truncated))?;
        let empty = reader.error(ROUTING, InvalidMessageKind::BadValue);
        let line = reader.take(length, ROUTING)?;
        reader.take(CR_LF.len(), ROUTING)?;
        Self::token(line).ok_or(empty)
    }
}

impl fmt::Debug for Routing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_cookie { "Cookie" } else { "Token" };
        write!(f, "{kind}({} bytes)", self.value.len())
    }
}

/// RDP_NEG_REQ and RDP_NEG_CORRELATION_INFO (MS-RDPBCGR, sections 2.2.1.1.1 and 2.2.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiationRequest {
    /// What the client asks of CredSSP.
    pub flags: RequestFlags,
    /// The protocols that the client offers.
    pub protocols: Protocols,
    /// By what the connection is known in the logs of both ends.
    pub correlation_id: Option<CorrelationId>,
}

impl NegotiationRequest {
    /// For some protocols, without flags.
    pub fn new(protocols: Protocols) -> Self {
        Self {
            flags: RequestFlags::default(),
            protocols,
            correlation_id: None,
        }
    }

    fn encoded_len(self) -> usize {
        self.correlation_id
            .map_or(8, |_| 8 + usize::from(CORRELATION_INFO_LEN))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let unknown = reader.error(NEG_REQ, InvalidMessageKind::BadEncoding);
        if reader.take_array(NEG_REQ)? != [TYPE_RDP_NEG_REQ] {
            return Err(unknown);
        }
        let (flags, protocols) = wire::read_negotiation(reader, NEG_REQ)?;
        // Without the flag, an RDP_NEG_CORRELATION_INFO is left over, and refused as such.
        let correlation_id = if flags & CORRELATION_INFO_PRESENT == 0 {
            None
        } else {
            Some(CorrelationId::read(reader)?)
        };
        Ok(Self {
            flags: RequestFlags::from_bits(flags & !CORRELATION_INFO_PRESENT),
            protocols: Protocols::from_bits(protocols),
            correlation_id,
        })
    }

    fn put(self, out: &mut BytesMut) {
        let flags = self.flags.bits() & !CORRELATION_INFO_PRESENT;
        let protocols = self.protocols.bits();
        match self.correlation_id {
            None => wire::put_negotiation(TYPE_RDP_NEG_REQ, flags, protocols, out),
            Some(CorrelationId(id)) => {
                let flags = flags | CORRELATION_INFO_PRESENT;
                wire::put_negotiation(TYPE_RDP_NEG_REQ, flags, protocols, out);
                out.put_slice(&[TYPE_RDP_CORRELATION_INFO, 0]);
                out.put_u16_le(CORRELATION_INFO_LEN);
                out.put_slice(&id);
                out.put_slice(&[0; 16]);
            }
        }
    }
}

/// The `correlationId` of an RDP_NEG_CORRELATION_INFO (MS-RDPBCGR, section 2.2.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CorrelationId([u8; 16]);

impl CorrelationId {
    /// From its octets; `None` where the first one is 0x00 or 0xF4, or any is 0x0D.
    pub fn new(id: [u8; 16]) -> Option<Self> {
        // Section 2.2.1.1.2 keeps those out, so that nothing looks like the end of a cookie.
        (!matches!(id, [0x00 | 0xf4, ..]) && !id.contains(&0x0d)).then_some(Self(id))
    }

    /// Its octets.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let start = reader.clone();
        let error = |kind| Err(start.error(CORRELATION_INFO, kind));
        if start.rest().is_empty() {
            return error(InvalidMessageKind::MissingField);
        }
        // "flags: this field MUST be set to 0x00".
        if reader.take_array(CORRELATION_INFO)? != [TYPE_RDP_CORRELATION_INFO, 0] {
            return error(InvalidMessageKind::BadEncoding);
        }
        wire::expect_length(reader, CORRELATION_INFO_LEN, CORRELATION_INFO)?;
        let id = reader.take_array(CORRELATION_INFO)?;
        // "reserved: … all fields MUST be set to zero".
        if reader.take_array(CORRELATION_INFO)? != [0_u8; 16] {
            return error(InvalidMessageKind::BadValue);
        }
        Self::new(id).map_or_else(|| error(InvalidMessageKind::BadValue), Ok)
    }
}

/// Whether CR LF behind it is the first one.
fn is_one_line(octets: &[u8]) -> bool {
    octets.last() != Some(&b'\r') && !octets.windows(CR_LF.len()).any(|pair| pair == CR_LF)
}
