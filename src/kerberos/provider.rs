use std::sync::Arc;

use super::acceptor::{KerberosAcceptor, ServiceCredentials};
use super::initiator::{InitiatorOptions, KerberosInitiator};
use crate::gss::{Acceptor, AcceptorRequest, Initiator, InitiatorRequest, MechanismProvider};
use crate::mechanism::{Mechanism, Oid};

/// Kerberos, client and server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Kerberos {
    /// How a client goes about it.
    pub initiator: InitiatorOptions,
    /// The keys of a server; a client needs none.
    pub acceptor: Option<Arc<ServiceCredentials>>,
}

impl MechanismProvider for Kerberos {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Kerberos
    }

    fn oids(&self) -> &'static [Oid] {
        // MS-SPNG, section 3.1.5.2: Windows' own identifier first, as its clients offer them.
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn initiator(&self, request: InitiatorRequest<'_>) -> Option<Box<dyn Initiator>> {
        let initiator = KerberosInitiator::new(&self.initiator, request)?;
        Some(Box::new(initiator))
    }

    fn acceptor(&self, request: AcceptorRequest<'_>) -> Box<dyn Acceptor> {
        Box::new(KerberosAcceptor::new(self.acceptor.clone(), request))
    }
}
