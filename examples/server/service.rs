//! The server's own keys and tickets for Kerberos, and what Kerberos tells of a client.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use credssp::AccountName;
use credssp::account::LogonInfo;
use credssp::environment::Environment;
use credssp::kerberos::Kerberos;
use credssp::kerberos::acceptor::{ServiceCredentials, ServiceTgt};
use credssp::kerberos::asn1::KerberosTime;
use credssp::kerberos::crypto::EncryptionKey;
use credssp::kerberos::initiator::{ClientName, ClientSecret, InitiatorOptions};
use credssp::stream::files;
use credssp::stream::kdc::{KdcClient, log_on};
use serde_json::{Value, json};

use crate::kerberos::KdcOptions;

/// How often to look whether the service's own ticket has to be renewed.
const RENEWAL: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct ServiceKeys {
    /// Accept Kerberos with the keys of a keytab, for each service that is in it
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// Accept user-to-user as well, which Remote Desktop clients insist on: the account in the keytab by which to log on
    /// at a KDC [default, with a KDC: none]
    #[arg(long, value_name = r"USER@REALM", requires = "keytab")]
    service: Option<AccountName>,
}

impl ServiceKeys {
    /// Kerberos, if there are keys for it.
    pub(crate) fn kerberos(&self, kdc: &KdcOptions) -> Result<Option<Kerberos>, Box<dyn Error>> {
        let Some(path) = &self.keytab else {
            return Ok(None);
        };
        let keytab = files::read_keytab(path)?;
        let mut tgt = None;
        if let Some(service) = &self.service {
            if !kdc.given() {
                let message =
                    "--service needs a KDC to log on at: --kdc, --krb5-conf or --kdc-proxy";
                return Err(message.into());
            }
            let (client, options) = kdc.configure()?;
            let realm = options.default_realm.as_deref().unwrap_or_default();
            let name = ClientName::of(service, realm);
            let keys = keytab.client_keys(&name).ok_or_else(|| {
                let path = path.display();
                format!("{path} has no key of {service}: see `klist -k {path}`")
            })?;
            let logon = Logon {
                kdc: client,
                options,
                name,
                keys,
                tgt: Arc::default(),
            };
            tgt = Some(logon.tgt.clone());
            logon.keep_up()?;
        }
        let mut credentials = ServiceCredentials::new(keytab);
        if let Some(tgt) = tgt {
            credentials = credentials.service_tgt_of(tgt);
        }
        let mut kerberos = Kerberos::default();
        kerberos.acceptor = Some(Arc::new(credentials));
        Ok(Some(kerberos))
    }
}

/// The logon of the service's own account.
struct Logon {
    kdc: Arc<KdcClient>,
    options: InitiatorOptions,
    name: ClientName,
    keys: Arc<[EncryptionKey]>,
    tgt: Arc<ServiceTgt>,
}

impl Logon {
    /// Logs on, and again whenever the ticket grows old.
    fn keep_up(self) -> Result<(), credssp::Error> {
        self.renew()?;
        thread::spawn(move || {
            loop {
                thread::sleep(RENEWAL);
                if let Err(error) = self.renew() {
                    tracing::warn!(%error, "the service cannot renew its own ticket");
                }
            }
        });
        Ok(())
    }

    fn renew(&self) -> Result<(), credssp::Error> {
        let environment = Environment::default();
        let now = environment.time.since_unix_epoch();
        if self
            .tgt
            .needs_refresh(KerberosTime::from_unix(now.as_secs()))
        {
            let (name, secret) = (self.name.clone(), ClientSecret::Keys(self.keys.clone()));
            self.tgt.set(log_on(
                &*self.kdc,
                name,
                secret,
                &self.options,
                &environment,
            )?);
        }
        Ok(())
    }
}

/// What the client's domain says of it.
pub(crate) fn to_json(info: &LogonInfo) -> Value {
    json!({
        "upn": info.upn,
        "dns_domain": info.dns_domain,
        "sam_name": info.sam_name,
        "sid": info.sid,
        "group_sids": info.group_sids,
    })
}
