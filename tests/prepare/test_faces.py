"""Embeddings of faces from real JPEG files; in the models' place stands a rule that calls bright columns faces."""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray
from clearmel.prepare.faces import EmbeddingResult, Image, InsightFace, build
from tests.conftest import refused, run_script

HAS_INSIGHTFACE = importlib.util.find_spec("insightface") is not None


class Columns:
    """Every run of columns that are not black is a face; its embedding is its mean colour and how many columns."""

    def faces(self, image: Image) -> list[tuple[float, FloatArray]]:
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        bright = np.r_[0, (image.max(axis=2) > 60).any(axis=0), 0].astype(int)
        found = []
        for left, right in zip(
            np.flatnonzero(np.diff(bright) == 1), np.flatnonzero(np.diff(bright) == -1), strict=True
        ):
            embedding = np.zeros(512, np.float32)
            embedding[:3] = image[:, left:right].mean(axis=(0, 1))
            found.append((right - left, (left + right) / 2, embedding))
        return [(centre, embedding) for _, centre, embedding in sorted(found, key=lambda face: -face[0])]


RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


def draw(path: Path, *blocks: tuple[int, int, tuple[int, int, int]]) -> None:
    """A picture 96 x 32 with blocks (left, right, colour)."""
    image = np.zeros((32, 96, 3), np.uint8)
    for left, right, colour in blocks:
        image[:, left:right] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(path, quality=95, subsampling=0)


def clip(name: str, n_frames: int, *blocks: tuple[int, int, tuple[int, int, int]]) -> Path:
    folder = Path("set/frames", name)
    for number in range(n_frames):
        draw(folder / f"{number:04d}.jpg", *blocks)
    return folder


def embeddings(name: str) -> np.ndarray:
    return np.load(f"set/embeddings/{name}.npy", allow_pickle=False)


def report() -> list[dict[str, str]]:
    return list(csv.DictReader(Path("set/embeddings/report.csv").read_text().splitlines()))


def test_three_seconds_of_one_face() -> None:
    clip("a", 75, (10, 30, GREEN))
    made = build("set", Columns())
    assert made == EmbeddingResult(1, 0, [], [])
    found = embeddings("a")
    assert (found.shape, found.dtype) == ((75, 1, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 0, 1], 1, atol=0.01)


def test_the_largest_faces_stand_from_left_to_right() -> None:
    clip("a", 75, (5, 10, RED), (20, 30, GREEN), (50, 80, BLUE))
    build("set", Columns(), n_faces=2)
    found = embeddings("a")
    assert found.shape == (75, 2, 512)
    assert found[0, 0].argmax() == 1
    assert found[0, 1].argmax() == 2


def test_frames_are_taken_by_number_and_only_the_first() -> None:
    folder = clip("a", 80, (10, 30, RED))
    draw(folder / "0074.jpg", (10, 30, GREEN))
    draw(folder / "0075.jpg", (10, 30, BLUE))
    for path in sorted(folder.iterdir()):
        path.rename(path.with_name(f"{int(path.stem)}.jpg"))  # 10.jpg stands before 9.jpg by name
    assert not build("set", Columns()).warnings
    assert embeddings("a")[:, 0].argmax(axis=1).tolist() == [0] * 74 + [1]


def test_a_frame_without_a_face_is_zeros_and_one_warning() -> None:
    folder = clip("a", 75, (10, 30, RED))
    for number in (3, 40):
        draw(folder / f"{number:04d}.jpg")
    assert build("set", Columns()).warnings == ["a: no face in 2 of 75 frames, zeros there"]
    found = embeddings("a")
    assert np.flatnonzero(np.linalg.norm(found[:, 0], axis=1) == 0).tolist() == [3, 40]
    assert report() == [{"stem": "a", "status": "ok", "reason": "no face in 2 of 75 frames, zeros there"}]


