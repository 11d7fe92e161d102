//! The rules of delegation policy, stated anew and held against every combination.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use credssp::error::{DelegationDeniedReason, NtStatus};
use credssp::policy::{
    BuiltInDefaults, CredentialClass, DelegationPolicy, ListSetting, PolicyList, SpnPattern,
};
use credssp::proof::ServerProof;
use credssp::{ServicePrincipalName, policy};
use proptest::prelude::*;

const PROOFS: [ServerProof; 3] = [
    ServerProof::Kerberos,
    ServerProof::Certificate,
    ServerProof::None,
];

const BUILT_IN: [BuiltInDefaults; 3] = [
    BuiltInDefaults::Nothing,
    BuiltInDefaults::WindowsDomainMember,
    BuiltInDefaults::WindowsWorkgroup,
];

fn spn(name: &str) -> ServicePrincipalName {
    name.parse().unwrap()
}

fn pattern(pattern: &str) -> SpnPattern {
    pattern.parse().unwrap()
}

/// What Windows permits where nothing is configured, as its documentation of each policy says: to Remote Desktop hosts that
/// have proved themselves, to those that have not, by a member of a domain and by a machine on its own.
#[test]
fn windows_permits_remote_desktop_hosts_by_default() {
    use CredentialClass::{Default, Fresh, Saved};
    for (class, proved, ntlm_in_domain, ntlm_in_workgroup) in [
        (Default, false, false, false),
        (Fresh, true, true, true),
        (Saved, true, false, true),
    ] {
        for proof in PROOFS {
            for (built_in, ntlm_only) in [
                (BuiltInDefaults::Nothing, None),
                (BuiltInDefaults::WindowsDomainMember, Some(ntlm_in_domain)),
                (BuiltInDefaults::WindowsWorkgroup, Some(ntlm_in_workgroup)),
            ] {
                let policy = DelegationPolicy::default().with_built_in_defaults(built_in);
                let expected = ntlm_only.is_some_and(|ntlm_only| match proof {
                    ServerProof::None => ntlm_only,
                    _ => proved,
                });
                let decision = policy.decide(&spn("TERMSRV/a.example.com"), class, proof);
                assert_eq!(decision.is_ok(), expected, "{class} {proof} {built_in:?}");
                assert!(decision.is_err() || policy_is_built_in(&policy, class, proof));
                let decision = policy.decide(&spn("WSMAN/a.example.com"), class, proof);
                assert!(decision.is_err(), "{class} {proof} {built_in:?}");
            }
        }
    }
    assert_eq!(
        DelegationPolicy::windows_defaults().built_in_defaults(),
        BuiltInDefaults::WindowsDomainMember
    );
}

fn policy_is_built_in(
    policy: &DelegationPolicy,
    class: CredentialClass,
    proof: ServerProof,
) -> bool {
    let permission = policy.decide(&spn("TERMSRV/a.example.com"), class, proof);
    permission.is_ok_and(|found| found.built_in && found.pattern == pattern("TERMSRV/*"))
}

/// How a list may stand, in words, and as it is configured.
fn settings() -> Vec<(&'static str, ListSetting)> {
    let enabled = |patterns: &[&str], concatenate_defaults| ListSetting::Enabled {
        patterns: patterns.iter().map(|text| pattern(text)).collect(),
        concatenate_defaults,
    };
    vec![
        ("not configured", ListSetting::NotConfigured),
        ("disabled", ListSetting::Disabled),
        ("empty", enabled(&[], false)),
        ("empty with defaults", enabled(&[], true)),
        ("fits", enabled(&["HTTP/*", "*.example.com"], false)),
        ("fits with defaults", enabled(&["*.example.com"], true)),
        ("does not fit", enabled(&["*.example.org"], false)),
        ("does not fit with defaults", enabled(&["HTTP/*"], true)),
    ]
}

/// Whether a list has the target in it: by its own patterns if it is enabled, by the built-in one if nobody has said
/// anything or has said that it stays.
fn holds(setting: &str, built_in: bool) -> bool {
    match setting {
        "not configured" => built_in,
        "disabled" => false,
        _ => setting.starts_with("fits") || (setting.ends_with("with defaults") && built_in),
    }
}

