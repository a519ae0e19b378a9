"""Benches of a hub with very many clusters, all of them in memory."""
