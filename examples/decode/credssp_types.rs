//! The grammar of CredSSP (MS-CSSP, section 2.2.1) and SPNEGO (RFC 4178, section 4.2; MS-SPNG, section 2.2.1).

use credssp::error::NtStatus;

use crate::der::{ByType, Content, Field, Type, no_meaning};

const PLAIN: Type = Type::Number(no_meaning);
const OCTETS: Type = Type::Octets(Content::Octets);
const TOKEN: Type = Type::Octets(Content::Token);
const UTF16: Type = Type::Octets(Content::Utf16);

pub(crate) static TS_REQUEST: Type = Type::Fields(&[
    Field(0, "version", &PLAIN),
    Field(1, "negoTokens", &Type::List("NegoData", &NEGO_DATA)),
    Field(2, "authInfo", &TOKEN),
    Field(3, "pubKeyAuth", &TOKEN),
    Field(4, "errorCode", &Type::Number(nt_status)),
    Field(5, "clientNonce", &OCTETS),
]);

static NEGO_DATA: Type = Type::Fields(&[Field(0, "negoToken", &TOKEN)]);

/// A number with a sign, or a positive one.
fn nt_status(number: i64) -> Option<String> {
    let bits = u32::try_from(number).ok().or_else(|| {
        let number = i32::try_from(number).ok()?;
        Some(number.cast_unsigned())
    })?;
    Some(NtStatus::from_u32(bits).to_string())
}

pub(crate) static TS_CREDENTIALS: Type = Type::Variant(&ByType {
    tags: [0, 1],
    names: ["credType", "credentials"],
    meaning: |number| {
        let name = match number {
            1 => "password",
            2 => "smart card",
            6 => "remote guard",
            _ => return None,
        };
        Some(name.into())
    },
    content: |number| match number {
        1 => Content::Der("TSPasswordCreds", &PASSWORD_CREDS),
        2 => Content::Der("TSSmartCardCreds", &SMART_CARD_CREDS),
        6 => Content::Der("TSRemoteGuardCreds", &REMOTE_GUARD_CREDS),
        // Whatever it is, it may be a secret.
        _ => Content::Secret,
    },
});

pub(crate) static PASSWORD_CREDS: Type = Type::Fields(&[
    Field(0, "domainName", &UTF16),
    Field(1, "userName", &UTF16),
    Field(2, "password", &Type::Octets(Content::SecretUtf16)),
]);

pub(crate) static SMART_CARD_CREDS: Type = Type::Fields(&[
    Field(0, "pin", &Type::Octets(Content::SecretUtf16)),
    Field(1, "cspData", &CSP_DATA),
    Field(2, "userHint", &UTF16),
    Field(3, "domainHint", &UTF16),
]);

static CSP_DATA: Type = Type::Fields(&[
    Field(0, "keySpec", &PLAIN),
    Field(1, "cardName", &UTF16),
    Field(2, "readerName", &UTF16),
    Field(3, "containerName", &UTF16),
    Field(4, "cspName", &UTF16),
]);

pub(crate) static REMOTE_GUARD_CREDS: Type = Type::Fields(&[
    Field(0, "logonCred", &PACKAGE_CRED),
    Field(1, "supplementalCreds", &Type::List("cred", &PACKAGE_CRED)),
]);

static PACKAGE_CRED: Type = Type::Fields(&[
    Field(0, "packageName", &UTF16),
    Field(1, "credBuffer", &Type::Octets(Content::Secret)),
]);

pub(crate) static MECH_TYPES: Type = Type::List("MechType", &Type::Oid);

pub(crate) static NEG_TOKEN_INIT: Type = Type::Tagged(0xa0, &NEG_TOKEN_INIT_FIELDS);

static NEG_TOKEN_INIT_FIELDS: Type = Type::Fields(&[
    Field(0, "mechTypes", &MECH_TYPES),
    Field(1, "reqFlags", &Type::Flags(REQ_FLAGS)),
    Field(2, "mechToken", &TOKEN),
    Field(3, "mechListMIC", &TOKEN),
]);

/// As MS-SPNG has it: with negHints.
pub(crate) static NEG_TOKEN_INIT2: Type = Type::Tagged(0xa0, &NEG_TOKEN_INIT2_FIELDS);

static NEG_TOKEN_INIT2_FIELDS: Type = Type::Fields(&[
    Field(0, "mechTypes", &MECH_TYPES),
    Field(1, "reqFlags", &Type::Flags(REQ_FLAGS)),
    Field(2, "mechToken", &TOKEN),
    Field(3, "negHints", &NEG_HINTS),
    Field(4, "mechListMIC", &TOKEN),
]);

static NEG_HINTS: Type = Type::Fields(&[
    Field(0, "hintName", &Type::Text),
    Field(1, "hintAddress", &OCTETS),
]);

/// ContextFlags (RFC 4178, section 4.2.1).
const REQ_FLAGS: &[(u32, &str)] = &[
    (0x8000_0000, "delegFlag"),
    (0x4000_0000, "mutualFlag"),
    (0x2000_0000, "replayFlag"),
    (0x1000_0000, "sequenceFlag"),
    (0x0800_0000, "anonFlag"),
    (0x0400_0000, "confFlag"),
    (0x0200_0000, "integFlag"),
];

pub(crate) static NEG_TOKEN_RESP: Type = Type::Tagged(0xa1, &NEG_TOKEN_RESP_FIELDS);

static NEG_TOKEN_RESP_FIELDS: Type = Type::Fields(&[
    Field(0, "negState", &Type::Number(neg_state)),
    Field(1, "supportedMech", &Type::Oid),
    Field(2, "responseToken", &TOKEN),
    Field(3, "mechListMIC", &TOKEN),
]);

fn neg_state(number: i64) -> Option<String> {
    let name = match number {
        0 => "accept-completed",
        1 => "accept-incomplete",
        2 => "reject",
        3 => "request-mic",
        _ => return None,
    };
    Some(name.into())
}
