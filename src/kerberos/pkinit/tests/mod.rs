//! Logons by certificate at a KDC that lies: each check of PA-PK-AS-REP.

mod answers;
mod refusals;

use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::cms::{self, SignedData};
use super::diffie_hellman::PrivateKey;
use super::encoding;
use super::key_derivation::{KeyDerivation, Parties, octet_string_to_key};
use super::*;
use crate::codec::der::{BIT_STRING, OCTET_STRING, Reader, SEQUENCE, context};
use crate::credentials::{CertificateSigner, SignatureScheme, SoftwareSigner, ToSign};
use crate::environment::SystemRandom;
use crate::error::{
    Error, InvalidMessageKind, KdcCertificateProblem, KdcError, PkinitError, SignError,
};
use crate::kerberos::asn1::*;
use crate::kerberos::crypto::{EncryptionKey, EncryptionType};
use crate::kerberos::initiator::{AsExchange, AsStep, ClientName, ClientSecret};
use crate::kerberos::tests::as_exchange::{answer, environment};

const REALM: &str = "TEST.EXAMPLE";
const KIND: EncryptionType = EncryptionType::Aes128Sha1;

/// An authority, and who has certificates of it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(parameters, key);
        Self {
            issuer,
            certificate,
        }
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> SoftwareSigner {
        let key = KeyPair::generate().unwrap();
        let certificate = self.certify(&key, change);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        SoftwareSigner::new(vec![certificate], &key).unwrap()
    }

    fn certify(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut parameters = CertificateParams::default();
        let name = encoding::sequence(&[
            &explicit(0, &asn1_encode(&KerberosString::from(REALM))),
            &explicit(1, &asn1_encode(&PrincipalName::krbtgt(&REALM.into()))),
        ]);
        let name = encoding::value(
            context(0),
            &[
                &encoding::object_identifier(oid::PKINIT_SAN),
                &explicit(0, &name),
            ],
        );
        parameters
            .custom_extensions
            .push(CustomExtension::from_oid_content(
                &[2, 5, 29, 17],
                encoding::sequence(&[&name]),
            ));
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 2, 3, 5])];
        change(&mut parameters);
        let certificate = parameters.signed_by(key, &self.issuer).unwrap();
        certificate.der().clone()
    }
}

fn explicit(number: u8, value: &[u8]) -> Vec<u8> {
    encoding::value(context(number), &[value])
}

fn octets(value: &[u8]) -> Vec<u8> {
    encoding::value(OCTET_STRING, &[value])
}

fn asn1_encode<T: rasn::Encode>(value: &T) -> Vec<u8> {
    rasn::der::encode(value).unwrap()
}

type Change = fn(&mut CertificateParams);

/// What an honest KDC answers by, for `change` to spoil.
struct Answer {
    nonce: u32,
    public_value: Vec<u8>,
    kind: &'static [u8],
    signer: Arc<dyn CertificateSigner>,
    derivation: Option<KeyDerivation>,
    /// What DHRepInfo says of it.
    said: Option<&'static [u8]>,
    /// Of the SignedData.
    signed: fn(Vec<u8>) -> Vec<u8>,
    /// Of the PA-PK-AS-REP.
    reply: fn(Vec<u8>) -> Vec<u8>,
    /// Whether what it agrees on is what the client would.
    other_key: bool,
}

struct Lab {
    authority: Authority,
    kdc: Arc<dyn CertificateSigner>,
    user: Arc<dyn CertificateSigner>,
    options: PkinitOptions,
}

impl Lab {
    fn new() -> Self {
        let authority = Authority::new();
        let kdc = Arc::new(authority.issue(|_| ()));
        let user = Arc::new(authority.issue(|_| ()));
        let options = PkinitOptions {
            anchors: vec![authority.certificate.clone()],
            ..PkinitOptions::default()
        };
        Self {
            authority,
            kdc,
            user,
            options,
        }
    }

    fn start(&self) -> Result<(Vec<u8>, Box<AsExchange>), Error> {
        let client = ClientName::new(REALM, PrincipalName::new(1, &["alice"]));
        let secret = ClientSecret::Certificate {
            signer: Arc::clone(&self.user),
            options: Arc::new(self.options.clone()),
        };
        let step = AsExchange::start(client, secret, &[KIND], true, &environment())?;
        let (_, next) = waiting(step);
        let methods = vec![
            PaData::new(PaData::PK_AS_REQ, Vec::new()),
            PaData::new(PaData::AS_FRESHNESS, b"fresh".to_vec()),
        ];
        let error = krb_error(25, Some(asn1_encode(&MethodData(methods))));
        Ok(waiting(next.step(&error)?))
    }

    fn log_on(&self, change: impl FnOnce(&mut Answer)) -> Result<AsStep, Error> {
        let (request, next) = self.start()?;
        next.step(&self.answer(&request, change))
    }

