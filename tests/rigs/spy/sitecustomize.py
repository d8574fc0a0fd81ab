"""Notes whom a process turns to; Python imports this by itself where its folder is on the path."""

import os
import sys


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen"):
        asked = arguments[:2] if event == "socket.getaddrinfo" else arguments[1:2]
        line = f"{event} {asked}\n"
        os.write(_FILE, line.encode())


_FILE = os.open(os.environ["SPY_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(_note)
