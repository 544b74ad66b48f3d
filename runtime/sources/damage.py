"""What is wrong with a video, by its times."""

from dataclasses import dataclass, replace

JOINED_S = 1.0  # losses that lie closer are told as one: no more notes than seconds
HOLE_S = 1.0  # no film stands still for longer; what records a screen may write nothing while that does
EARLY_S = 0.5  # a stream's length, its sound's included, is some frames off in whole files


@dataclass(frozen=True, slots=True)
class Note:
    start_s: float
    end_s: float
    reason: str
    lost: int = 0  # frames that could not be decoded, as far as they were seen


class Damage:
    """Is told what was lost and shown, in any order of time, and makes notes of it."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._time_s = 0.0  # of the last frame that was shown

    def lost(self, time_s: float | None) -> None:
        """A frame could not be decoded.  time_s: None where its packet has no stamp."""
        at_s = self._time_s if time_s is None else time_s
        note = self.notes[-1] if self.notes else None
        if note is None or not note.lost or not note.start_s - JOINED_S <= at_s <= note.end_s + JOINED_S:
            note = Note(at_s, at_s, "")
            self.notes.append(note)
        count = note.lost + 1
        reason = f"damaged: {count} frame{'s' * (count > 1)} lost"
        start_s, end_s = min(note.start_s, at_s), max(note.end_s, at_s)
        self.notes[-1] = replace(note, start_s=start_s, end_s=end_s, reason=reason, lost=count)

    def shown(self, time_s: float) -> None:
        """A frame is given out."""
        before_s, self._time_s = self._time_s, time_s
        is_told = any(note.start_s <= time_s and note.end_s >= before_s for note in self.notes[-2:])
        if time_s - before_s > HOLE_S and not is_told:
            self.notes.append(Note(before_s, time_s, f"no frames for {time_s - before_s:.1f} s"))

    def ended(self, end_s: float, frames: int, claimed_s: float | None, claimed_frames: int | None) -> None:
        """The whole file has been gone through."""
        lost = sum(note.lost for note in self.notes)
        if claimed_s is not None and claimed_s - end_s > EARLY_S:
            self.notes.append(Note(end_s, claimed_s, f"ends early: its header says {claimed_s:.3f} s"))
        # An error may take with it a frame that the decoder held, which nobody sees: up to `lost` of them.
        elif claimed_frames is not None and abs(claimed_frames - frames - lost) > lost:
            self.notes.append(Note(0.0, end_s, f"its header says {claimed_frames} frames: got {frames}"))
