"""`make bench-hybrid`: what help from the cloud is worth, and what it costs."""
