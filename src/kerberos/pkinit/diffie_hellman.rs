//! Diffie-Hellman in two groups of RFC 3526, in a time that does not depend on secrets.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U512, U2048, U4096, Uint};
use zeroize::Zeroizing;

use super::{encoding, oid};
use crate::codec::der::{INTEGER, OBJECT_IDENTIFIER, Reader, SEQUENCE};
use crate::environment::{GetRandomFailed, Random};
use crate::error::{Error, InvalidMessage, PkinitError};
use crate::secret::Secret;

/// A group for Diffie-Hellman (RFC 3526).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DhGroup {
    /// Group 14, of 2048 bits (section 3).
    Group14,
    /// Group 16, of 4096 bits (section 5).
    Group16,
}

/// The prime of group 14.
const GROUP_14: Odd<U2048> = Odd::<U2048>::from_be_hex(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
     ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
     ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
     83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
     e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aacaa68ffffffffffffffff",
);

/// The prime of group 16.
const GROUP_16: Odd<U4096> = Odd::<U4096>::from_be_hex(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
     ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
     ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
     83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
     e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7\
     abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c\
     bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d7\
     88719a10bdba5b2699c327186af4e23c1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6\
     287c59474e6bc05d99b2964fa090c3a2233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9\
     93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff",
);

/// The octets of a private exponent: 512 bits are more than twice the strength of either group (RFC 3526, section 8).
const EXPONENT_LEN: usize = 64;

impl DhGroup {
    const ALL: [Self; 2] = [Self::Group14, Self::Group16];

    /// The octets of p, and of what is agreed on.
    const fn len(self) -> usize {
        match self {
            Self::Group14 => 256,
            Self::Group16 => 512,
        }
    }

    /// p, in as many octets as it has.
    fn prime(self) -> Vec<u8> {
        match self {
            Self::Group14 => AsRef::<[u8]>::as_ref(&GROUP_14.get().to_be_bytes()).into(),
            Self::Group16 => AsRef::<[u8]>::as_ref(&GROUP_16.get().to_be_bytes()).into(),
        }
    }

    /// DomainParameters (RFC 3279, section 2.3.3) in an AlgorithmIdentifier.
    pub(super) fn algorithm(self) -> Vec<u8> {
        let p = self.prime();
        // p is a safe prime, and 2 generates the subgroup of order q = (p - 1) / 2: p shifted by a bit, since it is odd.
        let q: Vec<u8> = p
            .iter()
            .scan(0, |carry, octet| {
                let shifted = octet >> 1 | *carry << 7;
                *carry = octet & 1;
                Some(shifted)
            })
            .collect();
        let parameters = encoding::sequence(&[
            &encoding::integer(&p),
            &encoding::integer(&[2]),
            &encoding::integer(&q),
        ]);
        encoding::algorithm(oid::DH_PUBLIC_NUMBER, &parameters)
    }

    /// The group of an AlgorithmIdentifier, where it is one of these.
    pub(super) fn of_algorithm(algorithm: Reader<'_>) -> Result<Option<Self>, InvalidMessage> {
        const FIELD: &str = "TD-DH-PARAMETERS";

        let mut fields = algorithm;
        let kind = fields.read(OBJECT_IDENTIFIER, FIELD)?;
        if kind.rest() != oid::DH_PUBLIC_NUMBER {
            return Ok(None);
        }
        let mut parameters = fields.read(SEQUENCE, FIELD)?;
        let p = parameters.read(INTEGER, FIELD)?.rest();
        let g = parameters.read(INTEGER, FIELD)?.rest();
        let p = p.strip_prefix(&[0]).unwrap_or(p);
        Ok(Self::ALL
            .into_iter()
            .find(|group| g == [2] && p == group.prime()))
    }

    /// `base` to the power of `exponent`, modulo p. `base` is below p.
    fn power(self, base: &[u8], exponent: &[u8; EXPONENT_LEN]) -> Secret<[u8]> {
        let exponent = Zeroizing::new(U512::from_be_slice(exponent));
        match self {
            Self::Group14 => power(
                GROUP_14,
                &U2048::from_be_slice_truncated(base, U2048::BITS),
                &exponent,
            ),
            Self::Group16 => power(
                GROUP_16,
                &U4096::from_be_slice_truncated(base, U4096::BITS),
                &exponent,
            ),
        }
    }
}

fn power<const LIMBS: usize>(
    p: Odd<Uint<LIMBS>>,
    base: &Uint<LIMBS>,
    exponent: &U512,
) -> Secret<[u8]> {
    let parameters = FixedMontyParams::new_vartime(p);
    let power = Zeroizing::new(FixedMontyForm::new(base, &parameters).pow(exponent));
    let power = Zeroizing::new(power.retrieve());
    let octets = Zeroizing::new(power.to_be_bytes());
    AsRef::<[u8]>::as_ref(&*octets).into()
}

/// A private exponent, and its public value.
#[derive(Debug)]
pub(super) struct PrivateKey {
    group: DhGroup,
    exponent: Secret<[u8; EXPONENT_LEN]>,
    public: Secret<[u8]>,
}

