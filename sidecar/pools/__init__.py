"""Pools: those that the configuration declares, and those that operators make while we run.

live       what is served now, under one name each: followed in the store, and never trusted when old
selection  which of the pools that is, and why one is not
sealed     a pool's record as the store keeps it
book       the records of those that operators made
registration, attempts, registered   the client that a pool registers for itself: when, how, and what came of it
standing   how that stands, for people
absence    why a pool is not there, for the log
census     how much there is in them, for the metrics
judgement  what is wrong with a pool, whoever declares it
"""

from sidecar.pools.live import LivePools
from sidecar.pools.sealed import PoolVault, StoredPool, UnreadablePool

__all__ = ["LivePools", "PoolVault", "StoredPool", "UnreadablePool"]
