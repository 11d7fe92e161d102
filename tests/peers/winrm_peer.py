#!/usr/bin/env python3
"""WinRM over CredSSP on loopback: pywinrm or pypsrp as a client, or a service by pyspnego and Python's own HTTP server.

  winrm_peer.py client http://127.0.0.1:5985/wsman --library pywinrm --user 'CORP\\alice' --password secret identify
  winrm_peer.py client http://127.0.0.1:5985/wsman --library pypsrp --user 'CORP\\alice' --password secret run hostname
  winrm_peer.py server --account 'CORP\\alice:secret' [--tls 1.3] [--part 1000] [--flaw tamper]

Standard output is JSON, one object a line.  A server says {"listening": PORT} first, then a line for each client that has
logged on and one for each sealed request; a client says one line.
"""
import argparse
import base64
import http.server
import json
import os
import re
import ssl
import struct
import sys
import tempfile
import threading
import warnings

warnings.simplefilter("ignore")
sys.dont_write_bytecode = True
SOAP = "http://www.w3.org/2003/05/soap-envelope"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
BOUNDARY = b"--Encrypted Boundary"
SEALED = "application/HTTP-CredSSP-session-encrypted"


def say(**line):
    print(json.dumps(line), flush=True)


# -- client ------------------------------------------------------------------------------------------------------------
def identify_envelope(padding):
    return ('<s:Envelope xmlns:s="%s" xmlns:i="%s"><s:Header/><s:Body><i:Identify/><!--%s--></s:Body></s:Envelope>'
            % (SOAP, IDENTITY, "Q" * padding)).encode()


def by_pywinrm(options):
    import winrm
    session = winrm.Session(options.url, auth=(options.user, options.password),
                            transport=options.transport, send_cbt=options.cbt, server_cert_validation="ignore",
                            operation_timeout_sec=1, read_timeout_sec=30)
    if options.action == "run":
        ran = [session.run_cmd(name) for name in options.names][-1]
        return {"exit_code": ran.status_code, "stdout": ran.std_out.decode(), "stderr": ran.std_err.decode()}
    text = session.protocol.transport.send_message(identify_envelope(options.padding))
    return {"vendor": re.search(rb"ProductVendor>([^<]*)<", text).group(1).decode()}


def by_pypsrp(options):
    from pypsrp.shell import Process, WinRS
    from pypsrp.wsman import WSMan
    from urllib.parse import urlsplit
    url = urlsplit(options.url)
    with WSMan(url.hostname, port=url.port, ssl=url.scheme == "https", auth="credssp", username=options.user,
               password=options.password, cert_validation=False, operation_timeout=1) as wsman, WinRS(wsman) as shell:
        for name in options.names:
            process = Process(shell, name)
            process.invoke()
        return {"exit_code": process.rc, "stdout": process.stdout.decode(), "stderr": process.stderr.decode()}


def connect(options):
    try:
        told = {"pywinrm": by_pywinrm, "pypsrp": by_pypsrp}[options.library](options)
    except Exception as error:
        say(ok=False, error=type(error).__name__, message=str(error)[:400])
    else:
        say(ok=True, **told)


# -- server ------------------------------------------------------------------------------------------------------------
def unseal(context, body, content_type):
    """The plaintext, and for each part what it says of itself."""
    boundary = b"--" + re.search(r'boundary="([^"]+)"', content_type).group(1).encode()
    head = re.compile(re.escape(boundary) + rb"\r\n\tContent-Type: " + SEALED.encode() + rb"\r\n\tOriginalContent: "
                      rb"type=application/soap\+xml;charset=UTF-8;Length=(\d+)\r\n" + re.escape(boundary)
                      + rb"\r\n\tContent-Type: application/octet-stream\r\n")
    plaintext, parts, at = b"", [], 0
    while body[at:] != boundary + b"--\r\n":
        match = head.match(body, at)
        if not match:
            raise ValueError("no part begins at octet %d" % at)
        at = match.end()
        trailer, = struct.unpack_from("<i", body, at)
        length = 5 + struct.unpack_from(">H", body, at + 7)[0]
        opened = context.unwrap(body[at + 4:at + 4 + length]).data
        if len(opened) != int(match.group(1)):
            raise ValueError("a part of %d octets says %s" % (len(opened), match.group(1)))
        parts.append({"length": len(opened), "trailer": trailer})
        plaintext += opened
        at += 4 + length
    return plaintext, parts


def seal(context, message, options):
    pieces = [message[at:at + options.part] for at in range(0, len(message), options.part)]
    body = b""
    for piece in pieces:
        wrapped = context.wrap_winrm(piece)
        records = wrapped.header + wrapped.data
        if options.flaw == "tamper":
            records = records[:-1] + bytes([records[-1] ^ 1])
        length = len(piece) + (options.flaw == "length")
        body += (BOUNDARY + b"\r\n\tContent-Type: " + SEALED.encode()
                 + b"\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % length + BOUNDARY
                 + b"\r\n\tContent-Type: application/octet-stream\r\n" + struct.pack("<i", len(wrapped.header)) + records)
    body += BOUNDARY + b"--\r\n"
    if options.flaw == "boundary":
        body = body.replace(BOUNDARY, b"-- Encrypted Boundary")
    if options.flaw == "cut":
        body = body[:-30]
    kind = "x-multi-encrypted" if len(pieces) > 1 else "encrypted"
    return 'multipart/%s;protocol="%s";boundary="Encrypted Boundary"' % (kind, SEALED), body