impl PrivateKey {
    pub(super) fn new(group: DhGroup, random: &dyn Random) -> Result<Self, GetRandomFailed> {
        let mut exponent = Secret::new([0; EXPONENT_LEN]);
        random.fill(exponent.expose_mut())?;
        let public = group.power(&[2], exponent.expose());
        Ok(Self {
            group,
            exponent,
            public,
        })
    }

    pub(super) fn group(&self) -> DhGroup {
        self.group
    }

    /// SubjectPublicKeyInfo (RFC 3279, section 2.3.3).
    pub(super) fn public_key_info(&self) -> Vec<u8> {
        let public = encoding::integer(self.public.expose());
        encoding::sequence(&[
            &self.group.algorithm(),
            &encoding::value(crate::codec::der::BIT_STRING, &[b"\0", &public]),
        ])
    }

    /// The DER of our public value.
    #[cfg(test)]
    pub(super) fn public_value(&self) -> Vec<u8> {
        encoding::integer(self.public.expose())
    }

    /// What both ends agree on, in as many octets as p has; `peer` is the other end's public value, an INTEGER in DER.
    pub(super) fn agree(&self, peer: &[u8]) -> Result<Secret<[u8]>, Error> {
        const FIELD: &str = "KDCDHKeyInfo.subjectPublicKey";

        let mut outer = Reader::new(peer);
        let y = outer.read(INTEGER, FIELD)?.rest();
        outer.finish(FIELD)?;
        let unfit = Err(PkinitError::UnfitPublicValue.into());
        // DER's INTEGER has a sign, and no needless octet.
        let y = match y {
            [0x80..=0xff, ..] | [] => return unfit,
            [0, rest @ ..] if rest.first().is_some_and(|octet| *octet >= 0x80) => rest,
            [0, ..] => return unfit,
            y => y,
        };
        let mut p_minus_1 = self.group.prime();
        if let Some(last) = p_minus_1.last_mut() {
            // p is odd.
            *last &= 0xfe;
        }
        // NIST SP 800-56A, section 5.6.2.3.1: 2 <= y <= p - 2. Public values are no secrets.
        let too_large =
            y.len() > self.group.len() || y.len() == self.group.len() && *y >= *p_minus_1;
        if y == [1] || too_large {
            return unfit;
        }
        Ok(self.group.power(y, self.exponent.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::SystemRandom;

    fn keys(group: DhGroup) -> (PrivateKey, PrivateKey) {
        let random = SystemRandom::default();
        let key = || PrivateKey::new(group, &random).unwrap();
        (key(), key())
    }

    #[test]
    fn both_ends_agree_in_each_group() {
        for group in DhGroup::ALL {
            let (ours, theirs) = keys(group);
            let agreed = ours.agree(&theirs.public_value()).unwrap();
            assert_eq!(agreed.expose().len(), group.len());
            assert!(
                theirs
                    .agree(&ours.public_value())
                    .unwrap()
                    .ct_eq(agreed.expose())
            );
            let (other, _) = keys(group);
            assert!(
                !theirs
                    .agree(&other.public_value())
                    .unwrap()
                    .ct_eq(agreed.expose())
            );
        }
    }

    #[test]
    fn the_groups_are_known_again_by_their_parameters() {
        for group in DhGroup::ALL {
            let algorithm = group.algorithm();
            let inner = Reader::new(&algorithm).read(SEQUENCE, "").unwrap();
            assert_eq!(DhGroup::of_algorithm(inner).unwrap(), Some(group));
        }
        let mut other = DhGroup::Group14.algorithm();
        other[40] ^= 1;
        let inner = Reader::new(&other).read(SEQUENCE, "").unwrap();
        assert_eq!(DhGroup::of_algorithm(inner).unwrap(), None);
    }

    #[test]
    fn public_values_that_give_the_key_away_are_refused() {
        for group in DhGroup::ALL {
            let (key, _) = keys(group);
            let p = group.prime();
            let last = |change: u8| {
                let mut octets = p.clone();
                *octets.last_mut().unwrap() = change;
                encoding::integer(&octets)
            };
            // p ends in 0xff.
            let longer = encoding::integer(&[&[1][..], &p].concat());
            for bad in [
                encoding::integer(&[0]),
                encoding::integer(&[1]),
                last(0xfe),
                last(0xff),
                longer,
                vec![INTEGER, 1, 0xff],
                vec![INTEGER, 2, 0, 2],
                vec![INTEGER, 0],
            ] {
                let error = key.agree(&bad).unwrap_err();
                assert!(matches!(error, Error::Kdc(_)), "{error:?}");
            }
            for good in [encoding::integer(&[2]), last(0xfd)] {
                key.agree(&good).unwrap();
            }
            assert!(key.agree(&[]).is_err() && key.agree(&[2, 1, 2, 0]).is_err());
        }
    }

    /// 2 to the power of 10, by hand.
    #[test]
    fn powers_are_powers() {
        let mut ten = [0; EXPONENT_LEN];
        ten[EXPONENT_LEN - 1] = 10;
        let power = DhGroup::Group14.power(&[2], &ten);
        assert_eq!(power.expose()[..254], [0; 254]);
        assert_eq!(power.expose()[254..], [4, 0]);
    }
}
