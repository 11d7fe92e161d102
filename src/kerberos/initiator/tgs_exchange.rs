//! The TGS exchange (RFC 4120, section 3.3): a ticket for a service, through other realms where need be.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::as_exchange::nonce;
use super::{IssuedTicket, clock, refusal, reply};
use crate::environment::Environment;
use crate::error::{Error, KdcError, OtherError};
use crate::kdc::KdcRequest;
use crate::kerberos::asn1::{
    ApReq, Authenticator, ChecksumValue, Encoded, EncryptedData, ErrorCode, Exactly, Flags, KdcRep,
    KdcReq, KdcReqBody, KerberosString, KerberosTime, KeyValue, KrbError, MessageType, PaData,
    PrincipalName, Ticket,
};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};

/// How many ticket-granting tickets there may be on the way to the service's realm.
const MAX_HOPS: usize = 10;

/// PA-PAC-OPTIONS with the branch-aware bit (MS-KILE, section 2.2.10).
const BRANCH_AWARE: &[u8] = &[0x30, 9, 0xa0, 7, 3, 5, 0, 0x40, 0, 0, 0];

/// What is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TgsRequest {
    /// The service.
    pub service: PrincipalName,
    /// The service's realm, where it is known: the client gets a ticket-granting ticket of that realm first. Where it is
    /// not, the client's own KDC is asked, and may refer to another.
    pub realm: Option<KerberosString>,
    /// The realm to try where the client's own KDC does not know the service and refers to nobody.
    pub likely_realm: Option<KerberosString>,
    /// The encryption types that are taken, the preferred one first.
    pub encryption_types: Vec<EncryptionType>,
    /// Whether KDCs may refer to other realms and answer by another name of the service.
    pub canonicalize: bool,
    /// For user-to-user: the server's ticket-granting ticket, under whose session key the ticket will be.
    pub user_to_user: Option<Encoded<Ticket>>,
    /// Whose that is: some KDCs issue tickets for user-to-user under that name only.
    pub user_to_user_owner: Option<PrincipalName>,
}

impl TgsRequest {
    /// A ticket for a service, with what is usual.
    pub fn new(service: PrincipalName) -> Self {
        Self {
            service,
            realm: None,
            likely_realm: None,
            encryption_types: EncryptionType::DEFAULT.into(),
            canonicalize: true,
            user_to_user: None,
            user_to_user_owner: None,
        }
    }
}

/// What a TGS exchange goes on with.
#[derive(Debug)]
#[non_exhaustive]
pub enum TgsStep {
    /// Ask a KDC, and give its reply to [`TgsExchange::step()`].
    NeedsKdc {
        /// What to ask.
        request: KdcRequest,
        /// What takes the reply.
        next: Box<TgsExchange>,
    },
    /// It is done.
    Complete(Box<IssuedTicket>),
}

/// A TGS exchange that waits for a KDC's reply.
#[derive(Debug)]
pub struct TgsExchange {
    pub(super) environment: Environment,
    pub(super) request: TgsRequest,
    /// The ticket-granting ticket of the realm that is asked.
    pub(super) tgt: Arc<IssuedTicket>,
    pub(super) body: Encoded<KdcReqBody>,
    /// Of the authenticator, for the reply.
    pub(super) subkey: EncryptionKey,
    /// The realms that have been asked, this one last.
    realms: Vec<KerberosString>,
    canonicalize: bool,
}

impl TgsExchange {
    /// Starts, with a ticket-granting ticket.
    ///
    /// # Errors
    /// Where `tgt` is another ticket, or the random source fails.
    pub fn start(
        tgt: Arc<IssuedTicket>,
        request: TgsRequest,
        environment: &Environment,
    ) -> Result<TgsStep, Error> {
        let canonicalize = request.canonicalize;
        Self::ask(environment.clone(), request, tgt, Vec::new(), canonicalize)
    }

    /// Takes the KDC's reply.
    ///
    /// # Errors
    /// Where it is malformed, an error, or not the answer to what was asked.
    pub fn step(self: Box<Self>, reply: &[u8]) -> Result<TgsStep, Error> {
        reply::check_len(reply)?;
        if KrbError::is_one(reply) {
            return self.step_error(KrbError::decode(reply)?.code());
        }
        let ticket = self.open(KdcRep::decode(MessageType::Tgs, reply)?)?;
        let sname = &ticket.ticket.value().sname;
        let asked = self.body.value().sname.as_ref();
        if *sname == self.request.service {
            if self.request.user_to_user.is_some() && self.body.value().additional_tickets.is_none()
            {
                return Err(KdcError::WrongRealm.into());
            }
            return Ok(TgsStep::Complete(Box::new(ticket)));
        }
        let realm = sname.ticket_granting_realm();
        // RFC 6806, section 8: a ticket-granting ticket in place of the ticket is a referral.
        if let Some(realm) = realm
            && (asked == Some(sname) || self.canonicalize)
            && self.realms.last() != Some(realm)
        {
            if self.realms.contains(realm) || self.realms.len() > MAX_HOPS {
                return Err(KdcError::ReferralLoop.into());
            }
            return self.go_on_with(Arc::new(ticket));
        }
        // Another name of the service, which the server may not know itself by, or a referral to the KDC that gave it.
        self.retry_without_canonicalize(KdcError::UnfitReply("sname"))
    }