def test_a_short_clip_is_filled_with_zeros_and_told() -> None:
    clip("a", 10, (10, 30, RED))
    assert build("set", Columns()).warnings == ["a: 10 frames where 75 are wanted, zeros behind them"]
    found = embeddings("a")
    assert found.shape == (75, 1, 512)
    assert np.linalg.norm(found, axis=2).sum() == pytest.approx(10)


def test_another_length_and_grey_pictures() -> None:
    Path("set/frames/a").mkdir(parents=True)
    grey = np.zeros((32, 96), np.uint8)
    grey[:, 40:60] = 200
    for number in range(25):
        PIL.Image.fromarray(grey).save(f"set/frames/a/{number:04d}.jpg")
    assert not build("set", Columns(), seconds=1).warnings
    np.testing.assert_allclose(embeddings("a")[:, 0, :3], 3**-0.5, atol=0.01)


def test_a_bad_clip_is_told_and_the_rest_is_made() -> None:
    for name in ("a", "b", "c"):
        clip(name, 5, (10, 30, RED))
    Path("set/frames/a/0002.jpg").write_text("this is no picture")
    whole = Path("set/frames/b/0003.jpg").read_bytes()
    Path("set/frames/b/0003.jpg").write_bytes(whole[: len(whole) // 2])
    Path("set/frames/d").mkdir()
    made = build("set", Columns())
    assert made.made == 1
    assert [line.split(" ")[0] for line in made.failed] == [
        "set/frames/a/0002.jpg", "set/frames/b/0003.jpg", "set/frames/d",
    ]  # fmt: skip
    assert [path.name for path in sorted(Path("set/embeddings").glob("*.npy"))] == ["c.npy"]
    assert [row["status"] for row in report()] == ["failed", "failed", "ok", "failed"]


def test_what_is_made_is_left_alone_and_other_numbers_are_refused() -> None:
    clip("a", 75, (10, 30, RED))
    build("set", Columns())
    before = Path("set/embeddings/a.npy").stat().st_mtime_ns
    Path("set/embeddings/.clearmel-killed.tmp").write_text("half")
    clip("b", 75, (10, 30, RED))
    assert build("set", Columns())[:2] == (1, 1)
    assert Path("set/embeddings/a.npy").stat().st_mtime_ns == before
    assert not list(Path("set/embeddings").glob(".*"))
    with pytest.raises(InputError, match=r"a\.npy has shape \(75, 1, 512\); expected \(75, 2, 512\)"):
        build("set", Columns(), n_faces=2)
    Path("set/embeddings/a.npy").write_text("")
    with pytest.raises(InputError, match=r"a\.npy is not a readable"):
        build("set", Columns())


def test_embeddings_that_are_none_are_refused() -> None:
    class Short:
        def faces(self, image: Image) -> list[tuple[float, FloatArray]]:
            return [(0.0, np.ones(128, np.float32))]

    clip("a", 1)
    assert "shape (128,)" in build("set", Short()).failed[0]


def test_wrong_places() -> None:
    with pytest.raises(InputError, match="set does not exist"):
        build("set", Columns())
    Path("set").mkdir()
    with pytest.raises(InputError, match="set/frames does not exist"):
        build("set", Columns())
    Path("set/frames").mkdir()
    with pytest.raises(InputError, match="holds no clip"):
        build("set", Columns())
    clip("a", 1)
    Path("set/embeddings").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write set/embeddings/report\.csv"):
        build("set", Columns())


def test_missing_packages_and_models_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    clip("a", 1)
    refused(run_script("build_face_embeddings", "--dataset_path", "none"), "none does not exist")
    refused(run_script("build_face_embeddings", "--dataset_path", "set", "--seconds", 0), "--seconds 0")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "insightface", None)
        ran = run_script("build_face_embeddings", "--dataset_path", "set")
        refused(ran, "insightface is not installed", "clearmel[faces]")


@pytest.mark.skipif(not HAS_INSIGHTFACE, reason="needs insightface")
def test_models_are_never_downloaded() -> None:
    clip("a", 1)
    flags = ("--dataset_path", "set", "--models_path", "models")
    refused(run_script("build_face_embeddings", *flags), "models holds no models", "buffalo_l", "--models_path")
    Path("models").mkdir()
    refused(run_script("build_face_embeddings", *flags), "models holds no models")
    Path("models/det_10g.onnx").write_text("no model")
    refused(run_script("build_face_embeddings", *flags), "the models in models do not load")


def red_finder(folder: Path) -> None:
    """Models of the shape of buffalo_l's: red places are faces of 48 x 48, and their mean colour the embedding."""
    import onnx
    from onnx import TensorProto, helper

    def constant(name: str, values: np.ndarray) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(values, name)

    def save(name: str, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], outputs: dict[str, int],
             size: int | str) -> None:  # fmt: skip
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])
        infos = [helper.make_tensor_value_info(key, TensorProto.FLOAT, ["n", width]) for key, width in outputs.items()]
        graph = helper.make_graph(nodes, name, [image], infos, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(folder / name))

    # The detector sees red, green, blue within -1 and 1: red minus green minus blue, minus one, is 1 for pure red.
    weights = np.array([0.5, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1)
    constants = [
        constant("w", weights),
        constant("b", np.array([-0.5], np.float32)),
        constant("rows", np.array([-1, 1])),
    ]
    constants += [
        constant("0", np.zeros(1, np.float32)),
        constant("2", np.array([1, 2])),
        constant("1", np.array([1, 1])),
    ]
    nodes = [helper.make_node("Conv", ["image", "w", "b"], ["red"])]
    shapes = {"bbox": np.full((1, 4), 1, np.float32), "kps": np.zeros((1, 10), np.float32)}
    places = [(-0.4, -0.4), (0.4, -0.4), (0, 0), (-0.3, 0.4), (0.3, 0.4)]
    shapes["kps"][0] = np.ravel(places)
    outputs = dict[str, int]()
    for stride in (8, 16, 32):
        pooled = helper.make_node(
            "AveragePool", ["red"], [f"p{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
        )
        nodes += [pooled, helper.make_node("Reshape", [f"p{stride}", "rows"], [f"n{stride}"])]
        nodes += [helper.make_node("Concat", [f"n{stride}"] * 2, [f"c{stride}"], axis=1)]  # two anchors at each place
        nodes += [helper.make_node("Reshape", [f"c{stride}", "rows"], [f"score{stride}"])]
        nodes += [helper.make_node("Mul", [f"score{stride}", "0"], [f"none{stride}"])]
        for kind, values in shapes.items():
            constants.append(constant(f"{kind}_{stride}", values * 24 / stride))
            nodes.append(helper.make_node("Add", [f"none{stride}", f"{kind}_{stride}"], [f"{kind}{stride}"]))
    outputs = {
        f"{kind}{stride}": width for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)) for stride in (8, 16, 32)
    }
    save("det.onnx", nodes, constants, outputs, "side")

    spread = np.zeros((3, 512), np.float32)
    spread[range(3), range(3)] = 1
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "spread"], ["embedding"]),
    ]
    save("rec.onnx", nodes, [constant("spread", spread)], {"embedding": 512}, 112)


@pytest.mark.skipif(not HAS_INSIGHTFACE, reason="needs insightface")
def test_insightface_is_asked_as_it_wants_to_be() -> None:
    Path("models").mkdir()
    red_finder(Path("models"))
    detector = InsightFace("models")
    image = np.zeros((256, 256, 3), np.uint8)
    image[100:148, 40:88] = (255, 0, 0)
    found = detector.faces(image)
    assert len(found) >= 1
    centre, embedding = found[0]
    assert centre == pytest.approx(64, abs=16)
    assert embedding.shape == (512,)
    assert embedding[0] > embedding[1] + 0.2  # black is -1
    assert embedding[1] == pytest.approx(-1, abs=0.01)
    assert not detector.faces(np.ascontiguousarray(image[..., ::-1]))
