//! Messages between two ends.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{Broken, ENCRYPTION_TYPES, key, pair, pair_under};
use crate::error::{ApiMisuse, AuthenticationFailure, Error, InvalidMessageKind, PeerMisbehaved};
use crate::gss::SecurityContext;
use crate::kerberos::crypto::{EncryptionType, KeyUsage};
use crate::kerberos::{ContextParameters, End, KerberosContext};
use crate::mechanism::Mechanism;

pub(super) fn wrap(context: &mut KerberosContext, message: &[u8]) -> Vec<u8> {
    let mut token = BytesMut::from(message);
    context.wrap_in_place(&mut token).unwrap();
    token.to_vec()
}

pub(super) fn mic(context: &mut KerberosContext, message: &[u8]) -> Vec<u8> {
    let mut mic = Vec::new();
    context.get_mic(message, &mut mic).unwrap();
    mic
}

pub(super) fn reason(result: Result<(), Error>) -> AuthenticationFailure {
    match result {
        Err(Error::AuthenticationFailed {
            mechanism: Mechanism::Kerberos,
            reason,
        }) => reason,
        other => panic!("{other:?}"),
    }
}

fn unwrap(context: &mut KerberosContext, token: &[u8]) -> Result<Vec<u8>, Error> {
    let mut token = token.to_vec();
    context
        .unwrap_in_place(&mut token)
        .map(|message| message.to_vec())
}

#[test]
fn messages_of_every_length_come_back_both_ways() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, mut server) = pair(encryption_type);
        assert_eq!(client.mechanism(), Mechanism::Kerberos);
        for length in (0..130).chain([255, 256, 16_384, 65_536, 70_000]) {
            let message: Vec<u8> = (0..=255).cycle().take(length).collect();
            let token = wrap(&mut client, &message);
            assert!(token.len() <= length + client.wrap_overhead());
            assert_eq!(unwrap(&mut server, &token).unwrap(), message);
            let token = wrap(&mut server, &message);
            assert_eq!(unwrap(&mut client, &token).unwrap(), message);
            let signature = mic(&mut client, &message);
            server.verify_mic(&message, &signature).unwrap();
            let signature = mic(&mut server, &message);
            client.verify_mic(&message, &signature).unwrap();
        }
    }
}

#[test]
fn everything_but_the_message_stands_before_the_message() {
    for (encryption_type, overhead) in [
        (EncryptionType::Aes128Sha1, 60),
        (EncryptionType::Aes256Sha1, 60),
        (EncryptionType::Aes128Sha2, 64),
        (EncryptionType::Aes256Sha2, 72),
    ] {
        let (mut client, mut server) = pair(encryption_type);
        assert_eq!(client.wrap_overhead(), overhead);
        let token = wrap(&mut client, &[0; 100]);
        assert_eq!(token.len(), 100 + overhead);
        let rotation = u8::try_from(overhead - 32).unwrap();
        let header = [5, 4, 6, 0xff, 0, 0, 0, rotation, 0, 0, 0, 0, 0, 0, 0, 100];
        assert_eq!(token[..16], header);
        let token = wrap(&mut server, &[0; 100]);
        let header = [5, 4, 7, 0xff, 0, 0, 0, rotation, 0, 0, 0, 0, 0, 0, 0, 200];
        assert_eq!(token[..16], header);
    }
}

#[test]
fn a_buffer_with_room_is_not_moved() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, _) = pair(encryption_type);
        let mut message = BytesMut::with_capacity(100 + client.wrap_overhead());
        message.resize(100, 0);
        let before = message.as_ptr();
        client.wrap_in_place(&mut message).unwrap();
        assert_eq!(message.as_ptr(), before);
    }
}

#[test]
fn nothing_comes_twice_or_out_of_sequence() {
    for &encryption_type in ENCRYPTION_TYPES {
        let (mut client, mut server) = pair(encryption_type);
        let first = wrap(&mut client, b"first");
        let second = mic(&mut client, b"second");
        let third = wrap(&mut client, b"third");
        let wrong = AuthenticationFailure::WrongSignature;
        assert_eq!(reason(unwrap(&mut server, &third).map(drop)), wrong);
        assert_eq!(reason(server.verify_mic(b"second", &second)), wrong);
        assert_eq!(unwrap(&mut server, &first).unwrap(), b"first");
        assert_eq!(reason(unwrap(&mut server, &first).map(drop)), wrong);
        assert_eq!(reason(unwrap(&mut server, &third).map(drop)), wrong);
        server.verify_mic(b"second", &second).unwrap();
        assert_eq!(reason(server.verify_mic(b"second", &second)), wrong);
        assert_eq!(unwrap(&mut server, &third).unwrap(), b"third");
    }
}

