/// What a key is used for: each use has keys of its own, derived from the one at hand (RFC 3961, section 3; RFC 4120,
/// section 7.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyUsage(u32);

impl KeyUsage {
    /// The timestamp of PA-ENC-TIMESTAMP, under the client's key.
    pub const PA_ENC_TIMESTAMP: Self = Self(1);
    /// A ticket, under the service's key.
    pub const TICKET: Self = Self(2);
    /// The encrypted part of an AS-REP, under the client's key.
    pub const AS_REP: Self = Self(3);
    /// The checksum over a TGS-REQ's body, under the session key.
    pub const TGS_REQ_CHECKSUM: Self = Self(6);
    /// The authenticator of a TGS-REQ, under the session key.
    pub const TGS_REQ_AUTHENTICATOR: Self = Self(7);
    /// The encrypted part of a TGS-REP, under the session key.
    pub const TGS_REP_SESSION_KEY: Self = Self(8);
    /// The encrypted part of a TGS-REP, under the authenticator's subkey.
    pub const TGS_REP_SUBKEY: Self = Self(9);
    /// The authenticator of an AP-REQ, under the session key.
    pub const AP_REQ_AUTHENTICATOR: Self = Self(11);
    /// The encrypted part of an AP-REP, under the session key.
    pub const AP_REP: Self = Self(12);
    /// A PAC's signatures (MS-PAC, section 2.8), under the service's key.
    pub const PAC_CHECKSUM: Self = Self(17);
    /// The checksum over an AS-REQ, under the reply's key (RFC 6806, section 11).
    pub const AS_REQ_CHECKSUM: Self = Self(56);
    /// KG-USAGE-ACCEPTOR-SEAL: Wrap tokens of the acceptor (RFC 4121, section 2).
    pub const ACCEPTOR_SEAL: Self = Self(22);
    /// KG-USAGE-ACCEPTOR-SIGN: MIC tokens of the acceptor (RFC 4121, section 2).
    pub const ACCEPTOR_SIGN: Self = Self(23);
    /// KG-USAGE-INITIATOR-SEAL: Wrap tokens of the initiator (RFC 4121, section 2).
    pub const INITIATOR_SEAL: Self = Self(24);
    /// KG-USAGE-INITIATOR-SIGN: MIC tokens of the initiator (RFC 4121, section 2).
    pub const INITIATOR_SIGN: Self = Self(25);

    /// From its number.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}
