//! The AS exchange (RFC 4120, section 3.1): a ticket-granting ticket for a password or a key.

#[cfg(feature = "pkinit")]
use super::certificate::CertificateLogon;
use super::{ClientName, ClientSecret, IssuedTicket, clock, refusal, reply};
use crate::environment::{Environment, GetRandomFailed};
use crate::error::{Error, KdcError, OtherError};
use crate::kdc::KdcRequest;
use crate::kerberos::asn1::{
    Encoded, EncryptedData, ErrorCode, EtypeInfo2Entry, Flags, KdcRep, KdcReq, KdcReqBody,
    KerberosTime, KrbError, MessageType, MethodData, Octets, PaData, PaEncTsEnc, PrincipalName,
    Unsigned32,
};
use crate::kerberos::crypto::{CryptoError, EncryptionKey, EncryptionType, KeyUsage};

/// How often a KDC may refer the client to another realm.
const MAX_REFERRALS: u8 = 3;

/// KERB-PA-PAC-REQUEST with include-pac TRUE (MS-KILE, section 2.2.3).
const INCLUDE_PAC: &[u8] = &[0x30, 0x05, 0xa0, 0x03, 0x01, 0x01, 0xff];

/// What an AS exchange goes on with.
#[derive(Debug)]
#[non_exhaustive]
pub enum AsStep {
    /// Ask a KDC, and give its reply to [`AsExchange::step()`].
    NeedsKdc {
        /// What to ask.
        request: KdcRequest,
        /// What takes the reply.
        next: Box<AsExchange>,
    },
    /// It is done.
    Complete(Box<IssuedTicket>),
}

/// An AS exchange that waits for a KDC's reply.
///
/// As a rule three messages at most go to one realm: the plain request, the one with the timestamp, and the same once more
/// with the KDC's time. A password that was refused is not sent again, for that is what locks accounts. `user@suffix` of which
/// the KDC knows nothing is asked for once more as `user`.
#[derive(Debug)]
pub struct AsExchange {
    pub(super) environment: Environment,
    pub(super) client: ClientName,
    pub(super) secret: ClientSecret,
    pub(super) encryption_types: Vec<EncryptionType>,
    canonicalize: bool,
    pub(super) body: Encoded<KdcReqBody>,
    /// What was sent last, which a checksum of the reply covers.
    pub(super) sent: Octets,
    derived: Option<Derived>,
    cookie: Option<PaData>,
    /// What to add to our clock to have what the KDC says is its own, in seconds: for the timestamp alone, since nobody
    /// vouches for it.
    pub(super) offset: i64,
    /// What the client has proved itself by, where it has.
    pub(super) proved: Option<Proof>,
    retried_skew: bool,
    restarted: bool,
    referrals: u8,
    #[cfg(feature = "pkinit")]
    pub(super) pkinit: CertificateLogon,
}

/// What a request proves the client by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A timestamp under the key of this encryption type.
    Timestamp(EncryptionType),
    /// A signature.
    #[cfg(feature = "pkinit")]
    Certificate,
}

/// A key from a password, and what else it comes from.
#[derive(Debug)]
struct Derived {
    salt: Vec<u8>,
    parameters: Option<Vec<u8>>,
    key: EncryptionKey,
}

impl AsExchange {
    /// Starts: the first request goes without pre-authentication, for the KDC to say which it wants.
    ///
    /// `encryption_types` are those that are taken, the preferred one first; of those without a key in `secret` none is
    /// offered. With `canonicalize` the KDC may answer by another spelling of the client's name, or refer to another realm;
    /// enterprise names need it.
    ///
    /// # Errors
    /// Where no encryption type is left, or the random source fails.
    pub fn start(
        client: ClientName,
        secret: ClientSecret,
        encryption_types: &[EncryptionType],
        canonicalize: bool,
        environment: &Environment,
    ) -> Result<AsStep, Error> {
        let encryption_types: Vec<_> = encryption_types
            .iter()
            .copied()
            .filter(|offered| secret.serves(*offered))
            .collect();
        if encryption_types.is_empty() {
            return Err(KdcError::NoCommonEncryptionType.into());
        }
        let canonicalizes = canonicalize || client.is_enterprise();
        let body = Self::body(&client, &encryption_types, canonicalizes, environment)?;
        #[cfg(feature = "pkinit")]
        let pkinit = CertificateLogon::new(&secret)?;
        let exchange = Self {
            environment: environment.clone(),
            client,
            secret,
            encryption_types,
            canonicalize,
            body,
            sent: Octets::default(),
            derived: None,
            cookie: None,
            offset: 0,
            proved: None,
            retried_skew: false,
            restarted: false,
            referrals: 0,
            #[cfg(feature = "pkinit")]
            pkinit,
        };
        exchange.ask(None)
    }

