"""An agent for a swarm that was found, with its journal, its status file and its pace."""

from __future__ import annotations

import logging
from pathlib import Path

from swarm_chain import config
from swarm_chain.agent.activity import Activity, OnActivity
from swarm_chain.agent.journal import Journal
from swarm_chain.agent.policy import Policy
from swarm_chain.api.handover import HandingTrainer, Measure
from swarm_chain.api.joining import Found
from swarm_chain.api.session import Session
from swarm_chain.bootstrap import pace_of, serve_stores, wire_agent
from swarm_chain.membership.joining import JOURNAL
from swarm_chain.serving.served import Served, Serving
from swarm_chain.status.node import StatusFile, traffic_so_far

log = logging.getLogger(__name__)


def open_session(
    found: Found, folder: Path, measure: Measure, *, data: str, confirmations: int | None, serve: str
) -> Session:
    """The node's agent, ready to be stepped; everything that it keeps is in `folder`. Raises `JournalError`.

    `data` is what the node's task reads, where it reads anything. `serve` says where peers fetch its blocks.
    """
    chain, trainer = found.chain, HandingTrainer(measure)
    poll, spread = pace_of(chain.chain_id, found.rpc_urls)
    usual = config.default_confirmations(chain.chain_id, found.rpc_urls)
    journal = Journal(folder / JOURNAL, chain_id=chain.chain_id, coordinator=chain.coordinator, account=found.address)
    served = _serve(found, folder, serve, journal)
    show = _shower(found, folder, data)
    show(Activity(does="starting", round=0))
    agent = wire_agent(
        task=found.document,
        chain=chain,
        store=found.store,
        trainer=trainer,
        journal=journal,
        spool=folder / "spool",
        policy=Policy(confirmations=usual if confirmations is None else confirmations, poll=poll, spread=spread),
        on_activity=show,
        stores=served.stores,
    )
    return Session(agent=agent, chain=chain, journal=journal, served=served, trainer=trainer, poll=poll)


def _serve(found: Found, folder: Path, serve: str, journal: Journal) -> Served:
    """The node's local store, served to peers. Raises `ConfigurationError`, `PortInUse`."""
    try:
        return serve_stores(
            found.stores,
            Serving(
                serve=serve,
                announce=(),
                rpc_urls=found.rpc_urls,
                allow_private=config.is_development(found.chain.chain_id, found.rpc_urls),
                folder=folder,
            ),
        )
    except BaseException:
        journal.close()
        raise


def _shower(found: Found, folder: Path, data: str) -> OnActivity:
    """Writes what the agent does to the file that `status` reads, and logs a line for each new thing."""
    chain_id, contract = found.chain.chain_id, found.chain.coordinator
    found.meter.count(traffic_so_far(folder, chain_id=chain_id, contract=contract, account=found.address))
    file = StatusFile(
        folder,
        name=found.acting.name or folder.name,
        chain_id=chain_id,
        contract=contract,
        account=found.address,
        data=data,
        traffic=found.meter.total,
    )
    last = ""

    def show(activity: Activity) -> None:
        nonlocal last
        file(activity)
        line = f"round {activity.round}: {activity.does}" + (f" ({activity.note})" if activity.note else "")
        if line != last:
            last = line
            log.info("%s", line)

    return show
