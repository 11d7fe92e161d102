use super::as_exchange::find;
use super::reply::{self, fits};
use super::{AsExchange, IssuedTicket, clock};
use crate::error::{Error, KdcError};
use crate::kerberos::asn1::{ChecksumValue, EncKdcRepPart, Flags, KdcRep, PaData};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};

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
        reply::check(&part, reply.ticket.value(), asked, part.authtime)?;
        let same_service = asked.sname.as_ref() == Some(&part.sname);
        if self.canonicalizes() {
            // RFC 6806, section 6: the KDC may return another name of the client's; of services, another realm's krbtgt.
            fits(same_service || part.sname.is_krbtgt(), "sname")?;
        } else {
            fits(same_service, "sname")?;
            fits(part.srealm == asked.realm, "srealm")?;
            fits(asked.cname.as_ref() == Some(&reply.cname), "cname")?;
            fits(reply.crealm == self.client.realm, "crealm")?;
        }
        if part.flags.contains(Flags::ENC_PA_REP) {
            self.check_request_checksum(&part, key)?;
        }
        let session_key = reply::session_key(&part, &self.encryption_types)?;
        // It has proved its time.
        let offset = clock::offset_to(&self.environment, part.authtime);
        Ok(reply::issued(reply, &part, session_key, part.flags, offset))
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
            .verify(&[self.sent.as_bytes()], checksum.checksum.as_bytes())
            .map_err(|_| FIELD.into())
    }
}
