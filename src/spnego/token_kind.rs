use crate::codec::der;
use crate::mechanism::Oid;

/// What a peer's first token is.
///
/// CredSSP puts SPNEGO into `negoTokens`, and Windows' clients put NTLM there alone where they know that Kerberos is
/// impossible; who accepts has to tell them apart by their first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// Kerberos without SPNEGO (RFC 4121, section 4.1), or an AP-REQ without even its GSS-API header.
    Kerberos,
    /// NTLM without SPNEGO (MS-NLMP, section 2.2.1).
    Ntlm,
    /// SPNEGO (RFC 4178, section 4.2).
    Spnego,
}

impl TokenKind {
    /// The kind of a token, or `None` where it is none of them. A token cut short behind its first octets is still
    /// recognized.
    pub fn of(token: &[u8]) -> Option<Self> {
        match *token.first()? {
            b'N' if token.starts_with(b"NTLMSSP\0") => Some(Self::Ntlm),
            // NegotiationToken's two choices.
            0xa0 | 0xa1 => Some(Self::Spnego),
            // RFC 4120, section 5.5.1: AP-REQ is [APPLICATION 14].
            0x6e => Some(Self::Kerberos),
            der::INITIAL_CONTEXT_TOKEN => {
                let header = der::header(token).ok()??;
                let (tag, oid) = token.get(header.size..)?.split_first()?;
                let (length, oid) = oid.split_first()?;
                let oid = oid.get(..usize::from(*length))?;
                let is = |known: Oid| oid == known.contents();
                if *tag != der::OBJECT_IDENTIFIER {
                    None
                } else if is(Oid::SPNEGO) {
                    Some(Self::Spnego)
                } else if is(Oid::KERBEROS)
                    || is(Oid::MS_KERBEROS)
                    || is(Oid::KERBEROS_USER_TO_USER)
                {
                    Some(Self::Kerberos)
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}
