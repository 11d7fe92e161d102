use std::time::Duration;

use super::ServiceCredentials;
use super::refusal::Refusal;
use super::ticket::{check_restrictions, later};
use super::{ReplayError, ReplayId};
use crate::error::{AuthenticationFailure, Error};
use crate::kerberos::asn1::{
    ApReq, Authenticator, AuthenticatorChecksum, AuthorizationDataElement, ContextFlags,
    EncTicketPart, ErrorCode, Flags, KerberosTime,
};
use crate::kerberos::crypto::{EncryptionKey, KeyUsage};

impl ServiceCredentials {
    /// Opens the authenticator and holds it against the ticket, the time, and those that have come before (RFC 4120, section
    /// 3.2.3).
    pub(super) fn open_authenticator(
        &self,
        request: &ApReq,
        ticket: &EncTicketPart,
        session_key: &EncryptionKey,
        now: Duration,
    ) -> Result<Authenticator, Refusal> {
        let sealed = &request.authenticator;
        let octets = sealed
            .open(session_key, KeyUsage::AP_REQ_AUTHENTICATOR)
            .map_err(|_| {
                Refusal::new(
                    ErrorCode::BAD_INTEGRITY,
                    AuthenticationFailure::WrongAuthenticator,
                )
            })?;
        let authenticator = Authenticator::decode(&octets)?;
        // "The name and realm of the client from the ticket are compared against the same fields in the authenticator.  If they
        // don't match, the KRB_AP_ERR_BADMATCH error is returned"
        if authenticator.crealm != ticket.crealm || authenticator.cname != ticket.cname {
            return Err(Refusal::new(
                ErrorCode::BADMATCH,
                AuthenticationFailure::ClientMismatch,
            ));
        }
        // "if the local (server) time and the client time in the authenticator differ by more than the allowable clock skew
        // [...], the KRB_AP_ERR_SKEW error is returned"
        let ctime = Duration::from_secs(authenticator.ctime.to_unix())
            + Duration::from_micros(authenticator.cusec.get().into());
        if !self.within_skew(ctime, now) {
            return Err(Refusal::new(
                ErrorCode::SKEW,
                AuthenticationFailure::TimeSkew,
            ));
        }
        // Not before: who has no ticket cannot fill the cache. An authenticator may be ahead of our time by the skew, and is
        // good until it is behind by as much.
        let now = KerberosTime::from_unix(now.as_secs());
        let lifetime = self
            .clock_skew
            .as_secs()
            .saturating_mul(2)
            .saturating_add(1);
        self.replay
            .insert(ReplayId::new(sealed), now, later(now, lifetime))
            .map_err(|error| match error {
                ReplayError::Replayed => Refusal::new(
                    ErrorCode::REPEAT,
                    AuthenticationFailure::ReplayedAuthenticator,
                ),
                ReplayError::Full => {
                    Refusal::new(ErrorCode::GENERIC, AuthenticationFailure::ReplayCacheFull)
                }
                ReplayError::Store(error) => Refusal {
                    code: Some(ErrorCode::GENERIC),
                    error: Error::from(error),
                },
            })?;
        check_restrictions(authenticator.authorization_data.as_deref())?;
        Ok(authenticator)
    }

    /// What the client asks for (RFC 4121, section 4.1.1).
    pub(super) fn check_context(
        &self,
        request: &ApReq,
        authenticator: &Authenticator,
        channel_bindings: Option<[u8; 16]>,
    ) -> Result<ContextFlags, Refusal> {
        let generic = |reason| Err(Refusal::new(ErrorCode::GENERIC, reason));
        let checksum = authenticator
            .cksum
            .as_ref()
            .and_then(|checksum| AuthenticatorChecksum::decode(checksum).ok())
            .ok_or_else(|| {
                Refusal::new(
                    ErrorCode::INAPP_CKSUM,
                    AuthenticationFailure::MissingGssChecksum,
                )
            })?;
        if let Some(ours) = channel_bindings {
            let fits = match checksum.channel_bindings {
                Some(theirs) => theirs == ours,
                None => {
                    let elements = authenticator.authorization_data.as_deref();
                    !self.require_channel_bindings
                        && !elements
                            .unwrap_or_default()
                            .iter()
                            .any(AuthorizationDataElement::says_channel_bindings_sent)
                }
            };
            if !fits {
                return generic(AuthenticationFailure::WrongChannelBindings);
            }
        }
        let flags = checksum.flags;
        if !flags.contains(ContextFlags::MUTUAL)
            || !request.ap_options.contains(Flags::MUTUAL_REQUIRED)
        {
            return generic(AuthenticationFailure::MissingMutual);
        }
        if !flags.contains(ContextFlags::CONF.with(ContextFlags::INTEG)) {
            return generic(AuthenticationFailure::MissingProtection);
        }
        Ok(flags)
    }
}
