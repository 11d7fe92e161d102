//! Recognises tokens, and shows them: by the walkers what stands where, by the library whether it is right.

use credssp::credentials::TsCredentials;
use credssp::error::InvalidMessage;
use credssp::kerberos::asn1::{
    ApRep, ApReq, Authenticator, EncApRepPart, EncTicketPart, InitialToken, KdcRep, KdcReq,
    KrbError, MessageType, TgtReply, TgtRequest, Ticket, TokenId,
};
use credssp::mechanism::Oid;
use credssp::ntlm::{AuthenticateMessage, ChallengeMessage, NegotiateMessage, Ntlmv2Response};
use credssp::rdp::{ConnectionConfirm, ConnectionRequest, EarlyUserAuthorization};
use credssp::spnego::{MechTypeList, NegTokenInit, NegTokenResp};
use credssp::ts_request::TsRequest;

use crate::der::{self, Type, behind};
use crate::tree::{At, Node};
use crate::{credssp_types, gss_tokens, kerberos_types, ntlm_layout, winrm, x224};

/// How deeply values may lie in each other: TSRequest, SPNEGO, AP-REQ, authenticator and so on take 30 or so.
const MAX_DEPTH: u8 = 60;

/// How to look at tokens.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) show_secrets: bool,
    depth: u8,
}

impl View {
    pub(crate) fn new(show_secrets: bool) -> Self {
        Self {
            show_secrets,
            depth: 0,
        }
    }

    pub(crate) fn deeper(&self) -> Option<Self> {
        let depth = self.depth + 1;
        (depth <= MAX_DEPTH).then_some(Self { depth, ..*self })
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    TsRequest,
    TsCredentials,
    PasswordCreds,
    SmartCardCreds,
    RemoteGuardCreds,
    MechTypes,
    NegTokenInit,
    NegTokenResp,
    InitialContextToken,
    Ntlm,
    NtlmSignature,
    /// By the tag.
    Kerberos(u8),
    /// A message of Kerberos by its type, without the tag around it.
    Untagged(u8),
    TgtRequest,
    TgtReply,
    /// RFC 4121's, by the first octet.
    PerMessage(u8),
    X224,
    EarlyUserAuthorization,
    /// A message to or from a KDC over TCP, behind its length.
    LengthAndMessage,
    /// What WinRM's headers hold.
    TlsRecords,
    /// What WinRM's bodies are behind the logon.
    SealedBody,
}

impl Kind {
    /// Recognises a token by its first octets.
    pub(crate) fn of(token: &[u8]) -> Option<Self> {
        Some(match *token {
            [b'N', ..] if token.starts_with(b"NTLMSSP\0") => Self::Ntlm,
            [0xa0, ..] => Self::NegTokenInit,
            [0xa1, ..] => Self::NegTokenResp,
            [0x60, ..] => Self::InitialContextToken,
            [tag, _, ..] if kerberos_types::message(tag).is_some() => Self::Kerberos(tag),
            [0x30, ..] => return sequence(token),
            _ if winrm::is_record(token) => Self::TlsRecords,
            _ if winrm::is_body(token) => Self::SealedBody,
            [first @ (4 | 5), 4, ..] if token.len() >= 16 => Self::PerMessage(first),
            [3, 0, _, _, _, code, ..] if matches!(code & 0xf0, 0xe0 | 0xd0) => Self::X224,
            [0, 0, 0, 0] | [5, 0, 0, 0] => Self::EarlyUserAuthorization,
            [1, 0, 0, 0, _, _, _, _, _, _, _, _, _, _, 0, 0, ..] => Self::NtlmSignature,
            [a, b, c, d, tag, ..]
                if matches!(tag, 0x6a..=0x6d | 0x7e)
                    && usize::try_from(u32::from_be_bytes([a, b, c, d]))
                        .is_ok_and(|length| length == token.len() - 4) =>
            {
                Self::LengthAndMessage
            }
            _ => return None,
        })
    }

    /// Shows a token that stands alone or in another one.
    pub(crate) fn node(self, view: &View, at: At<'_>) -> Node {
        let Some(view) = view.deeper() else {
            return Node::new("(token)", at).error("nested too deeply");
        };
        let node = self.walk(&view, at);
        match self.check(at.bytes) {
            Err(error) if !node.is_wrong() => {
                let offset = at.offset + error.offset;
                node.error(format!(
                    "{} at byte {offset}: {}",
                    error.structure, error.kind
                ))
            }
            _ => node,
        }
    }

