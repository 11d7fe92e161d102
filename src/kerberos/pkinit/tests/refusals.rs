//! What the KDC refuses, what the key does, and what a certificate tells.

use super::*;

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
    lab.user = card.clone();
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
    let software = std::mem::replace(&mut lab.user, card.clone());
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
