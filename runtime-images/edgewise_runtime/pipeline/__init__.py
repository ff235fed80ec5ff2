"""Chains of models that answer as one: what one finds is cut out of the picture and given to the next.

A pipeline is a Session; agent/loading.py makes it from the members it has loaded, and serves it beside them.
"""
