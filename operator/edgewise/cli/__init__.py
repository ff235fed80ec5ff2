"""`kubectl edgewise`: answers a person at a terminal wants, from what the operator wrote into status.

Speaks to the API server with the person's own kubeconfig; needs nothing from the operator.
"""
