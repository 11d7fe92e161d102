//! What the command lines of the example programs say about Kerberos.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use credssp::kdc::KdcAddress;
use credssp::kerberos::initiator::InitiatorOptions;
use credssp::stream::files;
#[cfg(feature = "dns")]
use credssp::stream::kdc::DnsLocator;
use credssp::stream::kdc::KdcClient;

/// Where the KDCs are.
#[derive(Args)]
pub(crate) struct KdcOptions {
    /// A Kerberos KDC, for every realm; may be given again
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["krb5_conf", "kdc_proxy"])]
    kdc: Vec<KdcAddress>,
    /// Realms and their KDCs, as krb5.conf tells them; with the feature dns, KDCs that it does not tell are looked for in DNS
    #[arg(long, value_name = "FILE", conflicts_with = "kdc_proxy")]
    pub(crate) krb5_conf: Option<PathBuf>,
    /// A KDC proxy (MS-KKDCP), such as https://gateway.example.com/KdcProxy, for every realm
    #[arg(long, value_name = "URL")]
    kdc_proxy: Option<KdcAddress>,
    /// Certificates, in PEM, of authorities that prove the KDC proxy [default: krb5.conf's http_anchors, else the system's]
    #[arg(long, value_name = "PEM")]
    kdc_proxy_roots: Option<PathBuf>,
    /// The realm of accounts that are given without one
    #[arg(long, value_name = "REALM")]
    realm: Option<Box<str>>,
}

impl KdcOptions {
    /// Whether any KDC is known.
    pub(crate) fn given(&self) -> bool {
        !self.kdc.is_empty() || self.krb5_conf.is_some() || self.kdc_proxy.is_some()
    }

    /// What asks the KDCs, and what a client is told of its realm.
    pub(crate) fn configure(&self) -> Result<(Arc<KdcClient>, InitiatorOptions), Box<dyn Error>> {
        let addresses = self.kdc.iter().chain(&self.kdc_proxy).cloned();
        let mut client = KdcClient::default().with_every_realm(addresses);
        let mut options = InitiatorOptions::default();
        let mut roots = self.kdc_proxy_roots.clone();
        if let Some(path) = &self.krb5_conf {
            let configuration = Arc::new(files::read_krb5_conf(path)?);
            options = InitiatorOptions::from_krb5_conf(&configuration);
            if let Some(limit) = configuration.udp_preference_limit() {
                client = client.with_udp(limit);
            }
            let realm = configuration.default_realm().unwrap_or_default();
            let mut anchors = configuration.http_anchors(realm);
            roots = roots.or_else(|| {
                anchors
                    .find_map(|file| file.strip_prefix("FILE:"))
                    .map(Into::into)
            });
            drop(anchors);
            #[cfg(feature = "dns")]
            let in_dns = configuration.dns_lookup_kdc();
            client = client.with_locator(configuration);
            #[cfg(feature = "dns")]
            if in_dns {
                client = client.with_locator(Arc::new(DnsLocator::default()));
            }
        }
        if roots.is_none() && self.kdc_proxy.is_some() {
            roots = Some(system_roots()?);
        }
        if let Some(path) = &roots {
            let pem = fs::read(path);
            let pem = pem.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            client = with_proxy_roots(client, &pem)?;
        }
        if let Some(realm) = &self.realm {
            options.default_realm = Some(realm.clone());
        }
        Ok((Arc::new(client), options))
    }
}

/// Where the system keeps the certificates of the authorities that it trusts.
fn system_roots() -> Result<PathBuf, &'static str> {
    let own = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    own.into_iter()
        .chain(usual.map(PathBuf::from))
        .find(|path| path.is_file())
        .ok_or(
            "the system's certificates are in none of the usual places: give --kdc-proxy-roots PEM",
        )
}

#[cfg(feature = "kdc-proxy")]
fn with_proxy_roots(client: KdcClient, pem: &[u8]) -> Result<KdcClient, Box<dyn Error>> {
    Ok(client.with_proxy_roots(pem)?)
}

#[cfg(not(feature = "kdc-proxy"))]
fn with_proxy_roots(_: KdcClient, _: &[u8]) -> Result<KdcClient, Box<dyn Error>> {
    Err(
        "KDC proxies need the feature kdc-proxy: cargo run --features kdc-proxy --example ..."
            .into(),
    )
}
