#!/usr/bin/env python3
"""A CredSSP server or client on loopback, with pyspnego doing TLS, SPNEGO, NTLM and CredSSP, and MIT's libgssapi Kerberos.

  pyspnego_peer.py server --account 'CORP\\alice:secret' [--count 1]
  pyspnego_peer.py client PORT --user 'CORP\\alice' --password secret
  pyspnego_peer.py server --mech kerberos --krb5-conf FILE --keytab FILE
  pyspnego_peer.py client PORT --mech kerberos --krb5-conf FILE --target-host HOST --user alice@REALM --password secret
  pyspnego_peer.py server --rdp hybrid-ex --early 5 --account 'CORP\\alice:secret'
  pyspnego_peer.py client PORT --rdp hybrid-ex --user 'CORP\\alice' --password secret

Standard output is JSON, one object a line.  A server says {"listening": PORT, ...} first, then one line for each
connection; a client says one line.  Both give up after --timeout seconds with exit status 3.

pyspnego hands out and takes TLS flights as tokens, and takes each token for a whole one.  TCP keeps no such
boundaries, so SocketContext below feeds TLS from the socket byte by byte, and cuts the TSRequests out of the plaintext
by their DER length.
"""
import argparse
import atexit
import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time

PRIVATE = tempfile.mkdtemp(prefix="pyspnego-peer-")
atexit.register(shutil.rmtree, PRIVATE, ignore_errors=True)
# Without --krb5-conf there is no KDC.  This keeps libkrb5 from asking a name server for one, which would stall each
# connection.
os.environ["KRB5_CONFIG"] = os.path.join(PRIVATE, "krb5.conf")
with open(os.environ["KRB5_CONFIG"], "w") as conf:
    conf.write("[libdefaults]\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
               " dns_canonicalize_hostname = false\n rdns = false\n")
# No tickets or keys but those that are given, and a replay cache of this process alone.
os.environ["KRB5CCNAME"] = "FILE:" + os.path.join(PRIVATE, "ccache")
os.environ["KRB5_KTNAME"] = os.environ["KRB5_CLIENT_KTNAME"] = "FILE:" + os.path.join(PRIVATE, "keytab")
os.environ["KRB5RCACHENAME"] = "file2:" + os.path.join(PRIVATE, "rcache")

sys.dont_write_bytecode = True
import rdp  # noqa: E402  (beside this script)
import spnego  # noqa: E402  (reads the environment that is set above)
import spnego._credssp as engine  # noqa: E402
import spnego._credssp_structures as structures  # noqa: E402
import spnego.tls  # noqa: E402
from spnego._context import UnwrapResult, WrapResult  # noqa: E402
from spnego._negotiate import NegotiateProxy  # noqa: E402

TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
KERBEROS = bytes.fromhex("06092a864886f712010202")  # the mechanism's OID in DER
LONGEST_MESSAGE = 1 << 20


class PeerClosed(Exception):
    """The other side closed the connection before the exchange was over."""


class Refused(Exception):
    """pyspnego's acceptor told its client no."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.nt_status = status


class LastWarning(logging.Handler):
    """Keeps pyspnego's last warning: its acceptor logs why it refused, and raises nothing."""

    text = None

    def emit(self, record):
        self.text = record.getMessage()


