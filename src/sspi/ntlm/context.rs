use std::mem;

use ::sspi::{EncryptionFlags, SecurityBufferFlags, SecurityBufferRef, Sspi};
use bytes::BytesMut;
use zeroize::Zeroizing;

use super::super::failed;
use crate::error::{AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind, OtherError};
use crate::gss::SecurityContext;
use crate::mechanism::Mechanism;

/// NTLMSSP_MESSAGE_SIGNATURE (MS-NLMP, section 2.2.2.9).
const SIGNATURE_LEN: usize = 16;

/// The octets of the keystream that a signature takes.
const CHECKSUM_LEN: usize = 8;

/// An established context. The crate numbers the messages itself, and keeps the keystreams.
pub(super) struct NtlmContext {
    ntlm: ::sspi::Ntlm,
    /// A `mechListMIC` has been signed, whose number the crate has not counted yet.
    owes_number: bool,
}

impl NtlmContext {
    pub(super) fn new(ntlm: ::sspi::Ntlm) -> Self {
        Self {
            ntlm,
            owes_number: false,
        }
    }

    /// Seals and signs as the message after a `mechListMIC`.
    ///
    /// MS-SPNG, section 3.1.5.1 has that MIC take a number, but no keystream. The crate counts only where it takes some: so a
    /// copy seals, while the context itself passes over as much keystream with a message of the right length, and signs.
    fn seal_second(&mut self, signature: &mut [u8], data: &mut [u8]) -> Result<(), Error> {
        let passed_over = data
            .len()
            .checked_sub(CHECKSUM_LEN)
            .ok_or_else(unnumbered)?;
        let mut plaintext = Zeroizing::new(data.to_vec());
        encrypt(&mut self.ntlm.clone(), signature, sealed(data))?;
        encrypt(&mut self.ntlm, signature, sealed(&mut vec![0; passed_over]))?;
        encrypt(&mut self.ntlm, signature, signed(&mut plaintext))
    }

    /// Lets the crate count a message of the peer that it is not shown: one with an impossible number moves no keystream.
    fn count_received(&mut self) {
        let mut impossible = [0xff; SIGNATURE_LEN];
        let _refused = decrypt(&mut self.ntlm, &mut impossible, sealed(&mut []));
    }
}

impl SecurityContext for NtlmContext {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn wrap_overhead(&self) -> usize {
        SIGNATURE_LEN
    }

    fn wrap_in_place(&mut self, message: &mut BytesMut) -> Result<(), Error> {
        let length = message.len();
        message.resize(length.saturating_add(SIGNATURE_LEN), 0);
        message.copy_within(..length, SIGNATURE_LEN);
        let Some((signature, data)) = message.split_first_chunk_mut::<SIGNATURE_LEN>() else {
            return Ok(());
        };
        if mem::take(&mut self.owes_number) {
            self.seal_second(signature, data)
        } else {
            encrypt(&mut self.ntlm, signature, sealed(data))
        }
    }

    fn unwrap_in_place<'a>(&mut self, token: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let (signature, data) = token
            .split_first_chunk_mut::<SIGNATURE_LEN>()
            .ok_or_else(truncated)?;
        decrypt(&mut self.ntlm, signature, sealed(data))?;
        Ok(data)
    }

    fn get_mic(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if self.owes_number {
            return Err(unnumbered());
        }
        let mut signature = [0; SIGNATURE_LEN];
        encrypt(
            &mut self.ntlm,
            &mut signature,
            signed(&mut message.to_vec()),
        )?;
        out.extend_from_slice(&signature);
        Ok(())
    }

    fn verify_mic(&mut self, message: &[u8], mic: &[u8]) -> Result<(), Error> {
        let mut signature: [u8; SIGNATURE_LEN] = mic.try_into().map_err(|_| truncated())?;
        decrypt(
            &mut self.ntlm,
            &mut signature,
            signed(&mut message.to_vec()),
        )
    }

    fn get_mech_list_mic(&mut self, mech_types: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut copy = Self::new(self.ntlm.clone());
        self.owes_number = true;
        copy.get_mic(mech_types, out)
    }

    fn verify_mech_list_mic(&mut self, mech_types: &[u8], mic: &[u8]) -> Result<(), Error> {
        let mut copy = Self::new(self.ntlm.clone());
        self.count_received();
        copy.verify_mic(mech_types, mic)
    }

    fn requires_mech_list_mic(&self) -> bool {
        // The crate's AUTHENTICATE_MESSAGE has a MIC, and one that it accepts has to have one.
        true
    }

    fn skip_mech_list_mic(&mut self) -> Result<(), Error> {
        self.count_received();
        Ok(())
    }
}

/// Data that is encrypted and signed.
fn sealed(data: &mut [u8]) -> SecurityBufferRef<'_> {
    SecurityBufferRef::data_buf(data)
}

/// Data that is signed only.
fn signed(data: &mut [u8]) -> SecurityBufferRef<'_> {
    SecurityBufferRef::data_buf(data).with_flags(SecurityBufferFlags::SECBUFFER_READONLY)
}

fn encrypt(
    ntlm: &mut ::sspi::Ntlm,
    signature: &mut [u8],
    data: SecurityBufferRef<'_>,
) -> Result<(), Error> {
    let buffers = &mut [SecurityBufferRef::token_buf(signature), data];
    ntlm.encrypt_message(EncryptionFlags::empty(), buffers)
        .map_err(|error| failed(&error))?;
    Ok(())
}

fn decrypt(
    ntlm: &mut ::sspi::Ntlm,
    signature: &mut [u8],
    data: SecurityBufferRef<'_>,
) -> Result<(), Error> {
    let buffers = &mut [SecurityBufferRef::token_buf(signature), data];
    ntlm.decrypt_message(buffers)
        .map_err(|_| Error::AuthenticationFailed {
            mechanism: Mechanism::Ntlm,
            reason: AuthenticationFailure::WrongSignature,
        })?;
    Ok(())
}

fn unnumbered() -> Error {
    let text =
        "with the sspi crate, a sealed message of 8 octets or more has to follow a mechListMIC";
    OtherError::new(text).into()
}

fn truncated() -> Error {
    let name = "NTLMSSP_MESSAGE_SIGNATURE";
    InvalidMessage::new(name, 0, InvalidMessageKind::Truncated).into()
}
