//! What a GSS context's initiator puts into its authenticator (RFC 4121, section 4.1.1).

use std::fmt;

use super::{AuthorizationDataElement, ChecksumValue};
use crate::error::{Error, InvalidMessage, InvalidMessageKind};

/// The "checksum" of an authenticator in a GSS context: no checksum, but the context's flags and channel bindings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthenticatorChecksum {
    /// The MD5 of the channel bindings, where the initiator gave any.
    pub channel_bindings: Option<[u8; 16]>,
    /// What the initiator asks for.
    pub flags: ContextFlags,
}

impl AuthenticatorChecksum {
    /// The number of its checksum type.
    pub const CHECKSUM_TYPE: i32 = 0x8003;

    /// The length of `Bnd`, as `Lgth` says it.
    const BINDINGS_LEN: [u8; 4] = 16_u32.to_le_bytes();

    /// From parts.
    pub fn new(flags: ContextFlags, channel_bindings: Option<[u8; 16]>) -> Self {
        Self {
            channel_bindings,
            flags,
        }
    }

    /// Reads one. Delegated credentials and extensions are passed over.
    ///
    /// # Errors
    /// Where it is of another type, or malformed.
    pub fn decode(checksum: &ChecksumValue) -> Result<Self, InvalidMessage> {
        let error = |offset, kind| InvalidMessage::new("Authenticator.cksum", offset, kind);
        if checksum.cksumtype != Self::CHECKSUM_TYPE {
            return Err(error(0, InvalidMessageKind::BadValue));
        }
        let (fixed, rest) = checksum
            .checksum
            .as_bytes()
            .split_first_chunk::<24>()
            .ok_or_else(|| error(0, InvalidMessageKind::Truncated))?;
        let [l0, l1, l2, l3, bindings @ .., f0, f1, f2, f3] = *fixed;
        if [l0, l1, l2, l3] != Self::BINDINGS_LEN {
            return Err(error(0, InvalidMessageKind::BadValue));
        }
        let flags = ContextFlags(u32::from_le_bytes([f0, f1, f2, f3]));
        if flags.contains(ContextFlags::DELEG) {
            match rest {
                [1, 0, d0, d1, credentials @ ..] => {
                    if credentials.len() < usize::from(u16::from_le_bytes([*d0, *d1])) {
                        return Err(error(26, InvalidMessageKind::Truncated));
                    }
                }
                _ => return Err(error(24, InvalidMessageKind::BadValue)),
            }
        }
        Ok(Self {
            // RFC 4121, section 4.1.1.2: "If the caller to GSS_Init_sec_context passes in GSS_C_NO_CHANNEL_BINDINGS [...]
            // the Bnd field is set to 16 octets of zero".
            channel_bindings: (bindings != [0; 16]).then_some(bindings),
            flags,
        })
    }

    /// Writes it, without delegated credentials.
    pub fn encode(&self) -> ChecksumValue {
        let octets = [
            &Self::BINDINGS_LEN[..],
            &self.channel_bindings.unwrap_or_default(),
            &self.flags.0.to_le_bytes(),
        ]
        .concat();
        ChecksumValue {
            cksumtype: Self::CHECKSUM_TYPE,
            checksum: octets.into(),
        }
    }
}

/// The flags of a context (RFC 4121, section 4.1.1.1).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ContextFlags(u32);

impl ContextFlags {
    /// GSS_C_DELEG_FLAG: a forwarded ticket follows.
    pub const DELEG: Self = Self(0x01);
    /// GSS_C_MUTUAL_FLAG: the acceptor proves itself.
    pub const MUTUAL: Self = Self(0x02);
    /// GSS_C_REPLAY_FLAG: messages that come twice are noticed.
    pub const REPLAY: Self = Self(0x04);
    /// GSS_C_SEQUENCE_FLAG: messages that come out of their order are noticed.
    pub const SEQUENCE: Self = Self(0x08);
    /// GSS_C_CONF_FLAG: messages can be encrypted.
    pub const CONF: Self = Self(0x10);
    /// GSS_C_INTEG_FLAG: messages can be signed.
    pub const INTEG: Self = Self(0x20);
    /// GSS_C_DCE_STYLE: a third message, and another layout of those that follow (MS-KILE, section 3.2.5.2).
    pub const DCE_STYLE: Self = Self(0x1000);

    /// From the number.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Debug for ContextFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// KERB_AP_OPTIONS_CBT: the client would have sent channel bindings had it known any, so that none are a sign of somebody in
/// between (MS-KILE, section 3.2.5.8).
const AP_OPTIONS_CBT: u32 = 0x4000;

impl AuthorizationDataElement {
    /// AD-IF-RELEVANT (RFC 4120, section 5.2.6.1): what is inside may be ignored.
    pub(in crate::kerberos) const IF_RELEVANT: i32 = 1;
    /// KERB-AP-OPTIONS (MS-KILE, section 2.2.11).
    const AP_OPTIONS: i32 = 143;

