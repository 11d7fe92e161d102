//! What a configuration holds unless told otherwise.

use std::sync::Arc;

use crate::error::{ApiMisuse, Error, PeerIncompatible, PeerMisbehaved};
use crate::gss::MechanismProvider;

/// The version that this crate speaks (MS-CSSP, section 2.2.1).
pub(crate) const OWN_VERSION: u32 = 6;

/// The lowest version that is safe from CVE-2018-0886.
pub(crate) const MIN_VERSION: u32 = 5;

/// The lowest version that there is.
const FIRST_VERSION: u32 = 2;

/// How many tokens of the peer's are read: more than any real negotiation takes.
pub(crate) const MAX_ROUNDS: u32 = 16;

/// The mechanisms that the crate's features enable, in order of preference.
pub(crate) fn mechanisms() -> Vec<Arc<dyn MechanismProvider>> {
    vec![
        #[cfg(feature = "ntlm")]
        Arc::new(crate::ntlm::Ntlm::default()),
    ]
}

/// Which versions a configuration speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions {
    pub(crate) own: u32,
    pub(crate) min: u32,
}

impl Versions {
    pub(crate) fn new(own: u32, min: u32) -> Result<Self, ApiMisuse> {
        if !(FIRST_VERSION..=OWN_VERSION).contains(&own) || !(FIRST_VERSION..=own).contains(&min) {
            return Err(ApiMisuse::BadVersion);
        }
        Ok(Self { own, min })
    }

    /// The version in use with a peer that speaks `peer`.
    ///
    /// > If the version received is greater than the implementation understands, treat the peer as one that is compatible
    /// > with the version of the CredSSP Protocol that the implementation understands. (MS-CSSP, section 2.2.1)
    pub(crate) fn negotiate(self, peer: u32) -> Result<u32, PeerIncompatible> {
        if peer < self.min {
            return Err(PeerIncompatible::VersionTooOld {
                peer,
                minimum: self.min,
            });
        }
        Ok(peer.min(self.own))
    }

    /// The version in use with a peer that speaks `peer`; ours, until it has said its own.
    pub(crate) fn in_use(self, peer: Option<u32>) -> Result<u32, PeerIncompatible> {
        peer.map_or(Ok(self.own), |peer| self.negotiate(peer))
    }

    /// Checks the version of a message: that of the peer's first one, and not too old.
    pub(crate) fn check(self, first: u32, version: u32) -> Result<(), Error> {
        if first != version {
            return Err(PeerMisbehaved::ChangedVersion {
                from: first,
                to: version,
            }
            .into());
        }
        self.negotiate(version)?;
        Ok(())
    }
}
