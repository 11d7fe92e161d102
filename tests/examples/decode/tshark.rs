//! The trees beside those of tshark: the same fields, with the same values, in the same places.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::recorded::Recorded;
use super::{hex, json as run, token_file, unhex, vectors};
use crate::peer::{self, Dissected, Peer};

/// How tshark writes a value.
#[derive(Clone, Copy)]
enum As {
    /// As people read it.
    Shown,
    Octets,
    /// A FILETIME.
    FileTime,
    /// The octets of a text.
    Text,
    /// The octets of a text in UTF-16.
    Utf16,
    /// Flags, the lowest octet first.
    LittleEndian,
    /// Flags, the highest octet first.
    BigEndian,
}

use As::{BigEndian, FileTime, LittleEndian, Octets, Shown, Text, Utf16};

/// tshark's name, an ancestor or the node itself in ours, our name, and how tshark writes it.
type Pair = (&'static str, &'static str, &'static str, As);

const CREDSSP: &[Pair] = &[
    ("credssp.version", "TSRequest", "version", Shown),
    ("credssp.clientNonce", "TSRequest", "clientNonce", Octets),
    ("spnego.MechType", "mechTypes", "MechType", Shown),
    (
        "spnego.supportedMech",
        "NegTokenResp",
        "supportedMech",
        Shown,
    ),
    ("spnego.negResult", "NegTokenResp", "negState", Shown),
    (
        "ntlmssp.negotiateflags",
        "TSRequest",
        "NegotiateFlags",
        LittleEndian,
    ),
    (
        "ntlmssp.ntlmserverchallenge",
        "TSRequest",
        "ServerChallenge",
        Octets,
    ),
    (
        "ntlmssp.challenge.target_name",
        "TSRequest",
        "TargetName",
        Shown,
    ),
    (
        "ntlmssp.challenge.target_info.nb_computer_name",
        "TargetInfo",
        "MsvAvNbComputerName",
        Shown,
    ),
    (
        "ntlmssp.challenge.target_info.nb_domain_name",
        "TargetInfo",
        "MsvAvNbDomainName",
        Shown,
    ),
    (
        "ntlmssp.challenge.target_info.dns_computer_name",
        "TargetInfo",
        "MsvAvDnsComputerName",
        Shown,
    ),
    (
        "ntlmssp.challenge.target_info.timestamp",
        "TargetInfo",
        "MsvAvTimestamp",
        FileTime,
    ),
    (
        "ntlmssp.ntlmv2_response.ntproofstr",
        "TSRequest",
        "NTProofStr",
        Octets,
    ),
    (
        "ntlmssp.ntlmv2_response.time",
        "TSRequest",
        "TimeStamp",
        FileTime,
    ),
    (
        "ntlmssp.ntlmv2_response.chal",
        "TSRequest",
        "ChallengeFromClient",
        Octets,
    ),
    (
        "ntlmssp.ntlmv2_response.nb_computer_name",
        "AvPairs",
        "MsvAvNbComputerName",
        Shown,
    ),
    (
        "ntlmssp.ntlmv2_response.nb_domain_name",
        "AvPairs",
        "MsvAvNbDomainName",
        Shown,
    ),
    (
        "ntlmssp.ntlmv2_response.dns_computer_name",
        "AvPairs",
        "MsvAvDnsComputerName",
        Shown,
    ),
    (
        "ntlmssp.ntlmv2_response.timestamp",
        "AvPairs",
        "MsvAvTimestamp",
        FileTime,
    ),
    (
        "ntlmssp.ntlmv2_response.target_name",
        "AvPairs",
        "MsvAvTargetName",
        Shown,
    ),
    (
        "ntlmssp.ntlmv2_response.flags",
        "AvPairs",
        "MsvAvFlags",
        LittleEndian,
    ),
    (
        "ntlmssp.auth.domain",
        "AUTHENTICATE_MESSAGE",
        "DomainName",
        Shown,
    ),
    (
        "ntlmssp.auth.username",
        "AUTHENTICATE_MESSAGE",
        "UserName",
        Shown,
    ),
    (
        "ntlmssp.auth.hostname",
        "AUTHENTICATE_MESSAGE",
        "Workstation",
        Shown,
    ),
    (
        "ntlmssp.auth.sesskey",
        "TSRequest",
        "EncryptedRandomSessionKey",
        Octets,
    ),
    ("ntlmssp.authenticate.mic", "TSRequest", "MIC", Octets),
    ("spnego.krb5.tok_id", "TSRequest", "TOK_ID", Octets),
    ("spnego.krb5.cfx_ec", "TSRequest", "EC", Shown),
    ("spnego.krb5.cfx_rrc", "TSRequest", "RRC", Shown),
    ("spnego.krb5.cfx_seq", "TSRequest", "SND_SEQ", Shown),
];

const KERBEROS: &[Pair] = &[
    ("kerberos.pvno", "", "pvno", Shown),
    ("kerberos.msg_type", "", "msg-type", Shown),
    ("kerberos.ap_options", "", "ap-options", BigEndian),
    ("kerberos.kdc_options", "", "kdc-options", BigEndian),
    ("kerberos.tkt_vno", "", "tkt-vno", Shown),
    ("kerberos.realm", "", "realm", Shown),
    ("kerberos.crealm", "", "crealm", Shown),
    ("kerberos.etype", "", "etype", Shown),
    ("kerberos.ENCTYPE", "", "ENCTYPE", Shown),
    ("kerberos.kvno", "", "kvno", Shown),
    ("kerberos.cipher", "", "cipher", Octets),
    ("kerberos.padata_type", "", "padata-type", Shown),
    ("kerberos.info2_salt", "", "salt", Shown),
    ("kerberos.cksumtype", "", "cksumtype", Shown),
    ("kerberos.checksum", "", "checksum", Octets),
    ("kerberos.nonce", "", "nonce", Shown),
    ("kerberos.till", "", "till", Text),
    ("kerberos.stime", "", "stime", Text),
    ("kerberos.susec", "", "susec", Shown),
    ("kerberos.error_code", "", "error-code", Shown),
    ("kerberos.e_text", "", "e-text", Shown),
];

/// What both have found in what the keytab opens.
const OPENED: &[Pair] = &[
    ("kerberos.flags", "EncTicketPart", "flags", BigEndian),
    ("kerberos.keytype", "", "keytype", Shown),
    ("kerberos.keyvalue", "", "keyvalue", Octets),
    ("kerberos.crealm", "", "crealm", Shown),
    ("kerberos.CNameString", "", "cname", Shown),
    ("kerberos.authtime", "", "authtime", Text),
    ("kerberos.endtime", "", "endtime", Text),
    ("kerberos.ad_type", "", "ad-type", Shown),
    ("kerberos.authenticator_vno", "", "authenticator-vno", Shown),
    ("kerberos.gssapi.bdn", "", "Bnd", Octets),
    ("kerberos.cusec", "", "cusec", Shown),
    ("kerberos.ctime", "", "ctime", Text),
    ("kerberos.seq_number", "", "seq-number", Shown),
    ("credssp.credType", "", "credType", Shown),
    ("credssp.userName", "", "userName", Utf16),
    ("credssp.password", "", "password", Utf16),
];

/// tshark's names of NTLM's flags, and ours.
const FLAGS: &[(&str, &str)] = &[
    ("ntlmssp.negotiateunicode", "NEGOTIATE_UNICODE"),
    ("ntlmssp.negotiateoem", "NEGOTIATE_OEM"),
    ("ntlmssp.requesttarget", "REQUEST_TARGET"),
    ("ntlmssp.negotiatesign", "NEGOTIATE_SIGN"),
    ("ntlmssp.negotiateseal", "NEGOTIATE_SEAL"),
    ("ntlmssp.negotiatedatagram", "NEGOTIATE_DATAGRAM"),
    ("ntlmssp.negotiatelmkey", "NEGOTIATE_LM_KEY"),
    ("ntlmssp.negotiatentlm", "NEGOTIATE_NTLM"),
    ("ntlmssp.negotiateanonymous", "ANONYMOUS"),
    (
        "ntlmssp.negotiateoemdomainsupplied",
        "NEGOTIATE_OEM_DOMAIN_SUPPLIED",
    ),
    (
        "ntlmssp.negotiateoemworkstationsupplied",
        "NEGOTIATE_OEM_WORKSTATION_SUPPLIED",
    ),
    ("ntlmssp.negotiatealwayssign", "NEGOTIATE_ALWAYS_SIGN"),
    ("ntlmssp.targettypedomain", "TARGET_TYPE_DOMAIN"),
    ("ntlmssp.targettypeserver", "TARGET_TYPE_SERVER"),
    (
        "ntlmssp.negotiatentlm2",
        "NEGOTIATE_EXTENDED_SESSIONSECURITY",
    ),
    ("ntlmssp.negotiateidentify", "NEGOTIATE_IDENTIFY"),
    ("ntlmssp.requestnonntsession", "REQUEST_NON_NT_SESSION_KEY"),
    ("ntlmssp.negotiatetargetinfo", "NEGOTIATE_TARGET_INFO"),
    ("ntlmssp.negotiateversion", "NEGOTIATE_VERSION"),
    ("ntlmssp.negotiate128", "NEGOTIATE_128"),
    ("ntlmssp.negotiatekeyexch", "NEGOTIATE_KEY_EXCH"),
    ("ntlmssp.negotiate56", "NEGOTIATE_56"),
];

/// Our nodes of a name below another one, in their order.
fn ours<'a>(tree: &'a Value, ancestor: &str, name: &str) -> Vec<&'a Value> {
    let below = ancestor.is_empty() || tree["name"] == ancestor;
    let mut found = Vec::new();
    // A list of encryption types is none.
    if below && tree["name"] == name && !tree["value"].is_null() {
        found.push(tree);
    }
    let ancestor = if below { "" } else { ancestor };
    for child in tree["children"].as_array().into_iter().flatten() {
        found.extend(ours(child, ancestor, name));
    }
    found
}

