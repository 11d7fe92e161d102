//! PACs as a domain writes them, and as nobody does.

use super::forge::*;
use super::*;
use crate::account::LogonInfo;
use crate::error::{AuthenticationFailure, Error};
use crate::gss::AcceptorStep;
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::KeyUsage;
use crate::kerberos::pac::Pac;

/// `S-1-5-21-1-2-3` and more parts.
fn sid(more: &[u32]) -> Vec<u8> {
    let parts = [&[21, 1, 2, 3], more].concat();
    let mut sid = vec![1, u8::try_from(parts.len()).unwrap(), 0, 0, 0, 0, 0, 5];
    sid.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
    sid
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn client_info(authtime: u64, name: &str) -> Vec<u8> {
    let time = (authtime + 11_644_473_600) * 10_000_000 + 9_999_999;
    let name = utf16(name);
    let length = u16::try_from(name.len()).unwrap();
    [&time.to_le_bytes()[..], &length.to_le_bytes(), &name].concat()
}

fn upn_dns_info() -> Vec<u8> {
    let parts = [
        utf16("alice@corp.example"),
        utf16("test.example"),
        utf16("alice"),
        sid(&[1104]),
    ];
    let mut at = 24;
    let mut fields = Vec::new();
    for part in &parts {
        let length = u16::try_from(part.len()).unwrap();
        fields.push([length.to_le_bytes(), u16::to_le_bytes(at)].concat());
        at += length;
    }
    let flags = 3_u32.to_le_bytes().to_vec();
    fields.insert(2, flags);
    [fields.concat(), vec![0; 4], parts.concat()].concat()
}

/// KERB_VALIDATION_INFO of an account with groups of its domain, others', and of the resource's domain.
fn logon_information() -> Vec<u8> {
    /// As NDR writes it.
    #[derive(Default)]
    struct Ndr(Vec<u8>);

    impl Ndr {
        fn words(&mut self, words: &[u32]) -> &mut Self {
            let octets = words.iter().flat_map(|word| word.to_le_bytes());
            self.0.extend(octets);
            self
        }

        fn text(&mut self, text: &str) -> &mut Self {
            let count = u32::try_from(text.len()).unwrap();
            self.words(&[count, 0, count]).0.extend(utf16(text));
            self.0.resize(self.0.len().next_multiple_of(4), 0);
            self
        }

        fn sid(&mut self, more: &[u32]) -> &mut Self {
            self.words(&[4 + u32::try_from(more.len()).unwrap()]);
            self.0.extend(sid(more));
            self
        }
    }

    let mut ndr = Ndr::default();
    ndr.words(&[0x2_0000]);
    ndr.words(&[0; 12]);
    // Of the six texts the first and the third are there.
    for pointer in [4, 0, 8, 0, 0, 0] {
        ndr.words(&[0x0a_000a, pointer]);
    }
    ndr.words(&[0, 1104, 513, 3, 12, 0x20]).words(&[0; 4]);
    ndr.words(&[0, 16, 0, 20, 24]).words(&[0; 10]);
    ndr.words(&[3, 28, 32, 1, 36]);
    ndr.text("alice").text("odd");
    ndr.words(&[3, 513, 7, 1105, 7, 1106, 0x17]);
    ndr.text("DC1").text("TEST").sid(&[]);
    ndr.words(&[3, 40, 7, 44, 2, 48, 7]);
    ndr.sid(&[5555]).sid(&[6666]).sid(&[7777]);
    ndr.sid(&[9]).words(&[1, 1107, 7]);
    let length = u32::try_from(ndr.0.len()).unwrap().to_le_bytes();
    let header = [1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc];
    [&header[..], &length, &[0; 4], &ndr.0].concat()
}

fn signature(key: &EncryptionKey) -> Vec<u8> {
    let length = key
        .checksum_key(KeyUsage::TICKET)
        .checksum(&[])
        .as_ref()
        .len();
    let kind = key.encryption_type().checksum_type().to_le_bytes();
    [&kind[..], &vec![0; length]].concat()
}

/// A PAC of these buffers, signed with `key`.
fn pac_of(key: &EncryptionKey, buffers: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let signatures = [(6, signature(key)), (7, signature(key))];
    let buffers = [buffers, &signatures].concat();
    let count = u32::try_from(buffers.len()).unwrap();
    let mut pac = [count.to_le_bytes(), [0; 4]].concat();
    let mut at = pac.len() + 16 * buffers.len();
    let mut body = Vec::new();
    let mut server = 0;
    for (kind, data) in &buffers {
        pac.extend(kind.to_le_bytes());
        pac.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        pac.extend(u64::try_from(at).unwrap().to_le_bytes());
        if *kind == 6 {
            server = at + 4;
        }
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(8), 0);
        at += data.len().next_multiple_of(8);
    }
    pac.extend(body);
    let checksum = key.checksum_key(KeyUsage::PAC_CHECKSUM).checksum(&[&pac]);
    let checksum = checksum.as_ref();
    pac[server..server + checksum.len()].copy_from_slice(checksum);
    pac
}

