"""The inputs of `fuzz_readers.py`: valid samples, hostile files made by hand, and damaged samples.

Everything is derived from seeds. A reader is a function that reads a file and uses its content, so that errors that
appear only later are found too; it raises AssertionError if the content is inconsistent.
"""

import io
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core.errors import InputError
from clearmel.data.waveform_cache import WaveformCache
from clearmel.networks import LookingToListenFaces
from clearmel.options import BuildOptions
from clearmel.prepare import noisy_speech
from clearmel.prepare.download import run
from clearmel.training import trainer
from tests.stress.fuzz_damage import corrupt_value, damaged
from tests.stress.fuzz_reads import (
    fitting,
    read_a_mel,
    read_build,
    read_clip_list,
    read_clip_report,
    read_clips,
    read_decoded,
    read_decoded_samples,
    read_esc50,
    read_faces,
    read_frame,
    read_labels,
    read_made_faces,
    read_mask,
    read_pipe,
    read_resume,
    read_sound,
    read_speech_list,
    read_weights,
    training,
)
from tests.stress.fuzz_samples import (
    RATE,
    Rng,
    bad_arrays,
    bad_cards,
    bad_json,
    bad_pictures,
    bad_sounds,
    bad_tables,
    bad_weights,
    label_files,
    npy,
    picture,
    pth,
    sound,
    sounds,
    states,
    wav,
    wave,
)


@dataclass(frozen=True)
class Reader:
    """A reader.

    suffix: of its files. read: reads and uses a file. samples: valid files. hostile: files made to break it.
    text: whether the files are text. share: number of cases relative to other readers.
    """

    suffix: str
    read: Callable[[Path], None]
    samples: Callable[[Rng], dict[str, bytes]]
    hostile: Callable[[], dict[str, bytes]]
    text: bool = False
    share: float = 1.0


ESC50 = ("filename,fold,target,category", "a.wav,1,0,dog")

LISTED = ("filename", "clips/a.wav")
CLIP = ("id,start,end", "dQw4w9WgXcQ,1.5,4.5")
REPORT = (",".join(run.FIELDS), "1,dQw4w9WgXcQ,1.5,4.5,ok,")


def _table(header: str, *rows: str) -> Callable[[Rng], dict[str, bytes]]:
    return lambda _: {"table": "\n".join([header, *rows, ""]).encode()}


def _bad_table(form: tuple[str, str]) -> Callable[[], dict[str, bytes]]:
    return lambda: bad_tables(*form)


READERS: dict[str, Reader] = {
    "mel": Reader(
        ".npy", read_a_mel, lambda rng: {"mel": npy(rng.normal(0, 0.3, (9, 80)).astype(np.float32)),
                                         "doubles": npy(np.asfortranarray(rng.normal(0, 0.3, (5, 80))))},
        lambda: bad_arrays("(3, 80)"),
    ),
    "sound": Reader(".wav", read_sound, sounds, bad_sounds, share=3),
    "pipe": Reader(
        ".wav", read_pipe, lambda rng: {"wav": sound(rng), "float": sound(rng, "WAV", "FLOAT", 2), "open": wav(
            size=0xFFFFFFFF, data=wave(rng).tobytes())}, bad_sounds,
    ),
    "labels of the page": Reader(".json", read_labels, label_files, bad_json, text=True, share=2),
    "labels to train on": Reader(".json", read_clips, label_files, bad_json, text=True),
    "mask": Reader(".npy", read_mask, lambda rng: {"mask": npy(rng.integers(0, 2, 10))}, lambda: bad_arrays("(10,)")),
    "ESC-50's table": Reader(".csv", read_esc50, _table(*ESC50, "b.wav,2,1,cat"), _bad_table(ESC50), text=True),
    "list of speech": Reader(".csv", read_speech_list, _table(*LISTED, "clips/b.wav"), _bad_table(LISTED), text=True),
    "list of clips": Reader(".csv", read_clip_list, _table(*CLIP, "http://x.org/a.mp4,0,3"), _bad_table(CLIP),
                            text=True),
    "report of clips": Reader(".csv", read_clip_report, _table(*REPORT), _bad_table(REPORT), text=True),
    "build.json": Reader(".json", read_build, lambda _: {"own": Path("whole_build.json").read_bytes()}, bad_json,
                         text=True, share=0.5),
    "weights": Reader(".pth", read_weights, lambda _: {name: pth(state) for name, state in states().items()},
                      lambda: bad_weights() | bad_cards(), share=4),
    "resume file": Reader(".pth", read_resume, lambda _: {"own": Path("whole_resume.pth").read_bytes()}, bad_weights,
                          share=2),
    "faces": Reader(".npy", read_faces, lambda rng: {"faces": npy(rng.normal(0, 1, (2, 5, 512)).astype(np.float32))},
                    lambda: bad_arrays("(2, 5, 512)")),
    "faces made before": Reader(".npy", read_made_faces, lambda _: {"faces": npy(np.zeros((2, 1, 512), np.float32))},
                                lambda: bad_arrays("(2, 1, 512)"), share=0.5),
    "frame of a video": Reader(".jpg", read_frame, picture, bad_pictures, share=0.5),
    "decoded recordings": Reader(".npy", read_decoded, lambda _: {"index": Path("whole_index.npy").read_bytes()},
                                 lambda: bad_arrays("(3, 2)"), share=0.5),
    "decoded samples": Reader(".pcm", read_decoded_samples, lambda _: {"own": Path("whole_samples.pcm").read_bytes()},
                              lambda: {"empty": b""}, share=0.5),
}  # fmt: skip