    /// AD-IF-RELEVANT with KERB_AP_OPTIONS_CBT, for the authenticator of who sends channel bindings.
    ///
    /// # Errors
    /// None in fact; encoders may fail.
    pub fn channel_bindings_sent() -> Result<Self, Error> {
        let options = Self {
            ad_type: Self::AP_OPTIONS,
            ad_data: AP_OPTIONS_CBT.to_le_bytes().to_vec().into(),
        };
        Ok(Self {
            ad_type: Self::IF_RELEVANT,
            ad_data: super::encode(&vec![options], "AuthorizationData")?.into(),
        })
    }

    /// Whether KERB_AP_OPTIONS_CBT is in here.
    pub fn says_channel_bindings_sent(&self) -> bool {
        // RFC 4120, section 5.2.6.1: a server that does not understand what is in AD-IF-RELEVANT may ignore it.
        self.ad_type == Self::IF_RELEVANT
            && super::decode::<Vec<Self>>(self.ad_data.as_bytes(), "AuthorizationData")
                .unwrap_or_default()
                .iter()
                .filter(|element| element.ad_type == Self::AP_OPTIONS)
                .filter_map(|element| element.ad_data.as_bytes().first_chunk())
                .any(|options| u32::from_le_bytes(*options) & AP_OPTIONS_CBT != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gss::ChannelBindings;

    fn checksum(cksumtype: i32, octets: &[u8]) -> ChecksumValue {
        ChecksumValue {
            cksumtype,
            checksum: octets.into(),
        }
    }

    #[test]
    fn is_written_as_rfc_4121_lays_it_out_and_read_back() {
        let flags = ContextFlags::MUTUAL.with(ContextFlags::DCE_STYLE);
        let bindings = ChannelBindings::from_application_data(b"tls-server-end-point:x").hash();
        for (bindings, written) in [(None, [0; 16]), (Some(bindings), bindings)] {
            let value = AuthenticatorChecksum::new(flags, bindings);
            let expected = [&[16, 0, 0, 0], &written[..], &[2, 0x10, 0, 0]].concat();
            assert_eq!(value.encode(), checksum(0x8003, &expected));
            assert_eq!(AuthenticatorChecksum::decode(&value.encode()), Ok(value));
        }
    }

    #[test]
    fn passes_over_delegated_credentials_and_extensions() {
        let start = [&[16, 0, 0, 0][..], &[7; 16]].concat();
        let read = |flags: u8, rest: &[u8]| {
            let octets = [&start[..], &[flags, 0, 0, 0], rest].concat();
            AuthenticatorChecksum::decode(&checksum(0x8003, &octets))
        };
        for (flags, rest) in [
            (0x32, &b""[..]),
            (0x32, b"\0\0\0\x01\0\0\0\x01x"),
            (0x33, b"\x01\0\x02\0ab"),
            (0x33, b"\x01\0\x02\0abextension"),
        ] {
            let found = read(flags, rest).unwrap();
            assert_eq!(found.channel_bindings, Some([7; 16]));
            assert_eq!(found.flags.bits(), u32::from(flags));
        }
        for bad in [&b""[..], b"\x01\0\x02", b"\x01\0\x02\0a", b"\x02\0\0\0"] {
            assert!(read(0x33, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses_other_types_and_lengths() {
        let good = AuthenticatorChecksum::default().encode();
        let octets = good.checksum.as_bytes();
        for bad in [
            checksum(7, octets),
            checksum(0x8003, &octets[..23]),
            checksum(0x8003, &[&[17], &octets[1..]].concat()),
        ] {
            assert!(AuthenticatorChecksum::decode(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tells_who_would_send_channel_bindings() {
        let sent = AuthorizationDataElement::channel_bindings_sent().unwrap();
        assert!(sent.says_channel_bindings_sent());
        let octets = sent.ad_data.as_bytes();
        assert_eq!(
            octets,
            b"\x30\x10\x30\x0e\xa0\x04\x02\x02\x00\x8f\xa1\x06\x04\x04\x00\x40\x00\x00"
        );
        let with = |ad_type, octets: &[u8]| AuthorizationDataElement {
            ad_type,
            ad_data: octets.into(),
        };
        let mut zero = octets.to_vec();
        let length = zero.len();
        zero[length - 3] = 0;
        for other in [with(4, octets), with(1, &octets[1..]), with(1, &zero)] {
            assert!(!other.says_channel_bindings_sent(), "{other:?}");
        }
    }
}
