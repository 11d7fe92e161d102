#!/usr/bin/python3
"""One side of a GSS exchange, driven line by line: MIT's libgssapi with gss-ntlmssp, by Debian's python3-gssapi.

  gss_peer.py ROLE MECHANISM [option=value ...]

ROLE is `initiate` or `accept`; MECHANISM is `ntlm` or `krb5` (bare), `spnego:ntlm`, `spnego:krb5`, or
`spnego:krb5,ntlm`, which prefers Kerberos and has NTLM besides.  Options:
  target=TERMSRV@host                initiate: the service; or a principal's name, TERMSRV/host@REALM
  flags=mutual,conf                  initiate: what to ask for, of mutual, replay, sequence, integ, conf, deleg, dce;
                                     without this, the first five.  Without conf, wrap signs only, for either role
  cb=HEX                             channel bindings: their application data
  user=CORP\\alice password=secret   initiate, NTLM: who logs on
  account=CORP\\alice:secret         accept, NTLM: an account that it knows; may be given again
  krb5_conf=FILE                     Kerberos: the configuration, which tells the KDC
  ccache=FILE                        initiate, Kerberos: the tickets; without this, one that nobody can decrypt
  keytab=FILE                        accept, Kerberos: the services' keys
  rcache=FILE                        accept, Kerberos: the replay cache; without this, there is none

It says `ok ready`, then answers each line of standard input with one line: `ok VALUE...`, or `err KIND TOKEN message`
where TOKEN is what the other side should still be told.  Bytes are in hex; no bytes at all are `-`.
  step [HEX]          the next token; answers the token and complete=0|1
  wrap HEX            seals;   unwrap HEX     opens, answers the message and encrypted=0|1
  wrapiov HEX         seals as Windows' EncryptMessage does: answers a header and as many octets as the message has
  unwrapiov HEX HEX   opens such a header and ciphertext
  mic HEX             signs;   verify HEX MIC checks a signature
  info                what was established: initiator, mechanism, flags; with Kerberos target and lifetime in seconds
  quit                (so does the end of standard input)
"""
import atexit
import os
import shutil
import struct
import sys
import tempfile
import time

REALM = "PEER.TEST"


def read_options(arguments):
    options = {}
    for argument in arguments:
        key, _, value = argument.partition("=")
        options.setdefault(key, []).append(value)
    return options


OPTIONS = read_options(sys.argv[3:])
PRIVATE = tempfile.mkdtemp(prefix="gss-peer-")
atexit.register(shutil.rmtree, PRIVATE, ignore_errors=True)


def file_for(option, name):
    """The file that an option tells, or one of this process alone."""
    return OPTIONS.get(option, [os.path.join(PRIVATE, name)])[0]


# No account but those that were given, and no winbind: the outcome must not depend on the machine.
os.environ["KRB5_CONFIG"] = file_for("krb5_conf", "krb5.conf")
os.environ["KRB5CCNAME"] = "FILE:" + file_for("ccache", "tickets")
os.environ["KRB5_KTNAME"] = "FILE:" + file_for("keytab", "keytab")
os.environ["KRB5_CLIENT_KTNAME"] = "FILE:" + os.path.join(PRIVATE, "keytab")
os.environ["KRB5RCACHENAME"] = "file2:" + OPTIONS["rcache"][0] if "rcache" in OPTIONS else "none:"
os.environ["NTLM_USER_FILE"] = os.path.join(PRIVATE, "users")
os.environ.setdefault("NETBIOS_COMPUTER_NAME", "PEER")
os.environ.setdefault("NETBIOS_DOMAIN_NAME", "CORP")
if "krb5_conf" not in OPTIONS:
    with open(os.environ["KRB5_CONFIG"], "w") as conf:
        conf.write("[libdefaults]\n default_realm = " + REALM + "\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
                   " dns_canonicalize_hostname = false\n rdns = false\n")

import gssapi  # noqa: E402  (reads the environment that is set above)

KERBEROS = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")
NTLM = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
MECHANISMS = {
    "krb5": (KERBEROS, [KERBEROS]),
    "ntlm": (NTLM, [NTLM]),
    "spnego:krb5": (SPNEGO, [KERBEROS]),
    "spnego:ntlm": (SPNEGO, [NTLM]),
    "spnego:krb5,ntlm": (SPNEGO, [KERBEROS, NTLM]),
}
FLAGS = {
    "mutual": gssapi.RequirementFlag.mutual_authentication,
    "replay": gssapi.RequirementFlag.replay_detection,
    "sequence": gssapi.RequirementFlag.out_of_sequence_detection,
    "integ": gssapi.RequirementFlag.integrity,
    "conf": gssapi.RequirementFlag.confidentiality,
    "deleg": gssapi.RequirementFlag.delegate_to_peer,
    "dce": gssapi.RequirementFlag.dce_style,
}
AES256 = 18  # the encryption type


def to_hex(data):
    return data.hex() if data else "-"


def from_hex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def der(tag, *contents):
    contents = b"".join(contents)
    length = len(contents)
    if length < 0x80:
        return bytes([tag, length]) + contents
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + contents


