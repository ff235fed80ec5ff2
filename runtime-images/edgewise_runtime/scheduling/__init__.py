"""Where and when a model runs: in a bounded queue before worker threads, or on the event loop when it is quick."""
