import json
import shutil
import socket
import subprocess
import time

import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _agents_api as api
from proof_servers import fleet, fleet_row, serving, sflow_rt


def observe(answers, **options):
    with serving(answers) as server:
        client = api.Client(server.url, **options)
        health, rows = client.observe(5)
        return client, server, health, rows


def test_bundled_collector_is_recognised_and_read():
    answer = fleet([fleet_row("192.0.2.1", lost=3, last_seen_ms=1500)], errors={"short": 2, "version": 1})
    client, server, health, rows = observe({"/fleet/json": answer})
    assert client.kind == api.BUNDLED
    assert [(r.agent, r.age, r.lost, r.datagrams, r.flow_age) for r in rows] == [("192.0.2.1", 1.5, 3, 100, 2.0)]
    assert rows[0].data_sources == [{"name": "eth0", "sampling_rate": 400, "polling": 20.0, "flow_age": 2.0}]  # an earlier collector
    assert rows[0].recent is None
    assert health["parse_errors"] == 3 and health["version"] == "1.0.0"
    assert all(path.startswith("/fleet/json?") for path in server.paths)


def test_all_pages_are_read():
    rows = [fleet_row(f"192.0.2.{n}") for n in range(1, 251)]

    def answers(path):
        query = dict(part.split("=") for part in path.split("?")[1].split("&"))
        offset = int(query["offset"])
        return fleet(rows[offset:offset + 100], total=250, offset=offset)

    _client, server, _health, found = observe(answers)
    assert len({row.agent for row in found}) == 250
    assert len(server.paths) == 3


@pytest.mark.parametrize("last_flow_ms, age", [(None, None), (7000, 7.0)])
def test_the_age_of_the_samples_of_each_data_source(last_flow_ms, age):
    row = fleet_row("192.0.2.1")
    row["data_sources"][0]["last_flow_ms"] = last_flow_ms
    _client, _server, _health, rows = observe({"/fleet/json": fleet([row])})
    assert rows[0].data_sources[0]["flow_age"] == age


@pytest.mark.parametrize("recent, figures", [
    ({"seconds": 420.5, "datagrams": 90, "lost": 3}, (420.5, 90, 3)), ({"seconds": 1}, None), (7, None), (None, None),
])
def test_the_figures_of_the_last_minutes(recent, figures):
    _client, _server, _health, rows = observe({"/fleet/json": fleet([fleet_row("192.0.2.1", recent=recent)])})
    assert rows[0].recent == figures


def shifting(before, after):
    """A server with two rows to a page, whose agents change after its first answer."""
    asked = []

    def answers(path):
        rows = after if asked else before
        asked.append(path)
        offset = int(path.split("offset=")[1].split("&")[0])
        return fleet([fleet_row(agent, datagrams=len(asked)) for agent in rows[offset:offset + 2]], total=len(rows), offset=offset)

    return answers


def test_a_row_that_comes_on_two_pages_is_one():
    agents = [f"192.0.2.{n}" for n in range(1, 5)]
    _client, server, _health, rows = observe(shifting(agents, ["192.0.2.0", *agents]))
    assert sorted(row.agent for row in rows) == ["192.0.2.0", *agents]
    assert {row.agent: row.datagrams for row in rows}["192.0.2.2"] > 1  # the later answer counts
    assert len(server.paths) == 6  # a second walk, because the first one met only four of five


def test_a_row_that_is_passed_over_is_found_by_a_second_walk():
    agents = [f"192.0.2.{n}" for n in range(1, 6)]
    _client, _server, _health, rows = observe(shifting(agents, agents[1:]))
    assert {row.agent for row in rows} == set(agents)


def test_an_agent_that_comes_while_another_goes_is_found_too():
    agents = [f"192.0.2.{n}" for n in range(5)]
    _client, _server, _health, rows = observe(shifting(agents[1:], agents[:4]))
    assert {row.agent for row in rows} == set(agents[:4])


def test_a_total_that_nobody_keeps_ends_the_walk():
    def answers(path):
        rows = [fleet_row("192.0.2.1")] if "offset=0&" in path else []
        return fleet(rows, total=9)

    _client, server, _health, rows = observe(answers)
    assert [row.agent for row in rows] == ["192.0.2.1"] and len(server.paths) == 4  # two walks


def test_pages_without_an_end_are_given_up_in_time():
    now = [0.0]

    def answers(path):
        now[0] += 1.0
        return fleet([fleet_row(f"192.0.2.{int(now[0])}")], total=200)

    with serving(answers) as server, pytest.raises(api.ApiError, match="did not hand over all of its agents within 7 s"):
        api.Client(server.url, clock=lambda: now[0]).observe(7)
    assert len(server.paths) == 7


