"""Who may ask, and how often: tokens, client certificates and a rate for each client, on the serving ports.

The server makes one Access; both transports ask it before they take a request's body, and skip it while it is open.
"""

from edgewise_runtime.access.access import Access
from edgewise_runtime.access.mounted import Demands
from edgewise_runtime.access.peer import Peer

__all__ = ["Access", "Demands", "Peer"]
