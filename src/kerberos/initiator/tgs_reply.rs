use super::reply::{self, fits};
use super::{IssuedTicket, TgsExchange, clock};
use crate::error::{Error, KdcError};
use crate::kerberos::asn1::{EncKdcRepPart, Flags, KdcRep};
use crate::kerberos::crypto::KeyUsage;

impl TgsExchange {
    /// Opens a reply, and holds it against what was asked (RFC 4120, section 3.3.4) but for the service's name.
    pub(super) fn open(&self, reply: KdcRep) -> Result<IssuedTicket, Error> {
        // RFC 4120, section 5.4.2: the key is "the sub-session key from the authenticator", where there is one; some KDCs
        // take the session key all the same.
        let part = reply
            .enc_part
            .open(&self.subkey, KeyUsage::TGS_REP_SUBKEY)
            .or_else(|_| {
                let key = &self.tgt.session_key;
                reply.enc_part.open(key, KeyUsage::TGS_REP_SESSION_KEY)
            })
            .map_err(|_| KdcError::UnfitReply("enc-part"))?;
        let part = EncKdcRepPart::decode(&part)?;
        let offset = self.tgt.clock_offset;
        let (now, _) = clock::now(&self.environment, offset);
        reply::check(&part, reply.ticket.value(), self.body.value(), now)?;
        fits(reply.cname == self.tgt.cname, "cname")?;
        fits(reply.crealm == self.tgt.crealm, "crealm")?;
        let session_key = reply::session_key(&part, &self.request.encryption_types)?;
        let flags = if self.trusts_to_delegate() {
            part.flags
        } else {
            part.flags.without(Flags::OK_AS_DELEGATE)
        };
        Ok(reply::issued(reply, &part, session_key, flags, offset))
    }

    /// Whether this realm may say which servers are trusted with tickets: the client's own, and those that it trusts so.
    fn trusts_to_delegate(&self) -> bool {
        self.body.value().realm == self.tgt.crealm || self.tgt.flags.contains(Flags::OK_AS_DELEGATE)
    }
}
