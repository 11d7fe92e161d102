//! PA-PK-AS-REQ and PA-PK-AS-REP in an AS exchange.

use webpki::EndEntityCert;

use super::cms::{self, SignedData};
use super::diffie_hellman::PrivateKey;
use super::key_derivation::{KeyDerivation, Parties, octet_string_to_key};
use super::message::{self, AuthPack, KdcDhKeyInfo, PaPkAsRep};
use super::{DhGroup, PkinitOptions, kdc_certificate, oid};
use crate::credentials::CertificateSigner;
use crate::environment::Environment;
use crate::error::{Error, KdcCertificateProblem, KdcError, OtherError, PkinitError};
use crate::kerberos::asn1::{Encoded, KdcReqBody, KerberosTime, Microseconds, PaData};
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};

/// What a request by certificate is made of.
#[derive(Debug)]
pub(in crate::kerberos) struct Request<'a> {
    pub(in crate::kerberos) options: &'a PkinitOptions,
    pub(in crate::kerberos) signer: &'a dyn CertificateSigner,
    pub(in crate::kerberos) group: DhGroup,
    pub(in crate::kerberos) body: &'a Encoded<KdcReqBody>,
    pub(in crate::kerberos) time: (KerberosTime, Microseconds),
    pub(in crate::kerberos) freshness_token: Option<&'a [u8]>,
    pub(in crate::kerberos) environment: &'a Environment,
}

impl Request<'_> {
    /// The PA-DATA to send, and what the answer is taken by. The signer may block.
    pub(in crate::kerberos) fn sign(self) -> Result<(PaData, Agreement), Error> {
        // Before the card is troubled: nothing would come of it.
        if self.options.anchors.is_empty() {
            return Err(PkinitError::NoAnchors.into());
        }
        let allowed = &self.options.schemes;
        let scheme = self
            .signer
            .schemes()
            .iter()
            .find(|scheme| allowed.contains(scheme))
            .ok_or(PkinitError::NoCommonScheme)?;
        let key = PrivateKey::new(self.group, &*self.environment.random)?;
        let auth_pack = AuthPack {
            time: self.time,
            nonce: self.body.value().nonce,
            body: self.body.as_bytes(),
            freshness_token: self.freshness_token,
            public_key_info: &key.public_key_info(),
            cms_types: &cms::accepted(),
        };
        let auth_pack = auth_pack.encode()?;
        let signed = cms::sign(oid::AUTH_DATA, &auth_pack, self.signer, *scheme)?;
        let padata = PaData::new(PaData::PK_AS_REQ, message::pa_pk_as_req(&signed));
        Ok((padata, Agreement { key }))
    }
}

/// A request by certificate that waits for its answer.
#[derive(Debug)]
pub(in crate::kerberos) struct Agreement {
    key: PrivateKey,
}

impl Agreement {
    /// The group that was asked for.
    pub(in crate::kerberos) fn group(&self) -> DhGroup {
        self.key.group()
    }

    /// The reply's key, from a PA-PK-AS-REP whose signer has proved to be a KDC of the realm.
    ///
    /// `body` is what was asked, `sent` the whole request.
    pub(in crate::kerberos) fn reply_key(
        &self,
        options: &PkinitOptions,
        body: &KdcReqBody,
        sent: &[u8],
        reply: &[u8],
        encryption_type: EncryptionType,
        environment: &Environment,
    ) -> Result<EncryptionKey, Error> {
        let PaPkAsRep::DhInfo { signed, derivation } = PaPkAsRep::decode(reply)? else {
            return Err(PkinitError::EncryptedKey.into());
        };
        let signed = SignedData::decode(signed, oid::DH_KEY_DATA)?;
        let (der, certificate, others) = signed.signer().map_err(PkinitError::from)?;
        let end_entity = EndEntityCert::try_from(der)
            .map_err(|_| PkinitError::from(KdcCertificateProblem::Malformed))?;
        let now = environment.time.since_unix_epoch();
        kdc_certificate::verify(
            options,
            &body.realm,
            &end_entity,
            &certificate,
            &others,
            now,
        )?;
        signed.verify(&end_entity)?;

        let info = KdcDhKeyInfo::decode(signed.content)?;
        if info.nonce != body.nonce {
            return Err(KdcError::UnfitReply("KDCDHKeyInfo.nonce").into());
        }
        let agreed = self.key.agree(info.public_value)?;
        let Some(derivation) = derivation else {
            return octet_string_to_key(encryption_type, agreed.expose());
        };
        let derivation = KeyDerivation::OFFERED
            .into_iter()
            .find(|offered| offered.identifier() == derivation)
            .ok_or(PkinitError::UnofferedKeyDerivation)?;
        let missing = || KdcError::UnfitReply("cname");
        let parties = Parties {
            client: (&body.realm, body.cname.as_ref().ok_or_else(missing)?),
            server: (&body.realm, body.sname.as_ref().ok_or_else(missing)?),
            encryption_type,
            request: sent,
            reply,
        };
        let octets = derivation.octets(agreed.expose(), encryption_type.key_len(), &parties)?;
        EncryptionKey::new(encryption_type, &octets).map_err(|error| OtherError::new(error).into())
    }
}

/// The group that a KDC asks for by KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED, of those that are allowed and have not been
/// refused.
pub(in crate::kerberos) fn offered_group(
    options: &PkinitOptions,
    refused: DhGroup,
    typed_data: &[u8],
) -> Result<DhGroup, Error> {
    message::offered_groups(typed_data)?
        .into_iter()
        .find(|group| *group != refused && options.groups.contains(group))
        .ok_or_else(|| PkinitError::NoCommonGroup.into())
}