def answer(text, options):
    """As much of WS-Management as one command takes."""
    action = re.search(r"Action[^>]*>[^<]*/(\w+)<", text)
    action = action.group(1) if action else "Identify"
    body = {
        "Identify": "<i:IdentifyResponse><i:ProductVendor>pyspnego</i:ProductVendor><!--%s--></i:IdentifyResponse>"
                    % ("P" * options.padding),
        "Create": '<w:SelectorSet><w:Selector Name="ShellId">S-1</w:Selector></w:SelectorSet>',
        "Command": "<r:CommandResponse><r:CommandId>C-1</r:CommandId></r:CommandResponse>",
        "Receive": '<r:Stream Name="stdout">%s</r:Stream><r:Stream Name="stderr" End="true"/>'
                   '<r:CommandState State="%s/CommandState/Done"><r:ExitCode>7</r:ExitCode></r:CommandState>'
                   % (base64.b64encode(options.ran.encode()).decode(), SHELL),
        "Signal": "<r:SignalResponse/>",
        "Delete": "",
    }[action]
    return ('<s:Envelope xmlns:s="%s" xmlns:i="%s" xmlns:r="%s" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd">'
            "<s:Body>%s</s:Body></s:Envelope>" % (SOAP, IDENTITY, SHELL, body)).encode()


def serve(options):
    import spnego
    import spnego.tls
    users = tempfile.NamedTemporaryFile("w")
    domain, _, rest = options.account.partition("\\")
    user, _, password = rest.partition(":")
    users.write("%s:%s:%s\n" % (domain, user, password))
    users.flush()
    os.environ["NTLM_USER_FILE"] = users.name
    tls = spnego.tls.default_tls_context("accept")
    if options.tls:
        version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[options.tls]
        tls.context.minimum_version = tls.context.maximum_version = version
    tls.context.num_tickets = options.tickets
    certificate, key, tls.public_key = spnego.tls.generate_tls_certificate()
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certificate + key)
        pem.flush()
        tls.context.load_cert_chain(pem.name)
    options.ran = ""
    options.forgotten = 0

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        context = None

        def log_message(self, *_):
            pass

        def reply(self, status, headers=(), body=b""):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def refuse(self):
            self.context = None
            self.reply(401, [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "CredSSP"),
                             ("WWW-Authenticate", 'Basic realm="WSMAN"')])

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            if scheme == "CredSSP":
                return self.authenticate(base64.b64decode(token))
            if self.context is None or not self.context.complete:
                return self.refuse()
            if options.forgotten < options.forget:
                options.forgotten += 1
                return self.refuse()
            text, parts = unseal(self.context, body, self.headers["Content-Type"])
            text = text.decode()
            command = re.search(r"Command>([^<]*)<", text)
            if command:
                options.ran = command.group(1)
            say(sealed=len(text), parts=parts)
            content_type, sealed = seal(self.context, answer(text, options), options)
            self.reply(200, [("Content-Type", content_type)], sealed)

        def authenticate(self, token):
            if self.context is None:
                self.context = spnego.server(protocol="credssp", credssp_tls_context=tls)
            try:
                out = self.context.step(token)
            except Exception as error:
                say(ok=False, error=type(error).__name__, message=str(error)[:400])
                return self.reply(401, [("WWW-Authenticate", "CredSSP")])
            if not self.context.complete:
                value = "CredSSP " + base64.b64encode(out or b"").decode()
                return self.reply(401, [("WWW-Authenticate", value)])
            credential = self.context.get_extra_info("client_credential")
            say(ok=True, account=self.context.client_principal, password=credential.password,
                tls=self.context.get_extra_info("ssl_object").version())
            self.reply(200)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if options.https:
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        outer.load_cert_chain(options.https)
        server.socket = outer.wrap_socket(server.socket, server_side=True)
    say(listening=server.server_address[1])
    server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description="WinRM over CredSSP on loopback.")
    roles = parser.add_subparsers(dest="role", required=True)
    client, server = roles.add_parser("client"), roles.add_parser("server")
    client.add_argument("url")
    client.add_argument("--library", choices=["pywinrm", "pypsrp"], required=True)
    client.add_argument("--user", required=True)
    client.add_argument("--password", default=os.environ.get("WINRM_PASSWORD"), help="default: $WINRM_PASSWORD")
    client.add_argument("--transport", choices=["credssp", "ntlm"], default="credssp", help="of pywinrm")
    client.add_argument("--no-cbt", dest="cbt", action="store_false", help="bind NTLM to no certificate")
    client.add_argument("--padding", type=int, default=0, help="make the envelope so much longer")
    client.add_argument("action", choices=["identify", "run"])
    client.add_argument("names", nargs="*", help="of the commands to run; the last one's end is told")
    server.add_argument("--account", required=True, metavar="DOMAIN\\USER:PASSWORD")
    server.add_argument("--https", metavar="PEM", help="HTTPS with this certificate and key")
    server.add_argument("--tls", choices=["1.2", "1.3"])
    server.add_argument("--tickets", type=int, default=2, help="of TLS 1.3")
    server.add_argument("--part", type=int, default=16384, help="the longest part of an answer")
    server.add_argument("--padding", type=int, default=0, help="make the answer to Identify so much longer")
    server.add_argument("--forget", type=int, default=0, help="forget so many sessions at their next request")
    server.add_argument("--flaw", choices=["boundary", "cut", "length", "tamper"], help="in what is sealed")
    options = parser.parse_args()
    # Whoever started this has ended when standard input does.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    connect(options) if options.role == "client" else serve(options)


main()
