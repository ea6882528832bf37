"""What members that lie can do under each merge rule: attacks that know everything, and tables of what is left.

Nothing here is part of an agent. Attackers see all honest updates before they send theirs, which in a sealed swarm no
node can; so what a rule withstands here it withstands there.
"""

from __future__ import annotations

from swarm_chain.lab.attacks import ATTACKS, CLEAN, find_attack
from swarm_chain.lab.report import LabReport
from swarm_chain.lab.run import run_lab
from swarm_chain.lab.settings import LabSettings, usual_rules

__all__ = ["ATTACKS", "CLEAN", "LabReport", "LabSettings", "find_attack", "run_lab", "usual_rules"]
