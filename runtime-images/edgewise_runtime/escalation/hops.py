"""How often a request was passed on: two devices that name each other as targets must not play ping-pong."""

HOPS_HEADER = "Edgewise-Hops"
MAX_HOPS = 3
