//! Logons by certificate at a KDC that lies: each check of PA-PK-AS-REP.

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
            .or(answer.derivation.map(|kdf| kdf.identifier()));
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

#[test]
fn an_honest_kdc_is_believed() {
    let lab = Lab::new();
    for derivation in [
        None,
        Some(KeyDerivation::Sha256),
        Some(KeyDerivation::Sha512),
    ] {
        complete(lab.log_on(|answer| answer.derivation = derivation));
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let lab = Lab::new();
    // The KDC's certificate with somebody else's key.
    #[derive(Debug)]
    struct Thief(Arc<dyn CertificateSigner>, SoftwareSigner);
    impl CertificateSigner for Thief {
        fn certificates(&self) -> &[CertificateDer<'static>] {
            self.0.certificates()
        }
        fn schemes(&self) -> &[SignatureScheme] {
            self.1.schemes()
        }
        fn sign(&self, scheme: SignatureScheme, input: &ToSign<'_>) -> Result<Vec<u8>, SignError> {
            self.1.sign(scheme, input)
        }
    }
    let thief = Thief(Arc::clone(&lab.kdc), lab.authority.issue(|_| ()));
    let step = lab.log_on(|answer| answer.signer = Arc::new(thief));
    assert_eq!(refused(step), PkinitError::WrongSignature);
}

#[test]
fn other_content_under_the_same_signature_is_refused() {
    let lab = Lab::new();
    let step = lab.log_on(|answer| {
        answer.signed = |mut signed| {
            // The last octet of the nonce, which is the end of the content.
            let content = signed
                .windows(oid::DH_KEY_DATA.len())
                .position(|window| window == oid::DH_KEY_DATA)
                .unwrap();
            signed[content + 40] ^= 1;
            signed
        };
    });
    assert_eq!(refused(step), PkinitError::WrongSignature);
}

#[test]
fn certificates_that_are_no_kdcs_are_refused() {
    use KdcCertificateProblem as Problem;

    let lab = Lab::new();
    let other_name = Problem::OtherName {
        realm: REALM.into(),
        names: Vec::new(),
    };
    let cases: [(fn(&mut CertificateParams), Problem); 6] = [
        (
            |certificate| certificate.extended_key_usages.clear(),
            Problem::WrongPurpose,
        ),
        (
            |certificate| {
                certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            },
            Problem::WrongPurpose,
        ),
        (
            |certificate| certificate.custom_extensions.clear(),
            other_name,
        ),
        (
            |certificate| certificate.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
            Problem::WrongKeyUsage,
        ),
        (
            |certificate| certificate.not_after = rcgen::date_time_ymd(2020, 1, 1),
            Problem::Expired,
        ),
        (
            |certificate| certificate.not_before = rcgen::date_time_ymd(2030, 1, 1),
            Problem::NotYetValid,
        ),
    ];
    for (change, problem) in cases {
        let signer = Arc::new(lab.authority.issue(change));
        let step = lab.log_on(|answer| answer.signer = signer);
        assert_eq!(refused(step), problem.into());
    }
    let signer = Arc::new(Authority::new().issue(|_| ()));
    let step = lab.log_on(|answer| answer.signer = signer);
    assert_eq!(refused(step), Problem::UnknownIssuer.into());
    // The client's own certificate proves the client.
    let signing = Arc::new(lab.authority.issue(|certificate| {
        certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }));
    complete(lab.log_on(|answer| answer.signer = signing));
}

#[test]
fn another_nonce_and_another_content_type_are_refused() {
    let lab = Lab::new();
    let step = lab.log_on(|answer| answer.nonce ^= 1);
    let unfit = KdcError::UnfitReply("KDCDHKeyInfo.nonce");
    assert!(matches!(step, Err(Error::Kdc(error)) if error == unfit));
    // What a client signs is no answer to another one.
    let step = lab.log_on(|answer| answer.kind = oid::AUTH_DATA);
    assert!(matches!(step, Err(Error::InvalidMessage(_))), "{step:?}");
}

#[test]
fn public_values_that_give_the_key_away_are_refused() {
    let lab = Lab::new();
    let p = {
        let algorithm = DhGroup::Group14.algorithm();
        let mut fields = Reader::new(&algorithm).read(SEQUENCE, "").unwrap();
        fields
            .read(crate::codec::der::OBJECT_IDENTIFIER, "")
            .unwrap();
        let mut parameters = fields.read(SEQUENCE, "").unwrap();
        parameters
            .read(crate::codec::der::INTEGER, "")
            .unwrap()
            .rest()
            .to_vec()
    };
    let mut p_minus_1 = p.clone();
    *p_minus_1.last_mut().unwrap() -= 1;
    for bad in [vec![0], vec![1], p_minus_1, p] {
        let step = lab.log_on(|answer| answer.public_value = encoding::integer(&bad));
        assert_eq!(refused(step), PkinitError::UnfitPublicValue);
    }
}

#[test]
fn a_key_that_does_not_open_the_answer_or_was_not_agreed_on_is_refused() {
    let lab = Lab::new();
    let step = lab.log_on(|answer| answer.other_key = true);
    assert_eq!(refused(step), PkinitError::WrongReplyKey);
    // Without RFC 8636 where the KDC says it is with it, and the other way round.
    let step = lab.log_on(|answer| {
        answer.derivation = None;
        answer.said = Some(oid::KDF_SHA256);
    });
    assert_eq!(refused(step), PkinitError::WrongReplyKey);
    let step = lab.log_on(|answer| answer.said = Some(oid::KDF_SHA1));
    assert_eq!(refused(step), PkinitError::UnofferedKeyDerivation);
    let step = lab.log_on(|answer| answer.reply = |_| vec![0x81, 1, 0]);
    assert_eq!(refused(step), PkinitError::EncryptedKey);
}

#[test]
fn an_answer_without_a_certificate_or_without_any_of_pkinit_is_refused() {
    let lab = Lab::new();
    let (request, next) = lab.start().unwrap();
    let reply = lab.answer(&request, |_| ());
    let mut reply = KdcRep::decode(MessageType::As, &reply).unwrap();
    reply.padata = None;
    let step = next.step(&reply.encode().unwrap());
    let unfit = KdcError::UnfitReply("PA-PK-AS-REP");
    assert!(matches!(step, Err(Error::Kdc(error)) if error == unfit));
    // Its certificate is somebody else's, and so none of the signer's.
    let step = lab.log_on(|answer| {
        answer.signed = |mut signed| {
            let length = signed.len();
            let tail = &mut signed[length - 200..];
            let serial = tail.windows(2).position(|two| two[0] == 2 && two[1] > 10);
            tail[serial.unwrap() + 5] ^= 1;
            signed
        };
    });
    assert_eq!(refused(step), KdcCertificateProblem::Missing.into());
}

#[test]
fn truncated_and_endless_signed_data_is_malformed() {
    let lab = Lab::new();
    let (request, _) = lab.start().unwrap();
    let reply = lab.answer(&request, |_| ());
    let reply = KdcRep::decode(MessageType::As, &reply).unwrap();
    let whole = reply.padata.as_ref().unwrap()[0].padata_value.as_bytes();
    for length in 0..whole.len() {
        let (_, next) = lab.start().unwrap();
        let mut reply = reply.clone();
        reply.padata = Some(vec![PaData::new(
            PaData::PK_AS_REP,
            whole[..length].to_vec(),
        )]);
        let step = next.step(&reply.encode().unwrap());
        assert!(matches!(step, Err(Error::InvalidMessage(_))), "{length}");
        if length == 40 {
            break;
        }
    }
    // Cut within, and put into whole values again.
    for part in 1..16 {
        let cut = move |signed: Vec<u8>| signed[..signed.len() * part / 16].to_vec();
        let (request, next) = lab.start().unwrap();
        let answered = lab.answer(&request, |_| ());
        let mut answered = KdcRep::decode(MessageType::As, &answered).unwrap();
        let value = answered.padata.as_ref().unwrap()[0].padata_value.as_bytes();
        let mut outer = Reader::new(value);
        let mut info = outer.explicit(context(0), SEQUENCE, "").unwrap();
        let signed = info.read(encoding::primitive(0), "").unwrap().rest();
        let cut = cut(signed.to_vec());
        let info = encoding::sequence(&[&encoding::value(encoding::primitive(0), &[&cut])]);
        answered.padata = Some(vec![PaData::new(PaData::PK_AS_REP, explicit(0, &info))]);
        let step = next.step(&answered.encode().unwrap());
        assert!(matches!(step, Err(Error::InvalidMessage(_))), "{part}");
    }
    let too_large = |step: Result<AsStep, Error>| match step {
        Err(Error::InvalidMessage(error)) => assert_eq!(error.kind, InvalidMessageKind::TooLarge),
        step => panic!("{step:?}"),
    };
    too_large(lab.log_on(|answer| answer.signed = |_| vec![0x30; 300_000]));
    let (_, next) = lab.start().unwrap();
    too_large(next.step(&vec![0x6b; 1 << 20]));
    let many = Many(
        Arc::clone(&lab.kdc),
        vec![lab.kdc.certificates()[0].clone(); 17],
    );
    too_large(lab.log_on(|answer| answer.signer = Arc::new(many)));
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

#[test]
fn a_group_that_is_refused_is_not_tried_again() {
    let lab = Lab::new();
    let parameters = |groups: &[DhGroup]| {
        let algorithms: Vec<u8> = groups.iter().flat_map(|group| group.algorithm()).collect();
        let list = encoding::sequence(&[&algorithms]);
        let element = encoding::sequence(&[
            &explicit(0, &asn1_encode(&109)),
            &explicit(1, &octets(&list)),
        ]);
        Some(encoding::sequence(&[&element]))
    };
    for e_data in [None, parameters(&[]), parameters(&[DhGroup::Group14])] {
        let (_, next) = lab.start().unwrap();
        let step = next.step(&krb_error(65, e_data));
        assert_eq!(refused(step), PkinitError::NoCommonGroup);
    }
    let (first, next) = lab.start().unwrap();
    let both = parameters(&[DhGroup::Group14, DhGroup::Group16]);
    let (second, next) = waiting(next.step(&krb_error(65, both.clone())).unwrap());
    assert!(second.len() > first.len() + 700);
    // Once.
    assert_eq!(
        refused(next.step(&krb_error(65, both))),
        PkinitError::NoCommonGroup
    );
    let (_, next) = lab.start().unwrap();
    let step = next.step(&krb_error(65, Some(vec![0x30, 0x80])));
    assert!(matches!(step, Err(Error::InvalidMessage(_))), "{step:?}");
}

#[test]
fn a_certificate_that_is_refused_is_not_tried_again() {
    let lab = Lab::new();
    for (code, expected) in [
        (24, PkinitError::PreAuthenticationFailed),
        (
            62,
            PkinitError::CertificateRefused(ErrorCode::CLIENT_NOT_TRUSTED),
        ),
        (
            80,
            PkinitError::CertificateRefused(ErrorCode::DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED),
        ),
    ] {
        let (_, next) = lab.start().unwrap();
        assert_eq!(refused(next.step(&krb_error(code, None))), expected);
    }
    let (_, next) = lab.start().unwrap();
    let step = next.step(&krb_error(18, None));
    assert!(matches!(step, Err(Error::Kdc(KdcError::ClientRevoked))));
}

/// A card that is slow to learn, and counts how often it is asked.
#[derive(Debug)]
struct Card {
    certificates: Vec<CertificateDer<'static>>,
    schemes: Vec<SignatureScheme>,
    asked: Mutex<u32>,
}

impl CertificateSigner for Card {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
    fn schemes(&self) -> &[SignatureScheme] {
        &self.schemes
    }
    fn sign(&self, _: SignatureScheme, _: &ToSign<'_>) -> Result<Vec<u8>, SignError> {
        *self.asked.lock().unwrap() += 1;
        Err(SignError::Removed)
    }
}

#[test]
fn a_card_that_is_pulled_out_ends_the_logon_at_once() {
    let mut lab = Lab::new();
    let card = Arc::new(Card {
        certificates: lab.user.certificates().to_vec(),
        schemes: vec![SignatureScheme::EcdsaP256Sha256],
        asked: Mutex::default(),
    });
    lab.user = Arc::clone(&card) as _;
    let step = lab.log_on(|_| ());
    assert_eq!(refused(step), PkinitError::Sign(SignError::Removed));
    assert_eq!(*card.asked.lock().unwrap(), 1);
}

#[test]
fn sha_1_is_signed_by_only_where_it_is_named_and_the_key_can() {
    let mut lab = Lab::new();
    let card = Arc::new(Card {
        certificates: lab.user.certificates().to_vec(),
        schemes: vec![SignatureScheme::RsaPkcs1Sha1],
        asked: Mutex::default(),
    });
    let software = std::mem::replace(&mut lab.user, Arc::clone(&card) as _);
    assert_eq!(refused(lab.log_on(|_| ())), PkinitError::NoCommonScheme);
    assert_eq!(*card.asked.lock().unwrap(), 0);
    lab.options.schemes = vec![SignatureScheme::RsaPkcs1Sha1];
    let step = lab.log_on(|_| ());
    assert_eq!(refused(step), PkinitError::Sign(SignError::Removed));
    lab.user = software;
    assert_eq!(refused(lab.log_on(|_| ())), PkinitError::NoCommonScheme);
}

#[test]
fn a_certificate_is_sent_unasked_where_the_account_needs_no_pre_authentication() {
    let lab = Lab::new();
    let client = ClientName::new(REALM, PrincipalName::new(1, &["alice"]));
    let secret = ClientSecret::Certificate {
        signer: Arc::clone(&lab.user),
        options: Arc::new(lab.options.clone()),
    };
    let step = AsExchange::start(client, secret, &[KIND], true, &environment());
    let (request, next) = waiting(step.unwrap());
    let key = EncryptionKey::new(KIND, &[9; 16]).unwrap();
    let (request, next) = waiting(next.step(&answer(&request, &key, |_| ())).unwrap());
    complete(next.step(&lab.answer(&request, |_| ())));
}

#[test]
fn a_certificate_tells_whose_it_is() {
    let lab = Lab::new();
    let kdc = &lab.kdc.certificates()[0];
    let name = principal_name(kdc);
    assert_eq!(name.as_deref(), Some("krbtgt/TEST.EXAMPLE@TEST.EXAMPLE"));
    assert_eq!(principal_name(&lab.authority.certificate), None);
    for length in 0..kdc.len() {
        assert_eq!(principal_name(&kdc[..length]), None);
    }
}
