//! The PAC (MS-PAC): what a domain says of an account, inside the ticket.

use crate::account::LogonInfo;
use crate::codec::little_endian::Reader;
use crate::codec::utf16;
use crate::error::{AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind};
use crate::kerberos::asn1::{KerberosTime, PrincipalName};
use crate::kerberos::crypto::{EncryptionKey, KeyUsage};
use crate::mechanism::Mechanism;

mod logon_information;
mod ndr;
mod sid;
mod upn_dns_info;

pub use sid::Sid;

/// The most buffers of a PAC; there are some ten kinds.
const MAX_BUFFERS: u32 = 64;

/// The length of cBuffers and Version, in octets.
const HEADER_LEN: usize = 8;

/// The length of a PAC_INFO_BUFFER in the table, in octets.
const ENTRY_LEN: usize = 16;

/// A PAC (PACTYPE, section 2.3), of which nothing is believed until it verifies.
#[derive(Clone, Debug)]
pub struct Pac<'a> {
    octets: &'a [u8],
    buffers: Vec<Buffer<'a>>,
}

/// PAC_INFO_BUFFER (section 2.4), with what it points to.
#[derive(Clone, Copy, Debug)]
struct Buffer<'a> {
    kind: u32,
    offset: usize,
    data: &'a [u8],
}

impl<'a> Pac<'a> {
    /// KERB_VALIDATION_INFO (section 2.5).
    const LOGON_INFO: u32 = 1;
    /// The signature of the service's key (section 2.8.1).
    const SERVER_SIGNATURE: u32 = 6;
    /// The signature of the KDC's key (section 2.8.2).
    const KDC_SIGNATURE: u32 = 7;
    /// PAC_CLIENT_INFO (section 2.7).
    const CLIENT_INFO: u32 = 10;
    /// UPN_DNS_INFO (section 2.10).
    const UPN_DNS_INFO: u32 = 12;
    /// PAC_REQUESTOR (section 2.15).
    const REQUESTOR: u32 = 18;

    /// Finds the buffers.
    ///
    /// # Errors
    /// Where one lies beyond the end or within the table of buffers, or a kind comes twice.
    pub fn decode(octets: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut reader = Reader::at(octets, 0);
        let count = reader.u32("PACTYPE.cBuffers")?;
        if count > MAX_BUFFERS {
            return Err(invalid("PACTYPE.cBuffers", 0, InvalidMessageKind::TooLarge));
        }
        // Section 2.3: "The version of the PAC data structure [...] MUST be set to 0x00000000."
        if reader.u32("PACTYPE.Version")? != 0 {
            return Err(invalid("PACTYPE.Version", 4, InvalidMessageKind::BadValue));
        }
        let behind = usize::try_from(count)
            .ok()
            .and_then(|count| reader.rest().get(count.saturating_mul(ENTRY_LEN)..))
            .ok_or_else(|| invalid("PACTYPE.Buffers", HEADER_LEN, InvalidMessageKind::Truncated))?;
        let table_end = octets.len().saturating_sub(behind.len());
        let mut buffers: Vec<Buffer<'a>> = Vec::new();
        for _ in 0..count {
            const NAME: &str = "PAC_INFO_BUFFER";
            let at = reader.offset();
            let kind = reader.u32(NAME)?;
            let size = usize::try_from(reader.u32(NAME)?).ok();
            let offset = usize::try_from(reader.u64(NAME)?).ok();
            let (offset, data) = size
                .zip(offset)
                .and_then(|(size, offset)| {
                    let end = offset.checked_add(size)?;
                    Some((offset, octets.get(offset..end)?))
                })
                .ok_or_else(|| invalid(NAME, at, InvalidMessageKind::Truncated))?;
            // Of two buffers of a kind one could be what the signature covers, and the other what is read.
            let twice = buffers.iter().any(|known| known.kind == kind);
            if twice || offset < table_end {
                return Err(invalid(NAME, at, InvalidMessageKind::BadValue));
            }
            buffers.push(Buffer { kind, offset, data });
        }
        Ok(Self { octets, buffers })
    }

