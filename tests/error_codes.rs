//! The tables of error codes: that each error shows what they say, and that `docs/errors.md` does.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use credssp::error::codes::{self, Family, Notation};
use credssp::error::{Error, KdcError, KrbErrorCode, NegotiationFailure, NtStatus, TicketRefusal};

/// The variable that has the test write the document in place of comparing it.
const WRITE: &str = "CREDSSP_WRITE_DOCS";

#[test]
fn the_document_shows_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let made = document();
    if env::var_os(WRITE).is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/errors.md is not what error::codes says: `{WRITE}=1 cargo test --test error_codes` writes it anew"
    );
}

fn document() -> String {
    let mut text = format!(
        "# Error codes\n\
         What the codes of Windows, Remote Desktop, WinRM and Kerberos mean, and what to do about each. This library's errors show\n\
         the same texts. How failures look as a whole, and how to look into them: [troubleshooting](troubleshooting.md).\n\n\
         This file is made from `credssp::error::codes`; `{WRITE}=1 cargo test --test error_codes` writes it anew.\n"
    );
    for family in codes::FAMILIES {
        let Family { title, place, .. } = family;
        write!(text, "\n## {title}\nThey are {place}.\n\n").unwrap();
        text.push_str("| code | name | it means | what to do |\n| --- | --- | --- | --- |\n");
        for entry in family.entries {
            let cells = [
                family.notation.of(entry.code).to_string(),
                format!("`{}`", entry.name),
                entry.meaning.into(),
                entry.remedy.into(),
            ];
            let cells = cells.map(|cell: String| cell.replace('|', "\\|"));
            writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        }
    }
    text
}

#[test]
fn each_code_and_name_stands_once_in_its_family() {
    for family in codes::FAMILIES {
        let numbers: Vec<_> = family.entries.iter().map(|entry| entry.code).collect();
        let distinct: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len(), "{}", family.title);
        let names: BTreeSet<_> = family.entries.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), numbers.len(), "{}", family.title);
        for entry in family.entries {
            assert_eq!(family.find(entry.code).unwrap().name, entry.name);
        }
        assert!(family.find(u32::MAX).is_none(), "{}", family.title);
        assert!(!family.explain(u32::MAX).contains(": "), "{}", family.title);
    }
}

/// So that they can be joined to sentences.
#[test]
fn meanings_and_remedies_are_clauses() {
    for entry in codes::FAMILIES.iter().flat_map(|family| family.entries) {
        for clause in [entry.meaning, entry.remedy] {
            let name = entry.name;
            assert!(clause.len() > 5, "{name}");
            assert!(!clause.ends_with(['.', ' ', ':', ';']), "{name}: {clause}");
            assert!(!clause.contains("  ") && !clause.contains('\n'), "{name}");
            let first = clause.chars().next().unwrap();
            let named = ["Kerberos", "CredSSP", "WinRM", "HTTPS", "NTLM", "Negotiate"];
            assert!(
                !first.is_uppercase() || named.iter().any(|word| clause.starts_with(word)),
                "{name}: {clause}"
            );
        }
        assert_ne!(entry.meaning, entry.remedy);
    }
}

