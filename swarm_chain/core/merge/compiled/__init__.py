"""What `adding`, `sorting` and `gram` do to float32, compiled by Numba where that is installed: the same bits, sooner.

NumPy goes over a block once for each operation and asks for the interpreter's lock each time; this goes over it once,
in registers or in tiles that fit a core's nearest cache, without the lock. Every operation is the one that NumPy does,
in its order. Imported by `available` alone, which compares it with NumPy before it is used.
"""

from swarm_chain.core.merge.compiled.multiplying import products
from swarm_chain.core.merge.compiled.ranks import mixed_ranked_mean, ranked_mean
from swarm_chain.core.merge.compiled.sums import weighted_sum

__all__ = ["mixed_ranked_mean", "products", "ranked_mean", "weighted_sum"]
