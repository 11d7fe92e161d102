//! The client side of the mechanism: whatever exchanges it takes to come from credentials to a context.

use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use super::ap_exchange::ApExchange;
use super::{
    AsExchange, AsStep, ClientName, ClientSecret, InitiatorOptions, IssuedTicket, TgsExchange,
    TgsRequest, TgsStep, clock, refusal,
};
use crate::credentials::{Credentials, LogonSecret};
use crate::environment::Environment;
use crate::error::{Error, KdcError, PeerMisbehaved};
use crate::gss::{AwaitsKdc, ChannelBindings, Initiator, InitiatorRequest, InitiatorStep};
use crate::kdc::{KdcReply, KdcUnreachable};
use crate::kerberos::asn1::{
    Encoded, ErrorCode, InitialToken, KerberosString, KrbError, PrincipalName, TgtReply,
    TgtRequest, Ticket, TokenId,
};
use crate::mechanism::{Mechanism, Oid};
use crate::name::AccountName;

/// The client side of Kerberos as a GSS-API mechanism, before anything is sent.
///
/// It takes the AS exchange, the TGS exchange and the AP exchange, less what the tickets at hand spare, and for
/// user-to-user one more message to the server and back.
#[derive(Debug)]
pub struct KerberosInitiator {
    client: Client,
    logon: Option<Logon>,
}

impl KerberosInitiator {
    /// `None` where the credentials do not fit: an NT hash without `rc4-hmac`, or no user.
    pub fn new(options: &InitiatorOptions, request: InitiatorRequest<'_>) -> Option<Self> {
        let logon = Logon::new(options, request.credentials);
        if logon.is_none() && options.tickets.is_none() {
            return None;
        }
        // A dot at the end says that the name is a whole one; KDCs know services without it.
        let host = request.target.host().trim_end_matches('.').to_lowercase();
        let service = PrincipalName::new(PrincipalName::SRV_INST, &[request.target.class(), &host]);
        Some(Self {
            client: Client {
                // The logon has them, and is dropped before the rest.
                options: InitiatorOptions {
                    keys: None,
                    ..options.clone()
                },
                host: host.into(),
                service,
                channel_bindings: request.channel_bindings.map(ChannelBindings::hash),
                environment: request.environment.clone(),
                user_to_user: options.user_to_user,
                tgt: None,
                retried_skew: false,
            },
            logon,
        })
    }
}

impl Initiator for KerberosInitiator {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        if token.is_some_and(|token| !token.is_empty()) {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        }
        let Self { client, logon } = *self;
        client.begin(logon)
    }
}

/// Whom to log on where no ticket spares it. Dropped with its secret once there is a ticket-granting ticket.
#[derive(Debug)]
struct Logon {
    account: AccountName,
    secret: ClientSecret,
}

impl Logon {
    fn new(options: &InitiatorOptions, credentials: &Credentials) -> Option<Self> {
        let account = credentials.account().clone();
        let secret = match (&options.keys, credentials.logon()) {
            (Some(keys), _) => ClientSecret::Keys(Arc::clone(keys)),
            (None, LogonSecret::Password(password)) => {
                ClientSecret::Password(password.expose().into())
            }
            #[cfg(feature = "rc4-hmac")]
            (None, LogonSecret::NtHash(hash)) => ClientSecret::nt_hash(hash)?,
            #[cfg(not(feature = "rc4-hmac"))]
            (None, LogonSecret::NtHash(_)) => return None,
            #[cfg(feature = "pkinit")]
            (None, LogonSecret::Certificate(signer)) => ClientSecret::Certificate {
                signer: Arc::clone(signer),
                options: Arc::clone(&options.pkinit),
            },
        };
        let mut offered = options.encryption_types.iter();
        let fits = !account.user().is_empty() && offered.any(|kind| secret.serves(*kind));
        fits.then_some(Self { account, secret })
    }
}

/// What the client knows on its way.
#[derive(Debug)]
struct Client {
    options: InitiatorOptions,
    /// In lower case.
    host: Box<str>,
    service: PrincipalName,
    channel_bindings: Option<[u8; 16]>,
    environment: Environment,
    user_to_user: bool,
    tgt: Option<Arc<IssuedTicket>>,
    retried_skew: bool,
}

