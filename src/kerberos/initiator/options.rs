use std::sync::Arc;

use super::IssuedTicket;
use crate::kerberos::asn1::{KerberosTime, PrincipalName};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};

/// How a client goes about Kerberos.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InitiatorOptions {
    /// The realm of accounts without a domain or a suffix.
    pub default_realm: Option<Box<str>>,
    /// Which realm a host belongs to, as `[domain_realm]` of krb5.conf says: a host's name, or `.domain` for all hosts below
    /// it; of those that fit, the longest counts. Without one that fits, the KDC of the client's realm is asked, and may
    /// refer to another.
    pub domain_realm: Vec<(Box<str>, Box<str>)>,
    /// The encryption types that are taken, the preferred one first.
    pub encryption_types: Vec<EncryptionType>,
    /// Whether KDCs may answer by other names of the client and of the service, and refer to other realms (RFC 6806).
    pub canonicalize: bool,
    /// Whether to ask the server for its ticket-granting ticket, and for a ticket under that one's key, as Windows' clients
    /// do. Where the server or the KDC insists on it, that is done without this too.
    pub user_to_user: bool,
    /// For user-to-user: the account that the server runs under, where its KDC issues tickets by that name only.
    pub user_to_user_owner: Option<PrincipalName>,
    /// The account's keys, in place of its password: those of a keytab.
    pub keys: Option<Arc<[EncryptionKey]>>,
    /// Tickets that are there already, in place of a logon while they last. Whose they are is the caller's to know: the
    /// account that is delegated is not held against them.
    pub tickets: Option<Arc<Tickets>>,
}

impl InitiatorOptions {
    /// The realm that `domain_realm` says for a host.
    pub(super) fn realm_of(&self, host: &str) -> Option<&str> {
        self.domain_realm
            .iter()
            .filter(|(pattern, _)| match pattern.strip_prefix('.') {
                Some(domain) => host
                    .strip_suffix(domain)
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                None => **pattern == *host,
            })
            .max_by_key(|(pattern, _)| pattern.len())
            .map(|(_, realm)| &**realm)
    }
}

impl Default for InitiatorOptions {
    fn default() -> Self {
        Self {
            default_realm: None,
            domain_realm: Vec::new(),
            encryption_types: EncryptionType::DEFAULT.into(),
            canonicalize: true,
            user_to_user: false,
            user_to_user_owner: None,
            keys: None,
            tickets: None,
        }
    }
}

/// Tickets of one client: those of a credential cache, say.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tickets {
    /// In any order.
    pub tickets: Vec<Arc<IssuedTicket>>,
}

impl Tickets {
    /// From tickets.
    pub fn new(tickets: impl IntoIterator<Item = Arc<IssuedTicket>>) -> Self {
        Self {
            tickets: tickets.into_iter().collect(),
        }
    }

    /// The ticket-granting ticket of the client's own realm that lasts longest, where one is valid at `now`.
    pub fn ticket_granting(&self, now: KerberosTime) -> Option<Arc<IssuedTicket>> {
        self.find(now, |ticket| {
            ticket.ticket.value().sname.ticket_granting_realm() == Some(&ticket.crealm)
        })
    }

    /// The ticket for a service that lasts longest, where one is valid at `now`.
    pub fn service(&self, service: &PrincipalName, now: KerberosTime) -> Option<Arc<IssuedTicket>> {
        self.find(now, |ticket| ticket.ticket.value().sname == *service)
    }

    fn find(
        &self,
        now: KerberosTime,
        fits: impl Fn(&IssuedTicket) -> bool,
    ) -> Option<Arc<IssuedTicket>> {
        self.tickets
            .iter()
            .filter(|ticket| ticket.is_valid_at(now) && fits(ticket))
            .max_by_key(|ticket| ticket.endtime)
            .cloned()
    }
}

impl IssuedTicket {
    /// Whether it is valid at a time of our clock.
    pub fn is_valid_at(&self, now: KerberosTime) -> bool {
        let now = now.to_unix().saturating_add_signed(self.clock_offset);
        let now = KerberosTime::from_unix(now);
        self.starttime.unwrap_or(self.authtime) <= now && now < self.endtime
    }
}
