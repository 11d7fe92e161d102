use std::fmt;

use crate::codec::der::{self, Reader};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::mechanism::Oid;

use super::mech_type::{MechType, MechTypeList};

/// `NegotiationToken` (RFC 4178, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationToken<'a> {
    /// The initiator's first token, or a server's list of its mechanisms.
    Init(NegTokenInit<'a>),
    /// Any other token, of either side.
    Resp(NegTokenResp<'a>),
}

impl<'a> NegotiationToken<'a> {
    /// Decodes either token.
    ///
    /// # Errors
    /// Where it is not DER, or not one of the two.
    pub fn decode(token: &'a [u8]) -> Result<Self, InvalidMessage> {
        if Reader::new(token).peek() == Some(RESP) {
            NegTokenResp::decode(token).map(Self::Resp)
        } else {
            NegTokenInit::decode(token).map(Self::Init)
        }
    }
}

/// `NegTokenInit` (RFC 4178, section 4.2.1) or `NegTokenInit2` (MS-SPNG, section 2.2.1).
///
/// `reqFlags` is neither kept nor sent, since nothing protects it: an acceptor "MUST ignore this reqFlags field"
/// (RFC 4178, section 4.2.1).
/// The token is shown by `Debug` without the octets of its fields, which may be of use to an attacker.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegTokenInit<'a> {
    /// `mechTypes`. NegTokenInit2 lets a server leave it out; such a token says nothing, and is refused.
    pub mech_types: MechTypeList<'a>,
    /// `mechToken`: the first token of the preferred mechanism.
    pub mech_token: Option<&'a [u8]>,
    /// `negHints`, of NegTokenInit2 only.
    pub neg_hints: Option<NegHints<'a>>,
    /// `mechListMIC`.
    pub mech_list_mic: Option<&'a [u8]>,
}

impl<'a> NegTokenInit<'a> {
    /// A token that only names mechanisms.
    pub fn new(mech_types: MechTypeList<'a>) -> Self {
        Self {
            mech_types,
            mech_token: None,
            neg_hints: None,
            mech_list_mic: None,
        }
    }

    /// Decodes it, with or without the InitialContextToken around it (RFC 2743, section 3.1), which some peers omit.
    ///
    /// # Errors
    /// Where it is not DER, names another mechanism than SPNEGO, or lacks `mechTypes`.
    pub fn decode(token: &'a [u8]) -> Result<Self, InvalidMessage> {
        const NAME: &str = "NegTokenInit";
        let mut token = Reader::new(token);
        if token.peek() == Some(der::INITIAL_CONTEXT_TOKEN) {
            const WRAPPER: &str = "InitialContextToken";
            let mut contents = token.read(der::INITIAL_CONTEXT_TOKEN, WRAPPER)?;
            token.finish(WRAPPER)?;
            let this_mech =
                contents.read(der::OBJECT_IDENTIFIER, "InitialContextToken.thisMech")?;
            if this_mech.rest() != Oid::SPNEGO.contents() {
                return Err(
                    this_mech.error("InitialContextToken.thisMech", InvalidMessageKind::BadValue)
                );
            }
            token = contents;
        }
        let mut fields = token.explicit(INIT, der::SEQUENCE, NAME)?;
        token.finish(NAME)?;

        let mech_types = fields.read(der::context(0), "NegTokenInit.mechTypes")?;
        let mech_types = MechTypeList::read(mech_types, "NegTokenInit.mechTypes")?;
        if let Some(flags) =
            fields.optional_explicit(der::context(1), der::BIT_STRING, "NegTokenInit.reqFlags")?
        {
            flags.bit_string("NegTokenInit.reqFlags")?;
        }
        let mech_token = octets(&mut fields, 2, "NegTokenInit.mechToken")?;
        // [3] is the mechListMIC of RFC 4178 if an OCTET STRING, and the negHints of MS-SPNG if a SEQUENCE, which move
        // the mechListMIC to [4].
        let mut neg_hints = None;
        let mut mech_list_mic = None;
        let mut may_be_init2 = true;
        if let Some(mut value) = fields.optional(der::context(3), "NegTokenInit[3]")? {
            if value.peek() == Some(der::OCTET_STRING) {
                let mic = value.read(der::OCTET_STRING, "NegTokenInit.mechListMIC")?;
                mech_list_mic = Some(mic.rest());
                may_be_init2 = false;
            } else {
                let hints = value.read(der::SEQUENCE, "NegTokenInit2.negHints")?;
                neg_hints = Some(NegHints::read(hints)?);
            }
            value.finish("NegTokenInit[3]")?;
        }
        if may_be_init2 {
            mech_list_mic = octets(&mut fields, 4, "NegTokenInit2.mechListMIC")?;
        }
        fields.finish(NAME)?;
        Ok(Self {
            mech_types,
            mech_token,
            neg_hints,
            mech_list_mic,
        })
    }

