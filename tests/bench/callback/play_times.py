# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: play_times
type: aggregate
short_description: Time and CPU of each play, and which hosts each task ran on
description:
  - Writes a list of plays to the file that the environment variable C(PLAY_TIMES) names, each with C(name), C(seconds), C(cpu_seconds)
    (of the control node, processes of the hosts included) and C(tasks), which have C(name), C(seconds) and C(hosts) (not skipped).
requirements:
  - enable in configuration
"""


def cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "play_times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.plays: list[dict[str, Any]] = []

    def end_task(self) -> None:
        if self.plays and self.plays[-1]["tasks"]:
            task = self.plays[-1]["tasks"][-1]
            task.setdefault("seconds", time.monotonic() - task.pop("begun", 0))

    def end_play(self) -> None:
        self.end_task()
        if self.plays:
            play = self.plays[-1]
            play.update(seconds=time.monotonic() - play.pop("begun"), cpu_seconds=cpu_seconds() - play.pop("cpu_before"))

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self.end_play()
        self.plays.append({"name": play.get_name(), "begun": time.monotonic(), "cpu_before": cpu_seconds(), "tasks": []})

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self.end_task()
        self.plays[-1]["tasks"].append({"name": task.get_name(), "begun": time.monotonic(), "hosts": []})

    def v2_runner_on_ok(self, result: Any) -> None:
        self.plays[-1]["tasks"][-1]["hosts"].append(result._host.get_name())

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.end_play()
        with open(os.environ["PLAY_TIMES"], "w", encoding="utf-8") as stream:
            json.dump(self.plays, stream)
