//! Keytabs, version 2 (0x0502): the keys of services and of users, as MIT's and Heimdal's tools write them. Bytes only: reading the
//! file is the caller's.

use std::sync::Arc;

use super::asn1::{KerberosString, PrincipalName};
use super::big_endian::Reader;
use super::crypto::{EncryptionKey, EncryptionType};
use super::initiator::ClientName;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// The keys of a keytab.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Keytab {
    /// In the order of the file; keys of encryption types that this crate does not speak are left out.
    pub entries: Vec<KeytabEntry>,
}

/// A key, and whose it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeytabEntry {
    /// The principal's realm.
    pub realm: KerberosString,
    /// The principal. Its type says little: tools write NT-PRINCIPAL for services too.
    pub principal: PrincipalName,
    /// The key's version.
    pub kvno: u32,
    /// The key.
    pub key: EncryptionKey,
}

impl Keytab {
    /// Parses a file's contents.
    ///
    /// # Errors
    /// Where it is of another version, or a length in it points beyond its end.
    pub fn parse(file: &[u8]) -> Result<Self, InvalidMessage> {
        let mut reader = Reader::new(file, "keytab");
        let version = reader.error(InvalidMessageKind::BadValue);
        if reader.array()? != [5, 2] {
            return Err(version);
        }
        let mut entries = Vec::new();
        while !reader.is_empty() {
            let length = reader.i32()?;
            let size = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
            // A negative length is that of a hole, where an entry was removed; zero ends the file.
            match length {
                0 => break,
                ..0 => drop(reader.take(size)?),
                _ => entries.extend(entry(reader.part(size)?)?),
            }
        }
        Ok(Self { entries })
    }

    /// The keys of a principal.
    pub fn keys<'a>(
        &'a self,
        realm: &'a KerberosString,
        principal: &'a PrincipalName,
    ) -> impl Iterator<Item = &'a KeytabEntry> {
        self.entries
            .iter()
            .filter(move |entry| entry.realm == *realm && entry.principal == *principal)
    }

    /// The keys by which a client logs on: of the highest version that there is. Keys of `user` serve `user@suffix` too,
    /// where the suffix is the realm.
    pub fn client_keys(&self, client: &ClientName) -> Option<Arc<[EncryptionKey]>> {
        let plain = client.without_enterprise();
        [Some(client), plain.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|client| {
                let keys = || self.keys(&client.realm, &client.name);
                let latest = keys().map(|entry| entry.kvno).max()?;
                Some(
                    keys()
                        .filter(|entry| entry.kvno == latest)
                        .map(|entry| entry.key.duplicate())
                        .collect(),
                )
            })
    }
}

/// An entry, which may be longer than what stands in it; `None` for an unknown encryption type.
fn entry(mut reader: Reader<'_>) -> Result<Option<KeytabEntry>, InvalidMessage> {
    let components = reader.u16()?;
    let realm = reader.string16()?;
    let name_string = (0..components)
        .map(|_| reader.string16())
        .collect::<Result<_, _>>()?;
    let name_type = reader.i32()?;
    let _timestamp = reader.u32()?;
    let short_kvno = reader.u8()?;
    let encryption_type = EncryptionType::from_number(reader.u16()?.into());
    let key = reader.counted16()?;
    // Versions from 256 on stand behind the key, where there is room for them.
    let kvno = match reader.u32() {
        Ok(kvno) if kvno != 0 => kvno,
        _ => short_kvno.into(),
    };
    let key = encryption_type.and_then(|kind| EncryptionKey::new(kind, key).ok());
    Ok(key.map(|key| KeytabEntry {
        realm,
        principal: PrincipalName {
            name_type,
            name_string,
        },
        kvno,
        key,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry of `TERMSRV/host@R`, with what stands behind its key.
    fn entry(encryption_type: u8, key: &[u8], behind: &[u8]) -> Vec<u8> {
        let mut entry = b"\x00\x02\x00\x01R\x00\x07TERMSRV\x00\x04host\x00\x00\x00\x01".to_vec();
        entry.extend([0, 0, 0, 0, 7, 0, encryption_type, 0]);
        entry.push(u8::try_from(key.len()).unwrap());
        entry.extend(key);
        entry.extend(behind);
        let length = u32::try_from(entry.len()).unwrap();
        [&length.to_be_bytes()[..], &entry].concat()
    }

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        [&[5, 2][..], &parts.concat()].concat()
    }

    #[test]
    fn reads_entries_between_holes_and_passes_over_unknown_types() {
        let file = file(&[
            &entry(17, &[1; 16], &[]),
            &[0xff, 0xff, 0xff, 0xfd, 9, 9, 9],
            &entry(99, &[2; 8], &[]),
            &entry(17, &[3; 16], &[0, 0, 1, 2, 8]),
            &entry(17, &[4; 16], &[0, 0, 0, 0]),
            &[0, 0, 0, 0, 0xaa],
        ]);
        let keytab = Keytab::parse(&file).unwrap();
        let name = PrincipalName::new(3, &["TERMSRV", "host"]);
        let found: Vec<_> = keytab
            .keys(&"R".into(), &name)
            .map(|entry| (entry.kvno, entry.key.expose()[0]))
            .collect();
        assert_eq!(found, [(7, 1), (258, 3), (7, 4)]);
        assert_eq!(keytab.keys(&"S".into(), &name).count(), 0);
    }

    #[test]
    fn gives_a_client_its_latest_keys() {
        let file = file(&[
            &entry(17, &[1; 16], &[]),
            &entry(17, &[3; 16], &[0, 0, 1, 2]),
            &entry(18, &[4; 32], &[0, 0, 1, 2]),
        ]);
        let keytab = Keytab::parse(&file).unwrap();
        let keys = |name_type, components: &[&str]| {
            let client = ClientName::new("R", PrincipalName::new(name_type, components));
            let keys = keytab.client_keys(&client)?;
            Some(keys.iter().map(|key| key.expose()[0]).collect::<Vec<_>>())
        };
        assert_eq!(keys(1, &["TERMSRV", "host"]), Some(vec![3, 4]));
        assert_eq!(keys(1, &["TERMSRV"]), None);

        let mut keytab = keytab;
        for entry in &mut keytab.entries {
            entry.principal = PrincipalName::new(1, &["alice"]);
        }
        let enterprise = PrincipalName::new(PrincipalName::ENTERPRISE, &["alice@r"]);
        let found = keytab.client_keys(&ClientName::new("R", enterprise));
        assert_eq!(found.unwrap().len(), 2);
    }

    #[test]
    fn refuses_other_versions_and_lengths_that_lie() {
        let good = file(&[&entry(17, &[1; 16], &[])]);
        for end in (0..good.len()).filter(|end| *end != 2) {
            assert!(Keytab::parse(&good[..end]).is_err(), "{end}");
        }
        assert!(Keytab::parse(&[5, 1]).is_err());
        for at in [6, 8, 11, 20, 37] {
            let mut lying = good.clone();
            lying[at] = 0xff;
            assert!(Keytab::parse(&lying).is_err(), "{at}");
        }
        for hole in [[0x80, 0, 0, 0], [0xff, 0xff, 0xff, 0]] {
            assert!(Keytab::parse(&file(&[&hole])).is_err());
        }
    }
}