def test_sub_agents_are_no_repetition():
    _client, server, _health, rows = observe({"/fleet/json": fleet([fleet_row("192.0.2.1"), fleet_row("192.0.2.1", sub_agent=100001)])})
    assert len(rows) == 2 and len(server.paths) == 1


def test_sflow_rt_is_recognised_and_read():
    agents = {"192.0.2.1": {}, "2001:db8:0:0:0:0:0:9": {"sFlowDatagramsLost": 25, "lastSeen": 61000}}
    client, server, health, rows = observe(sflow_rt(agents, {"192.0.2.1": "web1"}))
    assert client.kind == api.SFLOW_RT
    found = {row.agent: row for row in rows}
    assert set(found) == {"192.0.2.1", "2001:db8::9"}
    assert found["192.0.2.1"].host_name == "web1" and found["192.0.2.1"].age == 0.008
    assert found["2001:db8::9"].lost == 25 and found["2001:db8::9"].age == 61.0
    assert health["version"] == "3.0-1536" and health["agents"] == 2


@pytest.mark.parametrize("agents", [{"web1": {}}, {"192.0.2.1": None}])
def test_an_agent_of_sflow_rt_without_an_address_or_figures_is_told(agents):
    answers = dict(sflow_rt({}), **{"/agents/json": agents})
    with serving(answers) as server, pytest.raises(api.ApiError, match="/agents/json lists an agent without an address: '(web1|192.0.2.1)'"):
        api.Client(server.url).observe(5)


def test_what_nobody_can_read_of_an_answer_is_passed_over():
    answers = sflow_rt({"192.0.2.1": {}}, {"192.0.2.1": "web1"})
    answers["/dump/ALL/host_name/json"] += [None, 7, "x", {"agent": 5, "metricValue": {}}]
    _client, _server, _health, rows = observe(answers)
    assert [row.host_name for row in rows] == ["web1"]
    _client, _server, _health, rows = observe({"/fleet/json": fleet([fleet_row("192.0.2.1", data_sources=[None, 7, {"name": "eth1"}])])})
    assert [source["name"] for source in rows[0].data_sources] == ["eth1"]


def test_sflow_rt_tells_how_old_the_counters_of_a_host_are():
    answers = sflow_rt({"192.0.2.1": {}, "192.0.2.2": {}, "192.0.2.3": {}})
    answers["/dump/ALL/load_one/json"] = [
        {"agent": "192.0.2.1", "dataSource": "2.1", "metricName": "load_one", "metricValue": 0.1, "lastUpdate": 61000},
        {"agent": "192.0.2.1", "dataSource": "3.1", "metricName": "load_one", "metricValue": 0.1, "lastUpdate": 5},
        {"agent": "192.0.2.2", "dataSource": "2.1", "metricName": "load_one", "metricValue": 0.1, "lastUpdate": "soon"},
    ]
    _client, _server, _health, rows = observe(answers)
    assert {row.agent: row.counter_age for row in rows} == {"192.0.2.1": 61.0, "192.0.2.2": None, "192.0.2.3": None}


def test_guests_and_applications_are_not_the_host():
    row = fleet_row("192.0.2.1")
    row["data_sources"].append({"data_source": "3.80", "name": "http", "sampling_rate": 1, "polling_interval_s": 5.0})
    _client, _server, _health, rows = observe({"/fleet/json": fleet([row])})
    assert [source["name"] for source in rows[0].data_sources] == ["eth0"]
    answers = sflow_rt({"192.0.2.1": {}}, {"192.0.2.1": "web1"})
    answers["/dump/ALL/host_name/json"].append(
        {"agent": "192.0.2.1", "dataSource": "3.100001", "metricName": "host_name", "metricValue": "nginx-7f", "lastUpdate": 5})
    _client, _server, _health, rows = observe(answers)
    assert rows[0].host_name == "web1"


def test_sflow_rt_without_names_and_statistics_still_counts():
    answers = {"/agents/json": sflow_rt({"192.0.2.1": {}})["/agents/json"]}
    _client, _server, health, rows = observe(answers)
    assert rows[0].host_name is None and health["version"] is None


