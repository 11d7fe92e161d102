//! `NEGOTIATE` flags (MS-NLMP, section 2.2.2.5).

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// What the two ends offer, and what they have agreed upon (MS-NLMP, section 2.2.2.5).
///
/// ```
/// use credssp::ntlm::NegotiateFlags;
///
/// let flags = NegotiateFlags::from_bits(0xe208_8235);
/// assert!(flags.contains(NegotiateFlags::SEAL | NegotiateFlags::KEY_EXCH));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NegotiateFlags(u32);

impl NegotiateFlags {
    /// Texts are UTF-16LE.
    pub const UNICODE: Self = Self(0x0000_0001);
    /// Texts are in the sender's OEM code page.
    pub const OEM: Self = Self(0x0000_0002);
    /// The challenge must hold a target name.
    pub const REQUEST_TARGET: Self = Self(0x0000_0004);
    /// Messages can be signed.
    pub const SIGN: Self = Self(0x0000_0010);
    /// Messages can be sealed.
    pub const SEAL: Self = Self(0x0000_0020);
    /// Connectionless authentication.
    pub const DATAGRAM: Self = Self(0x0000_0040);
    /// Session keys are derived from the LM response.
    pub const LM_KEY: Self = Self(0x0000_0080);
    /// NTLM, as opposed to LM alone.
    pub const NTLM: Self = Self(0x0000_0200);
    /// An anonymous logon.
    pub const ANONYMOUS: Self = Self(0x0000_0800);
    /// `NEGOTIATE_MESSAGE` names the client's domain.
    pub const OEM_DOMAIN_SUPPLIED: Self = Self(0x0000_1000);
    /// `NEGOTIATE_MESSAGE` names the client's workstation.
    pub const OEM_WORKSTATION_SUPPLIED: Self = Self(0x0000_2000);
    /// A signature block stands on every message.
    pub const ALWAYS_SIGN: Self = Self(0x0000_8000);
    /// The target name is a domain.
    pub const TARGET_TYPE_DOMAIN: Self = Self(0x0001_0000);
    /// The target name is a server.
    pub const TARGET_TYPE_SERVER: Self = Self(0x0002_0000);
    /// Extended session security, "NTLM2 session": per-direction keys and HMAC-MD5 signatures.
    pub const EXTENDED_SESSIONSECURITY: Self = Self(0x0008_0000);
    /// An identify-level token will do.
    pub const IDENTIFY: Self = Self(0x0010_0000);
    /// The session key is derived from the LM hash.
    pub const REQUEST_NON_NT_SESSION_KEY: Self = Self(0x0040_0000);
    /// The challenge holds AV pairs.
    pub const TARGET_INFO: Self = Self(0x0080_0000);
    /// The message names the sender's version.
    pub const VERSION: Self = Self(0x0200_0000);
    /// Keys of 128 bits.
    pub const NEGOTIATE_128: Self = Self(0x2000_0000);
    /// The client chooses the session key, and sends it encrypted.
    pub const KEY_EXCH: Self = Self(0x4000_0000);
    /// Keys of 56 bits, where 128 are not agreed upon.
    pub const NEGOTIATE_56: Self = Self(0x8000_0000);

    /// What this crate asks for as a client, and at most agrees to as a server.
    pub(crate) const SUPPORTED: Self = Self(0xe208_8235);

    /// Each feature without which this crate does not use NTLM, and what to call it.
    const REQUIRED: [(Self, &'static str); 6] = [
        (Self::UNICODE, "Unicode"),
        (Self::EXTENDED_SESSIONSECURITY, "extended session security"),
        (Self::NEGOTIATE_128, "128-bit keys"),
        (Self::KEY_EXCH, "key exchange"),
        (Self::SIGN, "signing"),
        (Self::SEAL, "sealing"),
    ];

    /// From the bits as they travel.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits as they travel.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The first feature that is missing although this crate insists on it.
    pub(crate) fn missing_feature(self) -> Option<&'static str> {
        Self::REQUIRED
            .iter()
            .find(|(flag, _)| !self.contains(*flag))
            .map(|(_, name)| *name)
    }
}

impl BitOr for NegotiateFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for NegotiateFlags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for NegotiateFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NegotiateFlags({:#010x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supported_flags_hold_every_required_feature_and_nothing_weak() {
        let supported = NegotiateFlags::SUPPORTED;
        assert_eq!(supported.missing_feature(), None);
        for weak in [
            NegotiateFlags::OEM,
            NegotiateFlags::LM_KEY,
            NegotiateFlags::DATAGRAM,
            NegotiateFlags::ANONYMOUS,
            NegotiateFlags::REQUEST_NON_NT_SESSION_KEY,
        ] {
            assert!(!supported.contains(weak), "{weak:?}");
        }
    }

    #[test]
    fn names_the_feature_that_is_missing() {
        let flags = NegotiateFlags::from_bits(
            NegotiateFlags::SUPPORTED.bits() & !NegotiateFlags::KEY_EXCH.bits(),
        );
        assert_eq!(flags.missing_feature(), Some("key exchange"));
    }
}