    fn walk(self, view: &View, at: At<'_>) -> Node {
        let der = |kind: &Type, name: &str| {
            let mut rest = at;
            let node = kind.read(view, name, &mut rest);
            behind(node, rest)
        };
        match self {
            Self::TsRequest => der(&credssp_types::TS_REQUEST, "TSRequest"),
            Self::TsCredentials => der(&credssp_types::TS_CREDENTIALS, "TSCredentials"),
            Self::PasswordCreds => der(&credssp_types::PASSWORD_CREDS, "TSPasswordCreds"),
            Self::SmartCardCreds => der(&credssp_types::SMART_CARD_CREDS, "TSSmartCardCreds"),
            Self::RemoteGuardCreds => der(&credssp_types::REMOTE_GUARD_CREDS, "TSRemoteGuardCreds"),
            Self::MechTypes => der(&credssp_types::MECH_TYPES, "MechTypeList"),
            Self::NegTokenInit => match has_hints(at.bytes) {
                true => der(&credssp_types::NEG_TOKEN_INIT2, "NegTokenInit2"),
                false => der(&credssp_types::NEG_TOKEN_INIT, "NegTokenInit"),
            },
            Self::NegTokenResp => der(&credssp_types::NEG_TOKEN_RESP, "NegTokenResp"),
            Self::InitialContextToken => gss_tokens::initial_context_token(view, at),
            Self::Ntlm => ntlm_layout::message(view, at),
            Self::NtlmSignature => ntlm_layout::signature(at),
            Self::Kerberos(tag) => match kerberos_types::message(tag) {
                Some((name, kind)) => der(kind, name),
                None => Node::new("(unknown)", at),
            },
            Self::Untagged(kind) => match untagged(kind) {
                Some((name, kind)) => der(kind, name),
                None => Node::new("(unknown)", at),
            },
            Self::TgtRequest => der(&kerberos_types::TGT_REQUEST, "KERB-TGT-REQUEST"),
            Self::TgtReply => der(&kerberos_types::TGT_REPLY, "KERB-TGT-REPLY"),
            Self::PerMessage(_) => gss_tokens::per_message(at),
            Self::X224 => x224::message(at),
            Self::EarlyUserAuthorization => {
                let node = Node::new("Early User Authorization Result", at).octets(at.bytes);
                node.meaning(match at.bytes {
                    [0, ..] => "AUTHZ_SUCCESS",
                    _ => "AUTHZ_ACCESS_DENIED",
                })
            }
            Self::TlsRecords => winrm::records(at),
            Self::SealedBody => winrm::body(at),
            Self::LengthAndMessage => {
                let (mut node, mut rest) = (Node::new("message over TCP", at), at);
                let length = rest.take(4);
                node.push(Node::new("length", length).octets(length.bytes));
                node.push(any(view, rest));
                node
            }
        }
    }

