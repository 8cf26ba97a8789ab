"""A sound file that is read from a file object of its own."""

import io

import soundfile as sf


class OwnedFile(sf.SoundFile):  # type: ignore[misc]
    """A sound file that closes the file object from which it reads."""

    def __init__(self, raw: io.FileIO) -> None:
        self.raw = raw
        super().__init__(raw)

    def close(self) -> None:
        """Closes both."""
        super().close()
        self.raw.close()