fn written(node: &Value, how: As) -> String {
    let value = &node["value"];
    let text = || value.as_str().map(str::to_owned);
    let bits = || u32::try_from(value["bits"].as_u64().unwrap()).unwrap();
    match how {
        Shown => text().unwrap_or_else(|| value.to_string()),
        Octets => text().unwrap(),
        Text => hex(text().unwrap().as_bytes()),
        Utf16 => {
            let units = text().unwrap();
            hex(&units
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>())
        }
        FileTime => hex(&value.as_u64().unwrap().to_le_bytes()),
        LittleEndian => hex(&bits().to_le_bytes()),
        BigEndian => hex(&bits().to_be_bytes()),
    }
}

/// Compares every field of the pairs, and says which were there.
#[track_caller]
fn compare(tree: &Value, fields: &[Dissected], pairs: &[Pair], seen: &mut BTreeSet<&'static str>) {
    for (theirs, ancestor, name, how) in pairs {
        let ours = ours(tree, ancestor, name);
        let ours: Vec<_> = ours
            .iter()
            .map(|node| {
                let number = |member: &str| node[member].as_u64().unwrap();
                (number("offset") + number("length"), written(node, *how))
            })
            .collect();
        let found = fields.iter().filter(|field| field.name == *theirs);
        let found: Vec<_> = found
            // It shows empty texts by this word.
            .filter(|field| field.show != "NULL")
            .map(|field| {
                // Ours begin with the tag where there is one: both end at the same place.
                let end = u64::try_from(field.offset + field.length).unwrap();
                match how {
                    Shown => (end, field.show.clone()),
                    _ => (end, field.value.clone()),
                }
            })
            .collect();
        assert_eq!(ours, found, "{theirs} and {name} in {tree:#}");
        if !ours.is_empty() {
            seen.insert(theirs);
        }
    }
}

