//! SPNEGO's tokens against a second implementation of them: rasn, with the types of RFC 4178 and MS-SPNG.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)] // in what the tests share

use credssp::mechanism::Oid;
use credssp::spnego::{
    MechTypeList, NegHints, NegState, NegTokenInit, NegTokenResp, NegotiationToken,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rasn::types::{BitString, GeneralString, ObjectIdentifier, OctetString};
use rasn::{AsnType, Decode, Decoder as _, Encode, Encoder as _, der};

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
#[rasn(tag(application, 0))]
struct InitialContextToken {
    this_mech: ObjectIdentifier,
    inner: Token,
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
#[rasn(choice)]
enum Token {
    #[rasn(tag(explicit(context, 0)))]
    Init(Init),
    #[rasn(tag(explicit(context, 1)))]
    Resp(Resp),
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
struct Init {
    #[rasn(tag(explicit(context, 0)))]
    mech_types: Vec<ObjectIdentifier>,
    #[rasn(tag(explicit(context, 1)))]
    req_flags: Option<BitString>,
    #[rasn(tag(explicit(context, 2)))]
    mech_token: Option<OctetString>,
    #[rasn(tag(explicit(context, 3)))]
    third: Option<Third>,
    #[rasn(tag(explicit(context, 4)))]
    fourth: Option<OctetString>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
#[rasn(choice)]
enum Third {
    Mic(OctetString),
    Hints(Hints),
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
struct Hints {
    #[rasn(tag(explicit(context, 0)))]
    hint_name: Option<GeneralString>,
    #[rasn(tag(explicit(context, 1)))]
    hint_address: Option<OctetString>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
struct Resp {
    #[rasn(tag(explicit(context, 0)))]
    neg_state: Option<State>,
    #[rasn(tag(explicit(context, 1)))]
    supported_mech: Option<ObjectIdentifier>,
    #[rasn(tag(explicit(context, 2)))]
    response_token: Option<OctetString>,
    #[rasn(tag(explicit(context, 3)))]
    mech_list_mic: Option<OctetString>,
}

#[derive(AsnType, Clone, Copy, Debug, Decode, Encode, PartialEq)]
#[rasn(enumerated)]
enum State {
    AcceptCompleted = 0,
    AcceptIncomplete = 1,
    Reject = 2,
    RequestMic = 3,
}

const OIDS: [(Oid, &[u32]); 5] = [
    (Oid::KERBEROS, &[1, 2, 840, 113_554, 1, 2, 2]),
    (Oid::MS_KERBEROS, &[1, 2, 840, 48_018, 1, 2, 2]),
    (
        Oid::KERBEROS_USER_TO_USER,
        &[1, 2, 840, 113_554, 1, 2, 2, 3],
    ),
    (Oid::NTLMSSP, &[1, 3, 6, 1, 4, 1, 311, 2, 2, 10]),
    (Oid::NEGOEX, &[1, 3, 6, 1, 4, 1, 311, 2, 2, 30]),
];

const STATES: [(NegState, State); 4] = [
    (NegState::AcceptCompleted, State::AcceptCompleted),
    (NegState::AcceptIncomplete, State::AcceptIncomplete),
    (NegState::Reject, State::Reject),
    (NegState::RequestMic, State::RequestMic),
];

fn oid(numbers: &[u32]) -> ObjectIdentifier {
    ObjectIdentifier::new(numbers.to_vec()).unwrap()
}

fn wrapped(init: Init) -> Vec<u8> {
    let token = InitialContextToken {
        this_mech: oid(&[1, 3, 6, 1, 5, 5, 2]),
        inner: Token::Init(init),
    };
    der::encode(&token).unwrap()
}

/// Short ones, and ones whose length takes one and two octets more.
fn octets() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 100..300),
    ])
}

fn octet_string(octets: &Option<Vec<u8>>) -> Option<OctetString> {
    octets.clone().map(OctetString::from)
}

type InitParts = (
    Vec<usize>,
    Option<Vec<bool>>,
    Option<Vec<u8>>,
    Option<(Option<String>, Option<Vec<u8>>)>,
    Option<Vec<u8>>,
);

fn init_parts() -> impl Strategy<Value = InitParts> {
    (
        vec(0..OIDS.len(), 0..7),
        option::of(vec(any::<bool>(), 1..17)),
        octets(),
        option::of((option::of("[ -~]{0,40}"), octets())),
        octets(),
    )
}

fn twin_of_init((mechs, flags, token, hints, mic): &InitParts) -> Init {
    let mic = octet_string(mic);
    let (third, fourth) = match hints {
        Some((name, address)) => (
            Some(Third::Hints(Hints {
                hint_name: name
                    .as_ref()
                    .map(|name| GeneralString::try_from(name.as_bytes().to_vec()).unwrap()),
                hint_address: octet_string(address),
            })),
            mic,
        ),
        None => (mic.map(Third::Mic), None),
    };
    Init {
        mech_types: mechs.iter().map(|index| oid(OIDS[*index].1)).collect(),
        req_flags: flags.as_ref().map(|flags| flags.iter().copied().collect()),
        mech_token: octet_string(token),
        third,
        fourth,
    }
}

fn with_ours<T>(
    (mechs, _, token, hints, mic): &InitParts,
    f: impl FnOnce(NegTokenInit<'_>) -> T,
) -> T {
    let list = MechTypeList::encode(mechs.iter().map(|index| OIDS[*index].0));
    let mut ours = NegTokenInit::new(MechTypeList::decode(&list).unwrap());
    ours.mech_token = token.as_deref();
    ours.mech_list_mic = mic.as_deref();
    ours.neg_hints = hints.as_ref().map(|(name, address)| {
        let mut hints = NegHints::default();
        hints.hint_name = name.as_deref().map(str::as_bytes);
        hints.hint_address = address.as_deref();
        hints
    });
    f(ours)
}

type RespParts = (
    Option<usize>,
    Option<usize>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

fn resp_parts() -> impl Strategy<Value = RespParts> {
    (
        option::of(0..STATES.len()),
        option::of(0..OIDS.len()),
        octets(),
        octets(),
    )
}

fn twin_of_resp((state, mech, token, mic): &RespParts) -> Vec<u8> {
    let resp = Resp {
        neg_state: state.map(|index| STATES[index].1),
        supported_mech: mech.map(|index| oid(OIDS[index].1)),
        response_token: octet_string(token),
        mech_list_mic: octet_string(mic),
    };
    der::encode(&Token::Resp(resp)).unwrap()
}

fn ours_of_resp<'a>((state, mech, token, mic): &'a RespParts) -> NegTokenResp<'a> {
    let mut ours = NegTokenResp::default();
    ours.neg_state = state.map(|index| STATES[index].0);
    ours.supported_mech = mech.map(|index| OIDS[index].0.into());
    ours.response_token = token.as_deref();
    ours.mech_list_mic = mic.as_deref();
    ours
}

/// Whatever we accept, the twin accepts too, and it is the one DER encoding of what it says.
fn check_strictness(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(token) = NegotiationToken::decode(bytes) else {
        return Ok(());
    };
    // hintName is to be ignored, and we do; the twin wants ASCII there.
    if let NegotiationToken::Init(init) = token
        && let Some(name) = init.neg_hints.and_then(|hints| hints.hint_name)
        && !name.is_ascii()
    {
        return Ok(());
    }
    let encoded = if bytes.first() == Some(&0x60) {
        der::decode::<InitialContextToken>(bytes).map(|twin| der::encode(&twin))
    } else {
        der::decode::<Token>(bytes).map(|twin| der::encode(&twin))
    };
    let encoded = match encoded {
        Ok(encoded) => encoded,
        // A limit of the twin's own: X.690, section 8.19, sets none to an arc.
        Err(error)
            if error
                .to_string()
                .contains("arc exceeds the supported 32 bits") =>
        {
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(format!("{bytes:02x?}: {error}"))),
    };
    prop_assert_eq!(encoded.unwrap(), bytes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_init_is_written_as_the_twin_writes_it(parts in init_parts()) {
        let mut twin = twin_of_init(&parts);
        twin.req_flags = None;
        prop_assert_eq!(with_ours(&parts, |ours| ours.encode()), wrapped(twin));
    }

    #[test]
    fn an_init_is_read_as_the_twin_wrote_it(parts in init_parts()) {
        let bytes = wrapped(twin_of_init(&parts));
        let read = NegTokenInit::decode(&bytes).unwrap();
        with_ours(&parts, |ours| {
            prop_assert_eq!(read, ours);
            prop_assert!(read.mech_types.iter().zip(&parts.0).all(|(mech, index)| mech == OIDS[*index].0));
            prop_assert_eq!(read.mech_types.iter().count(), parts.0.len());
            Ok(())
        })?;
    }

    #[test]
    fn a_resp_is_written_as_the_twin_writes_it(parts in resp_parts()) {
        prop_assert_eq!(ours_of_resp(&parts).encode(), twin_of_resp(&parts));
    }

    #[test]
    fn a_resp_is_read_as_the_twin_wrote_it(parts in resp_parts()) {
        let bytes = twin_of_resp(&parts);
        prop_assert_eq!(NegTokenResp::decode(&bytes), Ok(ours_of_resp(&parts)));
    }

    #[test]
    fn whatever_is_accepted_is_der_to_the_twin_too(
        init in init_parts(),
        resp in resp_parts(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        for mut bytes in [wrapped(twin_of_init(&init)), twin_of_resp(&resp)] {
            for (index, value) in &flips {
                let index = index.index(bytes.len());
                bytes[index] = *value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            check_strictness(&bytes)?;
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..80)) {
        check_strictness(&bytes)?;
    }
}
