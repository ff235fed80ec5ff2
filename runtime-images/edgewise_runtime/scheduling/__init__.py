"""Where and when a model runs: on the event loop when it is quick, else in a queue before worker threads.

dispatch.py is the face; call, line and queue hold those who wait; crowd tells a burst from an overload; gathering makes
one run of several requests; pace remembers how long runs take.
"""
