use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

use super::ap::message;
use super::{Encoded, Exactly, KerberosString, PrincipalName, Ticket};
use crate::error::{Error, InvalidMessage};

/// KERB-TGT-REQUEST: asks the other side for its ticket-granting ticket (draft-swift-win2k-krb-user2user).
#[derive(AsnType, Clone, Debug, Default, Decode, Encode, PartialEq, Eq)]
#[non_exhaustive]
pub struct TgtRequest {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub pvno: Exactly<5>,
    /// 16.
    #[rasn(tag(explicit(1)))]
    pub msg_type: Exactly<16>,
    /// The service that the client means.
    #[rasn(tag(explicit(2)))]
    pub server_name: Option<PrincipalName>,
    /// Its realm.
    #[rasn(tag(explicit(3)))]
    pub realm: Option<KerberosString>,
}

message!(TgtRequest, "KERB-TGT-REQUEST");

/// KERB-TGT-REPLY: the ticket-granting ticket (draft-swift-win2k-krb-user2user).
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[non_exhaustive]
pub struct TgtReply {
    /// 5.
    #[rasn(tag(explicit(0)))]
    pub pvno: Exactly<5>,
    /// 17.
    #[rasn(tag(explicit(1)))]
    pub msg_type: Exactly<17>,
    /// The ticket.
    #[rasn(tag(explicit(2)))]
    pub ticket: Encoded<Ticket>,
}

message!(TgtReply, "KERB-TGT-REPLY");

impl TgtReply {
    /// Of a ticket.
    pub fn new(ticket: Encoded<Ticket>) -> Self {
        Self {
            pvno: Exactly,
            msg_type: Exactly,
            ticket,
        }
    }
}