    fn answer(&self, request: &[u8], change: impl FnOnce(&mut Answer)) -> Vec<u8> {
        let (_, decoded) = KdcReq::decode(request).unwrap();
        let body = decoded.req_body.value();
        let theirs = public_value(&decoded);
        let key = PrivateKey::new(DhGroup::Group14, &SystemRandom::default()).unwrap();
        let mut answer = Answer {
            nonce: body.nonce.get(),
            public_value: key.public_value(),
            kind: oid::DH_KEY_DATA,
            signer: Arc::clone(&self.kdc),
            derivation: Some(KeyDerivation::Sha256),
            said: None,
            signed: |signed| signed,
            reply: |reply| reply,
            other_key: false,
        };
        change(&mut answer);
        let info = encoding::sequence(&[
            &explicit(
                0,
                &encoding::value(BIT_STRING, &[b"\0", &answer.public_value]),
            ),
            &explicit(1, &asn1_encode(&Unsigned32::from(answer.nonce))),
        ]);
        let scheme = answer.signer.schemes()[0];
        let signed = cms::sign(answer.kind, &info, &*answer.signer, scheme).unwrap();
        let signed = (answer.signed)(signed);
        let said = answer
            .said
            .or_else(|| answer.derivation.map(KeyDerivation::identifier));
        let derivation = said
            .map(|said| {
                let identifier = encoding::object_identifier(said);
                explicit(2, &encoding::sequence(&[&explicit(0, &identifier)]))
            })
            .unwrap_or_default();
        let info = encoding::sequence(&[
            &encoding::value(encoding::primitive(0), &[&signed]),
            // A nonce that nobody has asked for.
            &explicit(1, &octets(&[7; 32])),
            &derivation,
        ]);
        let reply = (answer.reply)(explicit(0, &info));
        let agreed = key.agree(&theirs).unwrap();
        let agreed = if answer.other_key {
            &[1; 256]
        } else {
            agreed.expose()
        };
        let key = match answer.derivation {
            None => octet_string_to_key(KIND, agreed).unwrap(),
            Some(derivation) => {
                let parties = Parties {
                    client: (&body.realm, body.cname.as_ref().unwrap()),
                    server: (&body.realm, body.sname.as_ref().unwrap()),
                    encryption_type: KIND,
                    request,
                    reply: &reply,
                };
                let octets = derivation.octets(agreed, 16, &parties).unwrap();
                EncryptionKey::new(KIND, &octets).unwrap()
            }
        };
        let sealed = self::answer(request, &key, |_| ());
        let mut sealed = KdcRep::decode(MessageType::As, &sealed).unwrap();
        sealed.padata = Some(vec![PaData::new(PaData::PK_AS_REP, reply)]);
        sealed.encode().unwrap()
    }
}

fn signed_pack(request: &KdcReq) -> Vec<u8> {
    let padata = request.padata.as_ref().unwrap();
    let padata = padata
        .iter()
        .find(|one| one.padata_type == PaData::PK_AS_REQ);
    let mut outer = Reader::new(padata.unwrap().padata_value.as_bytes());
    let mut fields = outer.read(SEQUENCE, "").unwrap();
    let signed = fields.read(encoding::primitive(0), "").unwrap();
    signed.rest().to_vec()
}

/// The client's, whose signature verifies.
fn public_value(request: &KdcReq) -> Vec<u8> {
    let signed = signed_pack(request);
    let signed = SignedData::decode(&signed, oid::AUTH_DATA).unwrap();
    let (der, ..) = signed.signer().unwrap();
    let certificate = webpki::EndEntityCert::try_from(der).unwrap();
    signed.verify(&certificate).unwrap();
    let mut outer = Reader::new(signed.content);
    let mut fields = outer.read(SEQUENCE, "").unwrap();
    fields.read(context(0), "").unwrap();
    let mut info = fields.explicit(context(1), SEQUENCE, "").unwrap();
    let algorithm = info.read(SEQUENCE, "").unwrap();
    let group = DhGroup::of_algorithm(algorithm).unwrap();
    assert_eq!(group, Some(DhGroup::Group14));
    info.read(BIT_STRING, "").unwrap().rest()[1..].to_vec()
}

fn krb_error(code: i32, e_data: Option<Vec<u8>>) -> Vec<u8> {
    KrbError {
        pvno: Exactly,
        msg_type: Exactly,
        ctime: None,
        cusec: None,
        stime: KerberosTime::from_unix(1_700_000_000),
        susec: Microseconds::default(),
        error_code: code,
        crealm: None,
        cname: None,
        realm: REALM.into(),
        sname: PrincipalName::krbtgt(&REALM.into()),
        e_text: None,
        e_data: e_data.map(Octets::from),
    }
    .encode()
    .unwrap()
}

fn waiting(step: AsStep) -> (Vec<u8>, Box<AsExchange>) {
    match step {
        AsStep::NeedsKdc { request, next } => (request.message, next),
        step => panic!("{step:?}"),
    }
}

#[track_caller]
fn refused(step: Result<AsStep, Error>) -> PkinitError {
    match step {
        Err(Error::Kdc(KdcError::Pkinit(error))) => error,
        step => panic!("{step:?}"),
    }
}

#[track_caller]
fn complete(step: Result<AsStep, Error>) {
    assert!(matches!(step, Ok(AsStep::Complete(_))), "{step:?}");
}

/// Sends more certificates along than it has.
#[derive(Debug)]
struct Many(Arc<dyn CertificateSigner>, Vec<CertificateDer<'static>>);

impl CertificateSigner for Many {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.1
    }
    fn schemes(&self) -> &[SignatureScheme] {
        self.0.schemes()
    }
    fn sign(&self, scheme: SignatureScheme, input: &ToSign<'_>) -> Result<Vec<u8>, SignError> {
        self.0.sign(scheme, input)
    }
}
