//! What the KDC answers.

use super::*;

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
    let cases: [(Change, Problem); 6] = [
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
    // Nor where it says outside of what is signed that it is one.
    let step = lab.log_on(|answer| {
        answer.kind = oid::AUTH_DATA;
        answer.signed = |mut signed| {
            let kind = oid::AUTH_DATA;
            let place = signed
                .windows(kind.len())
                .position(|window| window == kind)
                .unwrap();
            signed[place..place + kind.len()].copy_from_slice(oid::DH_KEY_DATA);
            signed
        };
    });
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
