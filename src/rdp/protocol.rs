use std::ops::BitOr;

use super::bits::bits;

/// The one security protocol that a server selects: `selectedProtocol` (MS-RDPBCGR, section 2.2.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// PROTOCOL_RDP: standard RDP security, which is no TLS.
    Rdp,
    /// PROTOCOL_SSL: TLS without CredSSP.
    Ssl,
    /// PROTOCOL_HYBRID: CredSSP.
    Hybrid,
    /// PROTOCOL_RDSTLS.
    Rdstls,
    /// PROTOCOL_HYBRID_EX: CredSSP, and an [`EarlyUserAuthorization`](super::EarlyUserAuthorization) behind it.
    HybridEx,
    /// PROTOCOL_RDSAAD.
    Rdsaad,
}

impl Protocol {
    /// From its number on the wire, where this crate knows it.
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Rdp,
            1 => Self::Ssl,
            2 => Self::Hybrid,
            4 => Self::Rdstls,
            8 => Self::HybridEx,
            0x10 => Self::Rdsaad,
            _ => return None,
        })
    }

    /// Its number on the wire, which is also its bit in [`Protocols`].
    pub const fn to_u32(self) -> u32 {
        match self {
            Self::Rdp => 0,
            Self::Ssl => 1,
            Self::Hybrid => 2,
            Self::Rdstls => 4,
            Self::HybridEx => 8,
            Self::Rdsaad => 0x10,
        }
    }

    /// Whether CredSSP follows TLS.
    pub const fn is_credssp(self) -> bool {
        matches!(self, Self::Hybrid | Self::HybridEx)
    }
}

bits! {
    /// The security protocols that a client offers: `requestedProtocols` (MS-RDPBCGR, section 2.2.1.1.1).
    ///
    /// The empty set, which is the default, is PROTOCOL_RDP: that one has no bit, and is always offered.
    Protocols: u32 {
        /// PROTOCOL_SSL: TLS without CredSSP.
        SSL = 0x01;
        /// PROTOCOL_HYBRID: CredSSP. PROTOCOL_SSL should be there too.
        HYBRID = 0x02;
        /// PROTOCOL_RDSTLS.
        RDSTLS = 0x04;
        /// PROTOCOL_HYBRID_EX: CredSSP with early user authorization. PROTOCOL_HYBRID should be there too.
        HYBRID_EX = 0x08;
        /// PROTOCOL_RDSAAD.
        RDSAAD = 0x10;
    }

    /// The flags of an RDP_NEG_REQ but CORRELATION_INFO_PRESENT, which follows from what the request holds.
    RequestFlags: u8 {
        /// RESTRICTED_ADMIN_MODE_REQUIRED: the client wants to log on without giving credentials away.
        RESTRICTED_ADMIN = 0x01;
        /// REDIRECTED_AUTHENTICATION_MODE_REQUIRED: the client wants to keep its credentials, and answer for them (Remote
        /// Credential Guard).
        REDIRECTED_AUTHENTICATION = 0x02;
    }

    /// The flags of an RDP_NEG_RSP (MS-RDPBCGR, section 2.2.1.2.1).
    ResponseFlags: u8 {
        /// EXTENDED_CLIENT_DATA_SUPPORTED: the server reads the extended blocks of what the client sends after this.
        EXTENDED_CLIENT_DATA = 0x01;
        /// DYNVC_GFX_PROTOCOL_SUPPORTED: the server has the graphics pipeline.
        DYNVC_GFX = 0x02;
        /// RESTRICTED_ADMIN_MODE_SUPPORTED: the client may send empty credentials.
        RESTRICTED_ADMIN = 0x08;
        /// REDIRECTED_AUTHENTICATION_MODE_SUPPORTED: the client may keep its credentials.
        REDIRECTED_AUTHENTICATION = 0x10;
    }
}

impl From<Protocol> for Protocols {
    fn from(protocol: Protocol) -> Self {
        Self(protocol.to_u32())
    }
}
