//! The hand-written codecs of `TSRequest` and `TSCredentials` are held equal to rasn's.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rasn::types::OctetString;

mod twin;

use twin::{
    Credentials, CspDataDetail, NegoToken, PackageCred, PasswordCreds, RemoteGuardCreds, Request,
    SmartCardCreds, ts_credentials_agree, ts_request_agrees, utf16,
};

fn octets() -> impl Strategy<Value = OctetString> {
    prop_oneof![vec(any::<u8>(), 0..8), vec(any::<u8>(), 120..260)].prop_map(OctetString::from)
}

fn request() -> impl Strategy<Value = Request> {
    let version = prop_oneof![1..=8_i64, 1..=0x7fff_ffff_i64];
    let error_code = prop_oneof![
        -0x8000_0000..=0xffff_ffff_i64,
        -300..=300_i64,
        Just(-0x3fff_ff93)
    ];
    (
        version,
        option::of(vec(octets(), 1..4)),
        option::of(octets()),
        option::of(octets()),
        option::of(error_code),
        option::of(any::<[u8; 32]>()),
    )
        .prop_map(
            |(version, tokens, auth_info, pub_key_auth, error_code, nonce)| {
                let token = |nego_token| NegoToken { nego_token };
                Request {
                    version,
                    nego_tokens: tokens.map(|tokens| tokens.into_iter().map(token).collect()),
                    auth_info,
                    pub_key_auth,
                    error_code,
                    client_nonce: nonce.map(|nonce| nonce.to_vec().into()),
                }
            },
        )
}

fn text() -> impl Strategy<Value = OctetString> {
    any::<String>().prop_map(|text| utf16(&text))
}

fn credentials() -> impl Strategy<Value = Credentials> {
    fn outer(cred_type: i64, credentials: &impl rasn::Encode) -> Credentials {
        Credentials {
            cred_type,
            credentials: rasn::der::encode(credentials).unwrap().into(),
        }
    }

    let password = (text(), text(), text()).prop_map(|(domain_name, user_name, password)| {
        let inner = PasswordCreds {
            domain_name,
            user_name,
            password,
        };
        outer(1, &inner)
    });
    let name = || option::of(text());
    let smart_card = (
        text(),
        0..=0xffff_ffff_i64,
        [name(), name(), name(), name()],
        [name(), name()],
    )
        .prop_map(|(pin, key_spec, names, hints)| {
            let [card_name, reader_name, container_name, csp_name] = names;
            let [user_hint, domain_hint] = hints;
            let inner = SmartCardCreds {
                pin,
                csp_data: CspDataDetail {
                    key_spec,
                    card_name,
                    reader_name,
                    container_name,
                    csp_name,
                },
                user_hint,
                domain_hint,
            };
            outer(2, &inner)
        });
    let package = || {
        (text(), octets()).prop_map(|(package_name, cred_buffer)| PackageCred {
            package_name,
            cred_buffer,
        })
    };
    let remote_guard = (package(), option::of(vec(package(), 0..4))).prop_map(
        |(logon_cred, supplemental_creds)| {
            let inner = RemoteGuardCreds {
                logon_cred,
                supplemental_creds,
            };
            outer(6, &inner)
        },
    );
    prop_oneof![password, smart_card, remote_guard]
}

/// A small damage to a message.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Add(prop::sample::Index, i8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, usize),
}

impl Damage {
    fn apply(&self, message: &mut Vec<u8>) {
        if message.is_empty() {
            return;
        }
        match *self {
            // Most of what matters stands at the front: the headers.
            Self::Set(at, value) => {
                let at = at.index(message.len().min(24));
                message[at] = value;
            }
            Self::Add(at, change) => {
                let at = at.index(message.len());
                message[at] = message[at].wrapping_add_signed(change);
            }
            Self::Insert(at, value) => message.insert(at.index(message.len()), value),
            Self::Remove(at) => {
                message.remove(at.index(message.len()));
            }
            Self::Repeat(at, length) => {
                let at = at.index(message.len());
                let end = message.len().min(at + length);
                message.extend_from_within(at..end);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, value)| Damage::Set(at, value)),
        (index(), -2..=2_i8).prop_map(|(at, change)| Damage::Add(at, change)),
        (index(), any::<u8>()).prop_map(|(at, value)| Damage::Insert(at, value)),
        index().prop_map(Damage::Remove),
        (index(), 1..8_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn reads_every_request_that_rasn_writes(request in request()) {
        prop_assert!(ts_request_agrees(&rasn::der::encode(&request).unwrap()));
    }

    #[test]
    fn reads_all_credentials_that_rasn_writes(credentials in credentials()) {
        prop_assert!(ts_credentials_agree(&rasn::der::encode(&credentials).unwrap()));
    }

    #[test]
    fn reads_no_damaged_request_that_rasn_does_not_read(
        request in request(),
        damages in vec(damage(), 1..4),
    ) {
        let mut message = rasn::der::encode(&request).unwrap();
        for damage in damages {
            damage.apply(&mut message);
        }
        ts_request_agrees(&message);
    }

    #[test]
    fn reads_no_damaged_credentials_that_rasn_does_not_read(
        credentials in credentials(),
        damages in vec(damage(), 1..4),
    ) {
        let mut message = rasn::der::encode(&credentials).unwrap();
        for damage in damages {
            damage.apply(&mut message);
        }
        ts_credentials_agree(&message);
    }
}
