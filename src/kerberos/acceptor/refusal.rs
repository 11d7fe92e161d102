use std::time::Duration;

use crate::environment::GetRandomFailed;
use crate::error::{AuthenticationFailure, Error, InvalidMessage};
use crate::kerberos::asn1::{
    ErrorCode, Exactly, KerberosString, KerberosTime, KrbError, Microseconds, PrincipalName, Ticket,
};
use crate::mechanism::Mechanism;

/// Why a client is refused, and the code that tells it so; without a code it is told nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Option<ErrorCode>,
    pub(super) error: Error,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, reason: AuthenticationFailure) -> Self {
        let mechanism = Mechanism::Kerberos;
        Self {
            code: Some(code),
            error: Error::AuthenticationFailed { mechanism, reason },
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { code: None, error }
    }
}

impl From<InvalidMessage> for Refusal {
    fn from(error: InvalidMessage) -> Self {
        Error::from(error).into()
    }
}

impl From<GetRandomFailed> for Refusal {
    fn from(error: GetRandomFailed) -> Self {
        Error::from(error).into()
    }
}

/// The service that the client means, as it says itself: a KRB-ERROR repeats it.
#[derive(Debug, Default)]
pub(super) struct Service {
    realm: Option<KerberosString>,
    name: Option<PrincipalName>,
}

impl Service {
    pub(super) fn new(realm: Option<KerberosString>, name: Option<PrincipalName>) -> Self {
        Self { realm, name }
    }

    pub(super) fn of(ticket: &Ticket) -> Self {
        Self::new(Some(ticket.realm.clone()), Some(ticket.sname.clone()))
    }

    /// A KRB-ERROR, without a text: what exactly is wrong is for the server's own log.
    pub(super) fn error(self, code: ErrorCode, now: Duration) -> KrbError {
        KrbError {
            pvno: Exactly,
            msg_type: Exactly,
            ctime: None,
            cusec: None,
            stime: KerberosTime::from_unix(now.as_secs()),
            susec: Microseconds::new(now.subsec_micros()).unwrap_or_default(),
            error_code: code.number(),
            crealm: None,
            cname: None,
            realm: self.realm.unwrap_or_default(),
            sname: self
                .name
                .unwrap_or_else(|| PrincipalName::new(PrincipalName::PRINCIPAL, &[])),
            e_text: None,
            e_data: None,
        }
    }
}