    /// Encodes it, as an InitialContextToken.
    pub fn encode(&self) -> Vec<u8> {
        let mech_types = self.mech_types.as_der();
        let hints = self.neg_hints.map(|hints| (hints, hints.contents_len()));
        let mic_number = if hints.is_some() { 4 } else { 3 };
        let fields = der::value_len(mech_types.len())
            .saturating_add(octets_len(self.mech_token))
            .saturating_add(hints.map_or(0, |(_, len)| der::explicit_len(len)))
            .saturating_add(octets_len(self.mech_list_mic));
        let oid = Oid::SPNEGO.contents();
        let contents = der::value_len(oid.len()).saturating_add(der::explicit_len(fields));

        let mut out = Vec::with_capacity(der::value_len(contents));
        der::put_header(&mut out, der::INITIAL_CONTEXT_TOKEN, contents);
        der::put_header(&mut out, der::OBJECT_IDENTIFIER, oid.len());
        out.extend_from_slice(oid);
        der::put_explicit_header(&mut out, INIT, der::SEQUENCE, fields);
        der::put_header(&mut out, der::context(0), mech_types.len());
        out.extend_from_slice(mech_types);
        put_octets(&mut out, 2, self.mech_token);
        if let Some((hints, len)) = hints {
            der::put_explicit_header(&mut out, der::context(3), der::SEQUENCE, len);
            hints.put(&mut out);
        }
        put_octets(&mut out, mic_number, self.mech_list_mic);
        out
    }
}

impl fmt::Debug for NegTokenInit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegTokenInit")
            .field("mech_types", &self.mech_types)
            .field("mech_token", &self.mech_token.map(Redacted))
            .field("neg_hints", &self.neg_hints.is_some())
            .field("mech_list_mic", &self.mech_list_mic.map(Redacted))
            .finish()
    }
}

/// `NegHints` (MS-SPNG, section 2.2.1): what servers add to a list of their mechanisms, of no consequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegHints<'a> {
    /// `hintName`, a GeneralString: `not_defined_in_RFC4178@please_ignore`.
    pub hint_name: Option<&'a [u8]>,
    /// `hintAddress`, which is never present in practice.
    pub hint_address: Option<&'a [u8]>,
}

impl<'a> NegHints<'a> {
    fn read(mut fields: Reader<'a>) -> Result<Self, InvalidMessage> {
        let hint_name =
            fields.optional_explicit(der::context(0), der::GENERAL_STRING, "NegHints.hintName")?;
        let hint_address = octets(&mut fields, 1, "NegHints.hintAddress")?;
        fields.finish("NegHints")?;
        Ok(Self {
            hint_name: hint_name.map(|name| name.rest()),
            hint_address,
        })
    }

    fn contents_len(self) -> usize {
        octets_len(self.hint_name).saturating_add(octets_len(self.hint_address))
    }

    fn put(self, out: &mut Vec<u8>) {
        if let Some(name) = self.hint_name {
            der::put_explicit(out, der::context(0), der::GENERAL_STRING, name);
        }
        put_octets(out, 1, self.hint_address);
    }
}

/// `NegTokenResp` (RFC 4178, section 4.2.2).
///
/// Shown by `Debug` without the octets of its fields.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegTokenResp<'a> {
    /// `negState`, which is required in the acceptor's first reply only.
    pub neg_state: Option<NegState>,
    /// `supportedMech`: the mechanism that the acceptor selected, in its first reply only.
    pub supported_mech: Option<MechType<'a>>,
    /// `responseToken`: a token of the mechanism.
    pub response_token: Option<&'a [u8]>,
    /// `mechListMIC`.
    pub mech_list_mic: Option<&'a [u8]>,
}

impl<'a> NegTokenResp<'a> {
    pub(super) const TAG: u8 = RESP;

