//! Writes the seeds into `corpus/`, or with `--check` says whether they are what it would write, and whether the live
//! targets come to their end from those that are meant to.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use credssp::kerberos::asn1::KerberosTime;
use credssp::kerberos::ccache::CredentialCache;
use credssp::kerberos::krb5_conf::Krb5Conf;
use credssp::policy::{RegContents, RegEncoding};
use credssp::spnego::{NegotiationToken, TokenKind};
use credssp::ts_request::TsRequest;
use credssp_fuzz::{
    ap_req, kdc_reply, live, pac, per_message, pk_as_rep, policy_files, rdp_negotiation, winrm,
};
use serde_json::Value;

/// The folder of a target, and names of files with their contents.
type Seeds = BTreeMap<(&'static str, String), Vec<u8>>;

/// Both negotiations, and pairs of versions with each kind of binding.
const SETUPS: [u8; 5] = [0x48, 0x49, 0x01, 0x09, 0x37];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Seeds::new();
    published(
        &read(&root.join("../tests/vectors/published.json"))?,
        &mut seeds,
    );
    exchanges(
        &read(&root.join("../tests/vectors/pyspnego-exchanges.json"))?,
        &mut seeds,
    );
    kerberos_files(&mut seeds);
    live_targets(&mut seeds);
    per_message_tokens(&mut seeds);
    for (name, completes, contents) in kdc_reply::seeds() {
        assert_eq!(kdc_reply::run(&contents), completes, "kdc_reply: {name}");
        seeds.insert(("kdc_reply", name.into()), contents);
    }
    for (name, contents) in ap_req::seeds() {
        assert!(ap_req::run(&contents), "ap_req refuses {name}");
        seeds.insert(("ap_req", name.into()), contents);
    }
    for (name, contents) in pk_as_rep::seeds() {
        pk_as_rep::run(&contents);
        seeds.insert(("pk_as_rep", name.into()), contents);
    }
    for (name, contents) in rdp_negotiation::seeds() {
        seeds.insert(("rdp_negotiation", name.into()), contents);
    }
    for (name, contents) in winrm::body_seeds() {
        assert!(winrm::body(&contents), "winrm_body refuses {name}");
        seeds.insert(("winrm_body", name.into()), contents);
    }
    for (name, contents) in winrm::header_seeds() {
        winrm::headers(&contents);
        seeds.insert(("winrm_headers", name.into()), contents);
    }
    let toml = policy_files::configured().to_toml()?;
    let utf_16 = policy_files::short().to_reg(RegContents::Replacement, RegEncoding::Utf16);
    for (name, contents) in [
        ("utf16", &*utf_16),
        ("whole-utf8", policy_files::WHOLE_UTF_8),
        ("edited", policy_files::EDITED),
        ("toml", toml.as_bytes()),
    ] {
        policy_files::run(contents);
        seeds.insert(("policy_files", name.into()), contents.to_vec());
    }
    let recorded = read(&root.join("../tests/vectors/samba-pac.json"))?;
    for (name, contents) in pac::seeds(&unhex(&recorded["kerberos_pacs"][0]["pac"])) {
        seeds.insert(("pac", name), contents);
    }

    let corpus = root.join("corpus");
    if std::env::args().any(|argument| argument == "--check") {
        for ((target, name), contents) in &seeds {
            let path = corpus.join(target).join(name);
            if fs::read(&path).ok().as_ref() != Some(contents) {
                return Err(format!("{} is stale: run fuzz/run --seeds", path.display()).into());
            }
        }
        println!("{} seeds are as they should be", seeds.len());
    } else {
        let _ = fs::remove_dir_all(&corpus);
        for ((target, name), contents) in &seeds {
            fs::create_dir_all(corpus.join(target))?;
            fs::write(corpus.join(target).join(name), contents)?;
        }
        println!("{} seeds written", seeds.len());
    }
    Ok(())
}

fn read(path: &Path) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hexadecimal").as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

fn file_name(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    id.chars().map(plain).collect()
}