#[test]
fn errors_show_name_code_meaning_and_remedy() {
    let shown = |family: &Family, show: &dyn Fn(u32) -> String| {
        for entry in family.entries {
            let text = show(entry.code);
            let number = family.notation.of(entry.code).to_string();
            for part in [entry.name, &number, entry.meaning, entry.remedy] {
                assert!(text.contains(part), "{text}: {part}");
            }
        }
        let unknown = show(0x7654_3210);
        let number = match family.notation {
            Notation::Decimal => "1985229328",
            _ => "0x76543210",
        };
        assert!(
            unknown.contains(number) || unknown.contains("0x76543210"),
            "{unknown}"
        );
        assert!(unknown.contains("look it up"), "{unknown}");
    };
    let status = |code| Error::Rejected(NtStatus::from_u32(code)).to_string();
    shown(&codes::NT_STATUS, &status);
    shown(&codes::HRESULT, &status);
    shown(&codes::NT_STATUS, &|code| {
        Error::AccountRefused(NtStatus::from_u32(code)).to_string()
    });
    shown(&codes::RDP_NEGOTIATION, &|code| {
        Error::ConnectionRefused(NegotiationFailure::from_u32(code)).to_string()
    });
    let number = |code: u32| i32::try_from(code).unwrap();
    shown(&codes::KRB_ERROR, &|code| {
        Error::Kdc(KdcError::Other(number(code))).to_string()
    });
    shown(&codes::KRB_ERROR, &|code| {
        Error::TicketRefused(TicketRefusal::Other(number(code))).to_string()
    });
    shown(&codes::TLS_ALERT, &|code| {
        // An alert has one octet: one that nobody has defined stands for what this crate does not know.
        let Ok(alert) = u8::try_from(code) else {
            let alert = rustls::AlertDescription::Unknown(200);
            let text = Error::from(rustls::Error::AlertReceived(alert)).to_string();
            assert!(text.contains(" 200: "), "{text}");
            return format!("{code} {text}");
        };
        Error::from(rustls::Error::AlertReceived(alert.into())).to_string()
    });
    let denied = Error::EarlyAuthorizationDenied.to_string();
    let entry = codes::EARLY_USER_AUTHORIZATION.find(5).unwrap();
    for part in [entry.name, "(5)", entry.meaning, entry.remedy] {
        assert!(denied.contains(part), "{denied}: {part}");
    }
}

/// Where several codes stand for one error, it names them itself.
#[test]
fn errors_name_kerberos_codes_as_the_table_does() {
    let texts = [
        KdcError::ClientUnknown.to_string(),
        KdcError::ServiceUnknown.to_string(),
        KdcError::ClientExpired.to_string(),
        KdcError::ClientRevoked.to_string(),
        KdcError::PasswordExpired.to_string(),
        KdcError::WrongPassword.to_string(),
        KdcError::ClockSkew.to_string(),
        KdcError::NoCommonEncryptionType.to_string(),
        KdcError::NoCommonPreAuthentication.to_string(),
        KdcError::WrongRealm.to_string(),
        KdcError::UserToUserRequired.to_string(),
        KdcError::ResponseTooBig.to_string(),
        TicketRefusal::WrongKey.to_string(),
        TicketRefusal::NoKey.to_string(),
        TicketRefusal::NotValidNow.to_string(),
        TicketRefusal::Replayed.to_string(),
        TicketRefusal::ClockSkew.to_string(),
        TicketRefusal::UserToUserRequired.to_string(),
        TicketRefusal::NoTicketGrantingTicket.to_string(),
    ];
    for text in texts {
        let mut named = 0;
        let mut before = "";
        for word in text.split([' ', ',', ':']) {
            let number = word
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                let code = KrbErrorCode::from_number(number);
                assert_eq!(code.name(), Some(before), "{text}");
                named += 1;
            }
            before = word;
        }
        assert!(named > 0, "{text}");
        assert!(text.contains(": "), "{text}");
    }
}

#[test]
fn constants_have_the_numbers_of_the_specifications() {
    for (status, number, name) in [
        (NtStatus::LOGON_FAILURE, 0xc000_006d, "STATUS_LOGON_FAILURE"),
        (NtStatus::NTLM_BLOCKED, 0xc000_0418, "STATUS_NTLM_BLOCKED"),
        (
            NtStatus::SEC_E_POLICY_NLTM_ONLY,
            0x8009_035f,
            "SEC_E_POLICY_NLTM_ONLY",
        ),
        (
            NtStatus::SCARD_W_WRONG_CHV,
            0x8010_006b,
            "SCARD_W_WRONG_CHV",
        ),
    ] {
        assert_eq!((status.to_u32(), status.name()), (number, Some(name)));
        assert!(status.description().is_some() && status.remedy().is_some());
    }
    for (code, number, name) in [
        (KrbErrorCode::SKEW, 37, "KRB_AP_ERR_SKEW"),
        (
            KrbErrorCode::NO_ACCEPTABLE_KDF,
            100,
            "KDC_ERR_NO_ACCEPTABLE_KDF",
        ),
    ] {
        assert_eq!((code.number(), code.name()), (number, Some(name)));
        assert!(code.description().is_some() && code.remedy().is_some());
    }
    let failure = NegotiationFailure::HYBRID_REQUIRED_BY_SERVER;
    assert_eq!(failure.to_u32(), 5);
    assert!(failure.description().is_some() && failure.remedy().is_some());
}
