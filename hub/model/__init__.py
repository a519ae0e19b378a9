"""The resources of the management cluster as pure values: parsed once at the edge, without I/O."""