class SocketContext(engine.CredSSPProxy):
    """pyspnego's CredSSP context, reading from a socket and writing to it."""

    def attach(self, sock, options):
        self.sock = sock
        self.chunk = options.chunk
        self.record = options.record
        self.last_words = (options.say or "").encode()
        self.plaintext = b""
        self.sent = []
        self.received = []
        self.refusal = LastWarning()
        return self

    def send(self, data):
        step = self.chunk or len(data) or 1
        for start in range(0, len(data), step):
            self.sock.sendall(data[start:start + step])
            if self.chunk:
                time.sleep(0.00005)  # lets the piece leave before the next one joins it

    def flush(self):
        self.send(self._out_buff.read())

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise PeerClosed("the connection was closed at stage %r" % self._auth_stage)
        self._in_buff.write(data)

    def read_plaintext(self):
        """Takes what is there of the plaintext, or waits for some more ciphertext."""
        try:
            data = self._tls_object.read(65536)
        except ssl.SSLWantReadError:
            self.flush()
            self.fill()
            return
        if not data:
            raise PeerClosed("TLS was closed at stage %r" % self._auth_stage)
        self.plaintext += data

    def hear(self, count):
        """That much of what comes behind CredSSP."""
        while len(self.plaintext) < count:
            self.read_plaintext()
        heard, self.plaintext = self.plaintext[:count], self.plaintext[count:]
        return heard

    def run(self):
        """The whole exchange, and application data behind it."""
        while not self.complete:
            token = self.step(None) or b""
            if not token and not self.complete:
                raise Refused(self.refusal.text or "the acceptor gave up at stage %r" % self._auth_stage)
            if self.complete and self.last_words:
                token += self.encrypt(self.last_words)
            self.send(token)

    def encrypt(self, data):
        """TLS records of that many bytes of plaintext each."""
        step = self.record or len(data) or 1
        records = b""
        for start in range(0, len(data), step):
            records += super().wrap(data[start:start + step]).data
        return records

    # What follows replaces pyspnego's own methods of these names.

    def _step_tls(self, in_token):
        while True:
            try:
                self._tls_object.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            except ssl.SSLError:
                self.flush()  # the alert
                raise
        self.flush()
        return self.unwrap(b"").data if self.usage == "accept" else b""
        yield  # pyspnego delegates to a generator

    def wrap(self, data, encrypt=True, qop=None):
        self.sent.append(bytes(data))
        # A client's credential and its first application data leave in one TLS record: a server that takes a read for
        # a message loses the second.
        if self.last_words and structures.TSRequest.unpack(data).auth_info:
            data, self.last_words = data + self.last_words, b""
        return WrapResult(data=self.encrypt(data), encrypted=True)

    def unwrap(self, data):
        while (total := der_length(self.plaintext)) is None or len(self.plaintext) < total:
            self.read_plaintext()
        message, self.plaintext = self.plaintext[:total], self.plaintext[total:]
        self.received.append(message)
        return UnwrapResult(data=message, encrypted=True, qop=0)

    def _yield_ts_request(self, ts_request, context_msg):
        if ts_request.error_code:
            self._auth_stage = context_msg
            self.send(self.wrap(ts_request.pack()).data)
            raise Refused(self.refusal.text or context_msg, ts_request.error_code)
        response = yield from super()._yield_ts_request(ts_request, context_msg)
        return response


def der_length(data):
    """How long the DER element at the start of data is in all, or None as long as its header is not whole."""
    if len(data) < 2:
        return None
    first = data[1]
    if first < 0x80:
        return 2 + first
    octets = first & 0x7F
    if not 1 <= octets <= 4:
        raise ValueError("a DER length of %d octets" % octets)
    if len(data) < 2 + octets:
        return None
    total = 2 + octets + int.from_bytes(data[2:2 + octets], "big")
    if total > LONGEST_MESSAGE:
        raise ValueError("a TSRequest of %d bytes" % total)
    return total


def delegated(kind, user, password):
    """The credential that a client delegates, pyspnego's own type."""
    domain, _, name = user.rpartition("\\")
    if kind == "nothing":
        return structures.TSPasswordCreds("", "", "")
    if kind == "password":
        return structures.TSPasswordCreds(domain, name, password)
    if kind == "smart-card":
        container = structures.TSCspDataDetail(1, "Card 1", "Reader 0", "te-alice-7f3a", "Microsoft Base Smart Card Crypto Provider")
        return structures.TSSmartCardCreds("4711", container, name, domain)
    package = structures.TSRemoteGuardPackageCred
    return structures.TSRemoteGuardCreds(package("Kerberos", bytes(range(48))), [package("NTLM", bytes(range(100, 120)))])


def credential_fields(credential):
    if isinstance(credential, structures.TSPasswordCreds):
        return {"type": "password", "domain": credential.domain_name, "user": credential.username, "password": credential.password}
    if isinstance(credential, structures.TSSmartCardCreds):
        csp = credential.csp_data
        return {"type": "smart-card", "pin": credential.pin, "user_hint": credential.user_hint, "domain_hint": credential.domain_hint,
                "key_spec": csp.key_spec, "card_name": csp.card_name, "reader_name": csp.reader_name,
                "container_name": csp.container_name, "csp_name": csp.csp_name}
    if isinstance(credential, structures.TSRemoteGuardCreds):
        fields = lambda packed: {"package": packed.package_name, "buffer": packed.cred_buffer.hex()}
        return {"type": "remote-guard", "logon": fields(credential.logon_cred),
                "supplemental": [fields(packed) for packed in credential.supplemental_creds or []]}
    return {"type": type(credential).__name__}


def tls_context(role, version, cert=None):
    """pyspnego's TLS settings; for a server also the certificate's thumbprint."""
    context = spnego.tls.default_tls_context("accept" if role == "server" else "initiate")
    if version:
        context.context.minimum_version = context.context.maximum_version = TLS_VERSIONS[version]
    if role == "client":
        return context, None
    if not cert:
        cert_pem, key_pem, _ = spnego.tls.generate_tls_certificate()
        cert = os.path.join(PRIVATE, "server.pem")
        with open(cert, "wb") as pem:
            pem.write(cert_pem + key_pem)
    context.context.load_cert_chain(cert)
    with open(cert) as pem:
        text = pem.read()
    end = "-----END CERTIFICATE-----"
    first = text[text.index("-----BEGIN CERTIFICATE-----"):text.index(end) + len(end)]
    der = ssl.PEM_cert_to_DER_cert(first)
    context.public_key = spnego.tls.get_certificate_public_key(der)
    return context, hashlib.sha256(der).hexdigest()