#[test]
fn without_sequence_detection_any_number_will_do() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let (mut client, _) = pair_under(&key, false);
        let parameters = ContextParameters::new(End::Acceptor, &key)
            .with_sequences(7, 7)
            .with_sequence_detection(false);
        let mut server = KerberosContext::new(&parameters);
        let first = wrap(&mut client, b"first");
        let second = wrap(&mut client, b"second");
        let third = mic(&mut client, b"third");
        server.verify_mic(b"third", &third).unwrap();
        assert_eq!(unwrap(&mut server, &second).unwrap(), b"second");
        assert_eq!(unwrap(&mut server, &first).unwrap(), b"first");
    }
}

#[test]
fn a_mech_list_mic_may_have_any_number_and_takes_a_turn() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let (mut client, mut server) = pair_under(&key, true);
        // A server that counts from 0 where it signs the list.
        let parameters = ContextParameters::new(End::Acceptor, &key).with_acceptor_subkey(true);
        let mut other = KerberosContext::new(&parameters);
        let mut signature = Vec::new();
        other.get_mech_list_mic(b"list", &mut signature).unwrap();
        assert_eq!(
            reason(client.verify_mech_list_mic(b"lost", &signature)),
            AuthenticationFailure::WrongMechListMic
        );
        client.verify_mech_list_mic(b"list", &signature).unwrap();

        let _its_turn = mic(&mut server, b"list");
        let token = wrap(&mut server, b"message");
        assert_eq!(unwrap(&mut client, &token).unwrap(), b"message");
    }
}

#[test]
fn sequences_that_are_used_up_end_the_context() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let at = |end| {
            let parameters = ContextParameters::new(end, &key).with_sequences(u32::MAX, u32::MAX);
            KerberosContext::new(&parameters)
        };
        let (mut client, mut server) = (at(End::Initiator), at(End::Acceptor));
        let token = wrap(&mut client, b"last");
        assert_eq!(unwrap(&mut server, &token).unwrap(), b"last");
        let next = client.get_mic(b"next", &mut Vec::new());
        if encryption_type.number() == 23 {
            // It has no room for more.
            assert!(matches!(
                next,
                Err(Error::ApiMisuse(ApiMisuse::ContextExhausted))
            ));
        } else {
            next.unwrap();
            let token = wrap(&mut client, b"beyond");
            assert_eq!(token[8..16], (u64::from(u32::MAX) + 2).to_be_bytes());
        }
    }
}

#[test]
fn a_message_that_comes_back_is_refused() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let parameters = |end| ContextParameters::new(end, &key);
        let mut client = KerberosContext::new(&parameters(End::Initiator));
        let wrong = AuthenticationFailure::WrongSignature;
        let token = wrap(&mut client, b"message");
        assert_eq!(reason(unwrap(&mut client, &token).map(drop)), wrong);
        let mut client = KerberosContext::new(&parameters(End::Initiator));
        let signature = mic(&mut client, b"message");
        assert_eq!(reason(client.verify_mic(b"message", &signature)), wrong);
    }
}

#[test]
fn both_ends_have_to_agree_on_whose_subkey_it_is() {
    let key = key(EncryptionType::Aes256Sha1);
    let (mut with, _) = pair_under(&key, true);
    let (_, mut without) = pair_under(&key, false);
    let wrong = AuthenticationFailure::WrongSignature;
    let token = wrap(&mut with, b"message");
    assert_eq!(reason(unwrap(&mut without, &token).map(drop)), wrong);
    let (mut with, _) = pair_under(&key, true);
    let signature = mic(&mut with, b"message");
    assert_eq!(reason(without.verify_mic(b"message", &signature)), wrong);
}

