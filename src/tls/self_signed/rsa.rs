//! Makes an RSA key, which ring cannot.

use std::num::NonZeroU32;

use crypto_bigint::{Encoding, NonZero, U1024, U2048, Uint};
use crypto_primes::hazmat::SmallFactorsSieve;
use crypto_primes::{Flavor, is_prime};
use zeroize::Zeroizing;

use crate::codec::der::{self, INTEGER, OCTET_STRING, SEQUENCE};
use crate::environment::Random;
use crate::error::{Error, OtherError};

const PUBLIC_EXPONENT: u64 = 65_537;

/// `AlgorithmIdentifier { rsaEncryption, NULL }` (RFC 8017, appendix A.1).
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// A new key of 2048 bits, in PKCS #8.
pub(super) fn generate(random: &dyn Random) -> Result<Vec<u8>, Error> {
    let (first, second) = (prime(random)?, prime(random)?);
    let (p, q) = if first > second {
        (first, second)
    } else {
        (second, first)
    };
    private_key(p, q).ok_or_else(|| OtherError::new("the random source repeats itself").into())
}

/// A random prime of 1024 bits, of which the two highest are set, so that two of them make 2048 bits.
fn prime(random: &dyn Random) -> Result<U1024, Error> {
    const BITS: NonZeroU32 = NonZeroU32::new(1024).unwrap();
    loop {
        let mut start = Zeroizing::new([0; 128]);
        random.fill(&mut *start)?;
        if let Some(highest) = start.first_mut() {
            *highest |= 0xc0;
        }
        // The sieve walks upwards; where it runs out of 1024 bits, another start will do.
        let sieve = SmallFactorsSieve::new(U1024::from_be_slice(&*start), BITS, false)
            .map_err(|error| OtherError::new(error.to_string()))?;
        let exponent = NonZero::<U1024>::new(U1024::from_u64(PUBLIC_EXPONENT)).into_option();
        for candidate in sieve {
            // p - 1 must share no factor with the public exponent, which is a prime itself.
            let shares = exponent.is_none_or(|exponent| {
                candidate.wrapping_sub(&U1024::ONE).rem(&exponent) == U1024::ZERO
            });
            if !shares && is_prime(Flavor::Any, &candidate) {
                return Ok(candidate);
            }
        }
    }
}

/// `PrivateKeyInfo` around `RSAPrivateKey` (RFC 5208, section 5; RFC 8017, appendix A.1.2), or `None` where `p` and
/// `q` do not make a key.
fn private_key(p: U1024, q: U1024) -> Option<Vec<u8>> {
    let e = U2048::from_u64(PUBLIC_EXPONENT);
    let n: U2048 = p.concatenating_mul(&q);
    let (p1, q1) = (p.wrapping_sub(&U1024::ONE), q.wrapping_sub(&U1024::ONE));
    let phi: U2048 = p1.concatenating_mul(&q1);
    let d = e
        .invert_mod(&NonZero::new(phi).into_option()?)
        .into_option()?;
    let reduce = |modulus: U1024| -> Option<U1024> {
        let modulus = NonZero::new(modulus.resize::<{ U2048::LIMBS }>()).into_option()?;
        Some(d.rem(&modulus).resize())
    };
    let q_inverse = q
        .invert_mod(&NonZero::new(p).into_option()?)
        .into_option()?;

    let mut fields = Zeroizing::new(Vec::with_capacity(2048));
    put_integer(&mut fields, &U1024::ZERO);
    put_integer(&mut fields, &n);
    put_integer(&mut fields, &e);
    put_integer(&mut fields, &d);
    for factor in [p, q, reduce(p1)?, reduce(q1)?, q_inverse] {
        put_integer(&mut fields, &factor);
    }

    let key = der::value_len(fields.len());
    let info = [3, RSA_ENCRYPTION.len(), der::value_len(key)]
        .into_iter()
        .sum();
    let mut out = Vec::with_capacity(der::value_len(info));
    der::put_header(&mut out, SEQUENCE, info);
    out.extend_from_slice(b"\x02\x01\x00");
    out.extend_from_slice(RSA_ENCRYPTION);
    der::put_header(&mut out, OCTET_STRING, key);
    der::put_header(&mut out, SEQUENCE, fields.len());
    out.extend_from_slice(&fields);
    Some(out)
}

/// Appends a non-negative INTEGER in its shortest form.
fn put_integer<const LIMBS: usize>(out: &mut Vec<u8>, value: &Uint<LIMBS>)
where
    Uint<LIMBS>: Encoding,
{
    let bytes = Encoding::to_be_bytes(value);
    let digits = bytes.as_ref();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(zeros..).unwrap_or_default();
    let sign = digits.first().is_none_or(|digit| *digit >= 0x80);
    der::put_header(out, INTEGER, digits.len().saturating_add(usize::from(sign)));
    if sign {
        out.push(0);
    }
    out.extend_from_slice(digits);
}