    /// Takes the KDC's reply.
    ///
    /// # Errors
    /// Where it is malformed, an error, or not the answer to what was asked.
    pub fn step(mut self: Box<Self>, reply: &[u8]) -> Result<AsStep, Error> {
        reply::check_len(reply)?;
        if KrbError::is_one(reply) {
            return self.step_error(&KrbError::decode(reply)?);
        }
        let reply = KdcRep::decode(MessageType::As, reply)?;
        let encryption_type = reply
            .enc_part
            .encryption_type()
            .filter(|found| self.encryption_types.contains(found))
            .ok_or(KdcError::NoCommonEncryptionType)?;
        // RFC 4120, section 5.2.7.5: ETYPE-INFO2 in an AS-REP says how its key is derived.
        let padata = reply.padata.as_deref().unwrap_or_default();
        #[cfg(feature = "pkinit")]
        if self.secret.is_certificate() {
            return self.step_certificate(reply, encryption_type);
        }
        self.derive(padata, Some(encryption_type))?;
        let key = self.key(encryption_type)?;
        let part = reply
            .enc_part
            .open(key, KeyUsage::AS_REP)
            .map_err(|_| KdcError::WrongPassword)?;
        self.check(reply, &part, key)
            .map(|ticket| AsStep::Complete(Box::new(ticket)))
    }

    /// Takes a KRB-ERROR. Nobody vouches for it: only the KDC's time, the methods, the salt and the realm are taken from it.
    fn step_error(mut self: Box<Self>, error: &KrbError) -> Result<AsStep, Error> {
        match error.code() {
            ErrorCode::PREAUTH_REQUIRED if self.proved.is_none() => {
                let methods = error
                    .e_data
                    .as_ref()
                    .ok_or(KdcError::NoCommonPreAuthentication)?;
                let MethodData(methods) = MethodData::decode(methods.as_bytes())?;
                let proof = self.choose(&methods)?;
                // RFC 6113, section 5.2: the cookie goes back unchanged.
                self.cookie = find(&methods, PaData::FX_COOKIE).cloned();
                self.offset = clock::offset_to(&self.environment, error.stime);
                self.ask(Some(proof))
            }
            ErrorCode::SKEW if self.proved.is_some() && !self.retried_skew => {
                self.retried_skew = true;
                self.offset = clock::offset_to(&self.environment, error.stime);
                let same = self.proved;
                self.ask(same)
            }
            // RFC 6113, section 5.2: the state behind the cookie has gone; a new exchange gets another.
            ErrorCode::PREAUTH_EXPIRED if self.proved.is_some() && !self.restarted => {
                self.restarted = true;
                self.restart()
            }
            // RFC 6806, section 7: the error's crealm is "the realm of the client", where canonicalize was asked for.
            ErrorCode::WRONG_REALM if self.canonicalizes() => {
                let realm = error.crealm.clone().ok_or(KdcError::WrongRealm)?;
                if realm == self.client.realm || self.referrals == MAX_REFERRALS {
                    return Err(KdcError::ReferralLoop.into());
                }
                self.client.realm = realm;
                self.referrals += 1;
                self.restart()
            }
            ErrorCode::C_PRINCIPAL_UNKNOWN => match self.client.without_enterprise() {
                // Some KDCs have no enterprise names: theirs is the user of the realm that the suffix says.
                Some(plain) if self.referrals == 0 => {
                    self.client = plain;
                    self.restart()
                }
                _ => Err(KdcError::ClientUnknown.into()),
            },
            #[cfg(feature = "pkinit")]
            code if self.secret.is_certificate() => {
                self.pkinit.refused(&self.secret, code, error)?;
                self.ask(Some(Proof::Certificate))
            }
            code => Err(refusal::of_kdc(code).into()),
        }
    }