#[test]
fn a_message_that_is_signed_only_has_to_be_asked_for() {
    let key = key(EncryptionType::Aes256Sha1);
    let signer = key.checksum_key(KeyUsage::INITIATOR_SEAL);
    for rotation in [0, 1, 12, 18, 19, 20, 1000, u16::MAX] {
        let mut header = [5, 4, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
        let checksum = signer.checksum(&[b"message", &header]);
        header[5] = 12;
        header[6..8].copy_from_slice(&rotation.to_be_bytes());
        let mut body = [b"message", checksum.as_ref()].concat();
        body.rotate_right(usize::from(rotation) % 19);
        let token = [&header[..], &body].concat();

        let (_, mut server) = pair_under(&key, false);
        let mut opened = token.clone();
        let unwrapped = server.unwrap_with_conf_state(&mut opened).unwrap();
        assert_eq!(
            (&*unwrapped.message, unwrapped.conf_state),
            (&b"message"[..], false)
        );

        let (_, mut server) = pair_under(&key, false);
        assert!(matches!(
            unwrap(&mut server, &token),
            Err(Error::PeerMisbehaved(PeerMisbehaved::UnsealedMessage))
        ));
    }
}

#[test]
fn a_checksum_of_another_length_is_refused() {
    let key = key(EncryptionType::Aes256Sha1);
    let header = [5, 4, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
    let checksum = key
        .checksum_key(KeyUsage::INITIATOR_SEAL)
        .checksum(&[b"message", &header]);
    let opens = |extra_count: u16, body: &[u8]| {
        let mut header = header;
        header[4..6].copy_from_slice(&extra_count.to_be_bytes());
        let (_, mut server) = pair_under(&key, false);
        let mut token = [&header[..], body].concat();
        server.unwrap_with_conf_state(&mut token).is_ok()
    };
    let whole = [b"message", checksum.as_ref()].concat();
    for extra_count in (0..100).chain([u16::MAX]) {
        assert_eq!(opens(extra_count, &whole), extra_count == 12);
    }
    // Cut short: a checksum of a few octets could be guessed.
    for extra_count in 0..12 {
        assert!(!opens(extra_count, &whole[..7 + usize::from(extra_count)]));
    }
}

/// A sealed token of the initiator's, as somebody else might lay it out.
fn laid_out(message: &[u8], extra_count: u16, rotation: u16) -> Vec<u8> {
    let mut header = [5, 4, 2, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
    header[4..6].copy_from_slice(&extra_count.to_be_bytes());
    let filler = vec![0xee; extra_count.into()];
    let plaintext = [message, &filler, &header].concat();
    let mut body = key(EncryptionType::Aes256Sha1)
        .protection_key(KeyUsage::INITIATOR_SEAL)
        .encrypt(&super::Counting(9), &plaintext)
        .unwrap();
    let at = usize::from(rotation) % body.len();
    body.rotate_right(at);
    header[6..8].copy_from_slice(&rotation.to_be_bytes());
    [&header[..], &body].concat()
}

#[test]
fn every_rotation_and_filler_is_understood() {
    for extra_count in [0, 1, 15, 16, 1000, u16::MAX] {
        for rotation in [0, 1, 16, 28, 44, 60, 61, 1000, 65_534, u16::MAX] {
            let token = laid_out(b"message", extra_count, rotation);
            let (_, mut server) = pair_under(&key(EncryptionType::Aes256Sha1), false);
            assert_eq!(unwrap(&mut server, &token).unwrap(), b"message");
        }
    }
}

#[test]
fn an_extra_count_beyond_the_message_is_refused() {
    // The filler is shorter than the header says: what EC counts would reach into the confounder and beyond.
    let key = key(EncryptionType::Aes256Sha1);
    for extra_count in [8_u16, 23, 24, 1000, u16::MAX] {
        let mut header = [5, 4, 2, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
        header[4..6].copy_from_slice(&extra_count.to_be_bytes());
        let body = key
            .protection_key(KeyUsage::INITIATOR_SEAL)
            .encrypt(&super::Counting(9), &[&b"message"[..], &header].concat())
            .unwrap();
        let (_, mut server) = pair_under(&key, false);
        match unwrap(&mut server, &[&header[..], &body].concat()) {
            Err(Error::InvalidMessage(invalid)) => {
                assert_eq!(
                    (invalid.offset, invalid.kind),
                    (4, InvalidMessageKind::BadValue)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_header_that_was_not_encrypted_is_refused() {
    let key = key(EncryptionType::Aes256Sha1);
    let header = [5, 4, 2, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
    for at in 0..16 {
        let mut other = header;
        other[at] ^= 1;
        let body = key
            .protection_key(KeyUsage::INITIATOR_SEAL)
            .encrypt(&super::Counting(9), &[&b"message"[..], &other].concat())
            .unwrap();
        let (_, mut server) = pair_under(&key, false);
        let result = unwrap(&mut server, &[&header[..], &body].concat());
        assert_eq!(
            reason(result.map(drop)),
            AuthenticationFailure::WrongSignature
        );
    }
}

#[test]
fn a_signature_with_another_filler_is_refused() {
    let key = key(EncryptionType::Aes256Sha1);
    let signer = key.checksum_key(KeyUsage::INITIATOR_SIGN);
    for at in 3..8 {
        let mut header = [
            4, 4, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 100,
        ];
        header[at] = 0;
        let checksum = signer.checksum(&[b"message", &header]);
        let (_, mut server) = pair_under(&key, false);
        let signature = [&header[..], checksum.as_ref()].concat();
        match server.verify_mic(b"message", &signature) {
            Err(Error::InvalidMessage(invalid)) => assert_eq!(invalid.offset, 3),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_failing_random_source_seals_nothing() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let parameters =
            ContextParameters::new(End::Initiator, &key).with_random(std::sync::Arc::new(Broken));
        let mut client = KerberosContext::new(&parameters);
        let result = client.wrap_in_place(&mut BytesMut::from("message"));
        assert!(matches!(result, Err(Error::GetRandomFailed(_))));
    }
}

proptest! {
    #[test]
    fn any_rotation_of_any_message_comes_back(
        message in prop::collection::vec(any::<u8>(), 0..400),
        extra_count in 0_u16..400,
        rotation: u16,
    ) {
        let token = laid_out(&message, extra_count, rotation);
        let (_, mut server) = pair_under(&key(EncryptionType::Aes256Sha1), false);
        prop_assert_eq!(unwrap(&mut server, &token).unwrap(), message);
    }
}
