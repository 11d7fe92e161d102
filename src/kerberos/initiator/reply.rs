//! What holds of a KDC's replies in both exchanges (RFC 4120, sections 3.1.5 and 3.3.4).

use super::IssuedTicket;
use crate::error::{InvalidMessage, InvalidMessageKind, KdcError};
use crate::kerberos::asn1::{
    EncKdcRepPart, Encoded, Flags, KdcRep, KdcReqBody, KerberosTime, Ticket,
};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};

/// The longest reply that is taken, in octets. Tickets, cookies and realms go back in later messages, which must not become too
/// long by them.
const MAX_LEN: usize = 1 << 18;

/// How far a ticket's beginning may lie behind the time of its issue, in seconds.
pub(super) const MAX_SKEW: u64 = 300;

pub(super) fn check_len(reply: &[u8]) -> Result<(), InvalidMessage> {
    if reply.len() <= MAX_LEN {
        Ok(())
    } else {
        let kind = InvalidMessageKind::TooLarge;
        Err(InvalidMessage::new("KDC-REP", 0, kind))
    }
}

pub(super) fn fits(holds: bool, field: &'static str) -> Result<(), KdcError> {
    match holds {
        true => Ok(()),
        false => Err(KdcError::UnfitReply(field)),
    }
}

/// Holds an encrypted part against the ticket beside it and what was asked; `now` is the KDC's time.
pub(super) fn check(
    part: &EncKdcRepPart,
    ticket: &Ticket,
    asked: &KdcReqBody,
    now: KerberosTime,
) -> Result<(), KdcError> {
    fits(part.nonce == asked.nonce, "nonce")?;
    // What the reply says in the clear is worth what the encrypted part confirms of it.
    fits(part.sname == ticket.sname, "sname")?;
    fits(part.srealm == ticket.realm, "srealm")?;
    fits(part.endtime <= asked.till, "endtime")?;
    let starttime = part.starttime.unwrap_or(part.authtime);
    fits(starttime < part.endtime, "endtime")?;
    let latest = KerberosTime::from_unix(now.to_unix().saturating_add(MAX_SKEW));
    fits(starttime <= latest, "starttime")?;
    fits(
        part.renew_till <= asked.rtime.or(Some(asked.till)),
        "renew-till",
    )?;
    fits(!part.flags.contains(Flags::INVALID), "flags")
}

/// The session key, of an encryption type that was offered.
pub(super) fn session_key(
    part: &EncKdcRepPart,
    offered: &[EncryptionType],
) -> Result<EncryptionKey, KdcError> {
    part.key
        .to_key()
        .filter(|key| offered.contains(&key.encryption_type()))
        .ok_or(KdcError::UnfitReply("key"))
}

/// The ticket of a reply that has been checked.
pub(super) fn issued(
    reply: KdcRep,
    part: &EncKdcRepPart,
    session_key: EncryptionKey,
    flags: Flags,
    clock_offset: i64,
) -> IssuedTicket {
    let KdcRep {
        crealm,
        cname,
        ticket,
        ..
    } = reply;
    let ticket: Encoded<Ticket> = ticket;
    IssuedTicket {
        ticket,
        session_key,
        flags,
        crealm,
        cname,
        authtime: part.authtime,
        starttime: part.starttime,
        endtime: part.endtime,
        renew_till: part.renew_till,
        clock_offset,
    }
}
