"""Free ports, for programs that must be told theirs before they can take it.

None lies where the kernel takes ports from for whoever wants any, a client's own end included: asked for port 0, it
may give away in the next moment what was just found to be free.
"""

import itertools
import random
import socket

_PORTS = range(20000, 30000)  # below the ephemeral ports and the node ports: only another harness picks one of these
_SHUFFLED = itertools.cycle(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """Nobody listens there, on any address, and this process was not given it before."""
    return next(port for port in _SHUFFLED if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
