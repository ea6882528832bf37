"""Settings files: read strictly, written so that a person can edit them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain import config
from swarm_chain.config import (
    NodeConfig,
    StoreSettings,
    default_confirmations,
    find_network,
    find_store,
    is_development,
    is_private_endpoint,
    load_devnet_settings,
    load_networks,
    load_node_config,
    save_node_config,
)
from swarm_chain.config.serving import parse_place
from swarm_chain.errors import ConfigurationError
from swarm_chain.types import Address, BlockNumber, Digest

NODE = NodeConfig(
    chain_id=31337,
    rpc_urls=("http://127.0.0.1:8545", "https://rpc.example/key"),
    contract=Address(b"\xc0" * 20),
    deployment_block=BlockNumber(12),
    confirmations=0,
    account=Address(b"\xaa" * 20),
    keystore=Path("/srv/keys/alice.json"),
    password_file=Path("/srv/keys/alice.password"),
    label='ward "seven"\n',
    task="digits",
    accepted_task=Digest(bytes(range(32))),
    data="digits:part=0/4",
    min_new_samples=5,
    journal=Path("/srv/node/journal.sqlite"),
    stores=("local:/srv/store",),
    keep_weights=7,
    serve="192.168.1.7:4801",
    announce=("https://store.example",),
    allow_private_addresses=True,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=16)


@given(texts, texts, st.lists(texts, min_size=1, max_size=3), st.integers(0, 10**9))
def test_node_config__saved_and_loaded__is_the_same(
    tmp_path_factory: pytest.TempPathFactory, label: str, data: str, stores: list[str], samples: int
) -> None:
    path = tmp_path_factory.mktemp("node") / "node.toml"
    wanted = replace(
        NODE,
        label=label,
        data=data,
        stores=tuple(stores),
        min_new_samples=samples,
        password_file=None,
    )
    save_node_config(wanted, path)
    assert load_node_config(path) == wanted


def test_node_config__as_written__explains_every_key(tmp_path: Path) -> None:
    save_node_config(NODE, tmp_path / "node.toml")
    lines = (tmp_path / "node.toml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) == 20
    assert all(lines[number - 1].startswith("# ") for number in keys)
    assert list(tmp_path.iterdir()) == [tmp_path / "node.toml"]


def test_node_config__relative_paths__start_from_the_files_folder(tmp_path: Path) -> None:
    path = edited(tmp_path, '"/srv/keys/alice.json"', '"keys/alice.json"')
    assert load_node_config(path).keystore == tmp_path / "keys" / "alice.json"


def test_node_config__left_out__follows_from_the_chain(tmp_path: Path) -> None:
    path = edited(tmp_path, "confirmations = 0", "")
    path.write_text(path.read_text().replace("id = 31337", "id = 1"))
    loaded = load_node_config(path)
    assert loaded.confirmations == default_confirmations(1, ["http://127.0.0.1:8545"]) == 3


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("id = 31337", "id = 0", "chain.id must be a whole number from 1"),
        ("id = 31337", "id = true", "chain.id must be a whole number"),
        ("id = 31337", "", "chain.id is missing"),
        ("id = 31337", "id = 31337\ncolour = 3", "unknown key chain.colour"),
        ('"https://rpc.example/key"', '"rpc.example"', "chain.rpc_urls must be a list of URLs"),
        ("0x" + "c0" * 20, "0x" + "c0" * 19, "chain.contract must be an address"),
        ("0x" + "aa" * 20, "aa" * 20, "account.address must be an address"),
        ("confirmations = 0", 'confirmations = "none"', "chain.confirmations must be a whole number"),
        ('use = ["local:/srv/store"]', "use = []", "stores.use must be a list of at least 1 texts"),
        ('task = "digits"', 'task = ""', "node.task must be a text in quotes"),
        ('serve = "192.168.1.7:4801"', 'serve = "everywhere"', "stores.serve must be auto, off, or an address"),
        ('serve = "192.168.1.7:4801"', 'serve = "192.168.1.7:65536"', "stores.serve must be auto, off, or an address"),
        ('serve = "192.168.1.7:4801"', "serve = true", "stores.serve must be a text"),
        ('announce = ["https://store.example"]', "announce = [7]", "stores.announce must be a list of texts"),
        ("allow_private_addresses = true", "allow_private_addresses = 1", "must be true or false"),
        ("keep_weights = 7", 'keep_weights = "some"', 'stores.keep_weights must be "all" or a whole number from 0'),
        ("keep_weights = 7", "keep_weights = -1", 'stores.keep_weights must be "all" or a whole number from 0'),
        ("keep_weights = 7", "keep_weights = true", 'stores.keep_weights must be "all" or a whole number'),
        ("[stores]", "[shops]", "stores.use must be a list"),
        ("[stores]", "[stores", "is not TOML"),
    ],
)
def test_node_config__wrong_value__names_file_key_and_what_is_expected(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(ConfigurationError) as caught:
        load_node_config(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_node_config__stores_left_out__serves_as_it_can_and_lets_no_peer_lead_inside(tmp_path: Path) -> None:
    def loaded(url: str, chain_id: int) -> NodeConfig:
        path = edited(tmp_path, "http://127.0.0.1:8545", url)
        lines = path.read_text().replace("id = 31337", f"id = {chain_id}").splitlines()
        keys = ("serve =", "announce =", "allow_private_addresses =")
        path.write_text("\n".join(line for line in lines if not line.startswith(keys)))
        return load_node_config(path)

    assert (loaded("http://127.0.0.1:8545", 1).serve, loaded("http://127.0.0.1:8545", 1).announce) == ("auto", ())
    assert not loaded("http://127.0.0.1:8545", 1).allow_private_addresses
    assert not loaded("https://rpc.example", 31337).allow_private_addresses
    assert loaded("http://127.0.0.1:8545", 31337).allow_private_addresses
    assert loaded("http://192.168.1.7:8545", 1337).allow_private_addresses


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0.0.0.0:0", ("0.0.0.0", 0)),  # noqa: S104  it is only read
        ("[::1]:4801", ("::1", 4801)),
        ("node-3.lan:65535", ("node-3.lan", 65535)),
        ("auto", None),
        ("4801", None),
        (":4801", None),
        ("::1:4801", None),
        ("host:99999", None),
        ("host:4801/path", None),
        ("ho st:1", None),
        ("host:-1", None),
    ],
)
def test_parse_place__host_and_port__or_none(text: str, place: tuple[str, int] | None) -> None:
    assert parse_place(text) == place


def test_node_config__no_such_file__says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_node_config(tmp_path / "node.toml")


def test_save__folder_cannot_be_made__raises_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="choose another place"):
        save_node_config(NODE, tmp_path / "file" / "node.toml")


def edited(folder: Path, old: str, new: str) -> Path:
    path = folder / "node.toml"
    save_node_config(NODE, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


# ------------------------------------------------------------------------------------------------------------ networks


def test_networks__no_file__has_the_development_chain(tmp_path: Path) -> None:
    networks = load_networks(tmp_path / "swarm-chain.toml")
    assert set(networks) == {"devnet"}
    assert networks["devnet"].chain_id == 31337
    assert networks["devnet"].rpc_urls == ("http://127.0.0.1:8545",)


def test_find_network__written_down__is_found(tmp_path: Path) -> None:
    path = tmp_path / "swarm-chain.toml"
    path.write_text('[networks.clinic]\nchain_id = 1515\nrpc_urls = ["http://10.0.0.2:8545"]\nconfirmations = 2\n')
    clinic = find_network("clinic", path)
    assert (clinic.chain_id, clinic.rpc_urls, clinic.confirmations) == (1515, ("http://10.0.0.2:8545",), 2)


def test_find_network__nobody_of_that_name__names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there are devnet.*\[networks\.clinic\]"):
        find_network("clinic", tmp_path / "swarm-chain.toml")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[networks.x]\nchain_id = 5\n", "networks.x.rpc_urls must be a list"),
        ('[networks.x]\nrpc_urls = ["http://a"]\n', "networks.x.chain_id is missing"),
        ('[networks.x]\nchain_id = 5\nrpc_urls = ["ftp://a"]\n', "networks.x.rpc_urls must be a list of URLs"),
        ('[networks.x]\nchain_id = 5\nrpc_urls = ["http://a"]\ncolor = 1\n', "unknown key networks.x.color"),
        ("[networks]\nx = 1\n", r"networks.x must be a table"),
        ("[network.x]\nchain_id = 5\n", "unknown key network"),
    ],
)
def test_networks__wrong_value__names_it(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "swarm-chain.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_networks(path)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8545", True),
        ("http://localhost:8545", True),
        ("http://[::1]:8545", True),
        ("http://192.168.1.7:8545", True),
        ("https://203.0.114.7", False),
        ("https://rpc.example", False),
        ("http://[::1", False),
    ],
)
def test_is_private_endpoint(url: str, expected: bool) -> None:
    assert is_private_endpoint(url) is expected


def test_is_development__only_on_a_development_chain_that_is_near() -> None:
    assert is_development(31337, ["http://127.0.0.1:8545"])
    assert not is_development(1, ["http://127.0.0.1:8545"])
    assert not is_development(31337, ["https://rpc.example"])


# --------------------------------------------------------------------------------------------------- development chain


def test_devnet_settings__that_ship__hide_the_mnemonic() -> None:
    settings = load_devnet_settings()
    assert settings.chain_id in config.DEVELOPMENT_CHAINS
    assert "junk" not in repr(settings)


def test_devnet_settings__every_key__has_a_comment() -> None:
    lines = config.shipped("anvil.toml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) == 10
    for number in keys:
        start = number
        while " = " in lines[start] and not lines[start].startswith("#"):
            start -= 1
        assert lines[start].startswith("# ")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("id = 31337", "id = -1", "chain.id"),
        ("port = 8545", "port = 70000", "server.port must be a whole number from 0 to 65535"),
        ("count = 10", "count = 0", "accounts.count"),
        ("block_time = 0", "block_tine = 0", "chain.block_time is missing"),
        ("block_time = 0", "block_time = 0\nspeed = 1", "unknown key chain.speed"),
    ],
)
def test_devnet_settings__wrong_value__names_it(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "anvil.toml"
    path.write_text(config.shipped("anvil.toml").read_text().replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_devnet_settings(path)
    assert named in str(caught.value)


def test_home__follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SWARM_CHAIN_HOME", str(tmp_path))
    assert config.home() == tmp_path
    monkeypatch.delenv("SWARM_CHAIN_HOME")
    monkeypatch.chdir(tmp_path)
    assert config.home() == tmp_path / ".swarm-chain"


def test_shipped__missing_file__says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="install swarm-chain again"):
        config.shipped("nothing-of-ours")


# -------------------------------------------------------------------------------------------------------------- stores


def settings_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "swarm-chain.toml"
    path.write_text(text)
    return path


def test_node_config__weights_are_kept_for_ever__unless_told(tmp_path: Path) -> None:
    assert load_node_config(edited(tmp_path, "keep_weights = 7", "")).keep_weights is None
    assert load_node_config(edited(tmp_path, "keep_weights = 7", 'keep_weights = "all"')).keep_weights is None
    assert load_node_config(edited(tmp_path, "keep_weights = 7", "keep_weights = 0")).keep_weights == 0


def test_find_store__everything_given__is_read_from_files_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "headers").write_text("# for the door\nX-Door: open sesame  \n\n")
    (tmp_path / "ca.pem").write_text("-----")
    path = settings_with(
        tmp_path,
        """
        [stores.hospital]
        address = "https://ipfs.hospital.example/rpc"
        token_file = "token"
        headers_file = "headers"
        ca_file = "ca.pem"
        proxy = "http://proxy.hospital.example:3128"
        timeout = 40

        [networks.clinic]
        chain_id = 1515
        rpc_urls = ["https://rpc.clinic.example"]
        """,
    )
    found = find_store("hospital", path)
    assert found == StoreSettings(
        address="https://ipfs.hospital.example/rpc",
        headers={"X-Door": "open sesame", "Authorization": "Bearer s3cret"},
        ca_file=tmp_path / "ca.pem",
        proxy="http://proxy.hospital.example:3128",
        timeout=40,
    )
    assert "s3cret" not in repr(found)
    assert load_networks(path)["clinic"].chain_id == 1515


def test_find_store__only_an_address__has_the_defaults(tmp_path: Path) -> None:
    path = settings_with(tmp_path, '[stores.desk]\naddress = "/ip4/127.0.0.1/tcp/5001"')
    assert find_store("desk", path) == StoreSettings(address="/ip4/127.0.0.1/tcp/5001")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", r"unknown store hospital; none has a name: add \[stores.hospital\]"),
        ('[stores.desk]\naddress = "/unix/x"', "unknown store hospital; there are desk"),
        ("[stores.hospital]", "stores.hospital.address is missing"),
        ('[stores.hospital]\naddress = "a"\ntoken = "x"', "unknown key stores.hospital.token"),
        ('[stores.hospital]\naddress = "a"\ntoken_file = "nowhere"', "nowhere cannot be read"),
        ('[stores.hospital]\naddress = "a"\ntoken_file = "."', "cannot be read"),
        ('[stores.hospital]\naddress = "a"\nca_file = "nowhere"', "nowhere does not exist"),
        ('[stores.hospital]\naddress = "a"\nproxy = "proxy:3128"', "stores.hospital.proxy must be a URL"),
        ('[stores.hospital]\naddress = "a"\ntimeout = 0', "stores.hospital.timeout must be a whole number from 1"),
        ("stores = 7", r"stores must be a table"),
    ],
)
def test_find_store__wrong_settings__name_file_key_and_what_is_expected(tmp_path: Path, text: str, named: str) -> None:
    path = settings_with(tmp_path, text)
    with pytest.raises(ConfigurationError, match=named) as caught:
        find_store("hospital", path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("secret", ["two words", "", "über", "line\nline"])
def test_find_store__token_that_is_none__is_refused_and_not_repeated(tmp_path: Path, secret: str) -> None:
    (tmp_path / "token").write_text(secret)
    path = settings_with(tmp_path, '[stores.a]\naddress = "a"\ntoken_file = "token"')
    with pytest.raises(ConfigurationError, match="one word") as caught:
        find_store("a", path)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("line", ["Authorization s3cret", "Authorization: s3cret\x07", ": s3cret", "A B: s3cret"])
def test_find_store__header_that_is_none__is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    (tmp_path / "headers").write_text(f"X: y\n{line}\n")
    path = settings_with(tmp_path, '[stores.a]\naddress = "a"\nheaders_file = "headers"')
    with pytest.raises(ConfigurationError, match="line 2 is no header") as caught:
        find_store("a", path)
    assert "s3cret" not in str(caught.value)
