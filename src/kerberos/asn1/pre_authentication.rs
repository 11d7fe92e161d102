use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::ap::message;
use super::{KerberosTime, Microseconds, Octets};
use crate::error::{Error, InvalidMessage};

/// PA-DATA (RFC 4120, section 5.2.7).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaData {
    /// One of the constants, or any other number.
    #[rasn(tag(explicit(1)))]
    pub padata_type: i32,
    /// What the type says.
    #[rasn(tag(explicit(2)))]
    pub padata_value: Octets,
}

impl PaData {
    /// PA-TGS-REQ: an AP-REQ.
    pub const TGS_REQ: i32 = 1;
    /// PA-ENC-TIMESTAMP: an encrypted [`PaEncTsEnc`].
    pub const ENC_TIMESTAMP: i32 = 2;
    /// PA-PW-SALT: the salt alone.
    pub const PW_SALT: i32 = 3;
    /// PA-PK-AS-REQ: a logon by certificate (RFC 4556, section 3.2.1).
    pub const PK_AS_REQ: i32 = 16;
    /// PA-PK-AS-REP: the answer to it (RFC 4556, section 3.2.3).
    pub const PK_AS_REP: i32 = 17;
    /// PA-ETYPE-INFO2: a list of [`EtypeInfo2Entry`].
    pub const ETYPE_INFO2: i32 = 19;
    /// KERB-PA-PAC-REQUEST (MS-KILE, section 2.2.3).
    pub const PAC_REQUEST: i32 = 128;
    /// PA-FX-COOKIE, which goes back as it came (RFC 6113, section 5.2).
    pub const FX_COOKIE: i32 = 133;
    /// PA-AS-FRESHNESS: a token that proves that a signature is new (RFC 8070, section 4).
    pub const AS_FRESHNESS: i32 = 150;
    /// PA-PAC-OPTIONS (MS-KILE, section 2.2.10).
    pub const PAC_OPTIONS: i32 = 167;
    /// PA-REQ-ENC-PA-REP (RFC 6806, section 11).
    pub const REQ_ENC_PA_REP: i32 = 149;

    /// From parts.
    pub fn new(padata_type: i32, padata_value: impl Into<Octets>) -> Self {
        Self {
            padata_type,
            padata_value: padata_value.into(),
        }
    }
}

/// METHOD-DATA (RFC 4120, section 5.2.7): what a KDC's error says about pre-authentication.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[rasn(delegate)]
#[non_exhaustive]
pub struct MethodData(pub Vec<PaData>);

impl MethodData {
    /// Decodes one.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn decode(octets: &[u8]) -> Result<Self, InvalidMessage> {
        super::decode(octets, "METHOD-DATA")
    }
}

/// ETYPE-INFO2-ENTRY (RFC 4120, section 5.2.7.5).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct EtypeInfo2Entry {
    /// The number of the encryption type.
    #[rasn(tag(explicit(0)))]
    pub etype: i32,
    /// The salt; the default one where absent.
    #[rasn(tag(explicit(1)))]
    pub salt: Option<super::KerberosString>,
    /// Parameters of string-to-key; the encryption type's defaults where absent.
    #[rasn(tag(explicit(2)))]
    pub s2kparams: Option<Octets>,
}

impl EtypeInfo2Entry {
    /// Decodes ETYPE-INFO2, a list of them.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn decode_list(octets: &[u8]) -> Result<Vec<Self>, InvalidMessage> {
        super::decode(octets, "ETYPE-INFO2")
    }
}

/// PA-ENC-TS-ENC (RFC 4120, section 5.2.7.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaEncTsEnc {
    /// The client's time.
    #[rasn(tag(explicit(0)))]
    pub patimestamp: KerberosTime,
    /// Its microseconds.
    #[rasn(tag(explicit(1)))]
    pub pausec: Option<Microseconds>,
}

message!(PaEncTsEnc, "PA-ENC-TS-ENC");
