"""Who could serve you, in which order? Pure functions over the catalogue and the pulse."""
