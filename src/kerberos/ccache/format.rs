use zeroize::Zeroizing;

use super::{ClockOffset, Credential, CredentialCache, MAX_LEN, Typed};
use crate::error::{ApiMisuse, Error, InvalidMessage, InvalidMessageKind};
use crate::kerberos::asn1::PrincipalName;
use crate::kerberos::big_endian::Reader;
use crate::kerberos::initiator::ClientName;
use crate::secret::Secret;

/// The tag of the one header field that there is.
const DELTA_TIME: u16 = 1;

pub(super) fn parse(file: &[u8]) -> Result<CredentialCache, InvalidMessage> {
    let mut reader = Reader::new(file, "credential cache");
    let start = |kind| InvalidMessage::new("credential cache", 0, kind);
    if file.len() > MAX_LEN {
        return Err(start(InvalidMessageKind::TooLarge));
    }
    match reader.array()? {
        [5, 4] => {}
        [5, 1..=3] => return Err(start(InvalidMessageKind::UnsupportedVersion)),
        _ => return Err(start(InvalidMessageKind::BadValue)),
    }
    let header = reader.u16()?;
    let clock_offset = clock_offset(reader.part(header.into())?)?;
    let client = principal(&mut reader)?;
    let mut credentials = Vec::new();
    while !reader.is_empty() {
        credentials.push(credential(&mut reader)?);
    }
    Ok(CredentialCache {
        client,
        clock_offset,
        credentials,
    })
}

/// The header: fields of other tags are passed over, as other programs do that do not know them.
fn clock_offset(mut header: Reader<'_>) -> Result<ClockOffset, InvalidMessage> {
    let mut offset = ClockOffset::default();
    while !header.is_empty() {
        let tag = header.u16()?;
        let length = header.u16()?;
        let mut field = header.part(length.into())?;
        if tag == DELTA_TIME {
            offset.seconds = field.i32()?;
            offset.microseconds = field.i32()?;
            if !field.is_empty() {
                return Err(field.error(InvalidMessageKind::TrailingData));
            }
        }
    }
    Ok(offset)
}

fn principal(reader: &mut Reader<'_>) -> Result<ClientName, InvalidMessage> {
    let name_type = reader.i32()?;
    let components = reader.u32()?;
    let realm = reader.string32()?;
    let name_string = (0..components)
        .map(|_| reader.string32())
        .collect::<Result<_, _>>()?;
    let name = PrincipalName {
        name_type,
        name_string,
    };
    Ok(ClientName { realm, name })
}

fn credential(reader: &mut Reader<'_>) -> Result<Credential, InvalidMessage> {
    Ok(Credential {
        client: principal(reader)?,
        server: principal(reader)?,
        encryption_type: reader.u16()?,
        key: reader.counted32()?.into(),
        authtime: reader.u32()?,
        starttime: reader.u32()?,
        endtime: reader.u32()?,
        renew_till: reader.u32()?,
        is_skey: reader.u8()?,
        flags: reader.u32()?,
        addresses: typed(reader)?,
        authorization_data: typed(reader)?,
        ticket: reader.counted32()?.into(),
        second_ticket: reader.counted32()?.into(),
    })
}

fn typed(reader: &mut Reader<'_>) -> Result<Vec<Typed>, InvalidMessage> {
    let count = reader.u32()?;
    (0..count)
        .map(|_| Ok((reader.u16()?, reader.counted32()?.into())))
        .collect()
}

pub(super) fn encode(cache: &CredentialCache) -> Result<Secret<[u8]>, Error> {
    let mut length = 0_usize;
    write(cache, &mut |octets| {
        length = length.saturating_add(octets.len());
    });
    if length > MAX_LEN {
        return Err(ApiMisuse::TooLong("credential cache").into());
    }
    // With room for all of it, so that growing leaves no copies of keys behind.
    let mut file = Zeroizing::new(Vec::with_capacity(length));
    write(cache, &mut |octets| file.extend_from_slice(octets));
    Ok(file.as_slice().into())
}

/// Where octets go.
type Output<'a> = &'a mut dyn FnMut(&[u8]);

fn write(cache: &CredentialCache, out: Output<'_>) {
    out(&[5, 4]);
    // The length of the header, then that of its field.
    out(&12_u16.to_be_bytes());
    out(&DELTA_TIME.to_be_bytes());
    out(&8_u16.to_be_bytes());
    out(&cache.clock_offset.seconds.to_be_bytes());
    out(&cache.clock_offset.microseconds.to_be_bytes());
    write_principal(&cache.client, out);
    for entry in &cache.credentials {
        write_principal(&entry.client, out);
        write_principal(&entry.server, out);
        out(&entry.encryption_type.to_be_bytes());
        write_counted(entry.key.expose(), out);
        for time in [
            entry.authtime,
            entry.starttime,
            entry.endtime,
            entry.renew_till,
        ] {
            out(&time.to_be_bytes());
        }
        out(&[entry.is_skey]);
        out(&entry.flags.to_be_bytes());
        write_typed(&entry.addresses, out);
        write_typed(&entry.authorization_data, out);
        write_counted(&entry.ticket, out);
        write_counted(&entry.second_ticket, out);
    }
}

fn write_principal(principal: &ClientName, out: Output<'_>) {
    let name = &principal.name;
    out(&name.name_type.to_be_bytes());
    write_count(name.name_string.len(), out);
    write_counted(principal.realm.as_bytes(), out);
    for component in &name.name_string {
        write_counted(component.as_bytes(), out);
    }
}

fn write_typed(values: &[Typed], out: Output<'_>) {
    write_count(values.len(), out);
    for (number, value) in values {
        out(&number.to_be_bytes());
        write_counted(value, out);
    }
}

fn write_counted(octets: &[u8], out: Output<'_>) {
    write_count(octets.len(), out);
    out(octets);
}

fn write_count(count: usize, out: Output<'_>) {
    // What exceeds 32 bits exceeds `MAX_LEN` too, and is refused.
    out(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}
