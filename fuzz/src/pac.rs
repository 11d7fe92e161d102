//! PACs: as they come, and of any buffers with a good signature.

use credssp::Error;
use credssp::kerberos::asn1::{KerberosTime, PrincipalName};
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
use credssp::kerberos::pac::Pac;

/// If the first octet is 0, the rest is a PAC. Else the rest is cut into buffers: a kind, a length in two octets, and so much.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let key = EncryptionKey::new(EncryptionType::Aes128Sha1, &[1; 16]).expect("a key's length");
    let alice = PrincipalName::new(PrincipalName::PRINCIPAL, &["alice"]);
    let verify = |pac: &[u8]| Pac::decode(pac)?.verify(&key, &alice, KerberosTime::from_unix(0));
    if *kind == 0 {
        assert!(verify(data).is_err(), "nobody knows the key");
        return;
    }
    let Some(pac) = signed(&key, &buffers(data)) else {
        return;
    };
    match verify(&pac) {
        Ok(info) => {
            assert!(info.group_sids.len() <= pac.len() / 8);
        }
        // A good signature, so that nothing but the buffers can be wrong.
        Err(Error::InvalidMessage(error)) => assert!(error.offset <= pac.len(), "{error}"),
        Err(error) => panic!("{error}"),
    }
}

/// An input for each of a PAC's buffers, and one for all of them.
pub fn seeds(pac: &[u8]) -> Vec<(String, Vec<u8>)> {
    let number = |at: usize| {
        let octets = pac[at..at + 4].try_into().expect("four octets");
        usize::try_from(u32::from_be_bytes(octets).swap_bytes()).expect("a short PAC")
    };
    let mut all = vec![1];
    let mut seeds = vec![("whole".to_owned(), [&[0], pac].concat())];
    for entry in (8..).step_by(16).take(number(0)) {
        let (kind, size, offset) = (number(entry), number(entry + 4), number(entry + 8));
        if [1, 12, 18].contains(&kind) {
            let length = u16::try_from(size).expect("short").to_le_bytes();
            let mut input = vec![u8::try_from(kind).expect("small")];
            input.extend(length);
            input.extend_from_slice(&pac[offset..offset + size]);
            all.extend_from_slice(&input);
            seeds.push((format!("buffer-{kind}"), [&[1], &input[..]].concat()));
        }
    }
    seeds.push(("buffers".to_owned(), all));
    seeds
}

fn buffers(mut data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut buffers = Vec::new();
    while let [kind, low, high, rest @ ..] = data {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (buffer, rest) = rest.split_at(length);
        buffers.push((*kind, buffer));
        data = rest;
    }
    buffers
}

/// With what ties it to alice, and a signature; `None` where it cannot be a PAC.
fn signed(key: &EncryptionKey, buffers: &[(u8, &[u8])]) -> Option<Vec<u8>> {
    /// PAC_CLIENT_INFO of alice at the beginning of 1970.
    const CLIENT: &[u8] = b"\x00\x80\x3e\xd5\xde\xb1\x9d\x01\x0a\0a\0l\0i\0c\0e\0";
    const SIGNATURE: &[u8] = b"\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    let mut all = vec![(10, CLIENT), (6, SIGNATURE)];
    for (kind, buffer) in buffers {
        if all.iter().any(|(known, _)| known == kind) || *kind == 7 {
            return None;
        }
        all.push((*kind, buffer));
    }
    let mut pac = [u8::try_from(all.len()).ok()?, 0, 0, 0, 0, 0, 0, 0].to_vec();
    if all.len() > 64 {
        return None;
    }
    let mut offset = pac.len() + 16 * all.len();
    let signature = offset + CLIENT.len() + 4;
    for (kind, buffer) in &all {
        pac.extend([*kind, 0, 0, 0]);
        pac.extend(u32::try_from(buffer.len()).ok()?.to_le_bytes());
        pac.extend(u64::try_from(offset).ok()?.to_le_bytes());
        offset += buffer.len();
    }
    pac.extend(all.iter().flat_map(|(_, buffer)| buffer.iter().copied()));
    let checksum = key.checksum_key(KeyUsage::PAC_CHECKSUM).checksum(&[&pac]);
    pac[signature..signature + 12].copy_from_slice(checksum.as_ref());
    Some(pac)
}