def new_context(options, tls):
    """A fresh context; which mechanisms it has is a matter of the inner context that pyspnego is given."""
    settings = {"credssp_tls_context": tls, "credssp_min_protocol": options.min_version}
    target = {"hostname": options.target_host, "service": options.target_service}
    if options.role == "server":
        if options.mech != "negotiate":
            settings["credssp_negotiate_context"] = spnego.server(protocol=options.mech, **target)
        return SocketContext(usage="accept", **target, **settings)
    if options.mech != "negotiate" or options.ccache:
        credentials = [spnego.Password(options.user, options.password)]
        if options.ccache:
            credentials.insert(0, spnego.KerberosCCache("FILE:" + options.ccache))
        settings["credssp_negotiate_context"] = spnego.client(credentials, protocol=options.mech, **target)
    context = SocketContext(options.user, options.password, usage="initiate", **target, **settings)
    kind = "nothing" if options.restricted_admin else options.delegate
    context._ts_credential = structures.TSCredentials(delegated(kind, options.user, options.password))
    return context


def negotiate_rdp(options, sock, context, told):
    """Remote Desktop's part before TLS; whether a word on the user's authorization follows CredSSP."""
    if not options.rdp:
        return False
    told["rdp"] = rdp.answer(sock, options) if options.role == "server" else rdp.request(sock, options)
    selected = told["rdp"].get("selected")
    if selected not in (rdp.HYBRID, rdp.HYBRID_EX):
        told["behind"] = rdp.drain(sock)
        raise rdp.Refused("there is no CredSSP")
    if selected == rdp.HYBRID:
        return False
    if options.role == "server":
        context.last_words = struct.pack("<I", options.early) + context.last_words
    else:
        context.last_words = b""  # a client waits for what the server says
    return True


def hear_authorization(options, context, told):
    told["early"], = struct.unpack("<I", context.hear(4))
    if told["early"]:
        raise rdp.Refused("early user authorization is %d" % told["early"])
    context.send(context.encrypt((options.say or "").encode()))


def exchange(options, tls, sock):
    """One whole exchange; what is to be said about it."""
    context = new_context(options, tls).attach(sock, options)
    log = logging.getLogger("spnego._credssp")
    log.addHandler(context.refusal)
    told = {"ok": False}
    try:
        authorized = negotiate_rdp(options, sock, context, told)
        context.run()
        if authorized and options.role == "client":
            hear_authorization(options, context, told)
        heard = context.hear(options.hear)
        told["ok"] = True
        told["mechanism"] = context.negotiated_protocol
        credential = context._ts_credential
        told["credentials"] = credential_fields(credential.credentials)
        if options.role == "server":
            told["account"] = context.client_principal
        if options.hear:
            told["heard"] = heard.decode("utf-8", "replace")
    except Exception as error:  # whatever went wrong is this peer's answer
        told["error"] = type(error).__name__
        told["message"] = str(error)[:400]
        told["stage"] = context.get_extra_info("auth_stage")
        status = getattr(error, "nt_status", None)
        if status is not None:
            told["status"] = "%08X" % (status & 0xFFFFFFFF)
    finally:
        log.removeHandler(context.refusal)
    told["tls"] = (context._tls_object.version() or "").replace("TLSv", "") or None
    told["version"] = context.get_extra_info("protocol_version")
    client_messages = context.received if options.role == "server" else context.sent
    told["framing"] = framing(client_messages[0]) if client_messages else None
    if options.trace:
        told["sent"] = [message.hex() for message in context.sent]
        told["received"] = [message.hex() for message in context.received]
    return told


def framing(message):
    """Whether a client's first message holds bare NTLM, bare Kerberos or SPNEGO."""
    try:
        token = structures.TSRequest.unpack(message).nego_tokens[0].nego_token
    except Exception:
        return None
    if token.startswith(b"NTLMSSP\0"):
        return "ntlm"
    return "kerberos" if KERBEROS in token[:20] else "spnego"


def print_line(**fields):
    print(json.dumps(fields), flush=True)