    /// What the library says of it.
    fn check(self, token: &[u8]) -> Result<(), InvalidMessage> {
        match self {
            Self::TsRequest => TsRequest::decode(token).map(drop),
            Self::TsCredentials => TsCredentials::decode(token).map(drop),
            Self::MechTypes => MechTypeList::decode(token).map(drop),
            Self::NegTokenInit => NegTokenInit::decode(token).map(drop),
            Self::NegTokenResp => NegTokenResp::decode(token).map(drop),
            Self::InitialContextToken if gss_tokens::mechanism(token) == Some(Oid::SPNEGO) => {
                NegTokenInit::decode(token).map(drop)
            }
            Self::InitialContextToken if gss_tokens::establishes(token) => {
                InitialToken::decode(token).map(drop)
            }
            Self::Ntlm => ntlm(token),
            Self::Kerberos(tag) => kerberos(tag, token),
            Self::TgtRequest => TgtRequest::decode(token).map(drop),
            Self::TgtReply => TgtReply::decode(token).map(drop),
            Self::X224 if x224::is_request(token) => ConnectionRequest::decode(token).map(drop),
            Self::X224 => ConnectionConfirm::decode(token).map(drop),
            Self::EarlyUserAuthorization => match token.try_into() {
                Ok(result) => EarlyUserAuthorization::decode(result).map(drop),
                Err(_) => Ok(()),
            },
            // What stands in these is checked by itself; nobody but a context can check the others.
            Self::InitialContextToken
            | Self::LengthAndMessage
            | Self::NtlmSignature
            | Self::PasswordCreds
            | Self::PerMessage(_)
            | Self::RemoteGuardCreds
            | Self::SealedBody
            | Self::SmartCardCreds
            | Self::TlsRecords
            | Self::Untagged(_) => Ok(()),
        }
    }
}

pub(crate) fn ntlm(token: &[u8]) -> Result<(), InvalidMessage> {
    match token.get(8) {
        Some(1) => NegotiateMessage::decode(token).map(drop),
        Some(2) => ChallengeMessage::decode(token).map(drop),
        _ => {
            let message = AuthenticateMessage::decode(token)?;
            if message.nt_challenge_response.len() > 24 {
                Ntlmv2Response::decode(message.nt_challenge_response)?;
            }
            Ok(())
        }
    }
}

fn kerberos(tag: u8, token: &[u8]) -> Result<(), InvalidMessage> {
    match tag {
        0x61 => Ticket::decode(token).map(drop),
        0x62 => Authenticator::decode(token).map(drop),
        0x63 => EncTicketPart::decode(token).map(drop),
        0x6a | 0x6c => KdcReq::decode(token).map(drop),
        0x6b => KdcRep::decode(MessageType::As, token).map(drop),
        0x6d => KdcRep::decode(MessageType::Tgs, token).map(drop),
        0x6e => ApReq::decode(token).map(drop),
        0x6f => ApRep::decode(token).map(drop),
        0x7b => EncApRepPart::decode(token).map(drop),
        _ => KrbError::decode(token).map(drop),
    }
}

fn untagged(message_type: u8) -> Option<(&'static str, &'static Type)> {
    Some(match message_type {
        10 => ("AS-REQ, without its tag", &kerberos_types::KDC_REQ),
        11 => ("AS-REP, without its tag", &kerberos_types::KDC_REP),
        12 => ("TGS-REQ, without its tag", &kerberos_types::KDC_REQ),
        13 => ("TGS-REP, without its tag", &kerberos_types::KDC_REP),
        14 => ("AP-REQ, without its tag", &kerberos_types::AP_REQ_FIELDS),
        15 => ("AP-REP, without its tag", &kerberos_types::AP_REP_FIELDS),
        30 => (
            "KRB-ERROR, without its tag",
            &kerberos_types::KRB_ERROR_FIELDS,
        ),
        _ => return None,
    })
}

/// Which of the structures that begin with a SEQUENCE it is.
fn sequence(token: &[u8]) -> Option<Kind> {
    let contents = match *token.get(1)? {
        ..0x80 => token.get(2..)?,
        long => token.get(2 + usize::from(long & 0x7f)..)?,
    };
    let value = |fields: &[u8]| match *fields {
        [_, 0x03, 2, 1, value, ..] => Some(value),
        _ => None,
    };
    Some(match *contents {
        // [1] pvno, [2] msg-type
        [0xa1, 3, 2, 1, 5, 0xa2, 3, 2, 1, kind, ..] => Kind::Untagged(kind),
        [0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, 16, ..] => Kind::TgtRequest,
        [0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, 17, ..] => Kind::TgtReply,
        [0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, kind, ..] => Kind::Untagged(kind),
        [0xa0, length, 2, ..] if length < 0x80 => {
            let next = contents.get(2 + usize::from(length)..).unwrap_or_default();
            // credentials is an OCTET STRING, negoTokens a SEQUENCE.
            let inner = next.get(1).map(|length| match length {
                ..0x80 => 2,
                long => 2 + usize::from(long & 0x7f),
            });
            match inner.and_then(|inner| next.get(inner)) {
                Some(4) if next.first() == Some(&0xa1) && value(contents).is_some() => {
                    Kind::TsCredentials
                }
                _ => Kind::TsRequest,
            }
        }
        [0xa0, ..] => {
            let inner = match contents.get(1)? {
                ..0x80 => 2,
                long => 2 + usize::from(long & 0x7f),
            };
            match contents.get(inner)? {
                0x30 => Kind::RemoteGuardCreds,
                4 => {
                    let length = usize::from(*contents.get(1)?);
                    match contents.get(2 + length..2 + length + 3) {
                        Some([0xa1, ..=0x7f, 0x30]) => Kind::SmartCardCreds,
                        Some([0xa1, 0x81, _]) => Kind::SmartCardCreds,
                        _ => Kind::PasswordCreds,
                    }
                }
                _ => return None,
            }
        }
        [6, ..] => Kind::MechTypes,
        _ => return None,
    })
}

/// Whether a NegTokenInit has negHints in [3]: a SEQUENCE where RFC 4178 has an OCTET STRING.
fn has_hints(token: &[u8]) -> bool {
    der::fields(token)
        .iter()
        .any(|field| field.tag == 0xa3 && field.contents.bytes.first() == Some(&0x30))
}

/// A token of any kind, or its octets where it is of none that is known.
pub(crate) fn any(view: &View, at: At<'_>) -> Node {
    match Kind::of(at.bytes) {
        Some(kind) => kind.node(view, at),
        None => Node::new("(unknown)", at).octets(at.bytes),
    }
}

/// A token in another one, or `None` where it is of no kind that is known.
pub(crate) fn nested(view: &View, at: At<'_>) -> Option<Node> {
    Kind::of(at.bytes).map(|kind| kind.node(view, at))
}

/// The token of a Kerberos context by the octets before it.
pub(crate) fn by_id(id: [u8; 2]) -> Option<TokenId> {
    Some(match id {
        [1, 0] => TokenId::ApReq,
        [2, 0] => TokenId::ApRep,
        [3, 0] => TokenId::Error,
        [4, 0] => TokenId::TgtRequest,
        [4, 1] => TokenId::TgtReply,
        _ => return None,
    })
}

/// All of an input, which has to be a token.
pub(crate) fn whole(view: &View, at: At<'_>) -> Node {
    let node = any(view, at);
    match Kind::of(at.bytes) {
        Some(_) => node,
        None => node.error("it begins like no token that is known here"),
    }
}
