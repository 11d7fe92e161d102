//! Kerberos' cryptography and tokens, held against the `krb5` crate: what either makes, the other takes.

#![cfg(feature = "kerberos")]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use bytes::BytesMut;
use credssp::environment::SystemRandom;
use credssp::gss::SecurityContext;
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use credssp::kerberos::{ContextParameters, End, KerberosContext};
use krb5::token::{ContextKey, PerMessageTokens, Role};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use EncryptionType::{Aes128Sha1, Aes128Sha2, Aes256Sha1, Aes256Sha2};

const ENCRYPTION_TYPES: [EncryptionType; 4] = [Aes128Sha1, Aes256Sha1, Aes128Sha2, Aes256Sha2];

/// A key as either has it, and how a context uses it.
#[derive(Debug)]
struct Key {
    ours: EncryptionKey,
    theirs: krb5::Key,
    ours_initiates: bool,
    acceptor_subkey: bool,
}

/// Our end of a context, and theirs.
fn pair(key: &Key, sequence: u32) -> (KerberosContext, PerMessageTokens<ContextKey>) {
    let (end, role) = if key.ours_initiates {
        (End::Initiator, Role::Acceptor)
    } else {
        (End::Acceptor, Role::Initiator)
    };
    let parameters = ContextParameters::new(end, &key.ours)
        .with_acceptor_subkey(key.acceptor_subkey)
        .with_sequences(sequence, sequence);
    let theirs = ContextKey::new(key.theirs.enctype(), key.theirs.bytes()).unwrap();
    (
        KerberosContext::new(&parameters),
        PerMessageTokens::new(theirs, role, key.acceptor_subkey),
    )
}

fn key() -> impl Strategy<Value = Key> {
    let parts = (
        select(&ENCRYPTION_TYPES[..]),
        any::<[u8; 32]>(),
        any::<bool>(),
        any::<bool>(),
    );
    parts.prop_map(
        |(encryption_type, octets, ours_initiates, acceptor_subkey)| {
            let octets = octets.split_at(encryption_type.key_len()).0;
            Key {
                ours: EncryptionKey::new(encryption_type, octets).unwrap(),
                theirs: krb5::Key::new(encryption_type.number(), octets.to_vec()).unwrap(),
                ours_initiates,
                acceptor_subkey,
            }
        },
    )
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

/// Zero, what SSPI sends, and all the others.
fn rotation() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(28), 0..300_u16, any::<u16>()]
}

proptest! {
    #[test]
    fn their_sealed_messages_open_whatever_the_rotation_and_filler(
        key in key(),
        sequence: u32,
        message in message(),
        filler in 0..40_u16,
        rotation in rotation(),
    ) {
        let (mut ours, theirs) = pair(&key, sequence);
        let token = theirs.emit_wrap_full(sequence.into(), &message, filler, rotation, None);
        let mut token = token.unwrap();
        prop_assert_eq!(ours.unwrap_in_place(&mut token).unwrap(), &message);
    }

    #[test]
    fn their_signed_messages_verify_whatever_the_rotation(
        key in key(),
        sequence: u32,
        message in message(),
        rotation in rotation(),
    ) {
        let (mut ours, theirs) = pair(&key, sequence);
        let mut token = theirs.emit_wrap_unsealed(sequence.into(), &message, rotation).unwrap();
        let unwrapped = ours.unwrap_with_conf_state(&mut token).unwrap();
        prop_assert_eq!((&*unwrapped.message, unwrapped.conf_state), (&*message, false));
    }

    #[test]
    fn our_sealed_messages_open_there(key in key(), sequence: u32, message in message()) {
        let (mut ours, theirs) = pair(&key, sequence);
        let mut token = BytesMut::from(&*message);
        ours.wrap_in_place(&mut token).unwrap();
        let unwrapped = theirs.unwrap(&token).unwrap();
        prop_assert_eq!((unwrapped.message, unwrapped.seq), (message, sequence.into()));
    }

    #[test]
    fn mics_verify_both_ways(key in key(), sequence: u32, message in message()) {
        let (mut ours, theirs) = pair(&key, sequence);
        let mic = theirs.emit_mic(sequence.into(), &message).unwrap();
        ours.verify_mic(&message, &mic).unwrap();

        let mut mic = Vec::new();
        ours.get_mic(&message, &mut mic).unwrap();
        let verified = theirs.verify_mic(&mic, &message).unwrap();
        prop_assert_eq!(verified.seq, u64::from(sequence));
    }

    #[test]
    fn ciphertexts_and_checksums_are_theirs_for_any_usage(
        key in key(),
        usage: u32,
        message in message(),
    ) {
        let our_usage = KeyUsage::from_number(usage);
        let protection = key.ours.protection_key(our_usage);
        let ciphertext = protection.encrypt(&SystemRandom::default(), &message).unwrap();
        prop_assert_eq!(key.theirs.decrypt(usage, &ciphertext).unwrap(), &*message);

        let mut ciphertext = key.theirs.encrypt(usage, &message).unwrap();
        prop_assert_eq!(protection.decrypt_in_place(&mut ciphertext).unwrap(), &message);

        let checksum = key.ours.checksum_key(our_usage).checksum(&[&message]);
        prop_assert_eq!(checksum.as_ref(), key.theirs.checksum(usage, &message).unwrap());
        prop_assert_eq!(key.ours.encryption_type().checksum_type(), key.theirs.checksum_type());
    }
}

#[test]
fn passwords_become_the_same_keys() {
    for encryption_type in ENCRYPTION_TYPES {
        for (password, salt, iterations) in [
            ("", &b""[..], None),
            ("pässwörd \u{1d11e}", b"\x80\0salt", Some(40_000_u32)),
        ] {
            let parameters = iterations.map(u32::to_be_bytes);
            let ours = EncryptionKey::string_to_key(
                encryption_type,
                password,
                salt,
                parameters.as_ref().map(|octets| &octets[..]),
            );
            let theirs =
                krb5::Key::from_password(encryption_type.number(), password, salt, parameters);
            assert_eq!(ours.unwrap().expose(), theirs.unwrap().bytes());
        }
    }
}
