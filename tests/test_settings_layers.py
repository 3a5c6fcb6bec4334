"""Which source wins, and what environment and command line may say."""

from __future__ import annotations

from waypost.settings_file import Document
from waypost.settings_layers import Layers, read_layers


def read(tables=None, environment=None, overrides=None, path=None) -> Layers:
    return read_layers(Document(path, tables or {}, ""), environment or {}, overrides or {})


def lines(layers: Layers) -> list[str]:
    return [fault.line for fault in layers.faults]


def test_later_sources_win_one_after_the_other() -> None:
    tables = {"server": {"port": 1}}
    assert read().given["server"] == {}
    assert read(tables).given["server"]["port"] == 1
    assert read(tables, {"WAYPOST_PORT": "2"}).given["server"]["port"] == 2
    assert read(tables, {"WAYPOST_PORT": "2"}, {"server.port": 3}).given["server"]["port"] == 3


def test_the_environment_s_faults_name_the_variable() -> None:
    assert lines(read(environment={"WAYPOST_PORT": "http"})) == [
        'environment: WAYPOST_PORT must be a whole number from 0 to 65,535, not "http"'
    ]


def test_the_command_line_s_faults_name_the_key() -> None:
    assert lines(read(overrides={"server.port": 70_000, "server.no": 1, "port": 1})) == [
        "command line: server.port must be a whole number from 0 to 65,535, not 70000",
        "command line: server.no is no setting",
        "command line: port is no setting",
    ]


def test_an_empty_variable_is_no_variable() -> None:
    layers = read(environment={"WAYPOST_PORT": "", "WAYPOST_HOST": " "})
    assert layers.given["server"] == {}
    assert layers.faults == []


def test_the_variable_that_kubernetes_makes_for_a_service_of_our_name_is_not_taken_for_a_port() -> None:
    layers = read(environment={"WAYPOST_PORT": "tcp://10.0.0.1:80", "WAYPOST_SERVICE_HOST": "10.0.0.1"})
    assert layers.given["server"] == {}
    assert layers.faults == []
    assert ["Kubernetes" in note for note in layers.notes] == [True]


def test_a_misspelt_variable_is_noted() -> None:
    assert read(environment={"WAYPOST_CONFG": "x"}).notes == [
        "WAYPOST_CONFG sets nothing; did you mean WAYPOST_CONFIG?"
    ]
    assert read(environment={"WAYPOST_CONFIG": "x", "WAYPOST_XYZZY": "1"}).notes == []


def test_the_environment_s_proxy_is_taken_only_when_the_settings_say_so() -> None:
    environment = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "localhost, .internal,"}
    assert read({}, environment).given["proxy"] == {}
    proxy = read({"proxy": {"trust_env": True}}, environment).given["proxy"]
    assert proxy == {"trust_env": True, "url": "http://proxy:3128", "no_proxy": ("localhost", ".internal")}
    own = {"trust_env": True, "url": "http://other:1"}
    assert read({"proxy": own}, environment).given["proxy"] == own


def test_a_bad_proxy_of_the_environment_is_a_fault_that_does_not_repeat_it() -> None:
    layers = read({"proxy": {"trust_env": True}}, {"https_proxy": "socks5://me:secret@proxy"})
    assert len(layers.faults) == 1
    assert "https_proxy" in lines(layers)[0]
    assert "secret" not in lines(layers)[0]


def test_a_path_is_meant_from_where_it_was_written(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "etc" / "waypost.toml"
    tables = {"store": {"data_folder": "data"}, "server": {"tls_cert_file": "~/cert.pem"}}
    layers = read(tables, {"HOME": "/home/me"}, path=file)
    assert layers.given["store"]["data_folder"] == str(tmp_path / "etc" / "data")
    assert layers.given["server"]["tls_cert_file"] == "/home/me/cert.pem"
    by_variable = read(tables, {"HOME": "/home/me", "WAYPOST_DATA": "data"}, path=file)
    assert by_variable.given["store"]["data_folder"] == str(tmp_path / "data")


def test_the_data_lie_in_the_current_folder_where_nobody_says_otherwise(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(environment={"HOME": "/home/me"}).given["store"]["data_folder"] == str(tmp_path / "waypost-data")
