# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the playbooks themselves, which no role's argument specification covers. Control node only."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.netviz.sflow.plugins.module_utils._agents_api import ApiError, base_url
from ansible_collections.netviz.sflow.plugins.plugin_utils._settings import Rule, is_switch, listed

BATCHES = [1, "10%", "100%"]
WEEK = 7 * 86400  # no time of a proof is as long as that


def _is_number(value: Any, least: float = 0, most: float = WEEK - 1) -> bool:
    try:
        return not isinstance(value, bool) and least <= float(value) <= most
    except (TypeError, ValueError):
        return False


def _are_batches(value: Any) -> bool:
    sizes = listed(value)
    return bool(sizes) and all(re.fullmatch(r"[1-9][0-9]*|(100|[1-9]?[0-9])%", size) for size in sizes)


def _are_kinds(value: Any) -> bool:
    kinds = value.split(",") if isinstance(value, str) else value
    return isinstance(kinds, (list, tuple)) and {str(kind).strip() for kind in kinds} <= {"counters", "flows"}


def _are_urls(value: Any) -> bool:
    try:
        return all(base_url(str(url)) for url in ([value] if isinstance(value, str) else value))
    except (ApiError, TypeError):
        return False


def _is_token(value: Any) -> bool:
    return bool(re.fullmatch(r"[!-~]*", str(value).strip()))


RULES: dict[str, Rule] = {
    "sflow_rollout_batches": (_are_batches, 'a list of numbers of hosts, at least 1, and percentages, such as [1, "10%", "100%"]'),
    "sflow_rollout_max_failures": (lambda value: bool(re.fullmatch("[0-9]+", str(value))), "a whole number of hosts"),
    "sflow_rollout_rollback": (is_switch, "true or false"),
    "sflow_rollout_new_hosts": (lambda value: value in ("remove", "stop"), "remove or stop"),
    "sflow_proof_flows": (is_switch, "true or false"),
    "sflow_proof_timeout_seconds": (_is_number, "a number of seconds, less than a week"),
    "sflow_proof_max_age_seconds": (lambda value: _is_number(value, 1), "a number of seconds, at least 1, less than a week"),
    "sflow_proof_max_loss_percent": (lambda value: _is_number(value, 0, 100), "a number from 0 to 100"),
    "sflow_proof_require": (_are_kinds, "a list of counters and flows"),
    "sflow_proof_token": (_is_token, "letters, digits and signs without a space, or nothing"),
    "sflow_proof_host": (lambda value: isinstance(value, str) and bool(value.strip()), "the name of a host of the inventory, or localhost"),
    "sflow_proof_url": (lambda value: not value or _are_urls(value), "http://HOST:PORT or https://HOST:PORT without a password, or a list of these"),
}

NAMES = (*RULES, "sflow_report_path")
PREFIXES = ("sflow_rollout_", "sflow_proof_", "sflow_report_")
SECRETS = ("sflow_proof_token",)
