"""End an interpreter that asks for the network. With this folder in PYTHONPATH, Python runs it."""

import os
import sys

_ASKS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}


def _refuse(event: str, arguments: tuple) -> None:
    if event in _ASKS:
        print(f"asked for the network: {event} {arguments[1:]}", file=sys.stderr, flush=True)
        os._exit(97)


sys.addaudithook(_refuse)
