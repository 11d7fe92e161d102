use bytes::BytesMut;

use super::text;
use crate::codec::der::{self, OCTET_STRING, Reader, SEQUENCE, context};
use crate::error::{InvalidMessage, InvalidMessageKind};
use crate::secret::Secret;

/// The most elements of `supplementalCreds` that are read. Windows sends one, for NTLM.
const MAX_SUPPLEMENTAL_CREDS: usize = 16;

/// Tickets in place of a password: `TSRemoteGuardCreds` (MS-CSSP, section 2.2.1.2.3).
#[derive(Debug)]
#[non_exhaustive]
pub struct TsRemoteGuardCreds {
    /// `logonCred`: what the server logs the user on with, e.g. of the package `Kerberos`.
    pub logon_cred: TsRemoteGuardPackageCred,
    /// `supplementalCreds`: what other packages need, e.g. `NTLM`. At most 16 of them are read.
    pub supplemental_creds: Option<Vec<TsRemoteGuardPackageCred>>,
}

impl TsRemoteGuardCreds {
    /// Without supplemental credentials.
    pub fn new(logon_cred: TsRemoteGuardPackageCred) -> Self {
        Self {
            logon_cred,
            supplemental_creds: None,
        }
    }

    pub(super) fn decode(mut fields: Reader<'_>) -> Result<Self, InvalidMessage> {
        const SUPPLEMENTAL: &str = "TSRemoteGuardCreds.supplementalCreds";
        let logon_cred = fields.explicit(context(0), SEQUENCE, "TSRemoteGuardCreds.logonCred")?;
        let supplemental_creds = fields.optional_explicit(context(1), SEQUENCE, SUPPLEMENTAL)?;
        fields.finish("TSRemoteGuardCreds")?;
        Ok(Self {
            logon_cred: TsRemoteGuardPackageCred::decode(logon_cred)?,
            supplemental_creds: supplemental_creds
                .map(|mut elements| {
                    let mut credentials = Vec::new();
                    while !elements.is_empty() {
                        if credentials.len() == MAX_SUPPLEMENTAL_CREDS {
                            return Err(elements.error(SUPPLEMENTAL, InvalidMessageKind::TooLarge));
                        }
                        let element = elements.read(SEQUENCE, SUPPLEMENTAL)?;
                        credentials.push(TsRemoteGuardPackageCred::decode(element)?);
                    }
                    Ok(credentials)
                })
                .transpose()?,
        })
    }

    pub(super) fn fields_len(&self) -> usize {
        let supplemental = self.supplemental_len().map_or(0, der::explicit_len);
        der::explicit_len(self.logon_cred.fields_len()).saturating_add(supplemental)
    }

    /// The length of the contents of `supplementalCreds`.
    fn supplemental_len(&self) -> Option<usize> {
        self.supplemental_creds.as_ref().map(|credentials| {
            credentials
                .iter()
                .map(|credential| der::value_len(credential.fields_len()))
                .fold(0, usize::saturating_add)
        })
    }

    pub(super) fn put_fields(&self, out: &mut BytesMut) {
        der::put_explicit_header(out, context(0), SEQUENCE, self.logon_cred.fields_len());
        self.logon_cred.put_fields(out);
        if let Some(length) = self.supplemental_len() {
            der::put_explicit_header(out, context(1), SEQUENCE, length);
        }
        for credential in self.supplemental_creds.iter().flatten() {
            der::put_header(out, SEQUENCE, credential.fields_len());
            credential.put_fields(out);
        }
    }
}

/// One package's credential: `TSRemoteGuardPackageCred` (MS-CSSP, section 2.2.1.2.3.1).
#[derive(Debug)]
#[non_exhaustive]
pub struct TsRemoteGuardPackageCred {
    /// `packageName`, e.g. `Kerberos`.
    pub package_name: Box<str>,
    /// `credBuffer`, whose format is the package's own.
    pub cred_buffer: Secret<[u8]>,
}

impl TsRemoteGuardPackageCred {
    /// From parts.
    pub fn new(package_name: &str, cred_buffer: impl Into<Secret<[u8]>>) -> Self {
        Self {
            package_name: package_name.into(),
            cred_buffer: cred_buffer.into(),
        }
    }

    fn decode(mut fields: Reader<'_>) -> Result<Self, InvalidMessage> {
        const PACKAGE_NAME: &str = "TSRemoteGuardPackageCred.packageName";
        const CRED_BUFFER: &str = "TSRemoteGuardPackageCred.credBuffer";
        let credential = Self {
            package_name: text::read(&mut fields, context(0), PACKAGE_NAME)?,
            cred_buffer: fields
                .explicit(context(1), OCTET_STRING, CRED_BUFFER)?
                .rest()
                .into(),
        };
        fields.finish("TSRemoteGuardPackageCred")?;
        Ok(credential)
    }

    fn fields_len(&self) -> usize {
        let cred_buffer = der::explicit_len(self.cred_buffer.expose().len());
        text::len(&self.package_name).saturating_add(cred_buffer)
    }

    fn put_fields(&self, out: &mut BytesMut) {
        text::put(out, context(0), &self.package_name);
        der::put_explicit(out, context(1), OCTET_STRING, self.cred_buffer.expose());
    }
}
