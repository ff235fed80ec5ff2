"""How far a model's confidence can be believed, and from where on to ask for help. Pure; numpy and nothing else.

Called by `kubectl edgewise calibrate` and by the benches. All rows of an array belong to the same labelled example.
"""
