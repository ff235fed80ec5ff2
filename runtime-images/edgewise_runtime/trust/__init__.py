"""Who made a model, and which version of which model it is: judged by a signature before anything else opens the file.

`judging.judge` is the door; agent/trusting.py asks it before a model is downloaded. The signatures are those of OpenSSF
Model Signing, checked with `cryptography` alone, which is imported only where a model needs it: it takes 9 MiB. The
command line signs with the same modules (cli/packaging/signing.py).
"""

MANIFEST = "edgewise.json"
"""Name of the signed file that says which model and version the others are."""
SIGNATURE = "model.sig"
"""Usual name of the signature beside them."""
