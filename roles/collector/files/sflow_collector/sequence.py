# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss, reordering, duplicates and restarts of one stream of datagrams, told apart by sequence and uptime.

A stream is one source address speaking for one agent and sub-agent; an agent that speaks from two addresses has one
sequence in two streams (Account.advance finds out), and the row of one of them has it. The usual datagram is the successor of the last
one, and only touches top and uptime; whoever finds a step of +1 (also the batch decoder, for thousands of streams
at once) need not come here. For every other step:

    forward          the datagrams between are lost, until they arrive late
    back, in window  seen before: a duplicate; not seen: out of order, and one less lost
    anything else    a restart: the uptime went back more than the clock allows, or it went on while the sequence
                     went back, or the step is beyond belief

A restart that turns out to be one stray old datagram is taken back when the stream goes on where it was. When that happens time
and again, two hosts speak in turn from behind one source.
"""

from typing import Any, Optional

MASK = 0xFFFFFFFF
WINDOW = 64  # how many sequence numbers back are remembered, one bit each
ALL = (1 << WINDOW) - 1
MAX_GAP = 1 << 20  # a larger step forward is not believed to be loss
TURNS_MS = 300000  # turns further apart are stray datagrams, each by itself
BOOT_TOLERANCE_MS = 2000  # how far now - uptime may move before another life of the agent is assumed

#: Columns of a stream that this module reads and writes. last: when its source was heard; heard: when another source
#: went on with its sequence.
COLUMNS = ("running:B top:I uptime:I first_sequence:I window:Q window_top:I last:q heard:q check_top:I check_uptime:I "
           "before_top:I before_boot:q before_window:Q has_before:B turns:I turned:q "
           "lost:q out_of_order:q duplicates:q restarts:q")


def advance(streams: Any, row: int, sequence: int, uptime: int, now: int) -> bool:
    """Take note of a sequence number; False when this datagram was seen before."""
    if not streams.running[row]:
        streams.running[row] = 1
        _begin(streams, row, sequence, uptime)
        return True
    top = streams.top[row]
    step = (sequence - top) & MASK
    if step == 1:
        streams.top[row] = sequence
        streams.uptime[row] = uptime
        return True
    boot = now - uptime
    boot_moved = boot - booted(streams, row)
    if streams.has_before[row] and _continues_earlier_life(streams, row, sequence, boot):
        streams.turns[row] = streams.turns[row] + 1 if now - streams.turned[row] < TURNS_MS else 1
        streams.turned[row] = now
        streams.restarts[row] -= 1
        streams.out_of_order[row] += 1
        streams.has_before[row] = 0
        streams.top[row] = streams.window_top[row] = top = streams.before_top[row]
        streams.window[row] = streams.before_window[row]
        step = (sequence - top) & MASK
        boot_moved = 0
    went_back = 0 < (streams.uptime[row] - uptime) & MASK < 1 << 31
    behind = (top - sequence) & MASK
    if went_back and boot_moved > BOOT_TOLERANCE_MS:
        _restart(streams, row, sequence, uptime)
    elif step <= MAX_GAP and step:
        streams.window[row] = (_window(streams, row) << step | 1) & ALL if step < WINDOW else 1
        streams.window_top[row] = streams.top[row] = sequence
        streams.uptime[row] = uptime
        streams.lost[row] += step - 1
    elif behind < WINDOW and not 0 < (uptime - streams.uptime[row]) & MASK < 1 << 31:
        return _late(streams, row, behind)
    else:
        _restart(streams, row, sequence, uptime)
    return True


def booted(streams: Any, row: int) -> int:
    """When the agent began its life, by the clock of the collector."""
    return max(streams.last[row], streams.heard[row]) - streams.uptime[row]


def takes_turns(streams: Any, row: int, now: int) -> bool:
    """Whether two lives have gone on in turn lately, oftener than stray datagrams explain."""
    return bool(streams.turns[row] >= 3 and now - streams.turned[row] < TURNS_MS)


def belongs(streams: Any, row: int, sequence: int, uptime: int, now: int, joint: bool = False) -> Optional[bool]:
    """Whether a datagram goes on with the sequence of a row; None when it is far away or of another life.

    In one life a later number never has an earlier uptime, and a number has one uptime. False: that is contradicted,
    so two agents speak, however close their numbers are. Of a sequence with several sources (joint) the number and uptime of one
    datagram a while ago is kept, over which every host that is not so far behind must step.
    """
    if not streams.running[row] or abs(now - uptime - booted(streams, row)) > BOOT_TOLERANCE_MS:
        return None
    if abs(_signed(sequence - streams.top[row])) > WINDOW:
        return None
    return _agree(sequence - streams.top[row], uptime - streams.uptime[row]) and (
        not joint or _agree(sequence - streams.check_top[row], uptime - streams.check_uptime[row]))


def check(streams: Any, row: int) -> None:
    """Keep the newest number and uptime of a sequence that has several sources, when the kept one is old."""
    if (streams.top[row] - streams.check_top[row]) & MASK >= WINDOW:
        streams.check_top[row], streams.check_uptime[row] = streams.top[row], streams.uptime[row]


def _agree(ahead: int, later: int) -> bool:
    return not _signed(later) or _signed(ahead) * _signed(later) > 0


def _signed(difference: int) -> int:
    return (difference + (1 << 31) & MASK) - (1 << 31)


def move(streams: Any, row: Any, to: Any) -> None:
    """Give the sequence of a row to another one."""
    for name in ("top", "uptime", "first_sequence", "window", "window_top", "check_top", "check_uptime", "before_top", "before_boot",
                 "before_window", "has_before"):
        column = getattr(streams, name)
        column[to] = column[row]
    streams.heard[to] = max(streams.last[row], streams.heard[row])
    streams.running[to], streams.running[row] = 1, 0


def _begin(streams: Any, row: int, sequence: int, uptime: int) -> None:
    streams.top[row] = streams.window_top[row] = streams.first_sequence[row] = sequence
    streams.uptime[row] = uptime
    streams.window[row] = 1


def _restart(streams: Any, row: int, sequence: int, uptime: int) -> None:
    streams.before_top[row] = streams.top[row]
    streams.before_window[row] = _window(streams, row)
    streams.before_boot[row] = booted(streams, row)
    streams.has_before[row] = 1
    streams.restarts[row] += 1
    _begin(streams, row, sequence, uptime)


def _continues_earlier_life(streams: Any, row: int, sequence: int, boot: int) -> bool:
    ahead = (sequence - streams.before_top[row]) & MASK
    return 0 < ahead <= WINDOW and abs(boot - streams.before_boot[row]) <= BOOT_TOLERANCE_MS


def _late(streams: Any, row: int, behind: int) -> bool:
    """A sequence number at or below the top; False when it was seen before."""
    known = (streams.top[row] - streams.first_sequence[row]) & MASK
    if behind > known:  # from before the first datagram seen: it was never counted as lost
        streams.out_of_order[row] += 1
        return True
    bits = _window(streams, row)
    streams.window_top[row] = streams.top[row]
    streams.window[row] = bits | 1 << behind
    if bits >> behind & 1:
        streams.duplicates[row] += 1
        return False
    streams.out_of_order[row] += 1
    streams.lost[row] -= 1
    return True


def _window(streams: Any, row: int) -> int:
    """The bits of the last sequence numbers, bit 0 the top; those since window_top came without a gap."""
    ahead = (streams.top[row] - streams.window_top[row]) & MASK
    if ahead >= WINDOW:
        return ALL
    return (streams.window[row] << ahead | (1 << ahead) - 1) & ALL
