use std::fmt;
use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

use super::FoundCertificate;
use crate::error::SignError;

/// Why there is no [`Card`](super::Card).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The module cannot be loaded.
    #[error(
        "{} cannot be used as a module of PKCS #11: {reason}: name the one that the card's maker or OpenSC has installed",
        .path.display()
    )]
    Module {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader or the module says.
        reason: Box<str>,
    },
    /// No slot holds a card, or none that was chosen.
    #[error(
        "no slot holds a card that was chosen: put it into the reader, and see that its service runs (pcscd); \
         `pkcs11-tool -L` lists the slots and what is in them"
    )]
    NoCard,
    /// No certificate was chosen, or none is for logons.
    #[error(
        "the card has no certificate that was chosen, or none for logons: `pkcs11-tool -O --type cert` lists them; one for \
         logons names a user and is for smart card logon or PKINIT"
    )]
    NoCertificate,
    /// More than one certificate fits the choice.
    #[error("{} certificates fit: choose one by its label or id: {}", .0.len(), listed(.0))]
    Ambiguous(Vec<FoundCertificate>),
    /// The certificate's private key is not on the card.
    #[error(
        "the card has the certificate but not its private key, as far as this PIN goes: choose another certificate, or another \
         card"
    )]
    NoKey,
    /// A key of another kind.
    #[error(
        "the certificate's key is neither RSA nor ECDSA over P-256 or P-384: choose another one"
    )]
    UnsupportedKey,
    /// The PIN is wrong. It is not tried again.
    #[error("the PIN is wrong: {0}")]
    WrongPin(PinTries),
    /// The PIN is locked.
    #[error("the PIN is locked after too many wrong ones: unlock the card with its PUK")]
    PinLocked,
    /// The PIN is of a length that the card does not take, or has to be changed first.
    #[error(
        "the card takes no such PIN: see how long it is to be, and whether it has to be changed first"
    )]
    UnfitPin,
    /// Somebody else in this program is logged in to the card, so that the PIN would not be looked at.
    #[error("this program is logged in to the card already: share the Card, or drop it first")]
    InUse,
    /// The card was pulled out, or its reader is gone.
    #[error("the card is gone: put it back, and begin anew")]
    Removed,
    /// Anything else that the module says.
    #[error("the module of PKCS #11 says: {0}")]
    Other(Box<str>),
}

fn listed(found: &[FoundCertificate]) -> String {
    let listed: Vec<_> = found.iter().map(ToString::to_string).collect();
    listed.join("; ")
}

/// What is known of a PIN's tries after a wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinTries {
    /// Nothing.
    Unknown,
    /// There was a wrong one since the last right one.
    Fewer,
    /// One more is left.
    One,
    /// None is left.
    None,
}

impl fmt::Display for PinTries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "it was tried once, and cards take three tries as a rule",
            Self::Fewer => {
                "it was tried once, and the card counts: fewer tries are left than before"
            }
            Self::One => "one more wrong PIN locks the card",
            Self::None => "the card is locked now, and its PUK unlocks it",
        })
    }
}

/// What the card is gone by, as modules say it.
fn is_removal(error: &RvError) -> bool {
    matches!(
        error,
        RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::SlotIdInvalid
    )
}

impl From<Error> for CardError {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, _) if is_removal(&code) => Self::Removed,
            Error::Pkcs11(RvError::PinLocked, _) => Self::PinLocked,
            Error::Pkcs11(RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired, _) => {
                Self::UnfitPin
            }
            Error::Pkcs11(
                RvError::UserAlreadyLoggedIn | RvError::UserAnotherAlreadyLoggedIn,
                _,
            ) => Self::InUse,
            error => Self::Other(error.to_string().into()),
        }
    }
}

/// What a failed signature means.
pub(super) fn of_signature(error: Error) -> SignError {
    match error {
        Error::Pkcs11(code, _) if is_removal(&code) => SignError::Removed,
        // The key was there when the card was opened.
        Error::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _) => {
            SignError::Removed
        }
        Error::Pkcs11(RvError::UserNotLoggedIn, _) => SignError::NotLoggedIn,
        Error::Pkcs11(
            RvError::MechanismInvalid
            | RvError::KeyTypeInconsistent
            | RvError::KeyFunctionNotPermitted,
            _,
        ) => SignError::UnsupportedScheme,
        error => SignError::Other(error.to_string().into()),
    }
}
