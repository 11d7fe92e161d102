use std::fmt;

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use rustls::pki_types::CertificateDer;

use super::CardError;
use crate::kerberos::pkinit::{self, is_for_logons};

/// Which certificate on which card. What is `None` is not asked for; the default takes the only certificate for logons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardChoice {
    /// The slot's number, as the module counts.
    pub slot: Option<u64>,
    /// The label of the card.
    pub token_label: Option<Box<str>>,
    /// The label of the certificate.
    pub certificate_label: Option<Box<str>>,
    /// The identifier of the certificate, which is its key's too.
    pub certificate_id: Option<Box<[u8]>>,
}

/// A certificate on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundCertificate {
    /// The slot's number.
    pub slot: u64,
    /// The label of the card.
    pub token_label: Box<str>,
    /// The label of the certificate.
    pub label: Box<str>,
    /// The identifier of the certificate.
    pub id: Box<[u8]>,
    /// Whose it is, where it tells.
    pub principal_name: Option<Box<str>>,
}

impl fmt::Display for FoundCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} with the id ",
            self.label.chars().take(64).collect::<String>()
        )?;
        for octet in self.id.iter().take(32) {
            write!(f, "{octet:02x}")?;
        }
        write!(
            f,
            " on the card {:?} in slot {}",
            self.token_label, self.slot
        )?;
        match &self.principal_name {
            Some(name) => write!(f, ", of {}", name.escape_debug()),
            None => Ok(()),
        }
    }
}

/// What was chosen, and the session in which it was found.
pub(super) struct Chosen {
    pub(super) slot: Slot,
    pub(super) session: Session,
    pub(super) id: Box<[u8]>,
    pub(super) certificate: CertificateDer<'static>,
    /// The others of the card.
    pub(super) others: Vec<CertificateDer<'static>>,
}

/// The most certificates that are read of one card.
const MAX_CERTIFICATES: usize = 64;

impl CardChoice {
    /// The one certificate that fits, of all cards.
    pub(super) fn find(&self, module: &Pkcs11) -> Result<Chosen, CardError> {
        let mut slots = module.get_slots_with_initialized_token()?;
        if let Some(wanted) = self.slot {
            slots.retain(|slot| slot.id() == wanted);
        }
        let mut cards = 0_usize;
        let mut unreadable = None;
        let mut found = Vec::new();
        let mut chosen = None;
        for slot in slots {
            let token_label = match module.get_token_info(slot) {
                Ok(info) => info.label().to_owned(),
                // Another slot may hold the right one.
                Err(error) => {
                    unreadable = Some(error);
                    continue;
                }
            };
            let wanted = self.token_label.as_deref();
            if wanted.is_some_and(|wanted| wanted != token_label) {
                continue;
            }
            cards = cards.saturating_add(1);
            let session = module.open_ro_session(slot)?;
            let certificates = certificates(&session)?;
            let mut fitting = None;
            for (index, (label, id, der)) in certificates.iter().enumerate() {
                if self.fits(label, id, der) {
                    fitting = Some(index);
                    found.push(FoundCertificate {
                        slot: slot.id(),
                        token_label: token_label.as_str().into(),
                        label: label.as_str().into(),
                        id: id.clone(),
                        principal_name: pkinit::principal_name(der).map(Into::into),
                    });
                }
            }
            if let Some(fitting) = fitting {
                chosen = Some((slot, session, certificates, fitting));
            }
        }
        if cards == 0 {
            return Err(unreadable.map_or(CardError::NoCard, CardError::from));
        }
        if found.len() > 1 {
            return Err(CardError::Ambiguous(found));
        }
        let (slot, session, mut certificates, fitting) = chosen.ok_or(CardError::NoCertificate)?;
        let (_, id, certificate) = certificates.swap_remove(fitting);
        let others = certificates.into_iter().map(|(_, _, der)| der).collect();
        Ok(Chosen {
            slot,
            session,
            id,
            certificate,
            others,
        })
    }

    fn fits(&self, label: &str, id: &[u8], der: &[u8]) -> bool {
        let by_label = self.certificate_label.as_deref();
        let by_id = self.certificate_id.as_deref();
        match (by_label, by_id) {
            (None, None) => is_for_logons(der),
            _ => {
                by_label.is_none_or(|wanted| wanted == label)
                    && by_id.is_none_or(|wanted| wanted == id)
            }
        }
    }
}

type Found = (String, Box<[u8]>, CertificateDer<'static>);

/// Labels, identifiers and certificates.
fn certificates(session: &Session) -> Result<Vec<Found>, CardError> {
    let template = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::CertificateType(CertificateType::X_509),
    ];
    let asked = [
        AttributeType::Label,
        AttributeType::Id,
        AttributeType::Value,
    ];
    let mut found = Vec::new();
    for object in session
        .find_objects(&template)?
        .into_iter()
        .take(MAX_CERTIFICATES)
    {
        let (mut label, mut id, mut der) = (Vec::new(), Vec::new(), Vec::new());
        for attribute in session.get_attributes(object, &asked)? {
            match attribute {
                Attribute::Label(value) => label = value,
                Attribute::Id(value) => id = value,
                Attribute::Value(value) => der = value,
                _ => {}
            }
        }
        if !der.is_empty() {
            let label = String::from_utf8_lossy(&label).into_owned();
            found.push((label, id.into(), der.into()));
        }
    }
    Ok(found)
}
