//! Credential caches: tickets and their session keys, as `kinit` of MIT, Heimdal and Java leaves them in a file of version 4
//! (0x0504), `FILE:` by its usual name. Bytes only: reading and writing the file is `stream::files`'. What a program keeps to
//! itself, `MEMORY:` by its usual name, is a [`CredentialCache`] that nobody writes.

mod format;
#[cfg(test)]
mod tests;

use std::fmt;

use super::asn1::{Flags, KerberosString, KerberosTime, PrincipalName, Ticket};
use super::crypto::{EncryptionKey, EncryptionType};
use super::initiator::{ClientName, IssuedTicket};
use crate::error::{Error, InvalidMessage};
use crate::secret::Secret;

/// The longest file that is read or written, in octets: a ticket with a large PAC has 64 KiB, most have two.
pub const MAX_LEN: usize = 1 << 23;

/// The realm of entries that hold settings in place of tickets.
const CONFIGURATION_REALM: &[u8] = b"X-CACHECONF:";

/// The tickets of one client.
///
/// Entries that this crate has no use for, such as settings and tickets of unknown encryption types, are kept for
/// [`Self::encode()`].
#[derive(Debug)]
pub struct CredentialCache {
    client: ClientName,
    clock_offset: ClockOffset,
    credentials: Vec<Credential>,
}

impl CredentialCache {
    /// Without tickets.
    pub fn new(client: ClientName) -> Self {
        Self {
            client,
            clock_offset: ClockOffset::default(),
            credentials: Vec::new(),
        }
    }

    /// Parses a file's contents.
    ///
    /// # Errors
    /// Where the file is of another version than 4, whose format differs; where a length in it points beyond its end; and where it
    /// is longer than [`MAX_LEN`].
    pub fn parse(file: &[u8]) -> Result<Self, InvalidMessage> {
        format::parse(file)
    }

    /// A file's contents, to be kept from the eyes of others: whoever has them has the client's tickets.
    ///
    /// # Errors
    /// Where they would be longer than [`MAX_LEN`].
    pub fn encode(&self) -> Result<Secret<[u8]>, Error> {
        format::encode(self)
    }

    /// Whose tickets these are: the default principal.
    pub fn client(&self) -> &ClientName {
        &self.client
    }

    /// Adds a ticket, and notes its KDC's clock.
    ///
    /// Not meant for tickets of user-to-user authentication, which serve for one session of their service.
    pub fn push(&mut self, ticket: &IssuedTicket) {
        self.clock_offset = ClockOffset {
            seconds: i32::try_from(ticket.clock_offset).unwrap_or_default(),
            microseconds: 0,
        };
        self.credentials.push(Credential::of(ticket));
    }

    /// The ticket-granting ticket with which the client asks its own realm's KDC for others: of those that are valid at `now`, by
    /// our clock, the one that lasts longest.
    ///
    /// A setting `start_realm` names another realm than the client's own.
    pub fn tgt(&self, now: KerberosTime) -> Option<IssuedTicket> {
        let realm = self.start_realm();
        let name = PrincipalName::krbtgt(&realm);
        self.longest(now, |server| server.realm == realm && server.name == name)
    }

    /// A ticket for a service of any realm: of those that are valid at `now`, by our clock, the one that lasts longest.
    pub fn service_ticket(&self, sname: &PrincipalName, now: KerberosTime) -> Option<IssuedTicket> {
        self.longest(now, |server| server.name == *sname)
    }

    fn longest(
        &self,
        now: KerberosTime,
        wanted: impl Fn(&ClientName) -> bool,
    ) -> Option<IssuedTicket> {
        // Tickets end by the KDC's clock.
        let now = now
            .to_unix()
            .saturating_add_signed(self.clock_offset.seconds.into());
        self.credentials
            .iter()
            .filter(|entry| !entry.is_configuration() && entry.is_skey == 0)
            .filter(|entry| entry.client == self.client && wanted(&entry.server))
            .filter(|entry| u64::from(entry.endtime) > now)
            .filter_map(|entry| entry.to_ticket(self.clock_offset.seconds))
            .filter(|ticket| !ticket.flags.contains(Flags::INVALID))
            .max_by_key(|ticket| ticket.endtime)
    }

