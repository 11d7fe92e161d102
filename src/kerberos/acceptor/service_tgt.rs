use std::sync::{Arc, PoisonError, RwLock};

use crate::kerberos::asn1::KerberosTime;
use crate::kerberos::initiator::IssuedTicket;

/// The ticket-granting ticket of a server, for user-to-user (RFC 4120, section 3.7): connections read it, and whoever
/// renews it sets it.
///
/// It comes from an [`AsExchange`](crate::kerberos::initiator::AsExchange) with the service's key or password.
#[derive(Debug, Default)]
pub struct ServiceTgt(RwLock<Option<Arc<IssuedTicket>>>);

impl ServiceTgt {
    /// Without a ticket, until one is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses this ticket from now on. Exchanges that have begun with another go on with that.
    pub fn set(&self, ticket: IssuedTicket) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(ticket));
    }

    /// The ticket, unless there is none or it has expired at this time by our clock.
    pub fn current(&self, now: KerberosTime) -> Option<Arc<IssuedTicket>> {
        self.get().filter(|ticket| now < ends(ticket))
    }

    /// Whether it is time for another: there is none, or the last quarter of its lifetime has begun.
    pub fn needs_refresh(&self, now: KerberosTime) -> bool {
        self.get().is_none_or(|ticket| {
            let begins = ticket.starttime.unwrap_or(ticket.authtime);
            let quarter = begins.distance(ticket.endtime).as_secs() / 4;
            KerberosTime::from_unix(now.to_unix().saturating_add(quarter)) >= ends(&ticket)
        })
    }

    fn get(&self) -> Option<Arc<IssuedTicket>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// By our clock, which may differ from the KDC's.
fn ends(ticket: &IssuedTicket) -> KerberosTime {
    let ends = ticket.endtime.to_unix();
    KerberosTime::from_unix(ends.saturating_add_signed(ticket.clock_offset.saturating_neg()))
}
