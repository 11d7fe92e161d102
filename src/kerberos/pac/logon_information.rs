use super::Sid;
use super::ndr::NdrReader;
use crate::account::LogonInfo;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// The most groups that are read; Windows' own limit is some thousand.
const MAX_GROUPS: usize = 4096;

/// SE_GROUP_ENABLED (section 2.2.1): the group counts in the checks of access.
const ENABLED: u32 = 4;

/// SE_GROUP_USE_FOR_DENY_ONLY: the group counts against its member only.
const DENY_ONLY: u32 = 0x10;

/// Reads the account's and its groups' SIDs in KERB_VALIDATION_INFO (section 2.5). What else is in there is passed over.
pub(super) fn read(buffer: &[u8], info: &mut LogonInfo) -> Result<(), InvalidMessage> {
    let mut ndr = NdrReader::new(buffer, "KERB_VALIDATION_INFO")?;
    if !ndr.pointer()? {
        return Ok(());
    }
    // LogonTime to PasswordMustChange: six FILETIMEs.
    ndr.skip(48)?;
    // EffectiveName, FullName, LogonScript, ProfilePath, HomeDirectory, HomeDirectoryDrive.
    let mut texts = [false; 6];
    for text in &mut texts {
        *text = ndr.unicode_string()?;
    }
    // LogonCount, BadPasswordCount.
    ndr.u16()?;
    ndr.u16()?;
    let user_id = ndr.u32()?;
    let _primary_group_id = ndr.u32()?;
    let group_count = ndr.u32()?;
    let group_ids = ndr.pointer()?;
    // UserFlags, UserSessionKey.
    ndr.skip(20)?;
    let (logon_server, logon_domain_name) = (ndr.unicode_string()?, ndr.unicode_string()?);
    let logon_domain_id = ndr.pointer()?;
    // Reserved1 to Reserved3: seven numbers, and two FILETIMEs among them.
    ndr.skip(40)?;
    let sid_count = ndr.u32()?;
    let extra_sids = ndr.pointer()?;
    let resource_group_domain_sid = ndr.pointer()?;
    let resource_group_count = ndr.u32()?;
    let resource_group_ids = ndr.pointer()?;

    for _ in texts.iter().filter(|text| **text) {
        ndr.skip_characters()?;
    }
    let groups = memberships(&mut ndr, group_ids, group_count)?;
    for _ in [logon_server, logon_domain_name]
        .iter()
        .filter(|text| **text)
    {
        ndr.skip_characters()?;
    }
    let domain = logon_domain_id.then(|| sid(&mut ndr)).transpose()?;
    let mut found = Vec::new();
    if let Some(domain) = domain {
        if user_id != 0 {
            info.sid = Some(domain.with_relative(user_id).to_string().into());
        }
        found.extend(groups.iter().map(|group| domain.with_relative(*group)));
    }
    if extra_sids {
        let pointers = (0..ndr.count(sid_count)?)
            .map(|_| Ok((ndr.pointer()?, ndr.u32()?)))
            .collect::<Result<Vec<_>, InvalidMessage>>()?;
        for (_, attributes) in pointers.iter().filter(|(pointer, _)| *pointer) {
            let sid = sid(&mut ndr)?;
            found.extend(counts(*attributes).then_some(sid));
        }
    }
    let domain = resource_group_domain_sid
        .then(|| sid(&mut ndr))
        .transpose()?;
    let groups = memberships(&mut ndr, resource_group_ids, resource_group_count)?;
    if let Some(domain) = domain {
        found.extend(groups.iter().map(|group| domain.with_relative(*group)));
    }
    if found.len() > MAX_GROUPS {
        return Err(ndr.error(InvalidMessageKind::TooLarge));
    }
    info.group_sids = found.iter().map(|sid| sid.to_string().into()).collect();
    Ok(())
}

/// An array of GROUP_MEMBERSHIP (section 2.2.2): the identifiers of those that count.
fn memberships(
    ndr: &mut NdrReader<'_>,
    present: bool,
    count: u32,
) -> Result<Vec<u32>, InvalidMessage> {
    let mut groups = Vec::new();
    if present {
        for _ in 0..ndr.count(count)? {
            let (relative, attributes) = (ndr.u32()?, ndr.u32()?);
            groups.extend(counts(attributes).then_some(relative));
        }
    }
    Ok(groups)
}

fn counts(attributes: u32) -> bool {
    attributes & (ENABLED | DENY_ONLY) == ENABLED
}

/// A conformant RPC_SID: the number of its parts comes first.
fn sid(ndr: &mut NdrReader<'_>) -> Result<Sid, InvalidMessage> {
    let _count = ndr.u32()?;
    Sid::decode(ndr.aligned()?)
}
