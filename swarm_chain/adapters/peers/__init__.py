"""Peers' stores, as they announced them: each part is used by `peer_stores`."""