fn buffers() -> Vec<(u32, Vec<u8>)> {
    vec![
        (1, logon_information()),
        (10, client_info(NOW - 60, "alice")),
        (12, upn_dns_info()),
        (18, sid(&[1104])),
        (99, vec![1, 2, 3]),
    ]
}

fn verify(pac: &[u8], key: &EncryptionKey) -> Result<LogonInfo, Error> {
    let alice = PrincipalName::new(1, &["alice"]);
    Pac::decode(pac)?.verify(key, &alice, time(-60))
}

fn is_wrong(result: Result<LogonInfo, Error>) -> bool {
    let wrong = AuthenticationFailure::WrongPac;
    matches!(result, Err(Error::AuthenticationFailed { reason, .. }) if reason == wrong)
}

#[test]
fn says_who_the_account_is_and_in_which_groups() {
    for &encryption_type in ENCRYPTION_TYPES {
        let key = key(encryption_type);
        let info = verify(&pac_of(&key, &buffers()), &key).unwrap();
        assert_eq!(info.upn.as_deref(), Some("alice@corp.example"));
        assert_eq!(info.dns_domain.as_deref(), Some("test.example"));
        assert_eq!(info.sam_name.as_deref(), Some("alice"));
        assert_eq!(info.sid.as_deref(), Some("S-1-5-21-1-2-3-1104"));
        // Without 1106, which only denies, and 6666, which is not enabled.
        let groups: Vec<_> = info.group_sids.iter().map(|sid| &**sid).collect();
        assert_eq!(
            groups,
            [
                "S-1-5-21-1-2-3-513",
                "S-1-5-21-1-2-3-1105",
                "S-1-5-21-1-2-3-5555",
                "S-1-5-21-1-2-3-7777",
                "S-1-5-21-1-2-3-9-1107",
            ]
        );
    }
}

#[test]
fn the_sid_is_found_wherever_it_stands() {
    let key = key(KIND);
    let expected = Some("S-1-5-21-1-2-3-1104");
    for kind in [1, 12, 18] {
        let buffers: Vec<_> = buffers()
            .into_iter()
            .filter(|(found, _)| [kind, 10].contains(found))
            .collect();
        let info = verify(&pac_of(&key, &buffers), &key).unwrap();
        assert_eq!(info.sid.as_deref(), expected, "{kind}");
    }
}

#[test]
fn every_octet_that_is_signed_counts() {
    let key = key(KIND);
    let pac = pac_of(&key, &buffers());
    let unsigned = pac.len() - 16 + 4..pac.len() - 16 + 16;
    assert!(verify(&pac, &key).is_ok());
    for at in 0..pac.len() {
        let mut changed = pac.clone();
        changed[at] ^= 0x41;
        // The KDC's signature is for the KDC.
        assert_eq!(
            verify(&changed, &key).is_ok(),
            unsigned.contains(&at),
            "{at}"
        );
    }
    for end in 0..pac.len() {
        assert!(verify(&pac[..end], &key).is_err(), "{end}");
    }
}

#[test]
fn another_key_s_another_client_s_and_unsigned_pacs_are_refused() {
    let key = key(KIND);
    let other = key_of(9);
    assert!(is_wrong(verify(&pac_of(&other, &buffers()), &key)));
    let alice = client_info(NOW - 60, "alice");
    for (client, fits) in [
        (Some(alice), true),
        (Some(client_info(NOW - 60, "Alice")), false),
        (Some(client_info(NOW - 60, "alic")), false),
        (Some(client_info(NOW - 61, "alice")), false),
        (None, false),
    ] {
        let buffers: Vec<_> = client.into_iter().map(|info| (10, info)).collect();
        let result = verify(&pac_of(&key, &buffers), &key);
        assert_eq!(result.is_ok(), fits);
        assert_eq!(is_wrong(result), !fits);
    }
    let mut unsigned = pac_of(&key, &buffers());
    let server = unsigned
        .chunks(8)
        .position(|chunk| chunk == [6, 0, 0, 0, 16, 0, 0, 0]);
    unsigned[server.unwrap() * 8] = 66;
    assert!(is_wrong(verify(&unsigned, &key)));
}

