"""What is wrong with a video, by its times."""

from dataclasses import dataclass
from heapq import heappop, heappush

from of3.runtime.sources.claim import Claim

JOINED_S = 1.0  # losses that lie closer are told as one: no more notes than seconds
HOLE_S = 1.0  # no film stands still for longer; what records a screen may write nothing while that does
HOLE_FRAMES = 3.5  # nor for more frames, where one is shown for long: time-lapses
UNSEEN_FRAMES = 2.5  # a longer gap near a loss is of it: FFmpeg passes over Matroska's clusters without a word
EARLY_S = 0.5  # a stream's length, its sound's included, is some frames off in whole files


@dataclass(frozen=True, slots=True)
class Note:
    start_s: float
    end_s: float
    reason: str
    lost: int = 0  # frames that could not be decoded, as far as they were seen or are missing near such


class Damage:
    """Is told what was lost, in any order of time, and shown, and makes notes of it."""

    def __init__(self, frame_s: float) -> None:
        """frame_s: one frame, by the average rate."""
        self.notes: list[Note] = []
        self._frame_s, self._hole_s = frame_s, max(HOLE_S, HOLE_FRAMES * frame_s)
        self._time_s = 0.0  # of the last frame that was shown
        self._ahead_s: list[float] = []  # of losses since then, a heap

    def lost(self, time_s: float | None) -> None:
        """A frame could not be decoded.  time_s: None where its packet has no stamp."""
        at_s = self._time_s if time_s is None else time_s
        heappush(self._ahead_s, at_s)
        note = self.notes[-1] if self.notes else None
        if note is None or not note.lost or not note.start_s - JOINED_S <= at_s <= note.end_s + JOINED_S:
            self.notes.append(_loss(at_s, at_s, 1))
        else:
            self.notes[-1] = _loss(min(note.start_s, at_s), max(note.end_s, at_s), note.lost + 1)

    def shown(self, time_s: float) -> None:
        """A frame is given out."""
        before_s, self._time_s = self._time_s, time_s
        seen, gap_s = self._passed(time_s), time_s - before_s
        is_hole = gap_s > self._hole_s
        place = self._loss_at(before_s - (0.0 if is_hole else JOINED_S), time_s)
        if place is not None and gap_s > UNSEEN_FRAMES * self._frame_s:
            self._widen(place, before_s, time_s, round(gap_s / self._frame_s) - 1 - seen)
        elif place is None and is_hole:
            self.notes.append(Note(before_s, time_s, f"no frames for {gap_s:.1f} s"))

    def _passed(self, time_s: float) -> int:
        """How many losses lie between the last frame and that time."""
        count = 0
        while self._ahead_s and self._ahead_s[0] < time_s:
            heappop(self._ahead_s)
            count += 1
        return count

    def _loss_at(self, start_s: float, end_s: float) -> int | None:
        """The place of a note of losses in that time."""
        for place, note in list(enumerate(self.notes))[-2:]:
            if note.lost and note.start_s <= end_s and note.end_s >= start_s:
                return place
        return None

    def _widen(self, place: int, before_s: float, after_s: float, unseen: int) -> None:
        """To all between two frames.  unseen: of those how many nobody told of."""
        note = self.notes[place]
        if unseen > 0:
            start_s = min(note.start_s, round(before_s + self._frame_s, 6))
            end_s = max(note.end_s, round(after_s - self._frame_s, 6))
            self.notes[place] = _loss(start_s, end_s, note.lost + unseen)

    def ended(self, end_s: float, frames: int, claim: Claim, others_s: float) -> None:
        """The whole file has been gone through.  others_s: the end of what there is of other streams."""
        lost = sum(note.lost for note in self.notes)
        reached_s = max(end_s, others_s) if claim.is_of_all else end_s
        if claim.end_s is not None and claim.end_s - reached_s > EARLY_S:
            self.notes.append(Note(end_s, claim.end_s, f"ends early: its header says {claim.end_s:.3f} s"))
        # An error may take with it a frame that the decoder held, which nobody sees: up to `lost` of them.
        elif claim.frames is not None and abs(claim.frames - frames - lost) > lost:
            self.notes.append(Note(0.0, end_s, f"its header says {claim.frames} frames: got {frames}"))


def _loss(start_s: float, end_s: float, lost: int) -> Note:
    return Note(start_s, end_s, f"damaged: {lost} frame{'s' * (lost > 1)} lost", lost)
