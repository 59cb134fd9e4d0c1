"""The last frames of a run's log, kept for clients that are nearly up to date."""

from planner_graph.server.frames import Frame

MOST_FRAMES = 1_000
MOST_CHARACTERS = 1_000_000
"""How much of a log is kept."""

BURST = 64
"""Most frames that a client is given at a time."""


class Ring:
    """Frames by sequence number, without a gap; the oldest make room. ``last`` is the newest number of the log.

    A client is nothing but a number, that of the frame it had last; it takes what comes :meth:`after` that.
    """

    def __init__(self, last: int, *, most_frames: int = MOST_FRAMES, most_characters: int = MOST_CHARACTERS) -> None:
        self.last = last
        self._most_frames = most_frames
        self._most_characters = most_characters
        self._frames: dict[int, Frame] = {}
        self._characters = 0

    def add(self, frame: Frame) -> None:
        """Take in the next frame.

        Raises:
            ValueError: it is not the next one.
        """
        if frame.sequence != self.last + 1:
            raise ValueError(f"frame {frame.sequence} cannot follow frame {self.last}")
        self.last = frame.sequence
        self._frames[self.last] = frame
        self._characters += len(frame.text)
        while len(self._frames) > self._most_frames or (
            self._characters > self._most_characters and len(self._frames) > 1
        ):
            oldest = self._frames.pop(next(iter(self._frames)))
            self._characters -= len(oldest.text)

    def after(self, sequence: int) -> list[Frame] | None:
        """Give the frames that come next, :data:`BURST` at most; ``None`` if they are not here any more."""
        if sequence >= self.last:
            return []
        if sequence + 1 not in self._frames:
            return None
        upto = min(self.last, sequence + BURST)
        return [self._frames[number] for number in range(sequence + 1, upto + 1)]
