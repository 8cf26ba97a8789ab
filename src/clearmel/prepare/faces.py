"""Face embeddings of video clips, for audio-visual networks.

A clip is a folder of JPEG frames, 25 per second; its embeddings are an array (T, n_faces, 512), T frames.
"""

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from clearmel.core.errors import InputError, raise_all, reason
from clearmel.core.file_io import FloatArray, claiming, existing, list_files, quoted, write_text
from clearmel.core.npy import open_array, write_array
from clearmel.options import FRAME_RATE_HZ
from clearmel.reporting import tables

SIZE = 512
"""Dimension of an embedding."""
MODELS = "~/.insightface/models/buffalo_l"
"""Default model folder of insightface."""
SOURCE = "https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip"
Image = npt.NDArray[np.uint8]


class Detector(Protocol):
    """Finds faces in a picture."""

    def faces(self, image: Image) -> Sequence[tuple[float, FloatArray]]:
        """The faces of a picture, the largest first.

        Args:
            image: (H, W, 3) uint8, red, green, blue.

        Returns:
            For each face its horizontal centre in pixels from the left, and its embedding (512,) of any norm.
        """


class EmbeddingResult(NamedTuple):
    """Result of a run: numbers of new and of existing clips, and one line per warning and per failure."""

    made: int
    there: int
    warnings: list[str]
    failed: list[str]