    /// Begins again: another realm, another name, or nothing of what the KDC has said.
    fn restart(mut self) -> Result<AsStep, Error> {
        self.body = Self::body(
            &self.client,
            &self.encryption_types,
            self.canonicalizes(),
            &self.environment,
        )?;
        (self.derived, self.cookie, self.offset) = (None, None, 0);
        (self.proved, self.retried_skew) = (None, false);
        self.ask(None)
    }

    /// What to prove the client by, of the methods that the KDC takes.
    fn choose(&mut self, methods: &[PaData]) -> Result<Proof, Error> {
        #[cfg(feature = "pkinit")]
        if self.secret.is_certificate() {
            self.pkinit.choose(methods)?;
            return Ok(Proof::Certificate);
        }
        if find(methods, PaData::ENC_TIMESTAMP).is_none() {
            return Err(KdcError::NoCommonPreAuthentication.into());
        }
        self.derive(methods, None).map(Proof::Timestamp)
    }

    /// The next request, which may prove the client.
    pub(super) fn ask(mut self, proof: Option<Proof>) -> Result<AsStep, Error> {
        let mut padata = Vec::new();
        match proof {
            Some(Proof::Timestamp(encryption_type)) => {
                padata.push(self.timestamp(encryption_type)?)
            }
            #[cfg(feature = "pkinit")]
            Some(Proof::Certificate) => padata.push(self.signature()?),
            None => {}
        }
        if proof.is_some() {
            padata.extend(self.cookie.clone());
            self.proved = proof;
        }
        #[cfg(feature = "pkinit")]
        if proof.is_none() && self.secret.is_certificate() {
            // RFC 8070, section 2.1: asks for a token that proves a signature new.
            padata.push(PaData::new(PaData::AS_FRESHNESS, Vec::new()));
        }
        padata.push(PaData::new(PaData::REQ_ENC_PA_REP, Vec::new()));
        padata.push(PaData::new(PaData::PAC_REQUEST, INCLUDE_PAC));
        let message = KdcReq::new(MessageType::As, padata, self.body.clone()).encode()?;
        self.sent = Octets::from(&*message);
        Ok(AsStep::NeedsKdc {
            request: KdcRequest::new(&self.client.realm.to_str_lossy(), message),
            next: Box::new(self),
        })
    }

    /// PA-ENC-TIMESTAMP (RFC 4120, section 5.2.7.2).
    fn timestamp(&self, encryption_type: EncryptionType) -> Result<PaData, Error> {
        let (patimestamp, pausec) = clock::now(&self.environment, self.offset);
        let time = PaEncTsEnc {
            patimestamp,
            pausec: Some(pausec),
        };
        let random = &*self.environment.random;
        let key = self.key(encryption_type)?;
        let usage = KeyUsage::PA_ENC_TIMESTAMP;
        let sealed =
            EncryptedData::seal(key, usage, &time.encode()?, random).map_err(OtherError::new)?;
        Ok(PaData::new(PaData::ENC_TIMESTAMP, sealed.encode()?))
    }

    fn body(
        client: &ClientName,
        encryption_types: &[EncryptionType],
        canonicalizes: bool,
        environment: &Environment,
    ) -> Result<Encoded<KdcReqBody>, Error> {
        let options = Flags::FORWARDABLE
            .with(Flags::RENEWABLE)
            .with(Flags::RENEWABLE_OK);
        KdcReqBody {
            kdc_options: if canonicalizes {
                options.with(Flags::CANONICALIZE)
            } else {
                options
            },
            cname: Some(client.name.clone()),
            realm: client.realm.clone(),
            sname: Some(PrincipalName::krbtgt(&client.realm)),
            from: None,
            till: KerberosTime::FAR_FUTURE,
            rtime: Some(KerberosTime::FAR_FUTURE),
            nonce: nonce(environment)?,
            etype: encryption_types.iter().map(|kind| kind.number()).collect(),
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        }
        .encode()
    }

