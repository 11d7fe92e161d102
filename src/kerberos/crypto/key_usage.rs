/// What a key is used for: each use has keys of its own, derived from the one at hand (RFC 3961, section 3; RFC 4120,
/// section 7.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyUsage(u32);

impl KeyUsage {
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
