"""Who speaks when, as text: RTTM for tools of speaker diarisation, and a label track for Audacity."""

import re
from collections.abc import Sequence

from clearmel.segments.frames import Spans


def as_rttm(name: str, voices: Sequence[Spans]) -> str:
    """Lines of type SPEAKER with onset and duration in seconds, in order of time.

    Source: NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A.

    Args:
        name: of the recording; white space in it becomes "_", since the format separates its fields by blanks.
        voices: spans of speech of each voice in seconds.
    """
    name = re.sub(r"\s+", "_", name)
    return "".join(
        f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> voice_{number} <NA> <NA>\n"
        for start, end, number in _in_time(voices)
    )


def as_audacity(voices: Sequence[Spans]) -> str:
    """Audacity label track: start, end and voice, separated by tabs, in order of time."""
    return "".join(f"{start:.6f}\t{end:.6f}\tvoice {number}\n" for start, end, number in _in_time(voices))


def _in_time(voices: Sequence[Spans]) -> list[tuple[float, float, int]]:
    return sorted((start, end, number) for number, spans in enumerate(voices, 1) for start, end in spans)
