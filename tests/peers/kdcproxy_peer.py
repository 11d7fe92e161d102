#!/usr/bin/env python3
"""A KDC proxy (MS-KKDCP) on loopback: kdcproxy behind the standard library's HTTP server.

  kdcproxy_peer.py ADDRESS:PORT REALM...

Passes on what is for the REALMs to the KDC at ADDRESS:PORT.  Says `ready FOLDER HTTPS_PORT HTTP_PORT`; both ports are
chosen by the kernel, and the path is /KdcProxy.  Ends, and takes its folder away, when its standard input ends.  In the
folder:
  ca.pem      the certificate of who issued the one of the server, which is for localhost and 127.0.0.1
  krb5.conf   for clients that know the KDC only through the proxy
"""
import atexit
import datetime
import ipaddress
import os
import shutil
import ssl
import sys
import tempfile
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PRIVATE = tempfile.mkdtemp(prefix="kdcproxy-peer-")
atexit.register(shutil.rmtree, PRIVATE, ignore_errors=True)
KRB5_CONF = """[libdefaults]
  default_realm = %s
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
[realms]
"""
REALM = """  %s = {
    kdc = https://localhost:%d/KdcProxy
    http_anchors = FILE:%s
  }
"""


def path(name):
    return os.path.join(PRIVATE, name)


def write(name, content):
    with open(path(name), "wb") as file:
        file.write(content)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def certificate(name, key, issuer, issuer_key, extension):
    now = datetime.datetime.utcnow()
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder(named(issuer), named(name), key.public_key(), x509.random_serial_number(),
                                      now - datetime.timedelta(hours=1), now + datetime.timedelta(days=1))
    return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())


def write_certificates():
    pem = serialization.Encoding.PEM
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    ca = certificate("Proxy CA", keys[0], "Proxy CA", keys[0], x509.BasicConstraints(ca=True, path_length=0))
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = certificate("localhost", keys[1], "Proxy CA", keys[0], x509.SubjectAlternativeName(names))
    write("ca.pem", ca.public_bytes(pem))
    key = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write("server.pem", server.public_bytes(pem) + key)


def serve(app, tls):
    server = make_server("127.0.0.1", 0, app, Server, Handler)
    if tls:
        # The handshake is a matter of the connection's own thread.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    kdc, realms = sys.argv[1], sys.argv[2:]
    write_certificates()
    conf = "[global]\nuse_dns = false\n"
    conf += "".join("[%s]\nkerberos = kerberos+tcp://%s\nsilence_port_warn = true\n" % (realm, kdc) for realm in realms)
    write("kdcproxy.conf", conf.encode())
    os.environ["KDCPROXY_CONFIG"] = path("kdcproxy.conf")
    import kdcproxy  # reads the environment

    app = kdcproxy.Application()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path("server.pem"))
    https, http = serve(app, tls), serve(app, None)
    known = "".join(REALM % (realm, https, path("ca.pem")) for realm in realms)
    write("krb5.conf", (KRB5_CONF % realms[0] + known).encode())
    print("ready", PRIVATE, https, http, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