def serve(options):
    users = os.path.join(PRIVATE, "users")
    with open(users, "w") as store:
        for account in options.account:
            name, _, password = account.partition(":")
            domain, _, user = name.rpartition("\\")
            store.write("%s:%s:%s\n" % (domain, user, password))
    os.environ["NTLM_USER_FILE"] = users
    tls, thumbprint = tls_context("server", options.tls, options.cert)
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    print_line(listening=listener.getsockname()[1], certificate_sha256=thumbprint)
    for _ in range(options.count):
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(options.timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            told = exchange(options, tls, sock)
        print_line(**told)
    return 0


def connect(options):
    tls, _ = tls_context("client", options.tls)
    with socket.create_connection(("127.0.0.1", options.port), timeout=options.timeout) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        told = exchange(options, tls, sock)
    print_line(**told)
    return 0 if told["ok"] else 1


def arguments():
    parser = argparse.ArgumentParser(description="A CredSSP server or client on loopback, by pyspnego.")
    roles = parser.add_subparsers(dest="role", required=True)
    server, client = roles.add_parser("server"), roles.add_parser("client")
    for role in (server, client):
        role.add_argument("--mech", default="negotiate", choices=["negotiate", "kerberos", "ntlm"])
        role.add_argument("--prefer-ntlm", action="store_true", help="to Kerberos, in SPNEGO")
        role.add_argument("--version", type=int, default=6, choices=range(2, 7), help="own TSRequest version")
        role.add_argument("--min-version", type=int, default=2, help="lowest version of the other side")
        role.add_argument("--tls", choices=TLS_VERSIONS, help="only this version of TLS")
        role.add_argument("--chunk", type=int, default=0, metavar="N", help="send in TCP pieces of N bytes")
        role.add_argument("--record", type=int, default=0, metavar="N", help="send TLS records of N bytes of plaintext")
        role.add_argument("--target-service", default="TERMSRV")
        role.add_argument("--target-host", default="localhost")
        role.add_argument("--krb5-conf", metavar="FILE", help="Kerberos' configuration, which tells the KDC")
        role.add_argument("--rdp", choices=rdp.OFFERS, help="Remote Desktop's negotiation before TLS")
        role.add_argument("--restricted-admin", action="store_true", help="the client's wish, or the server's leave")
        role.add_argument("--say", metavar="TEXT", help="application data to send behind the last message")
        role.add_argument("--hear", type=int, default=0, metavar="N", help="read N bytes of application data")
        role.add_argument("--trace", action="store_true", help="tell all TSRequests in hex")
        role.add_argument("--owned", action="store_true", help="end when standard input does")
        role.add_argument("--timeout", type=float, default=60, help="seconds until this process ends by itself")
    server.add_argument("--account", action="append", default=[], metavar="DOMAIN\\USER:PASSWORD")
    server.add_argument("--keytab", metavar="FILE", help="the services' keys")
    server.add_argument("--cert", metavar="PEM", help="RSA certificate and key in one file; made anew otherwise")
    server.add_argument("--early", type=lambda text: int(text, 0), default=0, metavar="N",
                        help="early user authorization, where HYBRID_EX is selected: 0 yes, 5 no")
    server.add_argument("--neg-failure", type=int, metavar="N", help="refuse with this RDP_NEG_FAILURE")
    server.add_argument("--select", type=int, metavar="N", help="this protocol, requested or not")
    server.add_argument("--count", type=int, default=1, help="end after so many connections")
    client.add_argument("port", type=int)
    client.add_argument("--user", required=True, metavar="DOMAIN\\USER", help="or USER@REALM")
    client.add_argument("--ccache", metavar="FILE", help="tickets for Kerberos, in place of the password")
    client.add_argument("--password", required=True)
    client.add_argument("--delegate", default="password", choices=["password", "smart-card", "remote-guard"])
    return parser.parse_args()


def end_with_owner():
    """A test that is gone, in whatever way, has closed our standard input."""
    while os.read(0, 4096):
        pass
    # To the thread that waits for the socket, so that the wait is interrupted.
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)


def main():
    options = arguments()
    engine._CREDSSP_VERSION = options.version
    if options.prefer_ntlm:
        usual = NegotiateProxy._preferred_mech_list
        NegotiateProxy._preferred_mech_list = lambda self: sorted(usual(self), key=lambda mech: mech.name != "ntlm")
    if options.krb5_conf:
        os.environ["KRB5_CONFIG"] = options.krb5_conf
    if options.role == "server" and options.keytab:
        os.environ["KRB5_KTNAME"] = "FILE:" + options.keytab

    def give_up(*_):
        print_line(ok=False, error="Timeout", message="%g seconds are over" % options.timeout)
        sys.exit(3)

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, options.timeout)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.owned:
        threading.Thread(target=end_with_owner, daemon=True).start()
    try:
        return serve(options) if options.role == "server" else connect(options)
    finally:
        # Nothing may interrupt the tidying up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    sys.exit(main())
