"""Puts the product on a cluster: what the demo, the end-to-end tests and the benches do alike.

Everything goes through kubectl and helm, as a person would, so it works on the embedded cluster and on any other.
"""
