//! Values that are erased after use and never shown.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A secret, erased on drop.
///
/// There is no `Deref`, `Display`, `PartialEq`, `Clone` or serialization: each reading of the value says so with
/// [`Self::expose()`], which makes every reading searchable. `Debug` prints `Secret(..)`.
///
/// ```
/// let password = credssp::Secret::<str>::from("correct horse");
/// assert_eq!(format!("{password:?}"), "Secret(..)");
/// assert_eq!(password.expose(), "correct horse");
/// ```
pub struct Secret<T: Zeroize + ?Sized>(Box<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes charge of `value`.
    ///
    /// The value moves to the heap; where a copy of it stays behind on the stack is up to the compiler, so keep the
    /// expression that makes it short.
    pub fn new(value: T) -> Self {
        Self(Box::new(value))
    }
}

impl<T: Zeroize + ?Sized> Secret<T> {
    /// Reads the value.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Reads or changes the value.
    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + AsRef<[u8]> + ?Sized> Secret<T> {
    /// Compares in a time that depends on the lengths alone.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.expose().as_ref().ct_eq(other).into()
    }
}

impl From<&str> for Secret<str> {
    fn from(value: &str) -> Self {
        Self(value.into())
    }
}

impl From<String> for Secret<str> {
    /// Moves the text in; spare capacity that a shrink would leave behind is erased.
    fn from(mut value: String) -> Self {
        let exact = value.as_str().into();
        value.zeroize();
        Self(exact)
    }
}

impl From<&[u8]> for Secret<[u8]> {
    fn from(value: &[u8]) -> Self {
        Self(value.into())
    }
}

impl From<Vec<u8>> for Secret<[u8]> {
    /// Moves the bytes in; spare capacity that a shrink would leave behind is erased.
    fn from(mut value: Vec<u8>) -> Self {
        let exact = value.as_slice().into();
        value.zeroize();
        Self(exact)
    }
}

impl<T: Zeroize + ?Sized> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

impl<T: Zeroize + ?Sized> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