fn published(vectors: &Value, seeds: &mut Seeds) {
    for (section, target) in [
        ("tsrequest", "ts_request"),
        ("tscredentials", "ts_credentials"),
        ("spnego", "spnego_tokens"),
        ("x224", "rdp_negotiation"),
    ] {
        for entry in vectors[section].as_array().expect("entries") {
            let name = file_name(entry["id"].as_str().expect("an id"));
            seeds.insert((target, name), unhex(&entry["hex"]));
        }
    }
    for example in ["v1", "v1_ess", "v2"] {
        for message in ["challenge", "authenticate"] {
            let contents = unhex(&vectors["nlmp_4_2"][example][message]);
            seeds.insert(
                ("ntlm_messages", file_name(&format!("{example}-{message}"))),
                contents,
            );
        }
    }
}

/// Of each kind of exchange one, and of each message its parts.
fn exchanges(entries: &Value, seeds: &mut Seeds) {
    for entry in entries.as_array().expect("entries") {
        let name = entry["name"].as_str().expect("a name");
        if ![
            "ntlm_raw_v2",
            "spnego_ntlm_v6",
            "ntlm_smartcard",
            "ntlm_remoteguard",
        ]
        .contains(&name)
        {
            continue;
        }
        seeds.insert(
            ("ts_credentials", file_name(name)),
            unhex(&entry["ts_credentials"]),
        );
        if !name.contains("_v") {
            continue;
        }
        for (number, message) in entry["ts_requests"]
            .as_array()
            .expect("messages")
            .iter()
            .enumerate()
        {
            let name = file_name(&format!("{name}-{number}"));
            let message = unhex(&message[1]);
            let request = TsRequest::decode(&message).expect("a TSRequest");
            if let Some(token) = request.nego_token {
                if TokenKind::of(token) == Some(TokenKind::Spnego) {
                    seeds.insert(("spnego_tokens", name.clone()), token.to_vec());
                }
                let inner = match NegotiationToken::decode(token) {
                    Ok(NegotiationToken::Init(init)) => init.mech_token,
                    Ok(NegotiationToken::Resp(resp)) => resp.response_token,
                    _ => Some(token),
                };
                if let Some(token) = inner {
                    seeds.insert(("ntlm_messages", name.clone()), token.to_vec());
                }
            }
            seeds.insert(("ts_request", name), message);
        }
    }
}

fn per_message_tokens(seeds: &mut Seeds) {
    for kind in 0..8_u8 {
        let token = per_message::sealed(kind, b"message");
        for (name, contents) in [
            ("foreign", [&[kind][..], &token].concat()),
            ("rotated", [&[kind | 8, 0, 5][..], b"message"].concat()),
            ("changed", vec![kind | 16, 20, 1]),
        ] {
            seeds.insert(("per_message", format!("{name}-{kind}")), contents);
        }
    }
}

