"""Servers in both shapes."""

import http.server
import json
import ssl
import threading
from contextlib import contextmanager, suppress


def _handler(answers):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            self.server.seen_headers.append(dict(self.headers))
            answer = answers(self.path) if callable(answers) else answers.get(self.path.split("?")[0])
            if callable(answer):
                answer(self)
                return
            status, body = answer if isinstance(answer, tuple) else ((200, answer) if answer is not None else (404, "<html>"))
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self):  # a client that has had enough closes its end
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                super().handle()

        def log_message(self, *args):
            pass

    return Handler


@contextmanager
def serving(answers, tls=None):
    """An HTTP server on a free port; ``answers`` maps paths (or is a function of the path) to bodies, or functions.

    tls: the file of a certificate and its key, for HTTPS.
    """
    server = http.server.HTTPServer(("127.0.0.1", 0), _handler(answers))
    server.paths, server.seen_headers = [], []
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fleet_row(agent, **values):
    row = {
        "agent": agent, "sub_agent": 100000, "host_name": "host-" + agent, "sources": [agent], "shared": False,
        "first_seen_ms": 100000, "last_seen_ms": 1000, "last_flow_ms": 2000, "last_counter_ms": 1000, "uptime_ms": 90000,
        "restarts": 0, "datagrams": 100, "lost": 0, "out_of_order": 0, "duplicates": 0, "flow_samples": 10,
        "counter_samples": 20, "discard_samples": 0,
        "data_sources": [{
            "data_source": "2", "name": "eth0", "speed": 1000000000, "sampling_rate": 400, "previous_sampling_rates": [],
            "sample_pool": 4000, "drops": 0, "flow_samples": 10, "counter_samples": 10, "polling_interval_s": 20.0,
        }],
    }
    row.update(values)
    return row


def fleet(rows, total=None, offset=0, **collector):
    account = {
        "name": "netviz.sflow", "version": "1.0.0", "decoder": "scalar", "now": 1.0, "uptime_ms": 1000, "agents": len(rows),
        "udp": {"address": "::", "port": 6343, "datagrams": 100, "kernel_drops": 0, "truncated": 0, "refused": 0},
        "errors": {}, "unknown_records": {}, "overflow_datagrams": 0,
    }
    account.update(collector)
    return {"collector": account, "total": len(rows) if total is None else total, "offset": offset, "limit": 1000, "agents": rows}


def sflow_rt(agents, names=None):
    """The answers of an sFlow-RT 3.0; the rows are shaped as a real one's were."""
    def row(values):
        base = {
            "sFlowDatagramSource": ["172.17.0.1"], "firstSeen": 24877, "lastSeen": 8, "uptime": 24874,
            "sFlowDatagramsReceived": 247, "sFlowDatagramsLost": 0, "sFlowDatagramsOutOfOrder": 0, "sFlowDatagramsDuplicates": 0,
            "sFlowFlowSamples": 2222, "sFlowFlowDrops": 0, "sFlowFlowDatasources": 1, "sFlowCounterSamples": 48,
            "sFlowCounterDatasources": 2,
        }
        base.update(values)
        return base

    return {
        "/version": "3.0-1536",
        "/agents/json": {agent: row(values) for agent, values in agents.items()},
        "/analyzer/json": {"version": "3.0-1536", "uptime": 60000, "sFlowAgents": len(agents), "sFlowDatagramsReceived": 247,
                           "sFlowDatagramsDiscarded": 0, "sFlowParseErrors": 0, "sFlowUnsupportedVersion": 0},
        "/dump/ALL/host_name/json": [
            {"agent": agent, "dataSource": "2.1", "metricName": "host_name", "metricValue": name, "lastUpdate": 8}
            for agent, name in (names or {}).items()
        ],
    }
