"""Frame rates of video as ratios, and frames as SMPTE time code."""

from dataclasses import dataclass
from fractions import Fraction

from clearmel.core.errors import InputError

NTSC = Fraction(1000, 1001)
"""29.97, 23.976 and 59.94 stand for 30, 24 and 60 times this."""
ROUNDED = 0.006
"""A decimal so close to an NTSC rate stands for it: 23.98 is 24000/1001."""
DAY_S = 24 * 3600


@dataclass(frozen=True)
class FrameRate:
    """Frames in a second.

    Args:
        rate: as a ratio.
        drop: count in drop-frame time code, which skips frame numbers so that it stays with the clock. Only 29.97 and
            59.94 have it; other rates ignore it.
    """

    rate: Fraction = Fraction(25)
    drop: bool = True

    @classmethod
    def parse(cls, text: str, *, drop: bool = True) -> "FrameRate":
        """A rate from text: "25", "29.97", "30000/1001".

        Raises:
            InputError: it is no number, or not from 1 to 240.
        """
        try:
            rate = Fraction(text)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if not 1 <= rate <= 240:
            raise InputError(f"--fps {text}; expected 1 to 240, such as 25, 29.97, 23.976 or 30000/1001.")
        ntsc = round(rate / NTSC) * NTSC
        exact = "/" in text or rate.denominator == 1 or abs(rate - ntsc) > ROUNDED
        return cls(rate if exact else ntsc, drop)

    @property
    def nominal(self) -> int:
        """Frame numbers in a second of time code: 30 for 29.97."""
        return -(-self.rate.numerator // self.rate.denominator)

    @property
    def drops(self) -> bool:
        """Whether the time code is drop-frame."""
        return self.drop and self.rate in (30 * NTSC, 60 * NTSC)

    def frames(self, seconds: float | Fraction) -> int:
        """The frame that begins nearest to a time."""
        return round(Fraction(seconds) * self.rate)

    def seconds(self, frame: int) -> str:
        """The time of a frame as the ratio that FCPXML wants, such as "1001/30000s"."""
        return f"{frame * self.rate.denominator}/{self.rate.numerator}s"

    def timecode(self, frame: int) -> str:
        """HH:MM:SS:FF, or HH:MM:SS;FF in drop-frame time code; it begins anew after 24 hours.

        Drop-frame numbers leave out the first two frames (59.94: four) of every minute that 10 does not divide.
        Source: SMPTE ST 12-1.
        """
        nominal, sign = self.nominal, ":"
        if self.drops:
            dropped, sign = nominal // 15, ";"
            minute = 60 * nominal - dropped
            tens, rest = divmod(frame, 10 * minute + dropped)
            frame += 9 * dropped * tens
            if rest >= 60 * nominal:
                frame += dropped * ((rest - 60 * nominal) // minute + 1)
        seconds, number = divmod(frame % (DAY_S * nominal), nominal)
        width = max(2, len(str(nominal - 1)))
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{number:0{width}d}"


DEFAULT_FPS = FrameRate()