/// By hand: one of each thing that stands in such a file.
fn kerberos_files(seeds: &mut Seeds) {
    let name = b"\x00\x02\x00\x01R\x00\x07TERMSRV\x00\x04host\x00\x00\x00\x01\x00\x00\x00\x00\x07";
    let entry = |kind: u8, key: &[u8], behind: &[u8]| {
        let length = u8::try_from(key.len()).expect("short");
        let entry = [name, &[0, kind, 0, length][..], key, behind].concat();
        let size = u32::try_from(entry.len()).expect("short").to_be_bytes();
        [&size[..], &entry].concat()
    };
    let keytab = [
        vec![5, 2],
        entry(17, &[1; 16], &[]),
        b"\xff\xff\xff\xfdabc".to_vec(),
        entry(99, &[2; 8], &[]),
        entry(18, &[3; 32], &[0, 0, 1, 2, 8]),
    ];
    seeds.insert(("keytab", "entries-and-a-hole".into()), keytab.concat());

    let counted = |octets: &[u8]| {
        let length = u32::try_from(octets.len()).expect("short").to_be_bytes();
        [&length[..], octets].concat()
    };
    let principal = |realm: &[u8], components: &[&[u8]]| {
        let count = u8::try_from(components.len()).expect("few");
        let components: Vec<_> = components.iter().map(|part| counted(part)).collect();
        let number = [0, 0, 0, 1, 0, 0, 0, count];
        [&number[..], &counted(realm), &components.concat()].concat()
    };
    let client = principal(b"R", &[b"alice"]);
    let credential = |server: Vec<u8>, kind: u8, skey: u8, ticket: &[u8]| {
        let times = [[0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0; 4]].concat();
        let address = [&[0, 0, 0, 1, 0, 2][..], &counted(&[127, 0, 0, 1])].concat();
        let parts = [
            &[0, kind][..],
            &counted(&[7; 16]),
            &times,
            &[skey, 0x40, 0, 0, 0],
            &address,
        ];
        [
            client.clone(),
            server,
            parts.concat(),
            vec![0; 4],
            counted(ticket),
            counted(b""),
        ]
        .concat()
    };
    // A Ticket for krbtgt/R@R.
    let ticket = b"aE0C\xa0\x03\x02\x01\x05\xa1\x03\x1b\x01R\xa2\x160\x14\xa0\x03\x02\x01\x02\xa1\x0d0\x0b\x1b\x06krbtgt\
        \x1b\x01R\xa3\x1f0\x1d\xa0\x03\x02\x01\x12\xa2\x16\x04\x14cipher of 20 octets.";
    let setting: &[&[u8]] = &[b"krb5_ccache_conf_data", b"start_realm"];
    let ccache = [
        b"\x05\x04\x00\x0c\x00\x01\x00\x08\x00\x00\x00\x07\x00\x00\x00\x08".to_vec(),
        client.clone(),
        credential(principal(b"X-CACHECONF:", setting), 0, 0, b"R"),
        credential(principal(b"R", &[b"krbtgt", b"R"]), 17, 0, ticket),
        credential(principal(b"R", &[b"bob"]), 99, 8, ticket),
    ];
    let ccache = ccache.concat();
    let parsed = CredentialCache::parse(&ccache).expect("a credential cache");
    assert!(parsed.tgt(KerberosTime::from_unix(1_000)).is_some());
    seeds.insert(("ccache", "setting-and-tickets".into()), ccache);

    let krb5_conf = "include other
[libdefaults]*
  default_realm = R
  canonicalize* = \"true\" # comment
  permitted_enctypes = DEFAULT, -aes256-sha2 +rc4
  clockskew = 60
[realms]
  R = {
    kdc = tcp/[2001:db8::1]:88
    kdc = https://proxy.example/KdcProxy
    nested =
    {
      a = b
    }
  }*
[domain_realm]
  .example.com = R
includedir folder
";
    let without = krb5_conf.replace("include", ";");
    Krb5Conf::parse(&without).expect("a configuration");
    seeds.insert(("krb5_conf", "with-includes".into()), krb5_conf.into());
    seeds.insert(("krb5_conf", "without-includes".into()), without.into());
    for address in ["udp/dc.example.com:750", "[::1]", "https://proxy/KdcProxy"] {
        seeds.insert(("krb5_conf", file_name(address)), address.into());
    }
}

fn live_targets(seeds: &mut Seeds) {
    for setup in SETUPS {
        let [by_client, by_server] = live::recorded(setup);
        let recorded = |stream: &[u8]| [&[setup, 0], stream].concat();
        for (target, run, contents) in [
            (
                "live_client",
                live::client as fn(&[u8]) -> bool,
                recorded(&by_server),
            ),
            ("live_server", live::server, recorded(&by_client)),
            ("live_client", live::client, vec![setup, 1]),
            ("live_server", live::server, vec![setup, 1]),
        ] {
            assert!(
                run(&contents),
                "{target} does not come to its end in the setup {setup:#04x}"
            );
            let kind = if contents[1] == 0 {
                "recorded"
            } else {
                "answered"
            };
            seeds.insert((target, format!("{kind}-{setup:02x}")), contents);
        }
    }
    // Each kind of damage once.
    for kind in 1..=5_u8 {
        let contents = vec![0x49, 1, 0, kind, 3, 0, 40, 1, 0, 50, 1, 0, 60, 1];
        seeds.insert(("live_client", format!("damaged-{kind}")), contents.clone());
        seeds.insert(("live_server", format!("damaged-{kind}")), contents);
    }
}
