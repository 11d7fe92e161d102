"""Remote Desktop's negotiation before TLS and its word behind CredSSP (MS-RDPBCGR), for pyspnego_peer.py.

Written from the specification's drawings, with nothing of this library's: numbers are told as they stand on the wire.
"""
import struct

REQUEST, CONFIRM = 0xE0, 0xD0
NEG_REQ, NEG_RSP, NEG_FAILURE = 1, 2, 3
SSL, HYBRID, HYBRID_EX = 1, 2, 8
OFFERS = {"hybrid": SSL | HYBRID, "hybrid-ex": SSL | HYBRID | HYBRID_EX}
RESTRICTED_ADMIN_REQUIRED = 0x01  # of RDP_NEG_REQ
RESTRICTED_ADMIN_SUPPORTED = 0x08  # of RDP_NEG_RSP
COOKIE = b"Cookie: mstshash="


class Refused(Exception):
    """What the other side answered is not what was asked for, or it was refused."""


def exactly(read, count):
    """That many octets and no more: TLS begins behind them."""
    data = b""
    while len(data) < count:
        piece = read(count - len(data))
        if not piece:
            raise EOFError("closed after %d octets of %d" % (len(data), count))
        data += piece
    return data


def receive(sock, code):
    """The body of an X.224 message in its TPKT."""
    header = exactly(sock.recv, 4)
    version, _, length = struct.unpack(">BBH", header)
    if version != 3 or length < 11:
        raise ValueError("no X.224 message: " + header.hex())
    message = exactly(sock.recv, length - 4)
    if message[0] != length - 5 or message[1] != code or message[6] != 0:
        raise ValueError("another X.224 message: " + message.hex())
    return message[7:]


def send(sock, code, reference, body):
    header = struct.pack(">BBHBBHHB", 3, 0, len(body) + 11, len(body) + 6, code, 0, reference, 0)
    sock.sendall(header + body)


def structure(data):
    """Type, flags and number of the structure of eight octets that each message ends with."""
    kind, flags, length, number = struct.unpack("<BBHI", data)
    if length != 8:
        raise ValueError("a length of %d" % length)
    return kind, flags, number


def request(sock, options):
    """The client's part: what was selected."""
    flags = RESTRICTED_ADMIN_REQUIRED if options.restricted_admin else 0
    cookie = COOKIE + options.user.rpartition("\\")[2].encode() + b"\r\n"
    send(sock, REQUEST, 0, cookie + struct.pack("<BBHI", NEG_REQ, flags, 8, OFFERS[options.rdp]))
    kind, flags, number = structure(receive(sock, CONFIRM))
    if kind == NEG_FAILURE:
        raise Refused("RDP_NEG_FAILURE %d" % number)
    if kind != NEG_RSP or number not in (HYBRID, HYBRID_EX) or not number & OFFERS[options.rdp]:
        raise Refused("type %d, protocol %d" % (kind, number))
    if options.restricted_admin and not flags & RESTRICTED_ADMIN_SUPPORTED:
        raise Refused("no Restricted Admin mode")
    return {"selected": number, "flags": flags}


def answer(sock, options):
    """The server's part: what was requested, and what is selected, if anything is."""
    body = receive(sock, REQUEST)
    cookie = None
    if body.startswith(COOKIE):
        cookie, _, body = body[len(COOKIE):].partition(b"\r\n")
    kind, flags, requested = structure(body)
    if kind != NEG_REQ:
        raise ValueError("type %d" % kind)
    told = {"cookie": cookie and cookie.decode("latin-1"), "requested": requested, "flags": flags}
    if options.neg_failure is not None:
        send(sock, CONFIRM, 0x1234, struct.pack("<BBHI", NEG_FAILURE, 0, 8, options.neg_failure))
        return told
    common = requested & OFFERS[options.rdp]
    selected = next((number for number in (HYBRID_EX, HYBRID) if common & number), SSL)
    if options.select is not None:
        selected = options.select
    flags = RESTRICTED_ADMIN_SUPPORTED if options.restricted_admin else 0
    send(sock, CONFIRM, 0x1234, struct.pack("<BBHI", NEG_RSP, flags, 8, selected))
    told["selected"] = selected
    return told


def drain(sock):
    """What comes until the other side closes, in hex."""
    data = b""
    while piece := sock.recv(4096):
        data += piece
    return data.hex()
