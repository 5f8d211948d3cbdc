"""A mail server that keeps what it accepts, one JSON object a line, and misbehaves towards some recipients.

    python mail_server.py JOURNAL

Prints its port, then serves until its standard input ends. A recipient's name says what happens the first time a message
comes for it: `later` is told to come again, `cut` gets its connection cut after the message was taken, `gone` is refused.
"""

import asyncio
import base64
import json
import logging
import sys

from aiosmtpd.smtp import SMTP

logging.disable()
seen = set()


class Handler:
    def __init__(self, journal):
        self.journal = journal

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "gone":
            return "550 5.1.1 no such mailbox"
        if name == "later" and name not in seen:
            seen.add(name)
            return "450 4.2.1 mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "message": base64.b64encode(envelope.original_content).decode(),
        }
        self.journal.write(json.dumps(line) + "\n")
        self.journal.flush()
        if envelope.rcpt_tos[0].startswith("cut@") and "cut" not in seen:
            seen.add("cut")
            server.transport.abort()
        return "250 2.0.0 kept"


async def main():
    handler = Handler(open(sys.argv[1], "a"))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, data_size_limit=None), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