    /// Chooses the encryption type, unless the reply has, and derives its key as the KDC's `padata` say.
    fn derive(
        &mut self,
        padata: &[PaData],
        chosen: Option<EncryptionType>,
    ) -> Result<EncryptionType, Error> {
        let offered = |kind: &EncryptionType| {
            self.encryption_types.contains(kind) && chosen.is_none_or(|chosen| chosen == *kind)
        };
        let mut encryption_type = chosen;
        let mut salt = None;
        let mut parameters = None;
        if let Some(info) = find(padata, PaData::ETYPE_INFO2) {
            // RFC 4120, section 5.2.7.5: the entries come in the KDC's order of preference.
            let entries = EtypeInfo2Entry::decode_list(info.padata_value.as_bytes())?;
            let (kind, entry) = entries
                .into_iter()
                .find_map(|entry| {
                    let kind = EncryptionType::from_number(entry.etype).filter(offered)?;
                    Some((kind, entry))
                })
                .ok_or(KdcError::NoCommonEncryptionType)?;
            encryption_type = Some(kind);
            salt = entry.salt.map(|salt| salt.as_bytes().to_vec());
            parameters = entry.s2kparams.map(|octets| octets.as_bytes().to_vec());
        } else if let Some(found) = find(padata, PaData::PW_SALT) {
            salt = Some(found.padata_value.as_bytes().to_vec());
        } else if let (Some(used), Some(chosen)) = (&self.derived, chosen)
            && used.key.encryption_type() == chosen
        {
            return Ok(chosen);
        }
        let encryption_type = encryption_type
            .or_else(|| self.encryption_types.first().copied())
            .ok_or(KdcError::NoCommonEncryptionType)?;
        let ClientSecret::Password(password) = &self.secret else {
            return Ok(encryption_type);
        };
        let salt = salt.unwrap_or_else(|| self.client.default_salt());
        let same = |used: &Derived| {
            used.key.encryption_type() == encryption_type
                && used.salt == salt
                && used.parameters == parameters
        };
        if !self.derived.as_ref().is_some_and(same) {
            let key = EncryptionKey::string_to_key(
                encryption_type,
                password.expose(),
                &salt,
                parameters.as_deref(),
            )
            .map_err(|error| match error {
                CryptoError::StringToKeyParameters => KdcError::UnfitStringToKey.into(),
                error => Error::from(OtherError::new(error)),
            })?;
            self.derived = Some(Derived {
                salt,
                parameters,
                key,
            });
        }
        Ok(encryption_type)
    }

    fn key(&self, encryption_type: EncryptionType) -> Result<&EncryptionKey, KdcError> {
        let fits = |key: &&EncryptionKey| key.encryption_type() == encryption_type;
        match &self.secret {
            ClientSecret::Password(_) => self.derived.as_ref().map(|used| &used.key).filter(fits),
            ClientSecret::Keys(keys) => keys.iter().find(fits),
            #[cfg(feature = "pkinit")]
            ClientSecret::Certificate { .. } => None,
        }
        .ok_or(KdcError::NoCommonEncryptionType)
    }

    /// Whether the KDC was asked to: enterprise names need it.
    pub(super) fn canonicalizes(&self) -> bool {
        self.canonicalize || self.client.is_enterprise()
    }
}

/// Of a request, below 2³¹: some KDCs take it for a number with a sign.
pub(super) fn nonce(environment: &Environment) -> Result<Unsigned32, GetRandomFailed> {
    let mut nonce = [0; 4];
    environment.random.fill(&mut nonce)?;
    Ok((u32::from_be_bytes(nonce) & 0x7fff_ffff).into())
}

pub(super) fn find(padata: &[PaData], kind: i32) -> Option<&PaData> {
    padata.iter().find(|entry| entry.padata_type == kind)
}
