//! NTLM version 2 (MS-NLMP), client and server, for CredSSP.
//!
//! Only its strongest form: NTLMv2 responses, extended session security, 128-bit keys that the client chooses, signing
//! and sealing, Unicode. NTLMv1, LM, anonymous logons and the connectionless variant are refused. There are no guests: an
//! account that the look-up does not know fails, and a server that would let us in as a guest lacks the session key, without
//! which its `pubKeyAuth` does not verify.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{AuthenticationFailure, Error};
use crate::gss::{Acceptor, AcceptorRequest, Initiator, InitiatorRequest, MechanismProvider};
use crate::mechanism::{Mechanism, Oid};

mod acceptor;
mod context;
mod exchange_keys;
mod flags;
mod initiator;
mod key;
mod message;
mod time;

#[cfg(test)]
mod tests;

pub use exchange_keys::ExchangeKeys;
pub use flags::NegotiateFlags;
pub use message::{
    AuthenticateMessage, AvId, AvPair, AvPairs, AvPairsIter, ChallengeMessage, NegotiateMessage,
    Ntlmv2Response, Version,
};

/// Makes initiators and acceptors of NTLM.
///
/// ```
/// use std::time::Duration;
///
/// use credssp::ntlm::Ntlm;
///
/// let ntlm = Ntlm::default()
///     .nb_computer_name("WEB01")
///     .nb_domain_name("CORP")
///     .dns_computer_name("web01.corp.example")
///     .dns_domain_name("corp.example")
///     .max_time_skew(Some(Duration::from_secs(36 * 3600)));
/// # let _ = ntlm;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ntlm {
    options: Arc<Options>,
}

impl Ntlm {
    /// The server's NetBIOS name, `MsvAvNbComputerName`; `SERVER` unless told otherwise.
    #[must_use]
    pub fn nb_computer_name(self, name: &str) -> Self {
        self.with(|options| options.nb_computer_name = name.into())
    }

    /// The NetBIOS name of the server's domain, `MsvAvNbDomainName`; `WORKGROUP` unless told otherwise.
    ///
    /// A server that belongs to no domain gives its own name.
    #[must_use]
    pub fn nb_domain_name(self, name: &str) -> Self {
        self.with(|options| options.nb_domain_name = name.into())
    }

    /// The server's full DNS name, `MsvAvDnsComputerName`; not sent where empty, as it is unless told otherwise.
    #[must_use]
    pub fn dns_computer_name(self, name: &str) -> Self {
        self.with(|options| options.dns_computer_name = name.into())
    }

    /// The DNS name of the server's domain, `MsvAvDnsDomainName`; not sent where empty, as it is unless told
    /// otherwise.
    #[must_use]
    pub fn dns_domain_name(self, name: &str) -> Self {
        self.with(|options| options.dns_domain_name = name.into())
    }

    /// The DNS name of the forest, `MsvAvDnsTreeName`; not sent where empty, as it is unless told otherwise.
    #[must_use]
    pub fn dns_tree_name(self, name: &str) -> Self {
        self.with(|options| options.dns_tree_name = name.into())
    }

    /// The client's own NetBIOS name, `AUTHENTICATE_MESSAGE.Workstation`; empty unless told otherwise.
    #[must_use]
    pub fn workstation(self, name: &str) -> Self {
        self.with(|options| options.workstation = name.into())
    }

    /// As a server, accepts clients that send no MIC over the exchange; `false` unless told otherwise.
    ///
    /// Each challenge holds a timestamp, and to that every client since Windows Vista answers with a MIC. Without it,
    /// somebody between the two ends can change what they negotiate.
    #[must_use]
    pub fn allow_missing_mic(self, allow: bool) -> Self {
        self.with(|options| options.allow_missing_mic = allow)
    }

    /// As a server, how far the time in a client's response may lie from ours; not checked where `None`, as it is
    /// unless told otherwise.
    ///
    /// Clients answer with the time of the server's own challenge, so this bounds the age of a response. Windows has
    /// used 36 hours, and stopped to check (`MaxLifetime` in MS-NLMP, section 3.1.1.1 and appendix A).
    #[must_use]
    pub fn max_time_skew(self, skew: Option<Duration>) -> Self {
        self.with(|options| options.max_time_skew = skew)
    }

    /// Continues as the server behind a challenge that has been sent already: by another process, or in an exchange that
    /// was recorded.
    ///
    /// `negotiate` and `challenge` are the messages as they were on the wire; [`Acceptor::step()`] takes the
    /// AUTHENTICATE_MESSAGE. The caller vouches that the challenge was drawn at random and is answered once only: whoever
    /// may answer it twice can replay an answer.
    ///
    /// # Errors
    /// Where `challenge` is malformed, or the random source fails.
    pub fn resume(
        &self,
        request: AcceptorRequest<'_>,
        negotiate: &[u8],
        challenge: &[u8],
    ) -> Result<Box<dyn Acceptor>, Error> {
        acceptor::resume(&self.options, &request, negotiate, challenge)
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }
}

impl MechanismProvider for Ntlm {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn oids(&self) -> &'static [Oid] {
        &[Oid::NTLMSSP]
    }

    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        initiator::start(&self.options, &request)
    }

    fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        acceptor::start(&self.options, &request)
    }
}

/// What an [`Ntlm`] was told.
#[derive(Clone, Debug)]
struct Options {
    nb_computer_name: Box<str>,
    nb_domain_name: Box<str>,
    dns_computer_name: Box<str>,
    dns_domain_name: Box<str>,
    dns_tree_name: Box<str>,
    workstation: Box<str>,
    allow_missing_mic: bool,
    max_time_skew: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nb_computer_name: "SERVER".into(),
            nb_domain_name: "WORKGROUP".into(),
            dns_computer_name: "".into(),
            dns_domain_name: "".into(),
            dns_tree_name: "".into(),
            workstation: "".into(),
            allow_missing_mic: false,
            max_time_skew: None,
        }
    }
}

fn failed(reason: AuthenticationFailure) -> Error {
    Error::AuthenticationFailed {
        mechanism: Mechanism::Ntlm,
        reason,
    }
}

/// The bit of `MsvAvFlags` that announces a MIC.
const AV_FLAG_MIC: u32 = 0x0000_0002;