/// A name in tshark has a field for each component, ours has slashes.
#[track_caller]
fn compare_names(tree: &Value, fields: &[Dissected], seen: &mut BTreeSet<&'static str>) {
    for (theirs, name) in [
        ("kerberos.SNameString", "sname"),
        ("kerberos.CNameString", "cname"),
    ] {
        let ours = ours(tree, "", name).into_iter();
        let ours: Vec<_> = ours
            .flat_map(|node| node["value"].as_str().unwrap().split('/'))
            .collect();
        let found = fields.iter().filter(|field| field.name == theirs);
        let found: Vec<_> = found.map(|field| &*field.show).collect();
        assert_eq!(ours, found, "{theirs}");
        if !ours.is_empty() {
            seen.insert(theirs);
        }
    }
}

fn trees(name: &str, tokens: &[Vec<u8>]) -> Vec<Value> {
    let lines = tokens.iter().map(|token| format!("C:{}", hex(token)));
    let output = run(0, &[&token_file(name, lines)]);
    let tokens = output["tokens"].as_array().unwrap().iter();
    tokens.map(|token| token["tree"].clone()).collect()
}

#[test]
fn ts_requests_show_what_tshark_shows() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let entries: Vec<Value> = serde_json::from_str(&vectors("pyspnego-exchanges.json")).unwrap();
    let messages: Vec<_> = entries
        .iter()
        .flat_map(|entry| entry["ts_requests"].as_array().unwrap())
        .map(|message| unhex(message[1].as_str().unwrap()))
        .collect();
    let dissected = peer::dissect_ts_requests(&messages, None);
    let mut seen = BTreeSet::new();
    for (tree, fields) in trees("decode-tshark", &messages).iter().zip(&dissected) {
        compare(tree, fields, CREDSSP, &mut seen);
        compare(tree, fields, KERBEROS, &mut seen);
        compare_names(tree, fields, &mut seen);
    }
    let missing = CREDSSP
        .iter()
        .map(|pair| pair.0)
        .filter(|name| !seen.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
    let kerberos = [
        "kerberos.ap_options",
        "kerberos.realm",
        "kerberos.SNameString",
    ];
    let kerberos = [&kerberos[..], &["kerberos.etype", "kerberos.kvno"]].concat();
    assert!(kerberos.iter().all(|name| seen.contains(name)), "{seen:?}");
}

