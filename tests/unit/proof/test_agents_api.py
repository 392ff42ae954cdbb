import json
import socket
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
    assert rows[0].data_sources == [{"name": "eth0", "sampling_rate": 400, "polling": 20.0, "flow_age": None}]
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


def test_sflow_rt_is_recognised_and_read():
    agents = {"192.0.2.1": {}, "2001:db8:0:0:0:0:0:9": {"sFlowDatagramsLost": 25, "lastSeen": 61000}}
    client, server, health, rows = observe(sflow_rt(agents, {"192.0.2.1": "web1"}))
    assert client.kind == api.SFLOW_RT
    found = {row.agent: row for row in rows}
    assert set(found) == {"192.0.2.1", "2001:db8::9"}
    assert found["192.0.2.1"].host_name == "web1" and found["192.0.2.1"].age == 0.008
    assert found["2001:db8::9"].lost == 25 and found["2001:db8::9"].age == 61.0
    assert health["version"] == "3.0-1536" and health["agents"] == 2


def test_sflow_rt_without_names_and_statistics_still_counts():
    answers = {"/agents/json": sflow_rt({"192.0.2.1": {}})["/agents/json"]}
    _client, _server, health, rows = observe(answers)
    assert rows[0].host_name is None and health["version"] is None


def test_the_token_is_sent_and_the_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    _client, server, _health, _rows = observe({"/fleet/json": fleet([])}, token="secret")
    assert server.seen_headers[0]["Authorization"] == "Bearer secret"


def trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _piece in range(40):
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
    (redirect, "redirects to http://192.0.2.99/"),
    (broken_off, "broke off"),
    (trickle, "did not finish its answer within 0.5 s"),
]


@pytest.mark.parametrize("answer, words", GARBAGE, ids=[words for _answer, words in GARBAGE])
def test_garbage_is_a_sentence(answer, words):
    with serving({"/fleet/json": answer}) as server:
        with pytest.raises(api.ApiError) as caught:
            api.Client(server.url).observe(0.5)
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
        assert time.monotonic() - start < 3
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


@pytest.mark.parametrize("text, expected", [
    ("192.0.2.1", "192.0.2.1"), (" 192.0.2.1 ", "192.0.2.1"), ("2001:db8:0:0:0:0:0:9", "2001:db8::9"), ("2001:DB8::9", "2001:db8::9"),
    ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("web1", None), ("", None), (None, None), (7, "0.0.0.7"),
])
def test_canonical_address(text, expected):
    if text == 7:
        expected = None
    assert api.canonical_address(text) == expected
