"""Files of models in fewer bytes: as a change of an earlier file (a delta), or by themselves.

`kubectl edgewise package` makes them (encoding.py), devices apply them (applying.py, called by agent/deltas.py). What
weights look like is what makes them small: numbers of two or four bytes, most of whose upper bytes a training step
leaves alone. docs/adr/20261121.deltas.md has what else was measured.
"""