#[test]
fn tables_that_lie_are_refused() {
    let entry = |kind: u8, size: u8, offset: u8| {
        [kind, 0, 0, 0, size, 0, 0, 0, offset, 0, 0, 0, 0, 0, 0, 0]
    };
    let pac = |count: u8, entries: &[[u8; 16]]| {
        let header = [count, 0, 0, 0, 0, 0, 0, 0];
        [&header[..], &entries.concat(), &[0; 8]].concat()
    };
    assert!(Pac::decode(&pac(1, &[entry(1, 8, 24)])).is_ok());
    for bad in [
        pac(2, &[entry(1, 8, 24)]),
        pac(65, &[]),
        pac(1, &[entry(1, 9, 24)]),
        pac(1, &[entry(1, 1, 0)]),
        pac(1, &[entry(1, 1, 23)]),
        pac(2, &[entry(1, 8, 40), entry(1, 8, 40)]),
        vec![0, 0, 0, 0, 1, 0, 0, 0],
    ] {
        assert!(Pac::decode(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_acceptor_reads_the_pac_of_a_ticket_and_refuses_a_wrong_one() {
    let with = |pac: Vec<u8>, wrapped: bool| {
        let mut element = AuthorizationDataElement {
            ad_type: 128,
            ad_data: pac.into(),
        };
        if wrapped {
            element = AuthorizationDataElement {
                ad_type: 1,
                ad_data: encode(&vec![element], "").unwrap().into(),
            };
        }
        Forge::changed(|forge| forge.ticket.authorization_data = Some(vec![element])).token()
    };
    for wrapped in [true, false] {
        let token = with(pac_of(&key_of(1), &buffers()), wrapped);
        let Ok(AcceptorStep::Established {
            logon_info: Some(info),
            ..
        }) = accept(credentials(), &token)
        else {
            panic!("no logon info");
        };
        assert_eq!(info.upn.as_deref(), Some("alice@corp.example"));

        let token = with(pac_of(&key_of(9), &buffers()), wrapped);
        let found = refused(accept(credentials(), &token));
        assert_eq!(found, (41, AuthenticationFailure::WrongPac));
    }
}

#[test]
fn buffers_that_are_cut_short_are_refused_though_they_are_signed() {
    let key = key(KIND);
    let client = (10, client_info(NOW - 60, "alice"));
    for (kind, whole) in buffers() {
        if !matches!(kind, 1 | 12 | 18) {
            continue;
        }
        for end in 0..whole.len() {
            let mut cut = whole[..end].to_vec();
            // The length that NDR says would tell at once.
            if let Some(length) = cut.get_mut(8..12).filter(|_| kind == 1) {
                let rest = u32::try_from(end.saturating_sub(16)).unwrap();
                length.copy_from_slice(&rest.to_le_bytes());
            }
            let pac = pac_of(&key, &[client.clone(), (kind, cut)]);
            let result = verify(&pac, &key);
            assert!(
                matches!(result, Err(Error::InvalidMessage(_))),
                "{kind} {end}"
            );
        }
    }
}

#[test]
fn arrays_of_another_length_than_is_said_are_refused() {
    let key = key(KIND);
    let good = logon_information();
    // GroupCount, SidCount and ResourceGroupCount.
    for (at, count) in [(128, 3), (216, 3), (228, 1)] {
        assert_eq!(good[at..at + 4], [count, 0, 0, 0], "{at}");
        for lie in [0, 2, 4, u32::MAX] {
            let mut lying = good.clone();
            lying[at..at + 4].copy_from_slice(&lie.to_le_bytes());
            let buffers = [(10, client_info(NOW - 60, "alice")), (1, lying)];
            let result = verify(&pac_of(&key, &buffers), &key);
            assert!(
                matches!(result, Err(Error::InvalidMessage(_))),
                "{at} {lie}"
            );
        }
    }
}
