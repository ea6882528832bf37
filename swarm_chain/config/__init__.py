"""The settings people give: the one place that reads files of settings and the environment."""

from swarm_chain.config.chains import (
    DEVELOPMENT_CHAINS,
    Network,
    default_confirmations,
    find_network,
    is_development,
    is_private_endpoint,
    is_this_machine,
    load_networks,
)
from swarm_chain.config.devnet import DevnetSettings, load_devnet_settings
from swarm_chain.config.node import NodeConfig, load_node_config, save_node_config
from swarm_chain.config.places import (
    PACKAGE,
    home,
    nodes_folder,
    password_from_environment,
    settings_file,
    shipped,
    tool_from_environment,
)
from swarm_chain.config.stores import StoreSettings, find_store

__all__ = [
    "DEVELOPMENT_CHAINS",
    "PACKAGE",
    "DevnetSettings",
    "Network",
    "NodeConfig",
    "StoreSettings",
    "default_confirmations",
    "find_network",
    "find_store",
    "home",
    "is_development",
    "is_private_endpoint",
    "is_this_machine",
    "load_devnet_settings",
    "load_networks",
    "load_node_config",
    "nodes_folder",
    "password_from_environment",
    "save_node_config",
    "settings_file",
    "shipped",
    "tool_from_environment",
]
