use super::as_exchange::find;
use super::{AsExchange, IssuedTicket};
use crate::error::{Error, KdcError};
use crate::kerberos::asn1::{ChecksumValue, EncKdcRepPart, Flags, KdcRep, KerberosTime, PaData};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};

/// How far a ticket's beginning may lie behind the time of its issue, in seconds.
const MAX_SKEW: u64 = 300;

impl AsExchange {
    /// Holds a reply, whose encrypted part the client's key has opened, against what was asked (RFC 4120, section 3.1.5).
    pub(super) fn check(
        &self,
        reply: KdcRep,
        part: &[u8],
        key: &EncryptionKey,
    ) -> Result<IssuedTicket, Error> {
        let part = EncKdcRepPart::decode(part)?;
        let asked = self.body.value();
        let fits = |holds: bool, field| match holds {
            true => Ok(()),
            false => Err(KdcError::UnfitReply(field)),
        };
        fits(part.nonce == asked.nonce, "nonce")?;

        // What the reply says in the clear is worth what the encrypted part confirms of it.
        let ticket = reply.ticket.value();
        fits(part.sname == ticket.sname, "sname")?;
        fits(part.srealm == ticket.realm, "srealm")?;
        let same_service = asked.sname.as_ref() == Some(&part.sname);
        let same_client = asked.cname.as_ref() == Some(&reply.cname);
        if self.canonicalizes() {
            // RFC 6806, section 6: the KDC may return another name of the client's; of services, another realm's krbtgt.
            fits(same_service || part.sname.is_krbtgt(), "sname")?;
        } else {
            fits(same_service, "sname")?;
            fits(part.srealm == asked.realm, "srealm")?;
            fits(same_client, "cname")?;
            fits(reply.crealm == self.client.realm, "crealm")?;
        }

        fits(part.endtime <= asked.till, "endtime")?;
        let starttime = part.starttime.unwrap_or(part.authtime);
        fits(starttime < part.endtime, "endtime")?;
        let latest = KerberosTime::from_unix(part.authtime.to_unix().saturating_add(MAX_SKEW));
        fits(starttime <= latest, "starttime")?;
        fits(
            part.renew_till <= asked.rtime.or(Some(asked.till)),
            "renew-till",
        )?;
        fits(!part.flags.contains(Flags::INVALID), "flags")?;
        if part.flags.contains(Flags::ENC_PA_REP) {
            self.check_request_checksum(&part, key)?;
        }
        let session_key = part
            .key
            .to_key()
            .filter(|key| self.encryption_types.contains(&key.encryption_type()))
            .ok_or(KdcError::UnfitReply("key"))?;
        Ok(IssuedTicket {
            session_key,
            flags: part.flags,
            crealm: reply.crealm,
            cname: reply.cname,
            authtime: part.authtime,
            starttime: part.starttime,
            endtime: part.endtime,
            renew_till: part.renew_till,
            clock_offset: self.offset_to(part.authtime),
            ticket: reply.ticket,
        })
    }

    /// RFC 6806, section 11: "the client [...] MUST verify" the checksum over the request as it was sent, which nobody can
    /// have changed then.
    fn check_request_checksum(
        &self,
        part: &EncKdcRepPart,
        key: &EncryptionKey,
    ) -> Result<(), Error> {
        const FIELD: KdcError = KdcError::UnfitReply("enc-pa-rep");

        let padata = part.encrypted_pa_data.as_deref().unwrap_or_default();
        let checksum = find(padata, PaData::REQ_ENC_PA_REP).ok_or(FIELD)?;
        let checksum = ChecksumValue::decode(checksum.padata_value.as_bytes())?;
        if checksum.cksumtype != EncryptionType::checksum_type(key.encryption_type()) {
            return Err(FIELD.into());
        }
        key.checksum_key(KeyUsage::AS_REQ_CHECKSUM)
            .verify(&[&self.sent], checksum.checksum.as_bytes())
            .map_err(|_| FIELD.into())
    }
}