    /// Verifies that the PAC is signed with the key that the ticket is encrypted in (section 2.8.1), and that it belongs to this
    /// ticket (section 2.7); then reads it. In user-to-user the key is the session key of the server's ticket-granting ticket.
    ///
    /// The KDC's own signatures are nobody's but the KDC's: its key is needed for them.
    ///
    /// # Errors
    /// Where it does not verify, or a buffer that is read is malformed.
    pub fn verify(
        &self,
        key: &EncryptionKey,
        cname: &PrincipalName,
        authtime: KerberosTime,
    ) -> Result<LogonInfo, Error> {
        self.verify_signature(key).ok_or_else(wrong)?;
        let client = self.find(Self::CLIENT_INFO).ok_or_else(wrong)?;
        let (name, time) = client_info(client)?;
        if name.as_deref() != Some(&*cname.to_string()) || time != Some(authtime.to_unix()) {
            return Err(wrong());
        }
        Ok(self.read()?)
    }

    fn find(&self, kind: u32) -> Option<Buffer<'a>> {
        self.buffers
            .iter()
            .copied()
            .find(|buffer| buffer.kind == kind)
    }

    /// Section 2.8.1: the checksum is over the whole PAC, with the two signatures themselves set to zero.
    fn verify_signature(&self, key: &EncryptionKey) -> Option<()> {
        /// The length of SignatureType, in octets.
        const TYPE_LEN: usize = 4;

        let signature = self.find(Self::SERVER_SIGNATURE)?;
        let (kind, rest) = signature.data.split_first_chunk::<TYPE_LEN>()?;
        let checksum_key = key.checksum_key(KeyUsage::PAC_CHECKSUM);
        let length = checksum_key.checksum(&[]).as_ref().len();
        // What may stand behind it is the identifier of a read-only domain controller.
        let checksum = rest.get(..length)?;
        if i32::from_le_bytes(*kind) != key.encryption_type().checksum_type() {
            return None;
        }
        let mut signed = self.octets.to_vec();
        for buffer in [Some(signature), self.find(Self::KDC_SIGNATURE)]
            .into_iter()
            .flatten()
        {
            // Of signatures whose type is not known to us, the length is that of what stands there.
            let length = match buffer.data.split_first_chunk::<TYPE_LEN>() {
                Some((kind, rest)) => signature_len(i32::from_le_bytes(*kind), rest.len()),
                None => 0,
            };
            let start = buffer.offset.checked_add(TYPE_LEN)?;
            signed.get_mut(start..start.checked_add(length)?)?.fill(0);
        }
        checksum_key.verify(&[&signed], checksum).ok()
    }

    fn read(&self) -> Result<LogonInfo, InvalidMessage> {
        let mut info = LogonInfo::default();
        if let Some(buffer) = self.find(Self::LOGON_INFO) {
            logon_information::read(buffer.data, &mut info)?;
        }
        if let Some(buffer) = self.find(Self::UPN_DNS_INFO) {
            upn_dns_info::read(buffer.data, &mut info)?;
        }
        if let Some(buffer) = self.find(Self::REQUESTOR) {
            let sid = Sid::decode(&mut Reader::at(buffer.data, buffer.offset))?;
            info.sid = Some(sid.to_string().into());
        }
        Ok(info)
    }
}

/// The length of a signature without the identifier behind it (section 2.8), where `rest` octets are there.
fn signature_len(kind: i32, rest: usize) -> usize {
    let length = match kind {
        15 | 16 => 12,
        -138 | 19 => 16,
        20 => 24,
        _ => rest,
    };
    length.min(rest)
}

/// PAC_CLIENT_INFO: the client's name, and the time of its authentication in seconds since 1970.
fn client_info(buffer: Buffer<'_>) -> Result<(Option<String>, Option<u64>), InvalidMessage> {
    /// From 1601-01-01 to 1970-01-01, in seconds.
    const EPOCH: u64 = 11_644_473_600;

    let mut reader = Reader::at(buffer.data, buffer.offset);
    let time = reader.u64("PAC_CLIENT_INFO.ClientId")? / 10_000_000;
    let length = reader.u16("PAC_CLIENT_INFO.NameLength")?;
    let name = reader.take(length.into(), "PAC_CLIENT_INFO.Name")?;
    Ok((utf16::decode(name), time.checked_sub(EPOCH)))
}

fn wrong() -> Error {
    Error::AuthenticationFailed {
        mechanism: Mechanism::Kerberos,
        reason: AuthenticationFailure::WrongPac,
    }
}

fn invalid(structure: &'static str, offset: usize, kind: InvalidMessageKind) -> InvalidMessage {
    InvalidMessage::new(structure, offset, kind)
}