impl Client {
    fn begin(mut self, logon: Option<Logon>) -> Result<InitiatorStep, Error> {
        // RFC 4007, section 11.2: a zone stands behind `%` in an address of IPv6.
        let (address, _) = self.host.split_once('%').unwrap_or((&self.host, ""));
        if address.parse::<IpAddr>().is_ok() {
            return Err(KdcError::HostIsAddress.into());
        }
        if let Some(tickets) = self.options.tickets.clone() {
            let (now, _) = clock::now(&self.environment, 0);
            let usable = |ticket: &IssuedTicket| {
                let kind = ticket.session_key.encryption_type();
                self.options.encryption_types.contains(&kind)
            };
            self.tgt = tickets.tgt(now).filter(usable).map(Arc::new);
            let realm = self.service_realm();
            if !self.user_to_user
                && let Some(ticket) = tickets.service_ticket(&self.service, now).filter(usable)
                // The KDC of another realm does not vouch for this host.
                && realm.is_none_or(|realm| realm == ticket.ticket.value().realm)
            {
                let offset = ticket.clock_offset;
                return self.send_ap_req(ticket.into(), offset);
            }
            if self.tgt.is_some() {
                return self.with_tgt();
            }
        }
        let Logon { account, secret } = logon.ok_or(KdcError::NoTicket)?;
        let realm = self.options.default_realm.as_deref().unwrap_or_default();
        let name = ClientName::of(&account, realm);
        if name.realm.as_bytes().is_empty() {
            return Err(KdcError::from(KdcUnreachable::new(
                "?",
                "the account names no realm: write user@realm, or give InitiatorOptions a default_realm",
            ))
            .into());
        }
        let step = AsExchange::start(
            name,
            secret,
            &self.options.encryption_types,
            self.options.canonicalize,
            &self.environment,
        )?;
        self.after_as(step)
    }

    fn after_as(mut self, step: AsStep) -> Result<InitiatorStep, Error> {
        match step {
            AsStep::NeedsKdc { request, next } => Ok(InitiatorStep::NeedsKdc {
                request,
                next: Box::new(Waiting {
                    client: self,
                    exchange: next,
                }),
            }),
            AsStep::Complete(ticket) => {
                self.tgt = Some(ticket.into());
                self.with_tgt()
            }
        }
    }

    fn with_tgt(self) -> Result<InitiatorStep, Error> {
        if self.user_to_user {
            self.send_tgt_request()
        } else {
            self.ask_for_ticket(None)
        }
    }

    /// Asks the KDC for a ticket to the service; for user-to-user, under the session key of the server's `other` ticket.
    fn ask_for_ticket(self, other: Option<Encoded<Ticket>>) -> Result<InitiatorStep, Error> {
        let tgt = self.tgt.clone().ok_or(KdcError::NoTicket)?;
        let mut request = TgsRequest::new(self.service.clone());
        // Never the realm of the server's own ticket: who stands in between would have it from a realm of his choice.
        request.realm = self.service_realm();
        request.likely_realm = self
            .host
            .split_once('.')
            .map(|(_, domain)| domain.to_uppercase().as_str().into());
        request.encryption_types = self.options.encryption_types.clone();
        request.canonicalize = self.options.canonicalize;
        request.user_to_user = other;
        request.user_to_user_owner = self.options.user_to_user_owner.clone();
        let step = TgsExchange::start(tgt, request, &self.environment)?;
        self.after_tgs(step)
    }

    fn after_tgs(self, step: TgsStep) -> Result<InitiatorStep, Error> {
        match step {
            TgsStep::NeedsKdc { request, next } => Ok(InitiatorStep::NeedsKdc {
                request,
                next: Box::new(Waiting {
                    client: self,
                    exchange: next,
                }),
            }),
            TgsStep::Complete(ticket) => {
                let offset = ticket.clock_offset;
                self.send_ap_req(ticket.into(), offset)
            }
        }
    }

    /// The realm of the service, where the configuration says it.
    fn service_realm(&self) -> Option<KerberosString> {
        let realm = self.options.domain_realms.realm_of(&self.host);
        realm.map(KerberosString::from)
    }

