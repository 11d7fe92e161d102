use std::collections::BTreeMap;

/// Which realms hosts belong to, as `[domain_realm]` of krb5.conf says.
///
/// ```
/// use credssp::kerberos::DomainRealms;
///
/// let mut realms = DomainRealms::default();
/// realms.insert(".corp.example", "CORP.EXAMPLE");
/// realms.insert("web.corp.example", "DMZ.EXAMPLE");
/// assert_eq!(realms.realm_of("db.corp.example"), Some("CORP.EXAMPLE"));
/// assert_eq!(realms.realm_of("WEB.corp.example"), Some("DMZ.EXAMPLE"));
/// assert_eq!(realms.realm_of("corp.example"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainRealms(BTreeMap<Box<str>, Box<str>>);

impl DomainRealms {
    /// Adds a host or a domain, unless it is there: `name` is that host and those below it, `.name` those below it alone, and
    /// preferred for them.
    pub fn insert(&mut self, domain: &str, realm: &str) {
        let domain = domain.to_lowercase().into();
        self.0.entry(domain).or_insert_with(|| realm.into());
    }

    /// The realm of a host: of the entries that fit the longest counts.
    pub fn realm_of(&self, host: &str) -> Option<&str> {
        let host = host.to_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let domains = host
            .match_indices('.')
            .flat_map(|(at, _)| [host.get(at..), host.get(at + 1..)]);
        [Some(host)]
            .into_iter()
            .chain(domains)
            .flatten()
            .find_map(|domain| self.0.get(domain))
            .map(|realm| &**realm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_entry_counts_and_labels_are_whole() {
        let mut realms = DomainRealms::default();
        for (domain, realm) in [
            ("example", "A"),
            (".Corp.example", "B"),
            ("corp.example", "C"),
            ("db.corp.example", "D"),
            ("DB.corp.example", "E"),
        ] {
            realms.insert(domain, realm);
        }
        for (host, realm) in [
            ("example", Some("A")),
            ("other.example", Some("A")),
            ("mycorp.example", Some("A")),
            ("CORP.example.", Some("C")),
            ("web.corp.example", Some("B")),
            ("db.corp.EXAMPLE", Some("D")),
            ("my-db.corp.example", Some("B")),
            ("example.org", None),
            ("", None),
        ] {
            assert_eq!(realms.realm_of(host), realm, "{host}");
        }
    }
}
