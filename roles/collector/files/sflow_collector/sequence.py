# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss, reordering, duplicates and restarts of one stream of datagrams, told apart by sequence and uptime.

A stream is one source address speaking for one agent and sub-agent. The usual datagram is the successor of the last
one, and only touches top and uptime; whoever finds a step of +1 (also the batch decoder, for thousands of streams
at once) need not come here. For every other step:

    forward          the datagrams between are lost, until they arrive late
    back, in window  seen before: a duplicate; not seen: out of order, and one less lost
    anything else    a restart: the uptime went back more than the clock allows, or it went on while the sequence
                     went back, or the step is beyond belief

A restart that turns out to be one stray old datagram is taken back when the stream goes on where it was.
"""

MASK = 0xFFFFFFFF
WINDOW = 64  # how many sequence numbers back are remembered, one bit each
ALL = (1 << WINDOW) - 1
MAX_GAP = 1 << 20  # a larger step forward is not believed to be loss
BOOT_TOLERANCE_MS = 2000  # how far now - uptime may move before another life of the agent is assumed

#: Columns of a stream that this module reads and writes.
COLUMNS = ("running:B top:I uptime:I first_sequence:I window:Q window_top:I last:q "
           "before_top:I before_boot:q before_window:Q has_before:B "
           "lost:q out_of_order:q duplicates:q restarts:q")


def advance(streams, row, sequence, uptime, now):
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
    boot_moved = boot - (streams.last[row] - streams.uptime[row])
    if streams.has_before[row] and _continues_earlier_life(streams, row, sequence, boot):
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
        return _late(streams, row, sequence, behind)
    else:
        _restart(streams, row, sequence, uptime)
    return True


def _begin(streams, row, sequence, uptime):
    streams.top[row] = streams.window_top[row] = streams.first_sequence[row] = sequence
    streams.uptime[row] = uptime
    streams.window[row] = 1


def _restart(streams, row, sequence, uptime):
    streams.before_top[row] = streams.top[row]
    streams.before_window[row] = _window(streams, row)
    streams.before_boot[row] = streams.last[row] - streams.uptime[row]
    streams.has_before[row] = 1
    streams.restarts[row] += 1
    _begin(streams, row, sequence, uptime)


def _continues_earlier_life(streams, row, sequence, boot):
    ahead = (sequence - streams.before_top[row]) & MASK
    return 0 < ahead <= WINDOW and abs(boot - streams.before_boot[row]) <= BOOT_TOLERANCE_MS


def _late(streams, row, sequence, behind):
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


def _window(streams, row):
    """The bits of the last sequence numbers, bit 0 the top; those since window_top came without a gap."""
    ahead = (streams.top[row] - streams.window_top[row]) & MASK
    if ahead >= WINDOW:
        return ALL
    return (streams.window[row] << ahead | (1 << ahead) - 1) & ALL
