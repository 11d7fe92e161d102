//! The AS exchange by certificate (PKINIT, RFC 4556).

use super::as_exchange::{Proof, find};
use super::{AsExchange, AsStep, ClientSecret, clock, refusal};
use crate::error::{Error, KdcError, PkinitError};
use crate::kerberos::asn1::{ErrorCode, KdcRep, KrbError, Octets, PaData};
use crate::kerberos::crypto::{EncryptionType, KeyUsage};
use crate::kerberos::pkinit::{Agreement, DhGroup, Request, offered_group};

/// Where a logon by certificate stands.
#[derive(Debug)]
pub(super) struct CertificateLogon {
    group: Option<DhGroup>,
    changed_group: bool,
    freshness_token: Option<Octets>,
    agreement: Option<Agreement>,
}

impl CertificateLogon {
    pub(super) fn new(secret: &ClientSecret) -> Result<Self, PkinitError> {
        let group = match secret {
            ClientSecret::Certificate { options, .. } if options.anchors.is_empty() => {
                return Err(PkinitError::NoAnchors);
            }
            ClientSecret::Certificate { options, .. } => {
                let first = options.groups.first().copied();
                Some(first.ok_or(PkinitError::NoCommonGroup)?)
            }
            _ => None,
        };
        Ok(Self {
            group,
            changed_group: false,
            freshness_token: None,
            agreement: None,
        })
    }

    /// Takes what the KDC's methods say.
    pub(super) fn choose(&mut self, methods: &[PaData]) -> Result<(), PkinitError> {
        find(methods, PaData::PK_AS_REQ).ok_or(PkinitError::NotOffered)?;
        self.freshness_token = find(methods, PaData::AS_FRESHNESS)
            .map(|token| token.padata_value.clone())
            .filter(|token| !token.as_bytes().is_empty());
        Ok(())
    }

    /// What a KDC's error says to a certificate: nothing is wrong where it only wants another group, once.
    pub(super) fn refused(
        &mut self,
        secret: &ClientSecret,
        code: ErrorCode,
        error: &KrbError,
    ) -> Result<(), Error> {
        match (code, secret, &self.agreement) {
            (
                ErrorCode::DH_KEY_PARAMETERS_NOT_ACCEPTED,
                ClientSecret::Certificate { options, .. },
                Some(agreement),
            ) if !self.changed_group => {
                let data = error.e_data.as_ref().ok_or(PkinitError::NoCommonGroup)?;
                self.changed_group = true;
                let group = offered_group(options, agreement.group(), data.as_bytes())?;
                self.group = Some(group);
                Ok(())
            }
            _ => Err(refusal::of_certificate(code).into()),
        }
    }
}

impl ClientSecret {
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self, Self::Certificate { .. })
    }
}

impl AsExchange {
    /// PA-PK-AS-REQ (RFC 4556, section 3.2.1).
    pub(super) fn signature(&mut self) -> Result<PaData, Error> {
        let (ClientSecret::Certificate { signer, options }, Some(group)) =
            (&self.secret, self.pkinit.group)
        else {
            return Err(KdcError::NoCommonPreAuthentication.into());
        };
        let freshness_token = self.pkinit.freshness_token.as_ref();
        let request = Request {
            options,
            signer: &**signer,
            group,
            body: &self.body,
            time: clock::now(&self.environment, self.offset),
            freshness_token: freshness_token.map(Octets::as_bytes),
            environment: &self.environment,
        };
        let (padata, agreement) = request.sign()?;
        self.pkinit.agreement = Some(agreement);
        Ok(padata)
    }

    /// Takes an AS-REP.
    pub(super) fn step_certificate(
        self: Box<Self>,
        reply: KdcRep,
        encryption_type: EncryptionType,
    ) -> Result<AsStep, Error> {
        let ClientSecret::Certificate { options, .. } = &self.secret else {
            return Err(KdcError::NoCommonPreAuthentication.into());
        };
        let Some(agreement) = &self.pkinit.agreement else {
            // The account needs no pre-authentication, and the reply is for its password: a certificate has to be sent unasked.
            return self.ask(Some(Proof::Certificate));
        };
        let padata = reply.padata.as_deref().unwrap_or_default();
        let answer = find(padata, PaData::PK_AS_REP).ok_or(KdcError::UnfitReply("PA-PK-AS-REP"))?;
        let key = agreement.reply_key(
            options,
            self.body.value(),
            self.sent.as_bytes(),
            answer.padata_value.as_bytes(),
            encryption_type,
            &self.environment,
        )?;
        let part = reply
            .enc_part
            .open(&key, KeyUsage::AS_REP)
            .map_err(|_| PkinitError::WrongReplyKey)?;
        self.check(reply, &part, &key)
            .map(|ticket| AsStep::Complete(Box::new(ticket)))
    }
}
