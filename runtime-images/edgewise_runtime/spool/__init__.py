"""Store and forward: hard requests are kept on the device, and sent as training data when the link allows.

`offer` is called by the data plane for each hard request; agent/spooling.py opens a spool where the plan wants one.
"""