    fn send_ap_req(self, ticket: Arc<IssuedTicket>, offset: i64) -> Result<InitiatorStep, Error> {
        let (token, exchange) = ApExchange::start(
            ticket,
            self.user_to_user,
            self.channel_bindings,
            offset,
            &self.environment,
        )?;
        Ok(InitiatorStep::NeedsToken {
            token,
            next: Box::new(Waiting {
                client: self,
                exchange,
            }),
        })
    }

    /// Asks the server for its ticket-granting ticket.
    fn send_tgt_request(self) -> Result<InitiatorStep, Error> {
        let message = TgtRequest {
            server_name: Some(self.service.clone()),
            ..TgtRequest::default()
        };
        let message = message.encode()?;
        let mut token = Vec::new();
        InitialToken::new(Oid::KERBEROS_USER_TO_USER, TokenId::TgtRequest, &message)
            .encode(&mut token);
        Ok(InitiatorStep::NeedsToken {
            token,
            next: Box::new(Waiting {
                client: self,
                exchange: ServersTicket,
            }),
        })
    }

    /// What the server refuses by a KRB-ERROR. Nobody vouches for it: it can make the client try once more with the server's
    /// time, or by user-to-user, each once.
    fn refused(
        mut self,
        error: &KrbError,
        ticket: Option<Arc<IssuedTicket>>,
    ) -> Result<InitiatorStep, Error> {
        match (error.code(), ticket) {
            (ErrorCode::SKEW, Some(ticket)) if !self.retried_skew => {
                self.retried_skew = true;
                let offset = clock::offset_to(&self.environment, error.stime);
                self.send_ap_req(ticket, offset)
            }
            (ErrorCode::USER_TO_USER_REQUIRED, Some(_))
                if self.tgt.is_some() && !mem::replace(&mut self.user_to_user, true) =>
            {
                // draft-swift-win2k-krb-user2user, section 3.2: e-data may hold the server's ticket-granting ticket.
                let reply = error
                    .e_data
                    .as_ref()
                    .and_then(|data| TgtReply::decode(data.as_bytes()).ok());
                match reply {
                    Some(reply) => self.ask_for_ticket(Some(reply.ticket)),
                    None => self.send_tgt_request(),
                }
            }
            (code, _) => Err(refusal::of_server(code).into()),
        }
    }
}

/// What the client waits in.
#[derive(Debug)]
struct Waiting<E> {
    client: Client,
    exchange: E,
}

/// The server's ticket-granting ticket is due.
#[derive(Debug)]
struct ServersTicket;

impl AwaitsKdc for Waiting<Box<AsExchange>> {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, reply: KdcReply) -> Result<InitiatorStep, Error> {
        let reply = reply.map_err(KdcError::from)?;
        let step = self.exchange.step(&reply)?;
        self.client.after_as(step)
    }
}

impl AwaitsKdc for Waiting<Box<TgsExchange>> {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, reply: KdcReply) -> Result<InitiatorStep, Error> {
        let Self {
            mut client,
            exchange,
        } = *self;
        let reply = reply.map_err(KdcError::from)?;
        match exchange.step(&reply) {
            Err(Error::Kdc(KdcError::UserToUserRequired))
                if !mem::replace(&mut client.user_to_user, true) =>
            {
                client.send_tgt_request()
            }
            step => client.after_tgs(step?),
        }
    }
}

impl Initiator for Waiting<ServersTicket> {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
        let token = InitialToken::decode(token)?;
        match token.id {
            TokenId::TgtReply => {
                let reply = TgtReply::decode(token.message)?;
                self.client.ask_for_ticket(Some(reply.ticket))
            }
            TokenId::Error => self.client.refused(&KrbError::decode(token.message)?, None),
            _ => Err(PeerMisbehaved::UnexpectedTokenType.into()),
        }
    }
}

impl Initiator for Waiting<ApExchange> {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        let Self { client, exchange } = *self;
        let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
        let token = InitialToken::decode(token)?;
        match token.id {
            TokenId::ApRep => {
                let encryption_types = &client.options.encryption_types;
                let context = exchange.finish(token.message, encryption_types)?;
                Ok(InitiatorStep::Established {
                    token: None,
                    context: Box::new(context),
                })
            }
            TokenId::Error => {
                let error = KrbError::decode(token.message)?;
                client.refused(&error, Some(exchange.ticket))
            }
            _ => Err(PeerMisbehaved::UnexpectedTokenType.into()),
        }
    }
}