def ticket(service):
    """A Ticket (RFC 4120, section 5.3) whose encrypted part is noise."""
    integer = lambda number: der(0x02, bytes([number]))
    text = lambda part: der(0x1B, part.encode())
    name = der(0x30, der(0xA0, integer(3)), der(0xA1, der(0x30, *map(text, service))))
    encrypted = der(0x30, der(0xA0, integer(AES256)), der(0xA1, integer(1)), der(0xA2, der(0x04, os.urandom(80))))
    return der(0x61, der(0x30, der(0xA0, integer(5)), der(0xA1, text(REALM)), der(0xA2, name), der(0xA3, encrypted)))


def write_ticket(user, service):
    """A credential cache, format 4, from which libgssapi makes a token without asking any KDC."""
    data = lambda octets: struct.pack(">I", len(octets)) + octets
    principal = lambda *parts: struct.pack(">II", 1, len(parts)) + b"".join(data(part.encode()) for part in (REALM, *parts))
    now = int(time.time())
    credential = [
        principal(user), principal(*service),
        struct.pack(">H", AES256), data(os.urandom(32)),
        struct.pack(">IIII", now - 60, now - 60, now + 3600, 0),
        # No session key of its own, no flags, no addresses, no authorization data; no second ticket behind the first.
        struct.pack(">BIII", 0, 0, 0, 0), data(ticket(service)), data(b""),
    ]
    with open(os.environ["KRB5CCNAME"].removeprefix("FILE:"), "wb") as cache:
        cache.write(b"\x05\x04" + struct.pack(">H", 0) + principal(user) + b"".join(credential))


class Side:
    def __init__(self, role, mechanism, options):
        outer, self.inner = MECHANISMS[mechanism]
        flags = options.get("flags", ["mutual,replay,sequence,integ,conf"])[0].split(",")
        self.conf = "conf" in flags
        bindings = None
        if "cb" in options:
            bindings = gssapi.raw.ChannelBindings(application_data=bytes.fromhex(options["cb"][0]))
        if role == "accept":
            self.write_accounts(options.get("account", []))
            credentials = self.negotiable(gssapi.Credentials(usage="accept", mechs=[outer]), outer)
            self.context = gssapi.SecurityContext(creds=credentials, usage="accept", channel_bindings=bindings)
            return
        credentials = self.negotiable(self.acquire(outer, options), outer)
        target = options["target"][0]
        kind = gssapi.NameType.kerberos_principal if "/" in target else gssapi.NameType.hostbased_service
        self.context = gssapi.SecurityContext(name=gssapi.Name(target, kind), creds=credentials, usage="initiate",
                                              mech=outer, flags=sum(FLAGS[flag] for flag in flags),
                                              channel_bindings=bindings)

    def acquire(self, outer, options):
        """Whom to log on: by name and password, or with Kerberos by what stands in files."""
        name, password = (options.get(key, [""])[0] for key in ("user", "password"))
        if KERBEROS in self.inner:
            if NTLM in self.inner:
                self.write_accounts(["%s:%s" % (name, password)])
            if "ccache" not in options:
                write_ticket(name.rpartition("\\")[2], options["target"][0].split("@"))
            return gssapi.Credentials(usage="initiate", mechs=[outer])
        self.write_accounts([])
        user = gssapi.Name(name, gssapi.NameType.user)
        return gssapi.raw.acquire_cred_with_password(user, password.encode(), usage="initiate", mechs=[outer]).creds

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

    def wrapiov(self, message):
        buffers = gssapi.raw.IOV(gssapi.raw.IOVBufferType.header, from_hex(message), std_layout=False)
        gssapi.raw.wrap_iov(self.context, buffers, confidential=self.conf)
        return "%s %s" % (to_hex(buffers[0].value), to_hex(buffers[1].value))

    def unwrapiov(self, header, message):
        header = (gssapi.raw.IOVBufferType.header, False, from_hex(header))
        buffers = gssapi.raw.IOV(header, from_hex(message), std_layout=False)
        opened = gssapi.raw.unwrap_iov(self.context, buffers)
        return "%s encrypted=%d" % (to_hex(buffers[1].value), opened.encrypted)

    def mic(self, message):
        return to_hex(self.context.get_signature(from_hex(message)))

    def verify(self, message, mic):
        self.context.verify_signature(from_hex(message), from_hex(mic))
        return "verified"

    def info(self):
        flags = "|".join(sorted(flag.name for flag in self.context.actual_flags))
        # gss-ntlmssp's names carry a NUL at the end.
        name = str(self.context.initiator_name).rstrip("\0").replace(" ", "%20")
        told = "initiator=%s mechanism=%s flags=%s" % (name, self.context.mech.dotted_form, flags)
        if self.context.mech == KERBEROS:
            told += " target=%s lifetime=%d" % (self.context.target_name, self.context.lifetime)
        return told


def main():
    role, mechanism = sys.argv[1:3]
    if role not in ("initiate", "accept") or mechanism not in MECHANISMS:
        sys.exit(__doc__)
    side = Side(role, mechanism, OPTIONS)
    commands = ("step", "wrap", "unwrap", "wrapiov", "unwrapiov", "mic", "verify", "info")
    commands = {name: getattr(side, name) for name in commands}
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