    fn step_error(mut self: Box<Self>, code: ErrorCode) -> Result<TgsStep, Error> {
        match code {
            ErrorCode::S_PRINCIPAL_UNKNOWN if self.realms.len() == 1 => {
                match self.request.likely_realm.take() {
                    Some(realm) if self.realms.last() != Some(&realm) => {
                        self.request.realm.get_or_insert(realm);
                        let tgt = Arc::clone(&self.tgt);
                        self.realms.clear();
                        self.go_on_with(tgt)
                    }
                    _ => Err(KdcError::ServiceUnknown.into()),
                }
            }
            ErrorCode::SERVER_NOMATCH if self.request.user_to_user.is_some() => {
                let owner = self.request.user_to_user_owner.take();
                self.request.service = owner.ok_or_else(|| refusal::of_kdc(code))?;
                self.realms.pop();
                let tgt = Arc::clone(&self.tgt);
                self.go_on_with(tgt)
            }
            code => Err(refusal::of_kdc(code).into()),
        }
    }

    fn go_on_with(self, tgt: Arc<IssuedTicket>) -> Result<TgsStep, Error> {
        let canonicalize = self.request.canonicalize;
        Self::ask(
            self.environment,
            self.request,
            tgt,
            self.realms,
            canonicalize,
        )
    }

    fn retry_without_canonicalize(mut self, error: KdcError) -> Result<TgsStep, Error> {
        if !self.canonicalize {
            return Err(error.into());
        }
        self.realms.pop();
        Self::ask(self.environment, self.request, self.tgt, self.realms, false)
    }

    fn ask(
        environment: Environment,
        request: TgsRequest,
        tgt: Arc<IssuedTicket>,
        mut realms: Vec<KerberosString>,
        canonicalize: bool,
    ) -> Result<TgsStep, Error> {
        let realm = tgt
            .ticket
            .value()
            .sname
            .ticket_granting_realm()
            .ok_or(KdcError::UnfitReply("sname"))?
            .clone();
        let body = body(&environment, &request, &tgt, &realm, canonicalize)?;
        let encryption_type = tgt.session_key.encryption_type();
        let subkey = EncryptionKey::random(encryption_type, &*environment.random)?;
        let padata = vec![
            tgs_req(&environment, &tgt, body.as_bytes(), &subkey)?,
            PaData::new(PaData::PAC_OPTIONS, BRANCH_AWARE),
        ];
        let message = KdcReq::new(MessageType::Tgs, padata, body.clone()).encode()?;
        let to = KdcRequest::new(&realm.to_str_lossy(), message);
        realms.push(realm);
        Ok(TgsStep::NeedsKdc {
            request: to,
            next: Box::new(Self {
                environment,
                request,
                tgt,
                body,
                subkey,
                realms,
                canonicalize,
            }),
        })
    }
}

/// KDC-REQ-BODY, for the service, or for the ticket-granting service of its realm where that is another one.
fn body(
    environment: &Environment,
    request: &TgsRequest,
    tgt: &IssuedTicket,
    realm: &KerberosString,
    canonicalize: bool,
) -> Result<Encoded<KdcReqBody>, Error> {
    // RFC 4120, section 3.3.3: what the ticket-granting ticket is not, the ticket cannot be, and some KDCs refuse who asks.
    let mut options = Flags::default();
    for option in [Flags::FORWARDABLE, Flags::RENEWABLE] {
        if tgt.flags.contains(option) {
            options = options.with(option);
        }
    }
    if canonicalize {
        options = options.with(Flags::CANONICALIZE);
    }
    let mut additional_tickets = None;
    let sname = match &request.realm {
        Some(other) if other != realm => PrincipalName::krbtgt(other),
        _ => {
            // Only the KDC that issued the other ticket can open it.
            if let Some(ticket) = &request.user_to_user
                && ticket.value().sname.ticket_granting_realm() == Some(realm)
            {
                options = options.with(Flags::ENC_TKT_IN_SKEY);
                additional_tickets = Some(vec![ticket.clone()]);
            }
            request.service.clone()
        }
    };
    KdcReqBody {
        kdc_options: options,
        cname: None,
        realm: realm.clone(),
        sname: Some(sname),
        from: None,
        till: KerberosTime::FAR_FUTURE,
        rtime: None,
        nonce: nonce(environment)?,
        etype: request
            .encryption_types
            .iter()
            .map(|kind| kind.number())
            .collect(),
        addresses: None,
        enc_authorization_data: None,
        additional_tickets,
    }
    .encode()
}

/// PA-TGS-REQ (RFC 4120, section 5.2.7.1): an AP-REQ whose authenticator covers the body as it is sent.
fn tgs_req(
    environment: &Environment,
    tgt: &IssuedTicket,
    body: &[u8],
    subkey: &EncryptionKey,
) -> Result<PaData, Error> {
    let key = &tgt.session_key;
    let (ctime, cusec) = clock::now(environment, tgt.clock_offset);
    let authenticator = Authenticator {
        authenticator_vno: Exactly,
        crealm: tgt.crealm.clone(),
        cname: tgt.cname.clone(),
        cksum: Some(ChecksumValue {
            cksumtype: key.encryption_type().checksum_type(),
            checksum: key
                .checksum_key(KeyUsage::TGS_REQ_CHECKSUM)
                .checksum(&[body])
                .as_ref()
                .into(),
        }),
        cusec,
        ctime,
        subkey: Some(KeyValue::from(subkey)),
        seq_number: None,
        authorization_data: None,
    };
    let authenticator = Zeroizing::new(authenticator.encode()?);
    let sealed = EncryptedData::seal(
        key,
        KeyUsage::TGS_REQ_AUTHENTICATOR,
        &authenticator,
        &*environment.random,
    )
    .map_err(OtherError::new)?;
    let message = ApReq {
        pvno: Exactly,
        msg_type: Exactly,
        ap_options: Flags::default(),
        ticket: tgt.ticket.clone(),
        authenticator: sealed,
    };
    Ok(PaData::new(PaData::TGS_REQ, message.encode()?))
}