    fn start_realm(&self) -> KerberosString {
        self.credentials
            .iter()
            .find_map(|entry| entry.setting(b"start_realm"))
            .map_or_else(|| self.client.realm.clone(), KerberosString::from)
    }
}

/// What to add to our clock to have the KDC's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ClockOffset {
    seconds: i32,
    microseconds: i32,
}

/// An entry of the file. Times are seconds since the Unix epoch.
struct Credential {
    client: ClientName,
    server: ClientName,
    encryption_type: u16,
    key: Secret<[u8]>,
    authtime: u32,
    /// 0 where it is `authtime`.
    starttime: u32,
    endtime: u32,
    /// 0 where the ticket cannot be renewed.
    renew_till: u32,
    /// Not 0 where the ticket is encrypted under a session key: user-to-user. MIT's library writes 8.
    is_skey: u8,
    flags: u32,
    addresses: Vec<Typed>,
    authorization_data: Vec<Typed>,
    /// A setting's value, where the entry is one.
    ticket: Box<[u8]>,
    second_ticket: Box<[u8]>,
}

/// A value, and the number of its type.
type Typed = (u16, Box<[u8]>);

impl Credential {
    fn of(issued: &IssuedTicket) -> Self {
        let ticket = issued.ticket.value();
        Self {
            client: ClientName {
                realm: issued.crealm.clone(),
                name: issued.cname.clone(),
            },
            server: ClientName {
                realm: ticket.realm.clone(),
                name: ticket.sname.clone(),
            },
            encryption_type: u16::try_from(issued.session_key.encryption_type().number())
                .unwrap_or_default(),
            key: issued.session_key.expose().into(),
            authtime: seconds(Some(issued.authtime)),
            starttime: seconds(issued.starttime),
            endtime: seconds(Some(issued.endtime)),
            renew_till: seconds(issued.renew_till),
            is_skey: 0,
            flags: issued.flags.bits(),
            addresses: Vec::new(),
            authorization_data: Vec::new(),
            ticket: issued.ticket.as_bytes().into(),
            second_ticket: Box::default(),
        }
    }

    /// `None` where the encryption type is unknown, or the ticket malformed.
    fn to_ticket(&self, clock_offset: i32) -> Option<IssuedTicket> {
        let encryption_type = EncryptionType::from_number(self.encryption_type.into())?;
        Some(IssuedTicket {
            ticket: Ticket::decode(&self.ticket).ok()?,
            session_key: EncryptionKey::new(encryption_type, self.key.expose()).ok()?,
            flags: Flags::from_bits(self.flags),
            crealm: self.client.realm.clone(),
            cname: self.client.name.clone(),
            authtime: KerberosTime::from_unix(self.authtime.into()),
            starttime: time(self.starttime),
            endtime: KerberosTime::from_unix(self.endtime.into()),
            renew_till: time(self.renew_till),
            clock_offset: clock_offset.into(),
        })
    }

    fn is_configuration(&self) -> bool {
        self.server.realm.as_bytes() == CONFIGURATION_REALM
    }

    /// The value of a setting of the whole cache.
    fn setting(&self, key: &[u8]) -> Option<&[u8]> {
        match &*self.server.name.name_string {
            [kind, name] if self.is_configuration() => {
                let found = kind.as_bytes() == b"krb5_ccache_conf_data" && name.as_bytes() == key;
                found.then_some(&self.ticket)
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("server", &self.server)
            .field("encryption_type", &self.encryption_type)
            .field("endtime", &KerberosTime::from_unix(self.endtime.into()))
            .field("flags", &Flags::from_bits(self.flags))
            .field("ticket", &format_args!("{} octets", self.ticket.len()))
            .finish_non_exhaustive()
    }
}

fn seconds(time: Option<KerberosTime>) -> u32 {
    time.map_or(0, |time| u32::try_from(time.to_unix()).unwrap_or(u32::MAX))
}

fn time(seconds: u32) -> Option<KerberosTime> {
    (seconds != 0).then(|| KerberosTime::from_unix(seconds.into()))
}
