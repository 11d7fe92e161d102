use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// An NTSTATUS (MS-ERREF, section 2.3), or the HRESULT that some peers send in its place.
///
/// Unknown codes are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NtStatus(u32);

impl NtStatus {
    /// From its number.
    pub const fn from_u32(code: u32) -> Self {
        Self(code)
    }

    /// Its number.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Its name in MS-ERREF, where this crate knows it.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.name)
    }

    /// What it means and what to do, in a sentence, where this crate knows it.
    pub fn description(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.description)
    }

    fn entry(self) -> Option<&'static Entry> {
        TABLE.iter().find(|entry| entry.code == self.0)
    }
}

impl FromStr for NtStatus {
    type Err = ParseIntError;

    /// Eight hexadecimal digits, with or without `0x`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(s.strip_prefix("0x").unwrap_or(s), 16).map(Self)
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some(entry) => write!(
                f,
                "{} (0x{:08X}): {}",
                entry.name, self.0, entry.description
            ),
            None => write!(f, "status 0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "NtStatus(0x{:08X})", self.0),
        }
    }
}

struct Entry {
    code: u32,
    name: &'static str,
    description: &'static str,
}

/// Gives each status a constant, a name and a sentence.
macro_rules! statuses {
    ($($constant:ident = $code:literal $name:literal $description:literal;)*) => {
        impl NtStatus {
            $(
                #[doc = concat!("`", $name, "`: ", $description)]
                pub const $constant: Self = Self($code);
            )*
        }

        const TABLE: &[Entry] = &[$(Entry { code: $code, name: $name, description: $description }),*];
    };
}

statuses! {
    INVALID_PARAMETER = 0xc000_000d "STATUS_INVALID_PARAMETER" "a message was malformed";
    ACCESS_DENIED = 0xc000_0022 "STATUS_ACCESS_DENIED" "the account may not log on here";
    NO_LOGON_SERVERS = 0xc000_005e "STATUS_NO_LOGON_SERVERS" "the server could not look the account up; try again later";
    NO_SUCH_USER = 0xc000_0064 "STATUS_NO_SUCH_USER" "there is no such account";
    WRONG_PASSWORD = 0xc000_006a "STATUS_WRONG_PASSWORD" "the password is wrong";
    LOGON_FAILURE = 0xc000_006d "STATUS_LOGON_FAILURE" "the user name or password is wrong";
    ACCOUNT_RESTRICTION = 0xc000_006e "STATUS_ACCOUNT_RESTRICTION" "a restriction of the account forbids this logon, such as a blank password";
    INVALID_LOGON_HOURS = 0xc000_006f "STATUS_INVALID_LOGON_HOURS" "the account may not log on at this time of day";
    INVALID_WORKSTATION = 0xc000_0070 "STATUS_INVALID_WORKSTATION" "the account may not log on from this computer";
    PASSWORD_EXPIRED = 0xc000_0071 "STATUS_PASSWORD_EXPIRED" "the password has expired and must be changed by other means first";
    ACCOUNT_DISABLED = 0xc000_0072 "STATUS_ACCOUNT_DISABLED" "the account is disabled";
    NOT_SUPPORTED = 0xc000_00bb "STATUS_NOT_SUPPORTED" "the CredSSP version is not accepted; update the older of the two ends";
    TIME_DIFFERENCE_AT_DC = 0xc000_0133 "STATUS_TIME_DIFFERENCE_AT_DC" "the clocks differ too much";
    LOGON_TYPE_NOT_GRANTED = 0xc000_015b "STATUS_LOGON_TYPE_NOT_GRANTED" "the account has not been granted this type of logon";
    TRUSTED_RELATIONSHIP_FAILURE = 0xc000_018d "STATUS_TRUSTED_RELATIONSHIP_FAILURE" "the trust between the server and its domain is broken";
    ACCOUNT_EXPIRED = 0xc000_0193 "STATUS_ACCOUNT_EXPIRED" "the account has expired";
    PASSWORD_MUST_CHANGE = 0xc000_0224 "STATUS_PASSWORD_MUST_CHANGE" "the password must be changed before the first logon";
    ACCOUNT_LOCKED_OUT = 0xc000_0234 "STATUS_ACCOUNT_LOCKED_OUT" "the account is locked out after too many wrong passwords";
    SMARTCARD_LOGON_REQUIRED = 0xc000_02fa "STATUS_SMARTCARD_LOGON_REQUIRED" "the account may log on with a smart card only";
    DOWNGRADE_DETECTED = 0xc000_0388 "STATUS_DOWNGRADE_DETECTED" "the server cannot reach its domain safely; try again later";
    AUTHENTICATION_FIREWALL_FAILED = 0xc000_0413 "STATUS_AUTHENTICATION_FIREWALL_FAILED" "the server does not accept accounts of this domain";
    NTLM_BLOCKED = 0xc000_0418 "STATUS_NTLM_BLOCKED" "NTLM is switched off there; use Kerberos";
    SEC_E_UNSUPPORTED_FUNCTION = 0x8009_0302 "SEC_E_UNSUPPORTED_FUNCTION" "the peer does not support what was asked of it";
    SEC_E_SECPKG_NOT_FOUND = 0x8009_0305 "SEC_E_SECPKG_NOT_FOUND" "the peer does not know the mechanism";
    SEC_E_INVALID_TOKEN = 0x8009_0308 "SEC_E_INVALID_TOKEN" "the peer could not read a token";
    SEC_E_LOGON_DENIED = 0x8009_030c "SEC_E_LOGON_DENIED" "the user name or password is wrong";
    SEC_E_NO_CREDENTIALS = 0x8009_030e "SEC_E_NO_CREDENTIALS" "the peer has no credentials to answer with";
    SEC_E_MESSAGE_ALTERED = 0x8009_030f "SEC_E_MESSAGE_ALTERED" "a message was changed on its way";
    SEC_E_OUT_OF_SEQUENCE = 0x8009_0310 "SEC_E_OUT_OF_SEQUENCE" "a message came out of sequence";
    SEC_E_NO_AUTHENTICATING_AUTHORITY = 0x8009_0311 "SEC_E_NO_AUTHENTICATING_AUTHORITY" "the peer reaches no domain controller";
    SEC_E_WRONG_PRINCIPAL = 0x8009_0322 "SEC_E_WRONG_PRINCIPAL" "the service principal name belongs to another account";
    SEC_E_TIME_SKEW = 0x8009_0324 "SEC_E_TIME_SKEW" "the clocks differ too much";
    SEC_E_DELEGATION_POLICY = 0x8009_035e "SEC_E_DELEGATION_POLICY" "policy does not allow delegating to this target";
    SEC_E_POLICY_NLTM_ONLY = 0x8009_035f "SEC_E_POLICY_NLTM_ONLY" "policy does not allow delegating to a target that is proved by NTLM only";
    SEC_E_BAD_BINDINGS = 0x8009_0346 "SEC_E_BAD_BINDINGS" "the channel bindings are missing or wrong";
}
