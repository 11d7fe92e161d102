use super::Sid;
use crate::account::LogonInfo;
use crate::codec::little_endian::Reader;
use crate::codec::utf16;
use crate::error::{InvalidMessage, InvalidMessageKind};

const NAME: &str = "UPN_DNS_INFO";

/// The flag S: the account's name and SID follow (section 2.10).
const EXTENDED: u32 = 2;

/// Reads UPN_DNS_INFO (section 2.10).
pub(super) fn read(buffer: &[u8], info: &mut LogonInfo) -> Result<(), InvalidMessage> {
    let mut reader = Reader::at(buffer, 0);
    info.upn = text(buffer, &mut reader)?;
    info.dns_domain = text(buffer, &mut reader)?;
    if reader.u32(NAME)? & EXTENDED != 0 {
        info.sam_name = text(buffer, &mut reader)?;
        let sid = pointed_to(buffer, &mut reader)?;
        if !sid.is_empty() {
            let sid = Sid::decode(&mut Reader::at(sid, 0))?;
            info.sid = Some(sid.to_string().into());
        }
    }
    Ok(())
}

/// A text; `None` where it is empty.
fn text(buffer: &[u8], reader: &mut Reader<'_>) -> Result<Option<Box<str>>, InvalidMessage> {
    let at = reader.offset();
    let text = utf16::decode(pointed_to(buffer, reader)?)
        .ok_or_else(|| InvalidMessage::new(NAME, at, InvalidMessageKind::BadEncoding))?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// What a length and an offset from the buffer's start point to.
fn pointed_to<'a>(buffer: &'a [u8], reader: &mut Reader<'_>) -> Result<&'a [u8], InvalidMessage> {
    let at = reader.offset();
    let length = usize::from(reader.u16(NAME)?);
    let offset = usize::from(reader.u16(NAME)?);
    buffer
        .get(offset..offset.saturating_add(length))
        .ok_or_else(|| InvalidMessage::new(NAME, at, InvalidMessageKind::Truncated))
}
