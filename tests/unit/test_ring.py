"""The last frames of a log."""

import pytest

from planner_graph.server.frames import Frame
from planner_graph.server.ring import BURST, Ring


def filled(last, count, **limits):
    ring = Ring(last, **limits)
    for sequence in range(last + 1, last + count + 1):
        ring.add(Frame(f"frame {sequence}", sequence))
    return ring


def numbers(frames):
    return frames and [frame.sequence for frame in frames]


def test_a_client_takes_what_comes_after_the_frame_it_had_last():
    ring = filled(10, 3)
    assert numbers(ring.after(10)) == [11, 12, 13]
    assert numbers(ring.after(12)) == [13]
    assert ring.after(13) == []


def test_who_is_ahead_of_the_ring_waits_and_misses_nothing():
    ring = filled(10, 3)
    assert ring.after(15) == []
    for sequence in range(14, 18):
        ring.add(Frame("", sequence))
    assert numbers(ring.after(15)) == [16, 17]


def test_what_came_before_the_ring_and_what_it_let_go_is_not_here():
    ring = filled(10, 5, most_frames=3)
    assert ring.after(9) is None
    assert ring.after(11) is None
    assert numbers(ring.after(12)) == [13, 14, 15]


def test_large_frames_make_room_sooner_but_the_newest_always_stays():
    ring = filled(0, 4, most_characters=3 * len("frame 1"))
    assert ring.after(0) is None
    assert numbers(ring.after(1)) == [2, 3, 4]
    ring.add(Frame("x" * 1_000, 5))
    assert ring.after(3) is None
    assert numbers(ring.after(4)) == [5]
    ring.add(Frame("y", 6))
    assert numbers(ring.after(5)) == [6]


def test_a_client_is_given_a_burst_at_a_time():
    ring = filled(0, BURST + 5)
    assert numbers(ring.after(0)) == list(range(1, BURST + 1))
    assert numbers(ring.after(BURST)) == list(range(BURST + 1, BURST + 6))


@pytest.mark.parametrize("sequence", [4, 3, 6])
def test_a_log_has_no_gap_and_nothing_twice(sequence):
    with pytest.raises(ValueError, match=f"frame {sequence} cannot follow frame 4"):
        filled(0, 4).add(Frame("", sequence))
