//! What a server asks of its accounts, and what it is told.

use std::fmt;

use crate::error::NtStatus;
use crate::name::AccountName;
use crate::secret::Secret;

/// A client claims an account; the server's owner says what is known of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountRequest {
    /// The account, as the client spelled it. A client may log on with an empty domain.
    pub account: AccountName,
    /// What a domain controller would need to verify the response in our place.
    pub ntlm: Option<NtlmLogon>,
}

impl AccountRequest {
    /// From parts.
    pub fn new(account: AccountName, ntlm: Option<NtlmLogon>) -> Self {
        Self { account, ntlm }
    }
}

/// The parts of an NTLM exchange that a domain controller verifies (NETLOGON_NETWORK_INFO in MS-NRPC).
///
/// `Debug` shows the responses' lengths only: who has a response can guess passwords against it at leisure.
#[derive(Clone)]
#[non_exhaustive]
pub struct NtlmLogon {
    /// `CHALLENGE_MESSAGE.ServerChallenge`.
    pub server_challenge: [u8; 8],
    /// `AUTHENTICATE_MESSAGE.NtChallengeResponse`, as received.
    pub nt_challenge_response: Box<[u8]>,
    /// `AUTHENTICATE_MESSAGE.LmChallengeResponse`, as received.
    pub lm_challenge_response: Box<[u8]>,
    /// `AUTHENTICATE_MESSAGE.Workstation`.
    pub workstation: Box<str>,
}

impl NtlmLogon {
    /// From parts.
    pub fn new(
        server_challenge: [u8; 8],
        nt_challenge_response: &[u8],
        lm_challenge_response: &[u8],
        workstation: &str,
    ) -> Self {
        Self {
            server_challenge,
            nt_challenge_response: nt_challenge_response.into(),
            lm_challenge_response: lm_challenge_response.into(),
            workstation: workstation.into(),
        }
    }
}

impl fmt::Debug for NtlmLogon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtlmLogon")
            .field(
                "nt_challenge_response",
                &format_args!("{} bytes", self.nt_challenge_response.len()),
            )
            .field(
                "lm_challenge_response",
                &format_args!("{} bytes", self.lm_challenge_response.len()),
            )
            .field("workstation", &self.workstation)
            .finish_non_exhaustive()
    }
}

/// What a domain says of an account that has logged on by Kerberos: the parts of a ticket's PAC (MS-PAC) that a server
/// can use without knowing the domain.
///
/// The domain's signature over them has been verified; where it has not, there is no `LogonInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogonInfo {
    /// The user principal name (UPN_DNS_INFO, section 2.10).
    pub upn: Option<Box<str>>,
    /// The domain's DNS name (UPN_DNS_INFO).
    pub dns_domain: Option<Box<str>>,
    /// The `sAMAccountName` (UPN_DNS_INFO with its extension).
    pub sam_name: Option<Box<str>>,
    /// The account's security identifier, as `S-1-5-21-...` (UPN_DNS_INFO's extension, or PAC_REQUESTOR, section 2.15).
    pub sid: Option<Box<str>>,
    /// The security identifiers of the account's groups (KERB_VALIDATION_INFO, section 2.5).
    pub group_sids: Vec<Box<str>>,
}

/// What a server knows of an account.
///
/// ```
/// use credssp::Account;
/// use credssp::error::NtStatus;
///
/// let alice = Account::password("correct horse");
/// let bob = Account::password("battery staple").with_status(NtStatus::ACCOUNT_DISABLED);
/// ```
#[derive(Debug)]
pub struct Account {
    key: AccountKey,
    status: Option<NtStatus>,
}

impl Account {
    /// The account has this password.
    pub fn password(password: impl Into<Secret<str>>) -> Self {
        Self::candidates([Candidate::Password(password.into())])
    }

    /// The account has a password with this NT hash, `MD4(UTF-16LE(password))`.
    pub fn nt_hash(hash: Secret<[u8; 16]>) -> Self {
        Self::candidates([Candidate::NtHash(hash)])
    }

    /// One of several passwords or hashes will do, e.g. during a change of password.
    pub fn candidates(candidates: impl IntoIterator<Item = Candidate>) -> Self {
        Self::from_key(AccountKey::Candidates(candidates.into_iter().collect()))
    }

    /// A domain controller has verified the client's response, and gave this session base key
    /// (`UserSessionKey` of NETLOGON_VALIDATION_SAM_INFO4, MS-NRPC).
    pub fn verified(session_base_key: Secret<[u8; 16]>) -> Self {
        Self::from_key(AccountKey::Verified { session_base_key })
    }

    /// Refuse the logon with `status`; the client learns it only after it has proved the account.
    #[must_use]
    pub fn with_status(mut self, status: NtStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// How to verify the client.
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    /// Why the account may not log on, if so.
    pub fn status(&self) -> Option<NtStatus> {
        self.status
    }

    fn from_key(key: AccountKey) -> Self {
        Self { key, status: None }
    }
}

/// How to verify the client.
#[derive(Debug)]
#[non_exhaustive]
pub enum AccountKey {
    /// By any of these.
    Candidates(Vec<Candidate>),
    /// It has been done, elsewhere.
    Verified {
        /// The `SessionBaseKey` of MS-NLMP, section 3.3.2.
        session_base_key: Secret<[u8; 16]>,
    },
}

/// A secret that an account may have.
#[derive(Debug)]
#[non_exhaustive]
pub enum Candidate {
    /// A password.
    Password(Secret<str>),
    /// An NT hash.
    NtHash(Secret<[u8; 16]>),
}
