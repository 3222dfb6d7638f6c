"""The address that a command serves at, found out before any model is loaded."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError in one sentence where that cannot be."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends each piece at once on sockets that say they are TCP alone; else an answer's body waits 40 ms for the other side
    listening = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except (OSError, OverflowError) as error:
        listening.close()
        raise OSError(f"Port {port} of {host} cannot be had ({error}); stop what uses it, or choose another with --port.") from error
    return listening