def build(dataset_path: str | Path, detector: Detector, n_faces: int = 1, seconds: float = 3.0) -> EmbeddingResult:
    """Writes `dataset_path`/embeddings/<stem>.npy for each folder `dataset_path`/frames/<stem>, and report.csv.

    Existing files are skipped. No other run may write to the folder at the same time.

    Args:
        dataset_path: folder of the dataset.
        detector: finds the faces.
        n_faces: faces per frame. Missing faces are zeros; of more faces, the largest are used.
        seconds: length of the used start of each clip. Shorter clips are padded with zeros.

    Raises:
        InputError: there is no clip, or existing embeddings have another shape.
    """
    root = existing(dataset_path, folder=True)
    frames = existing(root / "frames", folder=True)
    clips = sorted(path.name for path in frames.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not clips:
        raise InputError(f"{quoted(frames)} holds no clip; expected a folder of .jpg files for each.")
    output = root / "embeddings"
    shape = round(seconds * FRAME_RATE_HZ), n_faces, SIZE
    targets = {clip: output / f"{clip}.npy" for clip in clips}
    there = [clip for clip in clips if targets[clip].exists()]
    raise_all([problem for clip in there if (problem := _other(targets[clip], shape))])
    with claiming(output / "report.csv"):
        return _build_all(frames, targets, detector, shape)


def _other(path: Path, shape: tuple[int, int, int]) -> str:
    try:
        found = open_array(path, str(shape)).shape
    except InputError as error:
        return f"{error.line()} Remove it"
    if found == shape:
        return ""
    return f"{quoted(path)} has shape {found}; expected {shape}. Give the same --n_faces and --seconds, or remove it"


def _build_all(
    frames: Path, targets: dict[str, Path], detector: Detector, shape: tuple[int, int, int]
) -> EmbeddingResult:
    from tqdm import tqdm

    rows, made = list[dict[str, Any]](), EmbeddingResult(0, 0, [], [])
    for clip, target in tqdm(targets.items(), unit="clip", leave=False, disable=None):
        if target.exists():
            made = made._replace(there=made.there + 1)
            rows.append({"stem": clip, "status": "skipped", "reason": "already there"})
            continue
        try:
            embeddings, remark = embed(frames / clip, detector, shape)
        except InputError as error:
            made.failed.append(error.line())
            rows.append({"stem": clip, "status": "failed", "reason": error.line()})
            continue
        write_array(target, embeddings)
        if remark:
            made.warnings.append(f"{clip}: {remark}")
        rows.append({"stem": clip, "status": "ok", "reason": remark})
        made = made._replace(made=made.made + 1)
    write_text(next(iter(targets.values())).with_name("report.csv"), tables.csv_table(rows))
    return made


def embed(folder: Path, detector: Detector, shape: tuple[int, int, int]) -> tuple[FloatArray, str]:
    """The embeddings of a clip's first frames.

    Args:
        folder: frames whose names are their numbers.
        detector: finds the faces.
        shape: (T, n_faces, 512) of the result.

    Returns:
        float32 of that shape, each of norm 1 or zero, ordered from left to right; and a remark for the report, usually
        empty.

    Raises:
        InputError: there is no frame, or a frame is not a picture.
    """
    names = sorted(list_files(folder, (".jpg", ".jpeg")), key=lambda name: (len(name.stem), name.name))
    n_frames, n_faces, _ = shape
    embeddings, lacking = np.zeros(shape, np.float32), 0
    for number, name in enumerate(names[:n_frames]):
        found = sorted(detector.faces(read_image(folder / name))[:n_faces], key=lambda face: face[0])
        lacking += len(found) < n_faces
        for place, (_, embedding) in enumerate(found):
            length = float(np.linalg.norm(embedding))
            if np.shape(embedding) != (SIZE,) or not 0 < length < np.inf:
                raise InputError(
                    f"{quoted(folder / name)}: the models gave an embedding of shape "
                    f"{np.shape(embedding)} and length {length:.3g}; expected ({SIZE},), above 0."
                )
            embeddings[number, place] = embedding / length
    remarks, seen = [], min(len(names), n_frames)
    if lacking:
        faces = "no face" if n_faces == 1 else f"fewer than {n_faces} faces"
        remarks.append(f"{faces} in {lacking} of {seen} frames, zeros there")
    if seen < n_frames:
        remarks.append(f"{seen} frames where {n_frames} are wanted, zeros behind them")
    return embeddings, "; ".join(remarks)


def read_image(path: Path) -> Image:
    """A picture (H, W, 3) in uint8, red, green, blue.

    Raises:
        InputError: the file is not a picture, or is damaged.
    """
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise InputError(f"{quoted(path)} is not a readable picture: {reason(error)}.") from error


class InsightFace:
    """Detects faces by the package insightface, with local models only."""

    def __init__(self, models_path: str | Path = MODELS) -> None:
        """Loads the models.

        Args:
            models_path: folder of InsightFace's buffalo_l: a detector and a recogniser, each .onnx.

        Raises:
            InputError: the package or the models are missing or do not work.
        """
        for name in ("insightface", "onnxruntime"):
            if not importlib.util.find_spec(name):
                raise InputError(f"{name} is not installed. pip install 'clearmel[faces]'.")
        folder = Path(models_path).expanduser()
        # The package would download a missing folder; it uses an existing one as it is.
        if not folder.is_dir() or not any(folder.glob("*.onnx")):
            raise InputError(
                f"{quoted(folder)} holds no models (.onnx). Unpack InsightFace's buffalo_l there ({SOURCE}; for "
                "research that is not commercial), or name its folder by --models_path."
            )
        try:
            from insightface.app import FaceAnalysis
        except (ImportError, OSError) as error:
            raise InputError(f"insightface cannot be imported: {reason(error)}. Install what it names.") from error
        try:
            self._analysis = FaceAnalysis(str(folder.absolute()), allowed_modules=["detection", "recognition"])
            self._analysis.prepare(ctx_id=0)
        except Exception as error:  # onnxruntime has no base class for its exceptions
            raise InputError(f"the models in {quoted(folder)} do not load: {reason(error)}.") from error
        if "recognition" not in self._analysis.models:
            raise InputError(f"{quoted(folder)} holds no model that embeds faces, such as w600k_r50.onnx of buffalo_l.")

    def faces(self, image: Image) -> list[tuple[float, FloatArray]]:
        """See `Detector`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # insightface uses deprecated functions of scikit-image
            found = self._analysis.get(np.ascontiguousarray(image[..., ::-1]))  # it expects blue, green, red
        boxes = [(face.bbox, np.asarray(face.embedding, np.float32)) for face in found]
        boxes.sort(key=lambda one: float((one[0][2] - one[0][0]) * (one[0][3] - one[0][1])), reverse=True)
        return [(float(box[0] + box[2]) / 2, embedding) for box, embedding in boxes]
