# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hsflowd.conf can say, as data.

Read in host-sflow's src/Linux/hsflowconfig.c and hsflowtokens.h at v2.1.25-4; the first tag of every word by a walk over all
v2.* tags; the kinds and limits were tried on real daemons (v2.0.25-3, v2.0.53-1, v2.1.18-1, v2.1.25-4).
"""

U32 = 4294967295
SPEED_MAX = 9223372036854775807
MAX_TOKEN = 254  # readTokens: HSP_MAX_LINELEN and the token buffer
# readTokens takes these for separators, braces, comments, or quotes; and quotes themselves are broken, so a value carries none of them.
FORBIDDEN = ' \t\r\n\v\f=;{}#"'

# Objects: name -> (may repeat, first tag, module that must be loaded).
OBJECTS = {
    "collector": (True, "2.0.1", None),
    "dns-sd": (False, "2.0.1", "dnssd"),
    "pcap": (True, "2.0.1", "pcap"),
    "epcap": (True, "2.1.14-2", "epcap"),
    "tcp": (False, "2.0.5", "tcp"),
    "nflog": (False, "2.0.1", "nflog"),
    "ulog": (False, "2.0.1", "ulog"),
    "psample": (False, "2.0.20-1", "psample"),
    "dropmon": (False, "2.0.29-2", "dropmon"),
    "docker": (False, "2.0.1", "docker"),
    "containerd": (False, "2.0.37-1", "containerd"),
    "k8s": (False, "2.0.51-16", "k8s"),
    "kvm": (False, "2.0.1", "kvm"),
    "xen": (False, "2.0.1", "xen"),
    "ovs": (False, "2.0.1", "ovs"),
    "nvml": (False, "2.0.1", "nvml"),
    "dbus": (False, "2.0.7", "dbus"),
    "eapi": (False, "2.0.9-1", "eapi"),
    "systemd": (False, "2.0.7", "systemd"),
    "json": (False, "2.0.1", "json"),
    "dent": (False, "2.0.32-1", "dent"),
    "nlroute": (False, "2.1.05-4", "nlroute"),
    "vpp": (False, "2.1.10-1", "vpp"),
}
# Objects of switch operating systems: the parser knows them, no Linux package has their modules.
SWITCH_OBJECTS = ("sonic", "cumulus", "opx", "os10")

# One row per attribute: object ("" is the top level), name, kind, lowest, highest, default of the daemon, first tag.
# A kind is: int, float, onoff, device, ip, address, domain, cidr, regex, path, uuid, word, speed.
ROWS = (
    # top level: hsflowconfig.c, case HSPOBJ_SFLOW
    ("", "polling", "int", 0, 300, 30, "2.0.1"),
    ("", "sampling", "int", 0, 10000000, 400, "2.0.1"),  # up to 65535 before v2.0.14
    ("", "agent", "device", None, None, None, "2.0.1"),
    ("", "agentIP", "address", None, None, None, "2.0.1"),
    ("", "agent.cidr", "cidr", None, None, None, "2.0.1"),  # "!" since v2.0.36-1
    ("", "headerBytes", "int", 0, 256, 128, "2.0.1"),
    ("", "datagramBytes", "int", 200, 8192, 1400, "2.0.1"),
    ("", "subAgentId", "int", 0, 199999, 100000, "2.0.1"),
    ("", "uuid", "uuid", None, None, None, "2.0.1"),
    ("", "refreshAdaptors", "int", 60, 3600, 180, "2.0.1"),
    ("", "checkAdaptors", "int", 1, 3600, 10, "2.0.10-1"),
    ("", "refreshVMs", "int", 60, 3600, 60, "2.0.1"),
    ("", "forgetVMs", "int", 60, U32, 180, "2.0.1"),
    ("", "modules", "path", None, None, "/etc/hsflowd/modules", "2.0.1"),
    # case HSPOBJ_COLLECTOR
    ("collector", "ip", "ip", None, None, None, "2.0.1"),
    ("collector", "udpport", "int", 1, 65535, 6343, "2.0.1"),
    ("collector", "dev", "device", None, None, None, "2.0.12"),
    ("collector", "namespace", "word", None, None, None, "2.0.12"),
    # case HSPOBJ_DNSSD
    ("dns-sd", "domain", "domain", None, None, None, "2.0.1"),
    # case HSPOBJ_PCAP
    ("pcap", "dev", "device", None, None, None, "2.0.1"),
    ("pcap", "dev.pattern", "regex", None, None, None, "2.1.14-2"),
    ("pcap", "speed", "speed", 0, SPEED_MAX, None, "2.0.5"),
    ("pcap", "sampling", "int", 0, 10000000, None, "2.0.48-1"),
    ("pcap", "promisc", "onoff", None, None, False, "2.0.1"),
    ("pcap", "vport", "onoff", None, None, None, "2.0.4"),
    ("pcap", "dynamic", "onoff", None, None, False, "2.1.14-2"),
    # case HSPOBJ_EPCAP
    ("epcap", "dev", "device", None, None, None, "2.1.14-2"),
    ("epcap", "dev.pattern", "regex", None, None, None, "2.1.14-2"),
    ("epcap", "speed", "speed", 0, SPEED_MAX, None, "2.1.14-2"),
    ("epcap", "sampling", "int", 0, 10000000, None, "2.1.14-2"),
    ("epcap", "promisc", "onoff", None, None, False, "2.1.14-2"),
    ("epcap", "vport", "onoff", None, None, None, "2.1.14-2"),
    ("epcap", "dynamic", "onoff", None, None, False, "2.1.14-2"),
    # case HSPOBJ_NFLOG, HSPOBJ_ULOG: group 0 (the default) means not opened
    ("nflog", "group", "int", 1, 32, 0, "2.0.1"),
    ("nflog", "probability", "float", 0, 1, 0, "2.0.1"),
    ("ulog", "group", "int", 1, 32, 0, "2.0.1"),
    ("ulog", "probability", "float", 0, 1, 0, "2.0.1"),
    # case HSPOBJ_PSAMPLE
    ("psample", "group", "int", 1, 32, 1, "2.0.20-1"),
    ("psample", "ingress", "onoff", None, None, True, "2.0.34-1"),
    ("psample", "egress", "onoff", None, None, False, "2.0.34-1"),
    # case HSPOBJ_DROPMON
    ("dropmon", "start", "onoff", None, None, True, "2.0.29-2"),
    ("dropmon", "limit", "int", 1, 10000, 100, "2.0.29-3"),
    ("dropmon", "max", "int", 1, U32, 100000, "2.0.32-1"),
    ("dropmon", "max_trip", "int", 1, U32, 2, "2.1.14-2"),
    ("dropmon", "sw", "onoff", None, None, True, "2.0.30-1"),
    ("dropmon", "hw", "onoff", None, None, True, "2.0.30-1"),
    ("dropmon", "rn", "onoff", None, None, True, "2.0.50-3"),
    ("dropmon", "hw_unknown", "onoff", None, None, False, "2.0.43-1"),
    ("dropmon", "hide", "regex", None, None, None, "2.0.54-1"),
    ("dropmon", "sw_passive", "onoff", None, None, False, "2.0.52-1"),
    ("dropmon", "hw_passive", "onoff", None, None, False, "2.0.52-1"),
    ("dropmon", "force", "onoff", None, None, True, "2.1.24-1"),
    # case HSPOBJ_TCP
    ("tcp", "tunnel", "onoff", None, None, False, "2.0.32-1"),
    ("tcp", "udp", "onoff", None, None, False, "2.0.51-16"),
    ("tcp", "dump", "onoff", None, None, False, "2.0.53-1"),
    # case HSPOBJ_DOCKER, HSPOBJ_CONTAINERD, HSPOBJ_K8S, HSPOBJ_KVM, HSPOBJ_XEN
    ("docker", "hostname", "onoff", None, None, False, "2.0.21-7"),
    ("docker", "markTraffic", "onoff", None, None, False, "2.0.30-1"),
    ("docker", "refreshVMs", "int", 60, 3600, 60, "2.0.1"),
    ("docker", "forgetVMs", "int", 60, U32, 180, "2.0.1"),
    ("containerd", "hostname", "onoff", None, None, False, "2.0.37-1"),
    ("containerd", "markTraffic", "onoff", None, None, False, "2.0.37-1"),
    ("containerd", "forgetVMs", "int", 60, U32, 180, "2.0.37-1"),
    ("k8s", "markTraffic", "onoff", None, None, False, "2.0.51-16"),
    ("k8s", "eof", "onoff", None, None, False, "2.0.53-1"),
    ("k8s", "setIfAlias", "onoff", None, None, True, "2.1.14-2"),
    ("k8s", "setIfName", "onoff", None, None, True, "2.1.14-2"),
    ("k8s", "unixsock", "path", None, None, None, "2.1.22-1"),
    ("kvm", "refreshVMs", "int", 60, 3600, 60, "2.0.1"),
    ("kvm", "forgetVMs", "int", 60, U32, 180, "2.0.1"),
    ("xen", "dsk", "onoff", None, None, True, "2.0.1"),
    ("xen", "update.dominfo", "onoff", None, None, False, "2.0.1"),
    ("xen", "vbd", "path", None, None, None, "2.0.1"),
    ("xen", "switchport", "regex", None, None, None, "2.0.1"),
    ("xen", "refreshVMs", "int", 60, 3600, 60, "2.0.1"),
    ("xen", "forgetVMs", "int", 60, U32, 180, "2.0.1"),
    # case HSPOBJ_SYSTEMD, HSPOBJ_JSON, HSPOBJ_DENT, HSPOBJ_NLROUTE, HSPOBJ_VPP; ovs, nvml, dbus and eapi take no attribute
    ("systemd", "refreshVMs", "int", 10, 3600, 60, "2.0.7"),
    ("systemd", "dropPriv", "onoff", None, None, False, "2.0.7"),
    ("systemd", "cgroup_procs", "word", None, None, None, "2.0.9-1"),
    ("systemd", "cgroup_acct", "word", None, None, None, "2.0.9-1"),
    ("systemd", "markTraffic", "onoff", None, None, False, "2.0.18-1"),
    ("json", "udpPort", "int", 0, 65535, 0, "2.0.1"),
    ("json", "fifo", "path", None, None, None, "2.0.1"),
    ("dent", "switchport", "regex", None, None, None, "2.0.32-1"),
    ("dent", "sw", "onoff", None, None, False, "2.0.32-1"),
    ("nlroute", "limit", "int", 0, 500, 50, "2.1.05-4"),
    ("nlroute", "link", "onoff", None, None, True, "2.1.14-2"),
    ("nlroute", "addr", "onoff", None, None, True, "2.1.14-2"),
    ("nlroute", "setIfAlias", "onoff", None, None, True, "2.1.14-2"),
    ("vpp", "ifOffset", "int", 0, U32, 1000000000, "2.1.11-5"),
    ("vpp", "osIndex", "onoff", None, None, True, "2.1.13-2"),
)

# Spellings that still parse and are refused here, with what to write: (object, name) -> replacement.
DEPRECATED = {
    ("", "counterPollingInterval"): "hsflowd_polling",
    ("", "packetSamplingRate"): "hsflowd_sampling",
    ("", "DNSSD"): "hsflowd_dns_sd",
    ("", "DNSSD_domain"): "hsflowd_dns_sd: {domain: ...}",
    ("", "loopback"): "nothing: hsflowd ignores it",
    ("", "samplingDirection"): "psample with ingress and egress: hsflowd ignores it since 2.0.38-1",
    ("", "ulogGroup"): "ulog: {group: ...}",
    ("", "ulogProbability"): "ulog: {probability: ...}",
    ("", "nflogGroup"): "nflog: {group: ...}",
    ("", "nflogProbability"): "nflog: {probability: ...}",
    ("", "jsonPort"): "json: {udpPort: ...}",
    ("", "jsonFIFO"): "json: {fifo: ...}",
    ("", "xen.update.dominfo"): "xen: {update.dominfo: ...}",
    ("", "xen.dsk"): "xen: {dsk: ...}",
    ("dns-sd", "DNSSD_domain"): "domain",
    ("nflog", "nflogGroup"): "group",
    ("nflog", "nflogProbability"): "probability",
    ("ulog", "ulogGroup"): "group",
    ("ulog", "ulogProbability"): "probability",
    ("xen", "xen.dsk"): "dsk",
    ("xen", "xen.update.dominfo"): "update.dominfo",
    ("json", "jsonPort"): "udpPort",
    ("json", "jsonFIFO"): "fifo",
    ("dropmon", "group"): "nothing: hsflowd ignores it, and 2.0.37-1 to 2.0.42-1 refuse it",
    ("dropmon", "hw_function"): "nothing: hsflowd ignores it since 2.0.50-3",
}

# How the daemon prints a link speed, which is the only spelling that sampling.SPEED matches (util.c, printSpeed).
SPEED_KEYS = ("10M", "100M", "1G", "2G", "5G", "10G", "20G", "25G", "40G", "50G", "100G", "200G", "400G")

# Upstream's build recipes (docker_build/*/build_hsflowd): platform -> modules of its package besides json and dnssd.
_BASE = ("nflog", "pcap", "tcp", "docker", "kvm", "ovs", "dbus", "systemd")
_NEWER = _BASE + ("dropmon", "psample", "dent", "containerd")
_NEWEST = _NEWER + ("epcap",)
PLATFORM_MODULES = {
    "ubuntu18": _BASE,
    "ubuntu20": _NEWER,
    "ubuntu22": _NEWER,
    "ubuntu24": _NEWEST,
    "debian10": _NEWER,
    "debian11": _NEWER,
    "debian12": _NEWER,
    "debian13": _NEWEST,
}
ALWAYS_MODULES = ("json", "dnssd")

# The release that is installed unless another is asked for, and the first one that upstream built for the platform.
# 2.0.53-1 is the last that is known to exist for Ubuntu 18.04 and has no known fault there; later platforms begin later.
PLATFORM_VERSIONS = {
    "ubuntu18": ("2.0.53-1", "2.0.25-3"),
    "ubuntu20": ("2.0.53-1", "2.0.37-1"),
    "ubuntu22": ("2.0.53-1", "2.0.53-1"),
    "ubuntu24": ("2.1.25-4", "2.1.15-1"),
    "debian10": ("2.0.53-1", "2.0.53-1"),
    "debian11": ("2.1.25-4", "2.1.03-1"),
    "debian12": ("2.0.53-1", "2.0.53-1"),
    "debian13": ("2.1.25-4", "2.1.15-1"),
}

# Shared libraries that the packages need and do not declare (readelf of the built modules): module -> sonames.
MODULE_LIBRARIES = {
    "pcap": ("libpcap.so.0.8",),
    "nflog": ("libnfnetlink.so.0",),
    "kvm": ("libvirt.so.0", "libxml2.so.2"),
    "dbus": ("libdbus-1.so.3",),
    "systemd": ("libdbus-1.so.3", "libuuid.so.1", "libcrypto"),
    "containerd": ("libcrypto",),
    "k8s": ("libuuid.so.1",),
    "epcap": ("libbpf", "libelf.so.1", "libz.so.1"),
}
# soname -> package, with the exceptions by platform.
LIBRARY_PACKAGES = {
    "libpcap.so.0.8": ("libpcap0.8", {"ubuntu24": "libpcap0.8t64", "debian13": "libpcap0.8t64"}),
    "libnfnetlink.so.0": ("libnfnetlink0", {}),
    "libvirt.so.0": ("libvirt0", {}),
    "libxml2.so.2": ("libxml2", {}),
    "libdbus-1.so.3": ("libdbus-1-3", {}),
    "libuuid.so.1": ("libuuid1", {}),
    "libcrypto": (
        "libssl3",
        {
            "ubuntu18": "libssl1.1",
            "ubuntu20": "libssl1.1",
            "debian10": "libssl1.1",
            "debian11": "libssl1.1",
            "ubuntu24": "libssl3t64",
            "debian13": "libssl3t64",
        },
    ),
    "libbpf": ("libbpf1", {"ubuntu20": "libbpf0", "ubuntu22": "libbpf0", "debian11": "libbpf0"}),
    "libelf.so.1": ("libelf1", {"ubuntu24": "libelf1t64", "debian13": "libelf1t64"}),
    "libz.so.1": ("zlib1g", {}),
}
