"""A mail server for the tests, which does what the recipient's name says.

Prints its port, then serves until its standard input ends. Success replies with the SHA-256 of the message as it arrived.
"""

import asyncio
import hashlib
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self):
        self.open = 0
        self.most = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        if getattr(session, "worn", False):
            # The client took the connection for a good one.
            server.transport.abort()
            return "421 gone"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        match address.split("@")[0]:
            case "refuse":
                return "550 5.1.1 no such mailbox"
            case "later":
                return "450 4.2.1 mailbox busy"
            case "cut-early":
                server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        match envelope.rcpt_tos[0].split("@")[0]:
            case "spam":
                return "554 5.7.1 not this content"
            case "full":
                return "452 4.3.1 no room"
            case "cut":
                server.transport.abort()
            case "wears-out":
                session.worn = True
        return "250 " + hashlib.sha256(envelope.original_content).hexdigest()


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"shop@example.com" and data.password == b"p:w/d")


class Server(Controller):
    def factory(self):
        return SMTP(
            self.handler,
            authenticator=authenticator,
            auth_required=self.auth_required,
            auth_require_tls=False,
            data_size_limit=None,
            enable_SMTPUTF8=False,
        )


def start(auth_required):
    server = Server(Handler(), hostname="127.0.0.1", port=0)
    server.auth_required = auth_required
    # The controller asks the server whether it answers, for which it must know the port.
    server._trigger_server = lambda: None
    server.start()
    return server.server.sockets[0].getsockname()[1]


print(start(False), start(True), flush=True)
sys.stdin.read()
