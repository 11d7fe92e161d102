//! AES in CBC mode with ciphertext stealing and an initial vector of zeros, in place (RFC 3962, section 5).

use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
    KeyInit,
};
use aes::{Aes128, Aes256};
use zeroize::Zeroizing;

use super::{CryptoError, EncryptionType};

/// The length of a block, in octets.
pub(super) const BLOCK_LEN: usize = 16;

/// AES under a key of either length, expanded.
pub(super) enum Aes {
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
}

impl Aes {
    /// Under a key of `encryption_type`, or under one that was derived from such a key.
    pub(super) fn new(encryption_type: EncryptionType, key: &[u8; 32]) -> Self {
        let [short, _] = key.as_chunks::<BLOCK_LEN>().0 else {
            return Self::Aes256(Box::new(Aes256::new(key.into())));
        };
        if encryption_type.key_len() == BLOCK_LEN {
            Self::Aes128(Box::new(Aes128::new(short.into())))
        } else {
            Self::Aes256(Box::new(Aes256::new(key.into())))
        }
    }

    /// One block by itself.
    pub(super) fn encrypt_block(&self, block: &mut [u8; BLOCK_LEN]) {
        match self {
            Self::Aes128(aes) => aes.encrypt_block(block.into()),
            Self::Aes256(aes) => aes.encrypt_block(block.into()),
        }
    }

    /// Encrypts `data`, which is one block or longer.
    pub(super) fn encrypt(&self, data: &mut [u8]) -> Result<(), CryptoError> {
        match self {
            Self::Aes128(aes) => encrypt(&**aes, data),
            Self::Aes256(aes) => encrypt(&**aes, data),
        }
    }

    /// Decrypts `data`, which is one block or longer.
    pub(super) fn decrypt(&self, data: &mut [u8]) -> Result<(), CryptoError> {
        match self {
            Self::Aes128(aes) => decrypt(&**aes, data),
            Self::Aes256(aes) => decrypt(&**aes, data),
        }
    }
}

fn encrypt(
    aes: &impl BlockCipherEncrypt<BlockSize = U16>,
    data: &mut [u8],
) -> Result<(), CryptoError> {
    let (blocks, stolen) = split(data)?;
    let mut cbc = cbc::Encryptor::inner_iv_init(aes, &Array::default());
    cbc.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    if let Some(last) = blocks.last_mut().filter(|_| !stolen.is_empty()) {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        if let Some(start) = block.get_mut(..stolen.len()) {
            start.copy_from_slice(stolen);
        }
        cbc.encrypt_block((&mut *block).into());
        // The last two blocks change places, and the shorter one goes to the end.
        for (to, from) in stolen.iter_mut().zip(*last) {
            *to = from;
        }
        *last = *block;
    }
    Ok(())
}

fn decrypt(
    aes: &impl BlockCipherDecrypt<BlockSize = U16>,
    data: &mut [u8],
) -> Result<(), CryptoError> {
    let (blocks, stolen) = split(data)?;
    if let Some(last) = blocks.last_mut().filter(|_| !stolen.is_empty()) {
        // Decrypted by itself, the last whole block is the short one, filled up with zeros, XOR the block before it in
        // the order of encryption. Of that block the end holds all but the octets that met the zeros.
        let mut block = Zeroizing::new(*last);
        aes.decrypt_block((&mut *block).into());
        *last = *block;
        for ((plain, stolen), last) in block.iter_mut().zip(stolen).zip(last) {
            *plain ^= *stolen;
            (*stolen, *last) = (*plain, *stolen);
        }
    }
    let mut cbc = cbc::Decryptor::inner_iv_init(aes, &Array::default());
    cbc.decrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    Ok(())
}

/// Whole blocks, and the last one, whole or not, by itself; nothing of the latter where there is one block in all.
///
/// A single block is encrypted as it is; of two and more the last two change places even where the last one is whole
/// (RFC 3962, section 5).
fn split(data: &mut [u8]) -> Result<(&mut [[u8; BLOCK_LEN]], &mut [u8]), CryptoError> {
    let whole = match data.len() {
        ..BLOCK_LEN => return Err(CryptoError::Truncated),
        BLOCK_LEN => BLOCK_LEN,
        length => length.saturating_sub(1) / BLOCK_LEN * BLOCK_LEN,
    };
    let (blocks, stolen) = data
        .split_at_mut_checked(whole)
        .ok_or(CryptoError::Truncated)?;
    Ok((blocks.as_chunks_mut().0, stolen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex::hex;

    /// RFC 3962, appendix B, with an initial vector of zeros.
    #[test]
    fn encrypts_as_rfc_3962_prints_it() {
        const PLAINTEXT: &[u8; 64] =
            b"I would like the General Gau's Chicken, please, and wonton soup.";
        let mut key = [0; 32];
        key[..16].copy_from_slice(b"chicken teriyaki");
        let aes = Aes::new(EncryptionType::Aes128Sha1, &key);
        for ciphertext in [
            "c6353568f2bf8cb4d8a580362da7ff7f 97",
            "fc00783e0efdb2c1d445d4c8eff7ed22 97687268d6ecccc0c07b25e25ecfe5",
            "39312523a78662d5be7fcbcc98ebf5a8 97687268d6ecccc0c07b25e25ecfe584",
            "97687268d6ecccc0c07b25e25ecfe584 b3fffd940c16a18c1b5549d2f838029e
             39312523a78662d5be7fcbcc98ebf5",
            "97687268d6ecccc0c07b25e25ecfe584 9dad8bbb96c4cdc03bc103e1a194bbd8
             39312523a78662d5be7fcbcc98ebf5a8",
            "97687268d6ecccc0c07b25e25ecfe584 39312523a78662d5be7fcbcc98ebf5a8
             4807efe836ee89a526730dbc2f7bc840 9dad8bbb96c4cdc03bc103e1a194bbd8",
        ] {
            let ciphertext = hex(ciphertext);
            let plaintext = &PLAINTEXT[..ciphertext.len()];
            let mut data = plaintext.to_vec();
            aes.encrypt(&mut data).unwrap();
            assert_eq!(data, ciphertext);
            aes.decrypt(&mut data).unwrap();
            assert_eq!(data, plaintext);
        }
    }

    #[test]
    fn one_block_is_encrypted_by_itself() {
        for encryption_type in [EncryptionType::Aes128Sha1, EncryptionType::Aes256Sha1] {
            let aes = Aes::new(encryption_type, &[3; 32]);
            let mut alone = [5; BLOCK_LEN];
            aes.encrypt_block(&mut alone);
            let mut data = [5; BLOCK_LEN];
            aes.encrypt(&mut data).unwrap();
            assert_eq!(data, alone);
            aes.decrypt(&mut data).unwrap();
            assert_eq!(data, [5; BLOCK_LEN]);
        }
    }

    #[test]
    fn less_than_a_block_is_refused() {
        let aes = Aes::new(EncryptionType::Aes256Sha1, &[3; 32]);
        for length in 0..BLOCK_LEN {
            let mut data = vec![0; length];
            assert_eq!(aes.encrypt(&mut data), Err(CryptoError::Truncated));
            assert_eq!(aes.decrypt(&mut data), Err(CryptoError::Truncated));
        }
    }
}
