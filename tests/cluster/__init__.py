"""A real Kubernetes on one Linux machine, for the tests, the demo and the benches.

Two sizes: `tests.cluster.apiserver` is etcd and the API server alone (seconds, any number at a time);
`tests.cluster.cluster` is the whole thing, one at a time, with real nodes whose links can be cut.
Nothing here imports the product, and the product imports nothing from here.
"""