/// The rules, for one target: a deny list that has it decides; else the allow list for what the server has proved; and where
/// only the other proof's list has it, the refusal says so.
#[test]
fn every_combination_is_decided_by_the_rules() {
    let mut seen = [0_u32; 4];
    for class in CredentialClass::ALL {
        let [proved_list, ntlm_list, deny_list] = match class {
            CredentialClass::Default => [
                "AllowDefaultCredentials",
                "AllowDefCredentialsWhenNTLMOnly",
                "DenyDefaultCredentials",
            ],
            CredentialClass::Saved => [
                "AllowSavedCredentials",
                "AllowSavedCredentialsWhenNTLMOnly",
                "DenySavedCredentials",
            ],
            _ => [
                "AllowFreshCredentials",
                "AllowFreshCredentialsWhenNTLMOnly",
                "DenyFreshCredentials",
            ],
        };
        let by_name = |name: &str| {
            let mut all = PolicyList::ALL.into_iter();
            all.find(|list| list.registry_name() == name).unwrap()
        };
        for (proved_state, proved) in settings() {
            for (ntlm_state, ntlm) in settings() {
                for (deny_state, deny) in settings() {
                    for built_in in BUILT_IN {
                        let mut policy =
                            DelegationPolicy::default().with_built_in_defaults(built_in);
                        policy.set_list(by_name(proved_list), proved.clone());
                        policy.set_list(by_name(ntlm_list), ntlm.clone());
                        policy.set_list(by_name(deny_list), deny.clone());
                        for target in ["TERMSRV/a.example.com", "WSMAN/a.example.com"] {
                            let windows =
                                built_in != BuiltInDefaults::Nothing && target.starts_with('T');
                            let default = class == CredentialClass::Default;
                            let saved_in_domain = class == CredentialClass::Saved
                                && built_in == BuiltInDefaults::WindowsDomainMember;
                            let proved_holds = holds(proved_state, windows && !default);
                            let ntlm_holds =
                                holds(ntlm_state, windows && !default && !saved_in_domain);
                            let denied = holds(deny_state, false);
                            for decision in policy.explain(&spn(target), class) {
                                let proof = decision.proof;
                                let is_proved = proof != ServerProof::None;
                                let allow = if is_proved { proved_list } else { ntlm_list };
                                let case = format!(
                                    "{class} {proof} {target} {built_in:?}: {proved_state}, {ntlm_state}, {deny_state}"
                                );
                                let expected = if denied {
                                    Err((DelegationDeniedReason::Denied, deny_list))
                                } else if is_proved && proved_holds || !is_proved && ntlm_holds {
                                    Ok(allow)
                                } else if !is_proved && proved_holds {
                                    Err((DelegationDeniedReason::NtlmOnly, allow))
                                } else {
                                    Err((DelegationDeniedReason::NotAllowed, allow))
                                };
                                let direct = policy.decide(&spn(target), class, proof);
                                assert_eq!(direct, decision.answer, "{case}");
                                match (decision.answer, expected) {
                                    (Ok(permission), Ok(list)) => {
                                        seen[0] += 1;
                                        assert_eq!(permission.list, by_name(list), "{case}");
                                        assert!(permission.pattern.matches(&spn(target)));
                                    }
                                    (Err(denied), Err((reason, list))) => {
                                        assert_eq!(denied.reason, reason, "{case}");
                                        assert_eq!(denied.list, Some(by_name(list)), "{case}");
                                        assert_eq!((denied.class, denied.proof), (class, proof));
                                        let ntlm_only = reason == DelegationDeniedReason::NtlmOnly;
                                        let status = if ntlm_only {
                                            NtStatus::SEC_E_POLICY_NLTM_ONLY
                                        } else {
                                            NtStatus::SEC_E_DELEGATION_POLICY
                                        };
                                        assert_eq!(denied.status(), status, "{case}");
                                        let which = match reason {
                                            DelegationDeniedReason::Denied => 1,
                                            DelegationDeniedReason::NtlmOnly => 2,
                                            _ => 3,
                                        };
                                        seen[which] += 1;
                                    }
                                    (answer, _) => panic!("{case}: {answer:?}"),
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    // 3 classes, 8 states of each of 3 lists, 3 kinds of defaults, 2 targets, 3 proofs.
    assert_eq!(seen.iter().sum::<u32>(), 3 * 8 * 8 * 8 * 3 * 2 * 3);
    assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
}

#[test]
fn a_decision_is_told_with_the_list_and_the_pattern() {
    let policy = DelegationPolicy::windows_defaults()
        .allow_fresh(pattern("WSMAN/*.Example.com"))
        .deny_fresh(pattern("WSMAN/dmz.*"));
    let told = |target: &str| {
        policy
            .explain(&spn(target), CredentialClass::Fresh)
            .map(|decision| decision.to_string())
    };
    let [kerberos, _, none] = told("WSMAN/a.example.com");
    assert_eq!(
        kerberos,
        "proved by Kerberos: allowed by the pattern WSMAN/*.Example.com in AllowFreshCredentials (\"Allow delegating fresh \
         credentials\")"
    );
    assert!(none.starts_with("proved by nothing but NTLM: refused: policy AllowFreshCredentials"));
    let [_, certificate, _] = told("TERMSRV/a");
    assert!(
        certificate.starts_with(
            "proved by the TLS certificate: allowed by the built-in pattern TERMSRV/* in"
        ),
        "{certificate}"
    );
    for decision in told("WSMAN/dmz.example.com") {
        assert!(
            decision.contains("its pattern WSMAN/dmz.* fits"),
            "{decision}"
        );
    }
}

/// What a refusal proposes has to work, and to open no more than the one host or its own domain.
#[test]
fn a_remedy_goes_no_further_than_it_has_to() {
    let refusal = |target: &str, policy: &DelegationPolicy, proof| {
        let denied = policy.decide(&spn(target), CredentialClass::Fresh, proof);
        denied.unwrap_err().to_string()
    };
    let nothing = DelegationPolicy::default();
    for (target, proposal) in [
        (
            "WSMAN/web.corp.example",
            "WSMAN/web.corp.example or WSMAN/*.corp.example [",
        ),
        (
            "WSMAN/web.corp.example.",
            "WSMAN/web.corp.example. or WSMAN/*.corp.example [",
        ),
        ("WSMAN/example.com", "WSMAN/example.com ["),
        ("WSMAN/example.com.", "WSMAN/example.com. ["),
        ("WSMAN/web", "WSMAN/web ["),
        ("WSMAN/10.0.0.1", "WSMAN/10.0.0.1 ["),
        ("WSMAN/10.0.0.1.", "WSMAN/10.0.0.1. ["),
        ("WSMAN/[::ffff:10.0.0.1]", "WSMAN/[::ffff:10.0.0.1] ["),
        (
            "WSMAN/web.corp.example:5986",
            "WSMAN/web.corp.example:5986 [",
        ),
    ] {
        let text = refusal(target, &nothing, ServerProof::Certificate);
        assert!(
            text.contains(&format!("with the pattern {proposal}")),
            "{text}"
        );
        // Whoever answers in a name that nothing proves would have a whole domain's.
        for policy in [&nothing, &nothing.clone().allow_fresh(pattern("*"))] {
            let text = refusal(target, policy, ServerProof::None);
            assert!(text.contains(&format!("the pattern {target}")), "{text}");
            assert!(!text.contains("/*."), "{text}");
        }
    }
    for target in ["WSMAN/web.corp.example:5986", "WSMAN/web.corp.example."] {
        let text = refusal(target, &nothing, ServerProof::None);
        assert!(
            text.contains("setspn -S WSMAN/web.corp.example ACCOUNT"),
            "{text}"
        );
    }
}

#[test]
fn a_list_that_is_written_to_keeps_the_defaults_it_had() {
    let list = PolicyList::AllowFresh;
    for (before, keeps) in [
        (ListSetting::NotConfigured, true),
        (ListSetting::Disabled, false),
        (
            ListSetting::Enabled {
                patterns: vec![],
                concatenate_defaults: false,
            },
            false,
        ),
        (
            ListSetting::Enabled {
                patterns: vec![],
                concatenate_defaults: true,
            },
            true,
        ),
    ] {
        let mut policy = DelegationPolicy::windows_defaults();
        policy.set_list(list, before);
        let policy = policy.allow_fresh(pattern("WSMAN/a"));
        let allowed = |target: &str| {
            let target = spn(target);
            let decision = policy.decide(&target, CredentialClass::Fresh, ServerProof::Kerberos);
            decision.is_ok()
        };
        assert_eq!((allowed("WSMAN/a"), allowed("TERMSRV/a")), (true, keeps));
    }
}

/// The matcher, as one would write it who has all the time in the world: at each place, the star takes nothing or one
/// character more.
fn naive(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((&'*', rest)), _) => {
            naive(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, name)| naive(pattern, name))
        }
        (Some((p, pattern)), Some((n, name))) => p.eq_ignore_ascii_case(n) && naive(pattern, name),
        _ => false,
    }
}

/// Without the dots that end a host, which stand before a port or at the end.
fn plain(name: &str) -> Vec<char> {
    let mut chars: Vec<char> = name.chars().collect();
    let port = chars
        .iter()
        .rposition(|&c| c == ':')
        .filter(|&at| at > 0 && chars[at - 1] == '.');
    let mut end = port.unwrap_or(chars.len());
    while end > 0 && chars[end - 1] == '.' {
        end -= 1;
        chars.remove(end);
    }
    chars
}

fn chars() -> impl Strategy<Value = String> {
    // Few letters, so that much fits; one that has a case outside of ASCII.
    proptest::collection::vec(
        prop::sample::select(vec![
            'a', 'A', 'b', '.', ':', '1', '/', '-', '\u{e4}', '\u{c4}',
        ]),
        0..8,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

fn names() -> impl Strategy<Value = String> {
    let part = || {
        proptest::collection::vec(
            prop::sample::select(vec!['a', 'A', 'b', '.', '-', '\u{e4}', '\u{c4}']),
            1..7,
        )
        .prop_map(|chars| chars.into_iter().collect::<String>())
    };
    let port = prop::sample::select(vec!["", ":1", ":11"]);
    (part(), part(), port).prop_map(|(class, host, port)| format!("{class}/{host}{port}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn patterns_fit_as_the_naive_matcher_says(head in chars(), tail in chars(), star: bool, name in names()) {
        let text = if star { format!("{head}*{tail}") } else { format!("{head}{tail}") };
        if let Ok(pattern) = text.parse::<SpnPattern>() {
            let expected = naive(&plain(&text), &plain(&name));
            prop_assert_eq!(pattern.matches(&spn(&name)), expected);
        } else {
            let slashes = text.matches('/').count();
            let whole = slashes == 1 && !text.starts_with('/') && !text.ends_with('/');
            prop_assert!(!whole && (slashes > 0 || !star));
        }
    }

    /// Patterns that are made of the name, so that they fit, or nearly do.
    #[test]
    fn patterns_from_a_name_fit_it(name in names(), from in 0..16_usize, to in 0..16_usize, flip: bool) {
        let chars: Vec<char> = name.chars().collect();
        let from = from.min(chars.len());
        // What stands before the star and what stands behind it may overlap, which no name has twice.
        let to = to.min(chars.len());
        let mut text: String = chars[..from].iter().collect();
        text.push('*');
        text.extend(&chars[to..]);
        if flip {
            text = text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
        }
        let Ok(pattern) = text.parse::<SpnPattern>() else {
            // The slash was taken twice, or stands at an end.
            prop_assert!(text.contains('/'));
            return Ok(());
        };
        prop_assert_eq!(pattern.matches(&spn(&name)), naive(&plain(&text), &plain(&name)));
        // Where no dot at an end is dropped, the pattern is the name with a part of it left open.
        if from <= to && !name.contains('.') {
            prop_assert!(pattern.matches(&spn(&name)));
        }
    }

    #[test]
    fn two_stars_are_a_mistake_that_is_shown(head in chars(), middle in chars(), tail in chars()) {
        let text = format!("{head}*{middle}*{tail}");
        let error: policy::InvalidPattern = text.parse::<SpnPattern>().unwrap_err();
        prop_assert_eq!(&*error.pattern, text.as_str());
        prop_assert!(error.to_string().contains("more than one `*`"));
    }
}
