#!/usr/bin/python3
"""One side of a GSS exchange, driven line by line: MIT's libgssapi with gss-ntlmssp, by Debian's python3-gssapi.

  gss_peer.py ROLE MECHANISM [option=value ...]

ROLE is `initiate` or `accept`; MECHANISM is `ntlm` (bare) or `spnego:ntlm`.  Options:
  user=CORP\\alice password=secret   initiate: who logs on
  target=TERMSRV@host                initiate: the service
  account=CORP\\alice:secret         accept: an account that it knows; may be given again
  cb=HEX                             channel bindings: their application data
  noconf=1                           initiate: do not ask for confidentiality

It says `ok ready`, then answers each line of standard input with one line: `ok VALUE...`, or `err KIND TOKEN message`
where TOKEN is what the other side should still be told.  Bytes are in hex; no bytes at all are `-`.
  step [HEX]          the next token; answers the token and complete=0|1
  wrap HEX            seals;   unwrap HEX     opens, answers the message and encrypted=0|1
  mic HEX             signs;   verify HEX MIC checks a signature
  info                what was established
  quit                (so does the end of standard input)
"""
import atexit
import os
import shutil
import sys
import tempfile

PRIVATE = tempfile.mkdtemp(prefix="gss-peer-")
atexit.register(shutil.rmtree, PRIVATE, ignore_errors=True)
os.environ["KRB5_CONFIG"] = os.path.join(PRIVATE, "krb5.conf")
with open(os.environ["KRB5_CONFIG"], "w") as conf:
    conf.write("[libdefaults]\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
               " dns_canonicalize_hostname = false\n rdns = false\n")
# No account but those that were given, and no winbind: the outcome must not depend on the machine.
os.environ["NTLM_USER_FILE"] = os.path.join(PRIVATE, "users")
os.environ.setdefault("NETBIOS_COMPUTER_NAME", "PEER")
os.environ.setdefault("NETBIOS_DOMAIN_NAME", "CORP")

import gssapi  # noqa: E402  (reads the environment that is set above)

NTLM = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
MECHANISMS = {"ntlm": (NTLM, [NTLM]), "spnego:ntlm": (SPNEGO, [NTLM])}


def to_hex(data):
    return data.hex() if data else "-"


def from_hex(text):
    return b"" if text == "-" else bytes.fromhex(text)


class Side:
    def __init__(self, role, mechanism, options):
        outer, self.inner = MECHANISMS[mechanism]
        self.conf = "noconf" not in options
        bindings = None
        if "cb" in options:
            bindings = gssapi.raw.ChannelBindings(application_data=bytes.fromhex(options["cb"][0]))
        if role == "accept":
            self.write_accounts(options.get("account", []))
            credentials = self.negotiable(gssapi.Credentials(usage="accept", mechs=[outer]), outer)
            self.context = gssapi.SecurityContext(creds=credentials, usage="accept", channel_bindings=bindings)
            return
        self.write_accounts([])
        user = gssapi.Name(options["user"][0], gssapi.NameType.user)
        acquired = gssapi.raw.acquire_cred_with_password(user, options["password"][0].encode(), usage="initiate", mechs=[outer])
        credentials = self.negotiable(acquired.creds, outer)
        flag = gssapi.RequirementFlag
        flags = flag.mutual_authentication | flag.integrity | flag.replay_detection | flag.out_of_sequence_detection
        if self.conf:
            flags |= flag.confidentiality
        target = gssapi.Name(options["target"][0], gssapi.NameType.hostbased_service)
        self.context = gssapi.SecurityContext(name=target, creds=credentials, usage="initiate", mech=outer, flags=flags,
                                              channel_bindings=bindings)

    @staticmethod
    def write_accounts(accounts):
        with open(os.environ["NTLM_USER_FILE"], "w") as store:
            for account in accounts:
                name, _, password = account.partition(":")
                domain, _, user = name.rpartition("\\")
                store.write("%s:%s:%s\n" % (domain, user, password))

    def negotiable(self, credentials, outer):
        if outer == SPNEGO:
            gssapi.raw.set_neg_mechs(credentials, self.inner)
        return gssapi.Credentials(base=credentials)

    def step(self, token="-"):
        answer = self.context.step(from_hex(token) or None)
        return "%s complete=%d" % (to_hex(answer), self.context.complete)

    def wrap(self, message):
        return to_hex(self.context.wrap(from_hex(message), self.conf).message)

    def unwrap(self, token):
        opened = self.context.unwrap(from_hex(token))
        return "%s encrypted=%d" % (to_hex(opened.message), opened.encrypted)

    def mic(self, message):
        return to_hex(self.context.get_signature(from_hex(message)))

    def verify(self, message, mic):
        self.context.verify_signature(from_hex(message), from_hex(mic))
        return "verified"

    def info(self):
        flags = "|".join(sorted(flag.name for flag in self.context.actual_flags))
        # gss-ntlmssp's names carry a NUL at the end.
        name = str(self.context.initiator_name).rstrip("\0").replace(" ", "%20")
        return "initiator=%s mechanism=%s flags=%s" % (name, self.context.mech.dotted_form, flags)


def main():
    role, mechanism = sys.argv[1:3]
    if role not in ("initiate", "accept") or mechanism not in MECHANISMS:
        sys.exit(__doc__)
    options = {}
    for argument in sys.argv[3:]:
        key, _, value = argument.partition("=")
        options.setdefault(key, []).append(value)
    side = Side(role, mechanism, options)
    commands = {name: getattr(side, name) for name in ("step", "wrap", "unwrap", "mic", "verify", "info")}
    print("ok ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words[0] == "quit":
            break
        try:
            print("ok", commands[words[0]](*words[1:]), flush=True)
        except Exception as error:  # whatever went wrong is this peer's answer
            farewell = to_hex(getattr(error, "token", None))
            print("err", type(error).__name__, farewell, str(error).replace("\n", " ")[:400], flush=True)


if __name__ == "__main__":
    main()
