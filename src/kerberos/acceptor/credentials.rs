use std::sync::Arc;
use std::time::Duration;

use super::{ReplayCache, ReplayStore, ServiceTgt};
use crate::kerberos::asn1::{KerberosString, PrincipalName, TransitedEncoding};
use crate::kerberos::crypto::EncryptionType;
use crate::kerberos::keytab::Keytab;

/// What a server needs to accept Kerberos, shared by all its connections: a replay is seen on whichever it comes.
///
/// ```
/// use std::sync::Arc;
///
/// use credssp::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
/// use credssp::kerberos::keytab::Keytab;
///
/// # let file = [5, 2];
/// let tgt = Arc::new(ServiceTgt::new());
/// let credentials = ServiceCredentials::new(Keytab::parse(&file)?)
///     .accept_principals(&["TERMSRV/host.corp.example", "TERMSRV/host"])
///     .service_tgt_of(Arc::clone(&tgt));
/// let shared = Arc::new(credentials);
/// # let _ = shared;
/// # Ok::<(), credssp::Error>(())
/// ```
#[derive(Debug)]
pub struct ServiceCredentials {
    pub(super) keytab: Keytab,
    principals: Vec<PrincipalName>,
    tgt: Option<Arc<ServiceTgt>>,
    pub(super) replay: Arc<dyn ReplayStore>,
    encryption_types: Vec<EncryptionType>,
    pub(super) clock_skew: Duration,
    transited_realms: Vec<KerberosString>,
    pub(super) require_channel_bindings: bool,
}

impl ServiceCredentials {
    /// With the keys of a keytab, those of each principal in it. An empty one will do where all clients use user-to-user.
    ///
    /// Whoever connects may send a ticket that no key opens, and each key of its encryption type is tried on it: a keytab
    /// should hold the keys of this server, not thousands.
    pub fn new(keytab: Keytab) -> Self {
        Self {
            keytab,
            principals: Vec::new(),
            tgt: None,
            replay: Arc::new(ReplayCache::default()),
            encryption_types: EncryptionType::DEFAULT.into(),
            clock_skew: Duration::from_secs(300),
            transited_realms: Vec::new(),
            require_channel_bindings: true,
        }
    }

    /// Accepts tickets for these services only, each `class/host`, whatever the case of its letters; any that the keytab's
    /// keys open, unless told otherwise.
    ///
    /// Where the keytab has keys under these names, it is they that have to open the tickets; else any key of it may, for the
    /// account that serves them may stand there under another name. Services that have a key in common, as those of one
    /// account in a domain do, are told apart by a name that nothing protects: a ticket for one can be passed off as one for
    /// another.
    ///
    /// Tickets of user-to-user are not held against it: they are for the account of the [`ServiceTgt`].
    #[must_use]
    pub fn accept_principals(mut self, principals: &[&str]) -> Self {
        self.principals = principals
            .iter()
            .map(|principal| {
                let components: Vec<_> = principal.split('/').collect();
                PrincipalName::new(PrincipalName::SRV_INST, &components)
            })
            .collect();
        self
    }

    /// Accepts user-to-user, with this ticket-granting ticket. Without it clients that insist on user-to-user are refused.
    #[must_use]
    pub fn service_tgt_of(mut self, tgt: Arc<ServiceTgt>) -> Self {
        self.tgt = Some(tgt);
        self
    }

    /// Remembers authenticators here, e.g. in a store that several machines share; unless told otherwise in a
    /// [`ReplayCache`].
    #[must_use]
    pub fn replay_store(mut self, store: Arc<dyn ReplayStore>) -> Self {
        self.replay = store;
        self
    }

    /// Permits these encryption types, of tickets, session keys and subkeys; unless told otherwise those of AES.
    #[must_use]
    pub fn encryption_types(mut self, permitted: &[EncryptionType]) -> Self {
        self.encryption_types = permitted.into();
        self
    }

    /// How far the clocks of the client, the KDC and this server may be apart; 5 minutes, unless told otherwise.
    #[must_use]
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// Trusts these realms to lie between a client's and ours, where no KDC has checked them (RFC 4120, section 2.7). Tickets
    /// that write their names in a compressed form are refused all the same.
    #[must_use]
    pub fn transited_realms(mut self, realms: &[&str]) -> Self {
        self.transited_realms = realms.iter().map(|realm| (*realm).into()).collect();
        self
    }

    /// Where the caller gives channel bindings: whether a client that sends none is refused, as it is unless told otherwise. One
    /// that sends wrong ones always is, and so is one that says it would have sent some.
    #[must_use]
    pub fn require_channel_bindings(mut self, require: bool) -> Self {
        self.require_channel_bindings = require;
        self
    }

    /// The ticket-granting ticket for user-to-user, if any.
    pub fn service_tgt(&self) -> Option<&Arc<ServiceTgt>> {
        self.tgt.as_ref()
    }

    pub(super) fn permits(&self, encryption_type: EncryptionType) -> bool {
        self.encryption_types.contains(&encryption_type)
    }

    pub(super) fn accepts(&self, service: &PrincipalName) -> bool {
        // KDCs of Windows know services by names without case, and write them into tickets as the client spelled them.
        let same = |accepted: &PrincipalName| {
            let (ours, theirs) = (&accepted.name_string, &service.name_string);
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| ours.as_bytes().eq_ignore_ascii_case(theirs.as_bytes()))
        };
        self.principals.is_empty() || self.principals.iter().any(same)
    }

    /// Whether every realm that was transited is trusted: names between commas (RFC 4120, section 3.3.3.2).
    pub(super) fn trusts_transited(&self, transited: &TransitedEncoding) -> bool {
        /// DOMAIN-X500-COMPRESS, the one encoding that there is.
        const COMPRESSED_DOMAINS: i32 = 1;

        let mut realms = transited.contents.as_bytes().split(|octet| *octet == b',');
        let trusted = realms.all(|realm| {
            // What begins or ends so stands for more than it says; so does a `\`.
            let compressed = matches!(realm, [] | [b'/' | b' ', ..] | [.., b'.']);
            !compressed
                && self
                    .transited_realms
                    .iter()
                    .any(|trusted| trusted.as_bytes() == realm)
        });
        trusted && transited.tr_type == COMPRESSED_DOMAINS
    }
}
