use std::str;

use super::refusal::Refusal;
use super::ticket::WIN2K_PAC;
use crate::account::LogonInfo;
use crate::error::{AuthenticationFailure, Error, InvalidMessage, PeerIncompatible};
use crate::kerberos::asn1::{
    self, AuthorizationDataElement, EncTicketPart, ErrorCode, PrincipalName,
};
use crate::kerberos::crypto::EncryptionKey;
use crate::kerberos::pac::Pac;
use crate::name::AccountName;

/// The client, as the ticket names it: the realm, and the name's components with a slash between them.
pub(super) fn account(ticket: &EncTicketPart) -> Result<AccountName, Refusal> {
    // RFC 8062, section 3: the anonymous principal is nobody.
    if ticket.cname == PrincipalName::new(0, &["WELLKNOWN", "ANONYMOUS"]) {
        return Err(Refusal {
            code: Some(ErrorCode::GENERIC),
            error: PeerIncompatible::Anonymous.into(),
        });
    }
    // Two principals must not become one account.
    name(ticket)
        .ok_or_else(|| Refusal::new(ErrorCode::GENERIC, AuthenticationFailure::AmbiguousName))
}

fn name(ticket: &EncTicketPart) -> Option<AccountName> {
    let realm = str::from_utf8(ticket.crealm.as_bytes()).ok()?;
    // An account without a domain would pass for one of the server's own, and one of the realm `A\B` for `B\...` of `A`: no
    // realm is called so (RFC 4120, section 6.1).
    if realm.is_empty() || realm.contains(['\\', '\0']) {
        return None;
    }
    let components = ticket
        .cname
        .name_string
        .iter()
        .map(|component| {
            let component = str::from_utf8(component.as_bytes()).ok()?;
            (!component.is_empty() && !component.contains(['/', '\0'])).then_some(component)
        })
        .collect::<Option<Vec<_>>>()?;
    (!components.is_empty()).then(|| AccountName::new(realm, &components.join("/")))
}

/// What the PAC says of the client, if there is one; `key` is the one that has opened the ticket.
pub(super) fn logon_info(
    ticket: &EncTicketPart,
    key: &EncryptionKey,
) -> Result<Option<Box<LogonInfo>>, Refusal> {
    let Some(octets) = find_pac(ticket)? else {
        return Ok(None);
    };
    let info = Pac::decode(&octets)?
        .verify(key, &ticket.cname, ticket.authtime)
        .map_err(|error| match error {
            Error::AuthenticationFailed { .. } => Refusal {
                code: Some(ErrorCode::MODIFIED),
                error,
            },
            error => error.into(),
        })?;
    Ok(Some(Box::new(info)))
}

/// The first AD-WIN2K-PAC, which stands inside AD-IF-RELEVANT (MS-KILE, section 3.3.5.6.4).
fn find_pac(ticket: &EncTicketPart) -> Result<Option<Box<[u8]>>, InvalidMessage> {
    for element in ticket.authorization_data.as_deref().unwrap_or_default() {
        let inner: Vec<AuthorizationDataElement> = match element.ad_type {
            WIN2K_PAC => vec![element.clone()],
            AuthorizationDataElement::IF_RELEVANT => {
                asn1::decode(element.ad_data.as_bytes(), "AD-IF-RELEVANT")?
            }
            _ => continue,
        };
        let pac = inner.iter().find(|element| element.ad_type == WIN2K_PAC);
        if let Some(pac) = pac {
            return Ok(Some(pac.ad_data.as_bytes().into()));
        }
    }
    Ok(None)
}
