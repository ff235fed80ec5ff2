"""`make demo`: the main job on real input, told as it happens. Every number it prints was just measured."""
