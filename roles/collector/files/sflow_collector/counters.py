# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counter samples say: a table of records and their fields, read only when somebody asks.

FIELDS is a table as records.py reads it. Fields that grow are marked "+": as metrics they become rates. Names are those
sFlow-RT uses, where it is known how it calls them.
"""

import math
import struct
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import records, wire

HOST = 2 << 32 | 1  # the data source of a physical host, "2.1"

FIELDS = {
    1: "ifindex:I iftype:I ifspeed:Q ifdirection:I ifstatus:I ifinoctets+:Q ifinucastpkts+:I ifinmulticastpkts+:I "
       "ifinbroadcastpkts+:I ifindiscards+:I ifinerrors+:I ifinunknownprotos+:I ifoutoctets+:Q ifoutucastpkts+:I "
       "ifoutmulticastpkts+:I ifoutbroadcastpkts+:I ifoutdiscards+:I ifouterrors+:I ifpromiscuousmode:I",
    1005: "ifname:s",
    2000: "host_name:s uuid:u machine_type:I os_name:I os_release:s",
    2002: "parent_class:I parent_index:I",
    2003: "load_one:f load_five:f load_fifteen:f proc_run:I proc_total:I cpu_num:I cpu_speed:I uptime:I cpu_user+:I "
          "cpu_nice+:I cpu_system+:I cpu_idle+:I cpu_wio+:I cpu_intr+:I cpu_sintr+:I interrupts+:I contexts+:I",
    2004: "mem_total:Q mem_free:Q mem_shared:Q mem_buffers:Q mem_cached:Q swap_total:Q swap_free:Q page_in+:I "
          "page_out+:I swap_in+:I swap_out+:I",
    2005: "disk_total:Q disk_free:Q part_max_used:I disk_reads+:I bytes_read+:Q read_time+:I disk_writes+:I "
          "bytes_written+:Q write_time+:I",
    2006: "bytes_in+:Q pkts_in+:I errs_in+:I drops_in+:I bytes_out+:Q pkts_out+:I errs_out+:I drops_out+:I",
    2007: "ip_forwarding:I ip_default_ttl:I ip_in_receives+:I ip_in_hdr_errors+:I ip_in_addr_errors+:I "
          "ip_forw_datagrams+:I ip_in_unknown_protos+:I ip_in_discards+:I ip_in_delivers+:I ip_out_requests+:I "
          "ip_out_discards+:I ip_out_no_routes+:I ip_reasm_timeout:I ip_reasm_reqds+:I ip_reasm_oks+:I "
          "ip_reasm_fails+:I ip_frag_oks+:I ip_frag_fails+:I ip_frag_creates+:I",
    2009: "tcp_rto_algorithm:I tcp_rto_min:I tcp_rto_max:I tcp_max_conn:I tcp_active_opens+:I tcp_passive_opens+:I "
          "tcp_attempt_fails+:I tcp_estab_resets+:I tcp_curr_estab:I tcp_in_segs+:I tcp_out_segs+:I "
          "tcp_retrans_segs+:I tcp_in_errs+:I tcp_out_rsts+:I tcp_in_csum_errs+:I",
    2010: "udp_in_datagrams+:I udp_no_ports+:I udp_in_errors+:I udp_out_datagrams+:I udp_rcvbuf_errors+:I "
          "udp_sndbuf_errors+:I udp_in_csum_errors+:I",
    2100: "vnode_mhz:I vnode_cpus:I vnode_memory:Q vnode_memory_free:Q vnode_domains:I",
    2101: "vcpu_state:I vcpu_time+:I vcpu_num:I",
    2102: "vmem_memory:Q vmem_max_memory:Q",
    2103: "vdisk_capacity:Q vdisk_allocation:Q vdisk_free:Q vdisk_rd_req+:I vdisk_rd_bytes+:Q vdisk_wr_req+:I "
          "vdisk_wr_bytes+:Q vdisk_errs+:I",
    2104: "vbytes_in+:Q vpkts_in+:I verrs_in+:I vdrops_in+:I vbytes_out+:Q vpkts_out+:I verrs_out+:I vdrops_out+:I",
    2201: "http_method_option+:I http_method_get+:I http_method_head+:I http_method_post+:I http_method_put+:I "
          "http_method_delete+:I http_method_trace+:I http_method_connect+:I http_method_other+:I http_status_1xx+:I "
          "http_status_2xx+:I http_status_3xx+:I http_status_4xx+:I http_status_5xx+:I http_status_other+:I",
    2202: "app_name:s app_success+:I app_other+:I app_timeout+:I app_internal_error+:I app_bad_request+:I "
          "app_forbidden+:I app_too_large+:I app_not_implemented+:I app_not_found+:I app_unavailable+:I "
          "app_unauthorized+:I",
    2203: "app_user_time+:I app_system_time+:I app_mem_used:Q app_mem_max:Q app_fd_open:I app_fd_max:I app_conn_open:I "
          "app_conn_max:I",
    2206: "workers_active:I workers_idle:I workers_max:I req_delayed+:I req_dropped+:I",
}

MACHINE_TYPES = ("unknown", "other", "x86", "x86_64", "ia64", "sparc", "alpha", "powerpc", "m68k", "mips", "arm",
                 "hppa", "s390")
OS_NAMES = ("unknown", "other", "linux", "windows", "darwin", "hpux", "aix", "dragonfly", "freebsd", "netbsd",
            "openbsd", "osf", "solaris")
TEXTS = {"machine_type": MACHINE_TYPES, "os_name": OS_NAMES}
_WORD = struct.Struct(">I")
_PAIR = struct.Struct(">II")
_SPEED = struct.Struct(">8xQ")  # in the record 0:1, behind index and type of the interface


_COMPILED = records.compiled(FIELDS)
GROWING = {name: (1 << 64 if code == "Q" else 1 << 32)
           for _layout, fields in _COMPILED.values() for name, grows, code in fields if grows}


def _records(body: bytes) -> Iterator[Tuple[int, int, int]]:
    """(tag, start, end) of the records of a kept counter sample, whose first word is their number."""
    for tag, start, end in wire.records(body, 4, len(body), _WORD.unpack_from(body, 0)[0]):
        if tag is None:
            return
        yield tag, start, end


def read(body: bytes) -> Dict[str, Any]:
    """All values of a kept counter sample by name, as they came."""
    return values(body, _records(body))


def values(body: Any, found: Any) -> Any:
    """All values of the records (tag, first byte, end) of any counter sample, as they came."""
    out: Dict[Any, Any] = {}
    for tag, start, end in found:
        records.read(_COMPILED, tag, body, start, end, out)
    return out


def identity(body: bytes) -> Tuple[int, bytes, Optional[Tuple[str, str]]]:
    """(first byte, record, (host name, UUID)) of what a kept counter sample says of its host, (0, b"", None) when it does not."""
    position, unpack = 4, _PAIR.unpack_from
    try:
        for _unused in range(_WORD.unpack_from(body)[0]):  # as wire.records, which every new agent would pay for
            tag, size = unpack(body, position)
            first, position = position, position + (size + 11 & ~3)
            if tag == 2000 and position <= len(body):
                last = first + 8 + size
                name, behind = records.string(body, first + 8, last)
                if name is None:
                    break
                return first, body[first:last], (name, body[behind:behind + 16].hex() if behind + 16 <= last else "")
    except struct.error:  # there are fewer records than it says
        pass
    return 0, b"", None


def describe(body: bytes) -> Tuple[Optional[str], Optional[int]]:
    """(interface name, speed in bit/s), None where the sample does not say."""
    name = speed = None
    for tag, start, end in wire.records(body, 4, len(body), _WORD.unpack_from(body, 0)[0]):
        if tag == 1 and start + _SPEED.size <= end:
            speed, = _SPEED.unpack_from(body, start)
        elif tag == 1005:
            name = records.string(body, start, end)[0] or name
    return name, speed


def metrics(body: bytes, previous: bytes, seconds: float) -> Dict[str, Any]:
    """Values as sFlow-RT serves them: rates for what grows (when there is an earlier sample), texts for codes."""
    values = read(body)
    earlier = read(previous) if previous and seconds > 0 else {}
    out: Dict[str, Any] = {}
    for name, value in values.items():
        if name in GROWING:
            if name not in earlier:
                continue
            grown = (value - earlier[name]) % GROWING[name]
            if grown > GROWING[name] // 2:  # the counter was reset
                continue
            value = grown / seconds
        elif name in TEXTS:
            value = TEXTS[name][value] if value < len(TEXTS[name]) else "unknown"
        elif isinstance(value, float) and not math.isfinite(value):
            continue
        out[name] = value
    _derive(out)
    return out


def _derive(out: Dict[str, Any]) -> None:
    """Metrics that are made of others."""
    if "ifstatus" in out:
        status = out.pop("ifstatus")
        out["ifadminstatus"] = "up" if status & 1 else "down"
        out["ifoperstatus"] = "up" if status & 2 else "down"
        out["ifindex"] = str(out["ifindex"]) if "ifindex" in out else None
        for way in "in", "out":
            parts = [out.get("if%s%spkts" % (way, kind)) for kind in ("ucast", "multicast", "broadcast")]
            if None not in parts:
                out["if%spkts" % way] = sum(parts)
            octets = out.get("if%soctets" % way)
            if octets is not None and out.get("ifspeed"):
                out["if%sutilization" % way] = 100.0 * 8 * octets / out["ifspeed"]
    if "part_max_used" in out:
        out["part_max_used"] /= 100.0
    busy: List[Any] = [out.get("cpu_" + kind) for kind in ("user", "nice", "system", "idle", "wio", "intr", "sintr")]
    if None not in busy and sum(busy) > 0:
        out["cpu_utilization"] = 100.0 * (sum(busy) - out["cpu_idle"]) / sum(busy)
    if out.get("mem_total"):
        free = sum(out.get("mem_" + kind, 0) for kind in ("free", "buffers", "cached"))
        out["mem_used"] = max(0, out["mem_total"] - free)
        out["mem_utilization"] = 100.0 * out["mem_used"] / out["mem_total"]
