use zeroize::Zeroizing;

use super::ServiceCredentials;
use super::refusal::Refusal;
use crate::error::AuthenticationFailure;
use crate::kerberos::asn1::{ErrorCode, Ticket};
use crate::kerberos::crypto::{EncryptionKey, KeyUsage};
use crate::kerberos::keytab::KeytabEntry;

/// How well an entry of the keytab fits a ticket, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It has the service's name, and the key's version.
    Exact,
    /// It has the service's name.
    Name,
    /// It may be the key of the same account under another name: Windows' accounts have many.
    Alias,
}

impl ServiceCredentials {
    /// The key that opens a ticket, and what was in it (RFC 4120, section 3.2.3).
    pub(super) fn open_ticket(
        &self,
        ticket: &Ticket,
    ) -> Result<(Zeroizing<Vec<u8>>, &EncryptionKey), Refusal> {
        let refused = |code, reason| Err(Refusal::new(code, reason));
        if !self.accepts(&ticket.sname) {
            return refused(ErrorCode::NOT_US, AuthenticationFailure::ServiceNotAccepted);
        }
        let Some(encryption_type) = ticket
            .enc_part
            .encryption_type()
            .filter(|found| self.permits(*found))
        else {
            return refused(
                ErrorCode::ETYPE_NOSUPP,
                AuthenticationFailure::EncryptionTypeNotPermitted,
            );
        };
        // Nothing protects the name in a ticket: whoever has one for another service of ours could write that of an accepted
        // one into it. So where keys of accepted services are there, no other counts.
        let entries = &self.keytab.entries;
        let named = entries.iter().any(|entry| self.accepts(&entry.principal));
        let mut candidates: Vec<_> = entries
            .iter()
            .filter(|entry| entry.key.encryption_type() == encryption_type)
            .filter(|entry| !named || self.accepts(&entry.principal))
            .map(|entry| (fit(entry, ticket), entry))
            .collect();
        candidates.sort_by_key(|(fit, _)| *fit);
        for (_, entry) in &candidates {
            if let Ok(part) = ticket.enc_part.open(&entry.key, KeyUsage::TICKET) {
                return Ok((part, &entry.key));
            }
        }
        let ours = |entry: &KeytabEntry| fit(entry, ticket) != Fit::Alias;
        match candidates.first() {
            Some((Fit::Exact, _)) => refused(
                ErrorCode::BAD_INTEGRITY,
                AuthenticationFailure::WrongTicketKey,
            ),
            _ if entries.iter().any(ours) => {
                refused(ErrorCode::BADKEYVER, AuthenticationFailure::WrongKeyVersion)
            }
            Some(_) => refused(ErrorCode::NOT_US, AuthenticationFailure::NoServiceKey),
            None => refused(ErrorCode::NOKEY, AuthenticationFailure::NoServiceKey),
        }
    }
}

fn fit(entry: &KeytabEntry, ticket: &Ticket) -> Fit {
    if entry.principal != ticket.sname || entry.realm != ticket.realm {
        return Fit::Alias;
    }
    let same = ticket.enc_part.kvno.is_none_or(|kvno| {
        // An entry may have no more room than for the version's last octet.
        entry.kvno == kvno.get() || entry.kvno == kvno.get() & 0xff
    });
    if same { Fit::Exact } else { Fit::Name }
}
