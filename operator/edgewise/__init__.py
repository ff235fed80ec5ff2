"""edgewise: the right build of a model on the right edge device."""
