//! Smart cards, and whatever else signs through a module of PKCS #11: for logons by certificate
//! ([`kerberos::pkinit`](crate::kerberos::pkinit)).
//!
//! ```no_run
//! # use std::sync::Arc;
//! use credssp::Secret;
//! use credssp::stream::pkcs11::{Card, CardChoice, Module};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = Module::load("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")?;
//! let pin = Secret::<str>::from("1234");
//! // The only certificate that is there for logons, or an error that names them all.
//! let card = Arc::new(Card::open(&module, &CardChoice::default(), &pin)?);
//! let credentials = card.credentials(None, pin).ok_or("whose certificate is it?")?;
//! # drop(credentials);
//! # Ok(())
//! # }
//! ```

mod card;
mod choice;
mod error;

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::RvError;

pub use card::Card;
pub use choice::{CardChoice, FoundCertificate};
pub use error::{CardError, PinTries};

/// A module of PKCS #11, loaded into this process.
///
/// It runs with all that the process may do: load only what the card's maker or the operating system has installed.
#[derive(Clone, Debug)]
pub struct Module(Pkcs11);

impl Module {
    /// Loads one. One that the program has loaded and initialized already will do.
    ///
    /// # Errors
    /// Where it is none, or does not start.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CardError> {
        let path = path.as_ref();
        let failed = |error: cryptoki::error::Error| CardError::Module {
            path: path.into(),
            reason: error.to_string().into(),
        };
        let module = Pkcs11::new(path).map_err(failed)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(())
            | Err(cryptoki::error::Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {
                Ok(Self(module))
            }
            Err(error) => Err(failed(error)),
        }
    }
}