#[test]
fn kdc_exchanges_show_what_tshark_shows() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let file: Value = serde_json::from_str(&vectors("mit-kdc-exchanges.json")).unwrap();
    let logons = file["kerberos_kdc_exchanges"]["logons"].as_array().unwrap();
    let messages: Vec<_> = logons
        .iter()
        .flat_map(|logon| logon["messages"].as_array().unwrap())
        .flat_map(|pair| [(true, "request"), (false, "reply")].map(|(to, name)| (to, &pair[name])))
        .map(|(to_kdc, message)| (to_kdc, unhex(message.as_str().unwrap())))
        .collect();
    let dissected = peer::dissect_kerberos(&messages);
    let tokens: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
    let mut seen = BTreeSet::new();
    for (tree, fields) in trees("decode-tshark-kdc", &tokens).iter().zip(&dissected) {
        compare(tree, fields, KERBEROS, &mut seen);
        compare_names(tree, fields, &mut seen);
    }
    let missing = KERBEROS
        .iter()
        .map(|pair| pair.0)
        .filter(|name| !seen.contains(name));
    let missing: Vec<_> = missing.collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn what_a_keytab_opens_shows_what_tshark_shows() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let mut seen = BTreeSet::new();
    for recorded in Recorded::all("mit-kerberos-exchanges.json", "kerberos") {
        if recorded.name().contains("user_to_user") {
            continue;
        }
        let output = recorded.run(0, &["--show-secrets"]);
        let checks = output["checks"].as_array().unwrap();
        let tree = |name: &str| {
            let named = checks.iter().find(|check| check["name"] == name);
            named.unwrap()["tree"].clone()
        };
        let messages: Vec<_> = recorded
            .messages
            .iter()
            .map(|(_, token)| token.clone())
            .collect();
        let dissected = peer::dissect_ts_requests(&messages, recorded.keytab().as_deref());
        let opened = [
            vec![tree("ticket"), tree("authenticator")],
            vec![tree("AP-REP")],
            vec![],
            vec![],
            vec![tree("the client's authInfo")],
        ];
        for (trees, fields) in opened.into_iter().zip(&dissected) {
            let tree = json!({"name": "opened", "children": trees});
            compare(&tree, fields, OPENED, &mut seen);
            for node in ours(&tree, "EncTicketPart", "flags") {
                let theirs = set(fields, "kerberos.TicketFlags.");
                assert_eq!(node["value"]["names"], json!(theirs));
                assert!(theirs.len() >= 3, "{theirs:?}");
            }
        }
        let sealed: Vec<_> = dissected
            .iter()
            .flatten()
            .filter(|field| field.name == "credssp.decr_PublicKeyAuth")
            .collect();
        assert_eq!(sealed.len(), 2);
    }
    let missing = OPENED
        .iter()
        .map(|pair| pair.0)
        .filter(|name| !seen.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

/// Copies of a message, each with one bit of the flags that stand in a node set, and no other.
fn each_bit(message: &[u8], node: &str) -> Vec<Vec<u8>> {
    let trees = trees("flags", &[message.to_vec()]);
    let node = ours(&trees[0], "", node)[0];
    let number = |member: &str| usize::try_from(node[member].as_u64().unwrap()).unwrap();
    let end = number("offset") + number("length");
    let bit = |bit: usize| {
        let mut copy = message.to_vec();
        copy[end - 4..end].fill(0);
        copy[end - 4 + bit / 8] = 0x80 >> (bit % 8);
        copy
    };
    (0..32).map(bit).collect()
}

/// tshark's names of the flags that are set below a name.
fn set(fields: &[Dissected], prefix: &str) -> Vec<String> {
    let set = fields.iter().filter(|field| field.show == "1");
    let names = set.filter_map(|field| field.name.strip_prefix(prefix));
    names.map(|name| name.replace('.', "-")).collect()
}

#[test]
fn every_flag_has_the_name_that_tshark_has() {
    if !peer::available(Peer::Tshark) {
        return;
    }
    let message = Recorded::named("ntlm_raw_v2").messages[0].1.clone();
    let messages = each_bit(&message, "NegotiateFlags");
    let dissected = peer::dissect_ts_requests(&messages, None);
    let mut seen = 0;
    for (tree, fields) in trees("bits", &messages).iter().zip(&dissected) {
        let names = &ours(tree, "", "NegotiateFlags")[0]["value"]["names"];
        let theirs = fields.iter().filter(|field| field.show == "1");
        let theirs: Vec<_> = theirs
            .filter_map(|field| FLAGS.iter().find(|(name, _)| *name == field.name))
            .map(|(_, name)| *name)
            .collect();
        assert_eq!(*names, json!(theirs), "{tree:#}");
        seen += theirs.len();
    }
    assert_eq!(seen, FLAGS.len());

    let message = Recorded::named("mit_krb_raw_v6").messages[0].1.clone();
    let messages = each_bit(&message, "ap-options");
    let dissected = peer::dissect_ts_requests(&messages, None);
    for (tree, fields) in trees("bits", &messages).iter().zip(&dissected) {
        let names = &ours(tree, "", "ap-options")[0]["value"]["names"];
        let mut theirs = set(fields, "kerberos.APOptions.");
        theirs.retain(|name| name != "reserved");
        assert_eq!(*names, json!(theirs), "{tree:#}");
    }

    let file: Value = serde_json::from_str(&vectors("mit-kdc-exchanges.json")).unwrap();
    let request = &file["kerberos_kdc_exchanges"]["logons"][0]["messages"][0]["request"];
    let messages = each_bit(&unhex(request.as_str().unwrap()), "kdc-options");
    let packets: Vec<_> = messages
        .iter()
        .map(|message| (true, message.clone()))
        .collect();
    let dissected = peer::dissect_kerberos(&packets);
    let mut seen = 0;
    for (tree, fields) in trees("bits", &messages).iter().zip(&dissected) {
        let names = &ours(tree, "", "kdc-options")[0]["value"]["names"];
        let mut theirs = set(fields, "kerberos.KDCOptions.");
        theirs.retain(|name| !name.starts_with("unused") && name != "reserved");
        // Which no RFC that is in force has.
        theirs.retain(|name| name != "opt-hardware-auth");
        for name in &mut theirs {
            if name == "constrained-delegation" {
                // As RFC 6113 and MS-SFU call it.
                *name = "cname-in-addl-tkt".into();
            }
        }
        assert_eq!(*names, json!(theirs), "{tree:#}");
        seen += theirs.len();
    }
    assert_eq!(seen, 15);
}