@pytest.mark.parametrize("token", ["S3cret-T0ken\nX: y", "S3cret-T0ken\u20ac", "S3cret T0ken"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token):
    with pytest.raises(api.ApiError) as refused:
        api.Client("http://127.0.0.1:8008", token)
    assert "S3cret" not in str(refused.value) and "The token for the collector has a character" in str(refused.value)


def test_the_end_of_a_line_is_no_part_of_a_token():
    _client, server, _health, _rows = observe({"/fleet/json": fleet([])}, token="secret\n")
    assert server.seen_headers[0]["Authorization"] == "Bearer secret"


def certificate(path, name):
    """A file with a certificate of its own authority for an address or a name, and its key."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={name}"]
    subprocess.run([*made, "-keyout", str(path) + ".key", "-out", str(path)], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(str(path) + ".key") as key, open(str(path), "a") as whole:
        whole.write(key.read())
    return str(path)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine")
def test_a_certificate_is_checked_unless_that_is_switched_off(tmp_path):
    mine, other = certificate(tmp_path / "mine", "IP:127.0.0.1"), certificate(tmp_path / "other", "DNS:watch.example.net")

    def ask(served, **options):
        with serving({"/fleet/json": fleet([fleet_row("192.0.2.1")])}, tls=served) as server:
            try:
                return [row.agent for row in api.Client(server.url, token="secret", **options).observe(5)[1]]
            except api.ApiError as error:
                assert server.paths == [], "the token went to a server that nobody vouches for"
                return str(error)

    assert ask(mine, ca_path=mine) == ask(mine, validate_certs=False) == ask(other, validate_certs=False) == ["192.0.2.1"]
    for served, options in ((mine, {}), (mine, {"ca_path": other}), (other, {"ca_path": other})):
        assert ask(served, **options).startswith("The TLS connection to https://127.0.0.1:"), (served, options)
    for file in (tmp_path / "nothing", tmp_path / "mine.key"):
        with pytest.raises(api.ApiError, match="The file of certificate authorities .* cannot be used: "):
            api.Client("https://127.0.0.1:1", ca_path=str(file))


def test_nobody_who_has_no_token_sends_one():
    _client, server, _health, _rows = observe({"/fleet/json": fleet([])})
    assert "Authorization" not in server.seen_headers[0]


def test_the_proxy_of_the_environment_is_used_where_that_is_asked_for(monkeypatch):
    with serving({"http://collector.example.net:8008/fleet/json": fleet([fleet_row("192.0.2.1")])}) as server:
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert len(api.Client("http://collector.example.net:8008", use_proxy=True).observe(5)[1]) == 1


def test_the_token_is_sent_and_the_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    _client, server, _health, _rows = observe({"/fleet/json": fleet([])}, token="secret")
    assert server.seen_headers[0]["Authorization"] == "Bearer secret"


def trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _piece in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def broken_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"collector":')
    handler.close_connection = True


def redirect(handler):
    handler.send_response(302)
    handler.send_header("Location", "http://192.0.2.99/")
    handler.end_headers()


GARBAGE = [
    ("no json at all", "not JSON"),
    ("", "not JSON"),
    (b"\xff\xfe\x00", "not JSON"),
    ("[" * 100000, "not JSON"),
    ("[]", "another shape (list)"),
    ("null", "another shape (NoneType)"),
    ({}, "no collector of netviz.sflow"),
    ({"collector": {}, "agents": {}}, "no collector of netviz.sflow"),
    ({"collector": {}, "agents": [1]}, "without an address"),
    ({"collector": {}, "agents": [{"agent": "web1"}]}, "without an address"),
    ({"collector": {}, "agents": [{"agent": ["192.0.2.1"]}]}, "without an address"),
    ((500, "oops"), "HTTP status 500"),
    ((401, "who?"), "token or password"),
    ((403, "no"), "token or password"),
    ((421, "another name"), "collector_http_names"),
    (redirect, "redirects to http://192.0.2.99/"),
    (broken_off, "broke off"),
    (trickle, "did not finish its answer within 2 s"),
]


@pytest.mark.parametrize("answer, words", GARBAGE, ids=[words for _answer, words in GARBAGE])
def test_garbage_is_a_sentence(answer, words):
    with serving({"/fleet/json": answer}) as server:
        with pytest.raises(api.ApiError) as caught:
            api.Client(server.url).observe(2)
        assert words in str(caught.value)
        assert server.url in str(caught.value)
        assert str(caught.value).endswith(".") or str(caught.value).endswith("?")


@pytest.mark.parametrize("value", [None, True, "7", -1, 1e999, float("nan"), [], {}, 10 ** 400])
@pytest.mark.parametrize("field", ["last_seen_ms", "datagrams", "lost", "data_sources", "sources", "host_name", "shared"])
def test_a_field_of_the_wrong_kind_does_no_harm(field, value):
    text = json.dumps(fleet([fleet_row("192.0.2.1", **{field: value})]))
    _client, _server, _health, rows = observe({"/fleet/json": text})
    assert rows[0].agent == "192.0.2.1"
    assert rows[0].shared is (field == "shared" and value is True)


def test_no_control_characters_reach_the_terminal():
    _client, _server, _health, rows = observe({"/fleet/json": fleet([fleet_row("192.0.2.1", host_name="web\x1b[2J\n1")])})
    assert rows[0].host_name == "web?[2J?1"


def test_neither_of_the_two_servers():
    with serving({}) as server, pytest.raises(api.ApiError) as caught:
        api.Client(server.url).observe(5)
    assert "neither the collector of netviz.sflow nor sFlow-RT" in str(caught.value)


def test_an_endless_answer_is_cut(monkeypatch):
    monkeypatch.setattr(api, "MAX_ANSWER_BYTES", 100000)
    with serving({"/fleet/json": "x" * 200000}) as server, pytest.raises(api.ApiError) as caught:
        api.Client(server.url).observe(5)
    assert "no fleet account" in str(caught.value)


def test_endless_pages_are_cut(monkeypatch):
    monkeypatch.setattr(api, "MAX_PAGES", 5)
    with serving(lambda path: fleet([fleet_row("192.0.2.1")], total=10 ** 9)) as server, pytest.raises(api.ApiError) as caught:
        api.Client(server.url).observe(5)
    assert "more than 5 pages" in str(caught.value)


def test_nothing_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(api.ApiError) as caught:
        api.Client(url).observe(5)
    assert "nothing listens there" in str(caught.value)


def test_a_server_that_never_answers():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(5)
        start = time.monotonic()
        with pytest.raises(api.ApiError) as caught:
            api.Client(f"http://127.0.0.1:{mute.getsockname()[1]}").observe(0.3)
        assert time.monotonic() - start < 10
    assert "did not answer within 0.3 s" in str(caught.value)


def test_a_server_that_speaks_something_else():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        import threading

        def answer():
            peer, _address = other.accept()
            peer.recv(1000)
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            peer.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(api.ApiError) as caught:
            api.Client(f"http://127.0.0.1:{other.getsockname()[1]}").observe(2)
        thread.join()
    assert "does not answer in HTTP" in str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8008", "ftp://192.0.2.1", "http://", "http://h:99999", "http://h:0x50", "http://h?x=1",
                                 "file:///etc/passwd", "http://user:secret@h/"])
def test_a_url_that_is_none(url):
    with pytest.raises(api.ApiError) as caught:
        api.Client(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text, endpoint", [
    ("192.0.2.1:6343", "192.0.2.1:6343"), ("192.0.2.1", "192.0.2.1:6343"), ("2001:db8:0::1:7000", "2001:db8::1:7000"),
    ("[2001:DB8::1]:7000", "2001:db8::1:7000"), ("[2001:db8::1]", "2001:db8::1:6343"), ("flow.example.net:7000", "flow.example.net:7000"),
    ("flow.example.net", "flow.example.net:6343"),
])
def test_canonical_endpoint(text, endpoint):
    assert api.canonical_endpoint(text) == endpoint


def test_addresses_of_a_host(monkeypatch):
    def getaddrinfo(host, *_arguments, **_options):
        if host != "flow.example.net":
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in ("192.0.2.2", "2001:db8::2", "127.0.1.1", "192.0.2.2")]

    monkeypatch.setattr(api.socket, "getaddrinfo", getaddrinfo)
    assert api.addresses_of("flow.example.net") == ["192.0.2.2", "2001:db8::2"]
    assert api.addresses_of("127.0.0.1") == ["127.0.0.1"]  # whoever says so means it
    assert api.addresses_of("nowhere.example.net") == api.addresses_of("") == []


@pytest.mark.parametrize("text, expected", [
    ("192.0.2.1", "192.0.2.1"), (" 192.0.2.1 ", "192.0.2.1"), ("2001:db8:0:0:0:0:0:9", "2001:db8::9"), ("2001:DB8::9", "2001:db8::9"),
    ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("web1", None), ("", None), (None, None), (7, "0.0.0.7"),
])
def test_canonical_address(text, expected):
    if text == 7:
        expected = None
    assert api.canonical_address(text) == expected
