# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as tables of fields: how such a table is read, and the one of flow records that are no packet.

A table maps a record tag to its fields in order, written "name:code" with codes of the struct module ("s" is a string
with its length in front, "u" a UUID). A "+" behind the name marks what grows. A record longer than its fields is a newer
edition; what follows is left alone.
"""

import struct
from typing import Dict, List, Optional, Tuple, Union

from .packet import Bytes

Value = Union[int, float, str]
Field = Tuple[str, bool, str]  # name, whether it grows, code
Table = Dict[int, Tuple[Optional[struct.Struct], List[Field]]]

#: Flow records that `decode` prints: what hsflowd and applications say beside the sampled packet.
FLOW_FIELDS = {
    2202: "app_name:s app_operation:s app_attributes:s app_status_text:s app_req_bytes:Q app_resp_bytes:Q "
          "app_duration_us:I app_status:I",
    2203: "app_parent_name:s app_parent_operation:s app_parent_attributes:s",
    2204: "app_initiator:s",
    2205: "app_target:s",
    2206: "http_method:I http_protocol:I http_uri:s http_host:s http_referer:s http_useragent:s http_xff:s "
          "http_authuser:s http_mimetype:s http_req_bytes:Q http_resp_bytes:Q http_duration_us:I http_status:i",
    2209: "tcp_direction:I tcp_snd_mss:I tcp_rcv_mss:I tcp_unacked:I tcp_lost:I tcp_retrans:I tcp_pmtu:I tcp_rtt_us:I "
          "tcp_rttvar_us:I tcp_snd_cwnd:I tcp_reordering:I tcp_min_rtt_us:I",
}
FLOW_TEXTS = {
    "app_status": ("success", "other", "timeout", "internal_error", "bad_request", "forbidden", "too_large",
                   "not_implemented", "not_found", "unavailable", "unauthorized"),
    "http_method": ("other", "options", "get", "head", "post", "put", "delete", "trace", "connect"),
    "tcp_direction": ("unknown", "received", "sent"),
}
MAX_STRING = 255
_WORD = struct.Struct(">I")


def compiled(table: Dict[int, str]) -> Table:
    """A table for read(): runs of numbers get one struct."""
    out: Table = {}
    for tag, text in table.items():
        fields = []
        for item in text.split():
            name, _colon, code = item.partition(":")
            fields.append((name.rstrip("+"), name.endswith("+"), code))
        plain = all(code not in "su" for _name, _grows, code in fields)
        out[tag] = struct.Struct(">" + "".join(code for _name, _grows, code in fields)) if plain else None, fields
    return out


def read(table: Table, tag: int, body: Bytes, start: int, end: int, out: Dict[str, Value]) -> None:
    """Read the fields of the record in body[start:end] into out; one that is cut short gives what it has."""
    if tag not in table:
        return
    layout, fields = table[tag]
    if layout is not None and start + layout.size <= end:
        for (name, _grows, _code), value in zip(fields, layout.unpack_from(body, start)):
            out[name] = value
        return
    for name, _grows, code in fields:
        if code == "s":
            text, start = string(body, start, end)
            if text is None:
                return
            out[name] = text
        elif code == "u":
            if start + 16 > end:
                return
            out[name] = bytes(body[start:start + 16]).hex()
            start += 16
        else:
            size = struct.calcsize(code)
            if start + size > end:
                return
            out[name], = struct.unpack_from(">" + code, body, start)
            start += size


def string(body: Bytes, start: int, end: int) -> Tuple[Optional[str], int]:
    """A counted string and the position behind it; (None, end) when it does not fit."""
    if start + 4 > end:
        return None, end
    size, = _WORD.unpack_from(body, start)
    if start + 4 + size > end:
        return None, end
    text = bytes(body[start + 4:start + 4 + min(size, MAX_STRING)]).decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "?" for c in text)
    return text, start + 4 + ((size + 3) & ~3)


_FLOW = compiled(FLOW_FIELDS)


def flow(body: Bytes, records: List[Tuple[int, int, int]]) -> Dict[str, Value]:
    """What records (tag, first byte, end) of a flow sample say beside the packet, codes as words."""
    out: Dict[str, Value] = {}
    for tag, start, end in records:
        read(_FLOW, tag, body, start, end, out)
    for name, texts in FLOW_TEXTS.items():
        value = out.get(name)
        if isinstance(value, int) and value < len(texts):
            out[name] = texts[value]
    return out