    /// Decodes it.
    ///
    /// # Errors
    /// Where it is not DER, or not a NegTokenResp.
    pub fn decode(token: &'a [u8]) -> Result<Self, InvalidMessage> {
        const NAME: &str = "NegTokenResp";
        let mut token = Reader::new(token);
        let mut fields = token.explicit(RESP, der::SEQUENCE, NAME)?;
        token.finish(NAME)?;

        let neg_state = fields
            .optional_explicit(der::context(0), der::ENUMERATED, "NegTokenResp.negState")?
            .map(NegState::read)
            .transpose()?;
        let supported_mech = fields
            .optional_explicit(
                der::context(1),
                der::OBJECT_IDENTIFIER,
                "NegTokenResp.supportedMech",
            )?
            .map(|oid| MechType::read(oid, "NegTokenResp.supportedMech"))
            .transpose()?;
        let response_token = octets(&mut fields, 2, "NegTokenResp.responseToken")?;
        let mech_list_mic = octets(&mut fields, 3, "NegTokenResp.mechListMIC")?;
        fields.finish(NAME)?;
        Ok(Self {
            neg_state,
            supported_mech,
            response_token,
            mech_list_mic,
        })
    }

    /// Encodes it; it travels without an InitialContextToken around it.
    pub fn encode(&self) -> Vec<u8> {
        let state = self.neg_state.map(NegState::to_u8);
        let mech = self.supported_mech.map(MechType::contents);
        let fields = octets_len(state.as_ref().map(std::slice::from_ref))
            .saturating_add(octets_len(mech))
            .saturating_add(octets_len(self.response_token))
            .saturating_add(octets_len(self.mech_list_mic));

        let mut out = Vec::with_capacity(der::explicit_len(fields));
        der::put_explicit_header(&mut out, RESP, der::SEQUENCE, fields);
        if let Some(state) = state {
            der::put_explicit(&mut out, der::context(0), der::ENUMERATED, &[state]);
        }
        if let Some(mech) = mech {
            der::put_explicit(&mut out, der::context(1), der::OBJECT_IDENTIFIER, mech);
        }
        put_octets(&mut out, 2, self.response_token);
        put_octets(&mut out, 3, self.mech_list_mic);
        out
    }

    /// The mechanism's token, unless it is empty, which says nothing.
    pub(super) fn mech_token(&self) -> Option<&'a [u8]> {
        self.response_token.filter(|token| !token.is_empty())
    }

    /// The `mechListMIC`, unless it only repeats `responseToken`, as very old servers do, or is empty.
    pub(super) fn mic(&self) -> Option<&'a [u8]> {
        self.mech_list_mic
            .filter(|mic| !mic.is_empty() && self.response_token != Some(mic))
    }
}

impl fmt::Debug for NegTokenResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegTokenResp")
            .field("neg_state", &self.neg_state)
            .field("supported_mech", &self.supported_mech)
            .field("response_token", &self.response_token.map(Redacted))
            .field("mech_list_mic", &self.mech_list_mic.map(Redacted))
            .finish()
    }
}

/// `negState` (RFC 4178, section 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegState {
    /// `accept-completed`: no further token is needed.
    AcceptCompleted,
    /// `accept-incomplete`: at least one more token is needed.
    AcceptIncomplete,
    /// `reject`: the negotiation has failed.
    Reject,
    /// `request-mic`: `mechListMIC`s must be exchanged; in the acceptor's first reply only.
    RequestMic,
}

impl NegState {
    fn read(contents: Reader<'_>) -> Result<Self, InvalidMessage> {
        const FIELD: &str = "NegTokenResp.negState";
        match contents.unsigned(FIELD)? {
            0 => Ok(Self::AcceptCompleted),
            1 => Ok(Self::AcceptIncomplete),
            2 => Ok(Self::Reject),
            3 => Ok(Self::RequestMic),
            _ => Err(contents.error(FIELD, InvalidMessageKind::BadValue)),
        }
    }

    fn to_u8(self) -> u8 {
        match self {
            Self::AcceptCompleted => 0,
            Self::AcceptIncomplete => 1,
            Self::Reject => 2,
            Self::RequestMic => 3,
        }
    }
}

/// `NegotiationToken.negTokenInit`.
const INIT: u8 = der::context(0);
/// `NegotiationToken.negTokenResp`.
const RESP: u8 = der::context(1);

fn octets<'a>(
    fields: &mut Reader<'a>,
    number: u8,
    field: &'static str,
) -> Result<Option<&'a [u8]>, InvalidMessage> {
    let octets = fields.optional_explicit(der::context(number), der::OCTET_STRING, field)?;
    Ok(octets.map(|octets| octets.rest()))
}

fn octets_len(octets: Option<&[u8]>) -> usize {
    octets.map_or(0, |octets| der::explicit_len(octets.len()))
}

fn put_octets(out: &mut Vec<u8>, number: u8, octets: Option<&[u8]>) {
    if let Some(octets) = octets {
        der::put_explicit(out, der::context(number), der::OCTET_STRING, octets);
    }
}

/// Shows how many octets there are, and not which.
struct Redacted<'a>(&'a [u8]);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}
