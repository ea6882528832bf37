"""`swarm-chain cost`: what a swarm's transactions take, from what the contract's tests measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.cli.options import json_option
from swarm_chain.cli.output import show, table, write_json
from swarm_chain.cli.params import PriceParam
from swarm_chain.errors import ConfigurationError

if TYPE_CHECKING:
    from swarm_chain.core.costs import Bill, Estimate, Item, Price


@click.command()
@click.option("--nodes", type=click.IntRange(2, 10_000), default=4, show_default=True, help="Nodes in the swarm.")
@click.option("--direct", "is_direct", is_flag=True, help="A direct swarm: submits instead of commits and reveals.")
@click.option("--gas-price", metavar="GWEI", type=PriceParam(), help="Price of gas, fees included; explorers show it.")
@click.option("--eth-price", metavar="USD", type=PriceParam(), help="Price of the chain's coin. Needs --gas-price.")
@json_option
def cost(
    nodes: int, is_direct: bool, gas_price: Decimal | None, eth_price: Decimal | None, json_file: Path | None
) -> None:
    """Show what a swarm costs on a chain, in gas and at a price.

    To set up, a round, a node's part in it, and each call: in gas as the contract's tests measured it, each call at the
    most it took; with a price, in ETH and in dollars. Nothing is read from a chain. A rollup also charges for the data
    that it writes to its base chain: that is not in these figures.
    """
    from swarm_chain.core.costs import estimate

    price = _price(gas_price, eth_price)
    found = estimate(nodes, is_sealed=not is_direct)
    if json_file:
        write_json(json_file, document_of(found, price))
    if str(json_file) != "-":
        for line in _lines(found, price):
            click.echo(line)
        _show_calls(found, price)


def _price(gas_price: Decimal | None, eth_price: Decimal | None) -> Price | None:
    from swarm_chain.core.costs import Price

    if gas_price is not None:
        return Price(gwei=gas_price, dollars=eth_price)
    if eth_price is not None:
        raise ConfigurationError("--eth-price says nothing without a price of gas; give --gas-price too")
    return None


# --------------------------------------------------------------------------------------------------------------- people


def _lines(found: Estimate, price: Price | None) -> Iterator[str]:
    kind = "sealed" if found.is_sealed else "direct"
    yield f"swarm     {found.nodes} nodes, {kind}, {found.quorum} of them agree on a result"
    yield f"set up    {_said(found.set_up, price)}: the contract, and every node that joins"
    yield f"a round   {_said(found.round, price)}: all nodes take part"
    yield f"a node    {_said(found.node, price)}: its own part in a round"


def _said(bill: Bill, price: Price | None) -> str:
    prices = "".join(f", {said}" for said in _prices(bill.gas, price))
    return f"{bill.transactions:,} transactions, {bill.gas:,} gas{prices}"


def _prices(gas: int, price: Price | None) -> list[str]:
    """A price in each currency that is known."""
    if price is None:
        return []
    dollars = price.in_dollars(gas)
    return [f"{price.coins(gas):.6f} ETH"] + ([] if dollars is None else [f"${dollars:,.4f}"])


def _show_calls(found: Estimate, price: Price | None) -> None:
    columns = ["call", "case", "gas", *(["ETH"] if price else []), *(["USD"] if price and price.dollars else [])]
    rows = [(one.call, one.case, f"{one.gas:,}", *_prices(one.gas, price)) for one in found.calls.items]
    show(table(*columns, rows=rows))


# ------------------------------------------------------------------------------------------------------------- programs


def document_of(found: Estimate, price: Price | None) -> Mapping[str, Any]:
    """The costs for programs, as `schemas/cost.schema.json` describes them."""
    return {
        "nodes": found.nodes,
        "sealed": found.is_sealed,
        "quorum": found.quorum,
        "gas_price_gwei": _number(price.gwei if price else None),
        "eth_price_usd": _number(price.dollars if price else None),
        "set_up": _bill(found.set_up, price),
        "round": _bill(found.round, price),
        "node": _bill(found.node, price),
        "calls": [_item(one, price) for one in found.calls.items],
    }


def _bill(bill: Bill, price: Price | None) -> Mapping[str, Any]:
    return {
        "transactions": bill.transactions,
        "gas": bill.gas,
        **_money(bill.gas, price),
        "items": [{**_item(one, price), "transactions": one.transactions} for one in bill.items],
    }


def _item(one: Item, price: Price | None) -> Mapping[str, Any]:
    return {"call": one.call, "case": one.case or None, "gas": one.gas, **_money(one.gas, price)}


def _money(gas: int, price: Price | None) -> Mapping[str, float | None]:
    if price is None:
        return {"eth": None, "usd": None}
    return {"eth": float(price.coins(gas)), "usd": _number(price.in_dollars(gas))}


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
