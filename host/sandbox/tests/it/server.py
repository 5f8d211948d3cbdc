"""A mail server for the tests, which does what the recipient's name says.

Prints its port, then serves until its standard input ends. Success replies with the SHA-256 of the message as it arrived.
"""

import asyncio
import hashlib
import logging
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

# It warns of passwords without encryption, which is what the tests are about.
warnings.simplefilter("ignore")
logging.disable()


class Handler:
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
            case "silent-early":
                await asyncio.Future()
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
            case "silent":
                await asyncio.Future()
            case "wears-out":
                session.worn = True
        return "250 " + hashlib.sha256(envelope.original_content).hexdigest()


def authenticator(server, session, envelope, mechanism, data):
    # Unhandled: the server itself replies.
    return AuthResult(handled=False, success=data.login == b"shop@example.com" and data.password == b"p:w/d")


async def serve(auth_required):
    def session():
        return SMTP(
            Handler(),
            authenticator=authenticator,
            auth_required=auth_required,
            auth_require_tls=False,
            data_size_limit=None,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


async def main():
    print(await serve(False), await serve(True), flush=True)
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
