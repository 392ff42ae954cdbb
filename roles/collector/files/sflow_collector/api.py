# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which path answers what: the table of the HTTP interface, and the files of the page."""

import hashlib
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

from . import VERSION, prometheus, views
from .web import Response

JSON = "application/json"
MAX_LIMIT = 100000
WITH_SAMPLES = ("/metrics/json", "/metric/", "/dump/")  # paths whose answers are values of counter samples
SCRIPT = "/app/vizceral/scripts/traffic.js/"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
         ".js": "text/javascript; charset=utf-8"}


class Api:
    """Answers requests from what a collector knows."""

    def __init__(self, core: Any, web_dir: Any = None, healthy: Optional[Callable[..., Any]] = None,
                 refresh: Optional[Callable[..., Any]] = None) -> None:
        self.core = core
        self.web_dir = web_dir or os.path.join(os.path.dirname(os.path.abspath(__file__)), "web")
        self.healthy = healthy or (lambda: None)
        self.refresh = refresh or (lambda with_samples: core.flush())  # brings what has arrived into the account
        self.requests = 0
        self.paths = {
            "/version": self.version, "/healthz": self.healthz, "/metrics": self.prometheus,
            "/agents/json": self.agents, "/analyzer/json": self.analyzer, "/metrics/json": self.metrics,
            "/scripts/json": self.scripts, "/apps/json": self.apps, "/fleet/json": self.fleet,
            "/traffic/json": self.traffic, "/traffic/talkers/json": self.talkers,
            "/app/vizceral/status": self.status, SCRIPT + "data/json": self.vizceral,
            SCRIPT + "groups/json": self.groups,
        }

    def __call__(self, request: Any) -> "Response":
        self.requests += 1
        handler = self.paths.get(request.path)
        if handler in (self.version, self.healthz, self.status, self.apps, self.groups):
            return handler(request)
        parts = request.path.strip("/").split("/")
        if handler is None and parts[0] not in ("metric", "dump"):
            return self.file(request)
        self.refresh(request.path.startswith(WITH_SAMPLES))
        if handler is not None:
            return handler(request)
        if parts[-1] == "json" and parts[0] == "metric" and len(parts) == 3:
            return self.json(views.metric(self.core, parts[1]))
        if parts[-1] == "json" and parts[0] == "metric" and len(parts) == 4:
            return self.json(views.metric_rows(self.core, _split(parts[1]), _split(parts[2])[:64], request.query))
        if parts[-1] == "json" and parts[0] == "dump" and len(parts) == 4:
            return self.json(views.dump(self.core, _split(parts[1]), _split(parts[2]), request.query))
        return self.file(request)

    @staticmethod
    def json(value: Union[Dict[str, Any], Iterator[Any]], status: int = 200) -> "Response":
        """A value, or pieces of JSON, as an answer that no cache keeps."""
        body = views.dumps(value) if isinstance(value, (dict, list)) else value
        return Response(status, body, JSON, [("Cache-Control", "no-store")])

    def version(self, _request: Any) -> "Response":
        return Response(200, VERSION.encode("ascii"))

    def healthz(self, _request: Any) -> "Response":
        problem = self.healthy()
        return Response(503 if problem else 200, ("%s\n" % (problem or "OK")).encode("utf-8"))

    def status(self, _request: Any) -> "Response":
        return Response(200, b"OK")

    def prometheus(self, _request: Any) -> "Response":
        return Response(200, prometheus.render(self.core), prometheus.TYPE)

    def agents(self, request: Any) -> "Response":
        return self.json(views.agents(self.core, request.query.get("agent", ())))

    def analyzer(self, _request: Any) -> "Response":
        return self.json(views.analyzer(self.core))

    def metrics(self, _request: Any) -> "Response":
        return self.json(views.metrics(self.core))

    def scripts(self, _request: Any) -> "Response":
        """The one "script" is the collector itself: whoever watches sFlow-RT's app by alive can watch this."""
        return self.json({"vizceral~traffic.js": {
            "alive": True, "cpuMs": int(self.core.usage()[0] * 1000), "requestsReceived": self.requests,
            "requestsLost": 0, "flowsReceived": 0, "flowsLost": 0, "eventsReceived": 0, "eventsLost": 0}})

    def apps(self, _request: Any) -> "Response":
        return self.json({"vizceral": {"scripts": ["vizceral~traffic.js"], "entry": "/"}})

    def fleet(self, request: Any) -> "Response":
        query = request.query
        try:
            offset = max(0, int(query.get("offset", ["0"])[0]))
            limit = min(MAX_LIMIT, max(0, int(query.get("limit", ["1000"])[0])))
        except ValueError:
            return self.json({"error": "offset and limit must be whole numbers"}, 400)
        return self.json(views.fleet(self.core, query.get("agent", ()), query.get("q", [""])[0], offset, limit))

    def traffic(self, _request: Any) -> "Response":
        return self.json(views.pairs(self.core))

    def talkers(self, request: Any) -> "Response":
        found = views.talkers(self.core, request.query.get("source", [""])[0], request.query.get("target", [""])[0])
        return self.json({"error": "no such group"}, 404) if found is None else self.json(found)

    def vizceral(self, _request: Any) -> "Response":
        return self.json(views.vizceral(self.core))

    def groups(self, _request: Any) -> "Response":
        return self.json(self.core.traffic.groups.mapping)

    def public(self, path: str) -> bool:
        """Whether a path needs no token: the page holds no data, and asks for the token itself."""
        return path == "/healthz" or (path.lstrip("/") or "index.html") in self._files()

    def file(self, request: Any) -> "Response":
        """A file of the page. Only names that the folder lists are served, so no path leads out of it."""
        name = request.path.lstrip("/") or "index.html"
        files = self._files()
        if name not in files:
            return Response(404, b"not found\n")
        path = files[name]
        with open(path, "rb") as stream:
            body = stream.read()
        tag = '"%s"' % hashlib.sha256(body).hexdigest()[:32]
        headers = [("ETag", tag), ("Cache-Control", "no-cache")]
        if request.headers.get("if-none-match") == tag:
            return Response(304, b"", TYPES[os.path.splitext(name)[1]], headers)
        return Response(200, body, TYPES[os.path.splitext(name)[1]], headers)

    def _files(self) -> Dict[str, str]:
        out = {}
        for folder, _folders, names in os.walk(self.web_dir):
            for name in names:
                if os.path.splitext(name)[1] in TYPES:
                    path = os.path.join(folder, name)
                    out[os.path.relpath(path, self.web_dir)] = path
        return out


def _split(text: str) -> List[str]:
    return [part for part in text.replace(";", ",").split(",") if part]
