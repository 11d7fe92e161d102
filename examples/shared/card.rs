//! How the example programs log on by certificate.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
#[cfg(feature = "pkcs11")]
use credssp::Secret;
use credssp::credentials::{SoftwareSigner, TsPasswordCreds};
use credssp::kerberos::pkinit::{PkinitOptions, principal_name};
#[cfg(feature = "pkcs11")]
use credssp::stream::pkcs11::{Card, CardChoice, Module};
use credssp::{AccountName, Credentials};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

/// A certificate, and who proves a KDC.
#[derive(Args)]
pub(crate) struct CertificateOptions {
    /// Log on to Kerberos by this certificate in PEM, with those that lead to its authority behind it; what is delegated is a
    /// password, if one is given
    #[arg(long, value_name = "PEM", requires_all = ["key", "kdc_anchors"])]
    cert: Option<PathBuf>,
    /// The certificate's private key, in PEM without a password
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
    /// Authorities, in PEM, that vouch for KDCs
    #[arg(long, value_name = "PEM")]
    kdc_anchors: Option<PathBuf>,
    /// Revocation lists, in PEM, for the certificates of KDCs
    #[arg(long, value_name = "PEM", requires = "kdc_anchors")]
    kdc_crl: Vec<PathBuf>,
    /// The name of a KDC, for certificates that do not name the realm; may be given again
    #[arg(long, value_name = "HOST", requires = "kdc_anchors")]
    kdc_host: Vec<Box<str>>,
    /// Log on to Kerberos by a smart card through this module of PKCS #11, and delegate the card
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "FILE", conflicts_with = "cert", requires_all = ["pin_file", "kdc_anchors"])]
    pkcs11_module: Option<PathBuf>,
    /// The slot's number [default: whichever holds a certificate that fits]
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "NUMBER", requires = "pkcs11_module")]
    slot: Option<u64>,
    /// The card's label [default: any]
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    token_label: Option<Box<str>>,
    /// The certificate's label [default: the only certificate for logons]
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    cert_label: Option<Box<str>>,
    /// The certificate's identifier, in hexadecimal
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "HEX", requires = "pkcs11_module")]
    cert_id: Option<String>,
    /// A file with the card's PIN; one newline at its end is dropped
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "FILE", requires = "pkcs11_module")]
    pin_file: Option<PathBuf>,
}

impl CertificateOptions {
    /// Whom the client takes for a KDC.
    pub(crate) fn pkinit(&self) -> Result<PkinitOptions, Box<dyn Error>> {
        let mut options = PkinitOptions::default();
        options.kdc_hosts.clone_from(&self.kdc_host);
        if let Some(path) = &self.kdc_anchors {
            for anchor in CertificateDer::pem_slice_iter(&read(path)?) {
                options
                    .anchors
                    .push(anchor.map_err(|error| about(path, error))?);
            }
            if options.anchors.is_empty() {
                return Err(about(path, "it holds no certificate in PEM").into());
            }
        }
        for path in &self.kdc_crl {
            for list in CertificateRevocationListDer::pem_slice_iter(&read(path)?) {
                options.crls.push(list.map_err(|error| about(path, error))?);
            }
        }
        Ok(options)
    }

    /// What to log on with, where that is a certificate. Without an account it is the certificate's.
    pub(crate) fn credentials(
        &self,
        account: Option<&AccountName>,
        password: Option<&str>,
    ) -> Result<Option<Credentials>, Box<dyn Error>> {
        #[cfg(feature = "pkcs11")]
        if let (Some(module), Some(pin)) = (&self.pkcs11_module, &self.pin_file) {
            return self.card(module, pin, account).map(Some);
        }
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Ok(None);
        };
        let certificates = read(cert)?;
        let signer = SoftwareSigner::from_pem(&certificates, &read(key)?)
            .map_err(|error| about(cert, error))?;
        let first = CertificateDer::from_pem_slice(&certificates)?;
        let account = match account {
            Some(account) => account.clone(),
            None => AccountName::new("", &principal_name(&first).ok_or(NO_ACCOUNT)?),
        };
        let delegated = TsPasswordCreds::new(
            account.domain(),
            account.user(),
            password.unwrap_or_default(),
        );
        Ok(Some(Credentials::certificate(
            account,
            Arc::new(signer),
            delegated.into(),
        )))
    }

    #[cfg(feature = "pkcs11")]
    fn card(
        &self,
        module: &Path,
        pin: &Path,
        account: Option<&AccountName>,
    ) -> Result<Credentials, Box<dyn Error>> {
        let text = fs::read_to_string(pin).map_err(|error| about(pin, error))?;
        let text = Secret::from(text);
        let line = text.expose();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let pin: Secret<str> = line.strip_suffix('\r').unwrap_or(line).into();
        let mut choice = CardChoice::default();
        choice.slot = self.slot;
        choice.token_label.clone_from(&self.token_label);
        choice.certificate_label.clone_from(&self.cert_label);
        choice.certificate_id = self.cert_id.as_deref().map(from_hex).transpose()?;
        let card = Arc::new(Card::open(&Module::load(module)?, &choice, &pin)?);
        Ok(card.credentials(account.cloned(), pin).ok_or(NO_ACCOUNT)?)
    }
}

const NO_ACCOUNT: &str = "the certificate names no user: say by --user whose it is";

#[cfg(feature = "pkcs11")]
fn from_hex(text: &str) -> Result<Box<[u8]>, Box<dyn Error>> {
    let digits: Vec<char> = text.chars().filter(|digit| *digit != ':').collect();
    digits
        .chunks(2)
        .map(|pair| match pair {
            [_, _] => u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok(),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| "--cert-id is given in hexadecimal, such as 01 or 4a:7f".into())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| about(path, error))
}

fn about(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