def prepare() -> None:
    """Fills the current folder with the files that the readers need besides the damaged one."""
    rng = np.random.default_rng(0)
    for folder in ("clips", "clips/folder", "masks", "esc/audio", "speech/one"):
        Path(folder).mkdir(parents=True)
        for name in ("c.wav",) if folder == "clips/folder" else ("a.wav",) if folder == "masks" else ("a.wav", "b.wav"):
            Path(folder, name).write_bytes(sound(rng))
    for folder in ("esc/meta", "built", "models", "video/frames/clip", "samples"):
        Path(folder).mkdir(parents=True)
    np.save("mel.npy", rng.normal(0, 0.3, (9, 80)).astype(np.float32))
    for name, state in states().items():
        weights_file.save(Path("models", f"{name}.pth"), state)
    voices = LookingToListenFaces(channels=2, hidden_dim=4, linear_dim=4)
    voices.card = weights_file.make_card(voices, "separation", MelFeatures(n_fft=512))
    weights_file.save(Path("models/faces.pth"), voices.state_dict())
    for split in ("train", "val"):
        for side in ("noisy", "clean"):
            for number in range(3):
                Path("training", split, side).mkdir(parents=True, exist_ok=True)
                np.save(Path("training", split, side, f"{number}.npy"), rng.normal(0, 0.3, (9, 80)).astype(np.float32))
    options = BuildOptions(clean_path="speech", noise_path="clips", val_fraction=0.0, n_mixtures=1, reverb=0.0)
    noisy_speech.build(options, Path("built"), 1, overwrite=False)
    Path("whole_build.json").write_bytes(Path("built/build.json").read_bytes())
    trainer.fit(training(), fitting(resume=False, epochs=1), Path("models/resumed.pth"))
    Path("whole_resume.pth").write_bytes(Path("models/resumed.resume.pth").read_bytes())
    Path("video/frames/clip/1.jpg").write_bytes(picture(rng)["frame"])
    decoded = WaveformCache(Path("clips").absolute(), ["a.wav", "b.wav"], RATE, Path("cache"))
    Path("whole_index.npy").write_bytes(decoded.path.with_suffix(".npy").read_bytes())
    one = WaveformCache(Path("clips").absolute(), ["a.wav"], RATE, Path("cache"))
    Path("whole_samples.pcm").write_bytes(one.path.read_bytes())


class Inputs:
    """The cases of one seed, in a prepared folder."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.whole = {name: one.samples(np.random.default_rng(seed)) for name, one in READERS.items()}
            self.hostile = {name: one.hostile() for name, one in READERS.items()}

    def case(self, reader: str, index: int) -> tuple[str, bytes]:
        """A description and the file: first the valid samples, then the hostile ones, then damaged ones."""
        whole, hostile = self.whole[reader], self.hostile[reader]
        given = [(f"whole {name}", data) for name, data in whole.items()]
        given += [(f"hostile: {name}", data) for name, data in hostile.items()]
        if index < len(given):
            return given[index]
        rng = np.random.default_rng([self.seed, zlib.crc32(reader.encode()), index])
        name = list(whole)[rng.integers(len(whole))]
        data, words = whole[name], [name]
        if READERS[reader].suffix == ".pth" and rng.random() < 0.75:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    content = torch.load(io.BytesIO(data), weights_only=True)
                    data = pth(corrupt_value(content, rng), legacy=bool(rng.random() < 0.1))
                return f"{name}, one value corrupted", data
            except (RuntimeError, TypeError, NotImplementedError):  # some tensors cannot be saved in this form
                pass
        if rng.random() < 0.08:
            other = list(READERS)[rng.integers(len(READERS))]
            taken = list(self.whole[other].values())
            return f"sample of {other}", taken[rng.integers(len(taken))]
        for _ in range(rng.integers(1, 4)):
            word, data = damaged(data, rng, READERS[reader].text)
            words.append(word)
        return ", ".join(words), data


def verdict(reader: str, path: Path) -> tuple[str, str]:
    """Reads one file; returns "accepted", "refused" or "failed", and a message."""
    import traceback

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            READERS[reader].read(path)
    except InputError as error:
        line, whole = error.line(), str(error)
        if not line.isprintable() or not whole.strip() or len(line) > LONGEST_LINE:
            return "failed", f"a message of {len(line)} characters, printable: {line.isprintable()}: {line[:200]!r}"
        return "refused", line
    except (AssertionError, Exception) as error:  # any other error is a failure
        where = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        return "failed", f"{type(error).__name__}: {str(error)[:160]!r} at {' < '.join(reversed(where[-5:]))}"
    odd = [one for one in caught if not issubclass(one.category, ResourceWarning | DeprecationWarning)]
    return ("failed", f"a warning: {str(odd[0].message)[:200]}") if odd else ("accepted", "")


LONGEST_LINE = 700


def shares(n_cases: int) -> Iterator[tuple[str, int]]:
    """Yields readers and the numbers of their cases, `n_cases` in total."""
    total = sum(reader.share for reader in READERS.values())
    for name, reader in READERS.items():
        for index in range(max(1, round(n_cases * reader.share / total))):
            yield name, index
