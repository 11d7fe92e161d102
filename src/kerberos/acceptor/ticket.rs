use std::time::Duration;

use super::ServiceCredentials;
use super::refusal::Refusal;
use crate::error::AuthenticationFailure;
use crate::kerberos::asn1::{
    AuthorizationDataElement, EncTicketPart, ErrorCode, Flags, KerberosTime, KeyValue,
};
use crate::kerberos::crypto::EncryptionKey;

/// AD-MANDATORY-FOR-KDC (RFC 4120, section 5.2.6.4): what is inside concerns KDCs alone.
const MANDATORY_FOR_KDC: i32 = 8;

/// AD-WIN2K-PAC (MS-PAC, section 2.1).
pub(super) const WIN2K_PAC: i32 = 128;

impl ServiceCredentials {
    /// The checks of a ticket that a key of ours has opened (RFC 4120, section 3.2.3); its session key.
    pub(super) fn check_ticket(
        &self,
        part: &EncTicketPart,
        now: KerberosTime,
    ) -> Result<EncryptionKey, Refusal> {
        let skew = self.clock_skew.as_secs();
        let starttime = part.starttime.unwrap_or(part.authtime);
        // "if the start time is later than the current time by more than the allowable clock skew, or if the INVALID flag is
        // set in the ticket, the KRB_AP_ERR_TKT_NYV error is returned"
        if part.flags.contains(Flags::INVALID) || starttime > later(now, skew) {
            return Err(Refusal::new(
                ErrorCode::TKT_NYV,
                AuthenticationFailure::TicketNotYetValid,
            ));
        }
        // "if the current time is later than end time by more than the allowable clock skew, the KRB_AP_ERR_TKT_EXPIRED error
        // is returned"
        if now > later(part.endtime, skew) {
            return Err(Refusal::new(
                ErrorCode::TKT_EXPIRED,
                AuthenticationFailure::TicketExpired,
            ));
        }
        // RFC 4120, section 2.7: where the flag is not set, the server itself "should do so [check the transited field]".
        if !part.flags.contains(Flags::TRANSITED_POLICY_CHECKED)
            && !part.transited.contents.as_bytes().is_empty()
            && !self.trusts_transited(&part.transited)
        {
            return Err(Refusal::new(
                ErrorCode::PATH_NOT_ACCEPTED,
                AuthenticationFailure::TransitedNotChecked,
            ));
        }
        // The addresses in a ticket are ignored: clients stand behind translators of addresses, and KDCs fill in none.
        check_restrictions(part.authorization_data.as_deref())?;
        self.permitted_key(&part.key)
    }

    /// A key of a message, if its encryption type is permitted.
    pub(super) fn permitted_key(&self, key: &KeyValue) -> Result<EncryptionKey, Refusal> {
        key.to_key()
            .filter(|key| self.permits(key.encryption_type()))
            .ok_or_else(|| {
                Refusal::new(
                    ErrorCode::ETYPE_NOSUPP,
                    AuthenticationFailure::EncryptionTypeNotPermitted,
                )
            })
    }

    /// Whether a client's time is near enough to ours.
    pub(super) fn within_skew(&self, time: Duration, now: Duration) -> bool {
        time.abs_diff(now) <= self.clock_skew
    }
}

/// RFC 4120, section 5.2.6: "if an unknown authorization data element type is received by a server either in an AP-REQ or in a
/// ticket contained in an AP-REQ, then, unless it is encapsulated in a known authorization data element amending the
/// criticality of the elements it contains, authentication MUST fail".
pub(super) fn check_restrictions(
    elements: Option<&[AuthorizationDataElement]>,
) -> Result<(), Refusal> {
    let known = [
        AuthorizationDataElement::IF_RELEVANT,
        MANDATORY_FOR_KDC,
        WIN2K_PAC,
    ];
    let mut elements = elements.unwrap_or_default().iter();
    if elements.all(|element| known.contains(&element.ad_type)) {
        Ok(())
    } else {
        Err(Refusal::new(
            ErrorCode::GENERIC,
            AuthenticationFailure::UnknownRestriction,
        ))
    }
}

pub(super) fn later(time: KerberosTime, seconds: u64) -> KerberosTime {
    KerberosTime::from_unix(time.to_unix().saturating_add(seconds))
}
