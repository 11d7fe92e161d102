//! Kerberos' files.

use std::path::{Path, PathBuf};

use credssp::kdc::KdcAddress;
use credssp::kerberos::asn1::{KerberosTime, PrincipalName};
use credssp::kerberos::ccache::CredentialCache;
use credssp::kerberos::keytab::Keytab;
use credssp::kerberos::krb5_conf::{ConfigurationFiles, InvalidKrb5Conf, Krb5Conf};

/// The reader of keytabs.
pub fn keytab(data: &[u8]) {
    if let Ok(keytab) = Keytab::parse(data) {
        for entry in &keytab.entries {
            let mut keys = keytab.keys(&entry.realm, &entry.principal);
            assert!(keys.any(|found| found.kvno == entry.kvno));
        }
        let _ = format!("{keytab:?}");
    }
}

/// The reader of credential caches: what is read is written so that it reads the same.
pub fn ccache(data: &[u8]) {
    let Ok(cache) = CredentialCache::parse(data) else {
        return;
    };
    let now = KerberosTime::from_unix(1_000);
    let written = cache.encode().expect("not longer than what was read");
    let again = CredentialCache::parse(written.expose()).expect("what we have written");
    assert!(again.encode().expect("as before").ct_eq(written.expose()));
    assert_eq!(format!("{again:?}"), format!("{cache:?}"));
    let end = |cache: &CredentialCache| cache.tgt(now).map(|ticket| ticket.endtime);
    assert_eq!(end(&again), end(&cache));
    let krbtgt = PrincipalName::krbtgt(&cache.client().realm);
    let _ = cache.service_ticket(&krbtgt, now);
}

/// Each file has the same text, but that what is included includes nothing.
struct Everywhere<'a>(&'a str);

impl ConfigurationFiles for Everywhere<'_> {
    type Error = InvalidKrb5Conf;

    fn read(&mut self, file: &Path) -> Result<String, Self::Error> {
        Ok(match file.to_str() {
            Some("first" | "second") => self.0.into(),
            _ => self.0.replace("include", ";"),
        })
    }

    fn list(&mut self, directory: &Path) -> Result<Vec<PathBuf>, Self::Error> {
        Ok(vec![directory.join("a"), directory.join("b")])
    }
}

/// The reader of krb5.conf, with includes.
pub fn krb5_conf(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let paths = ["first", "second"].map(PathBuf::from);
    if let Ok(configuration) = Krb5Conf::load(&paths, &mut Everywhere(&text)) {
        let _ = (configuration.encryption_types(), configuration.clock_skew());
        let realm = configuration.domain_realms().realm_of(&text);
        for realm in [realm, configuration.default_realm()].into_iter().flatten() {
            for address in configuration.kdcs(realm) {
                assert_eq!(address.to_string().parse().as_ref(), Ok(address));
            }
        }
    }
    if let Ok(address) = text.parse::<KdcAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}
