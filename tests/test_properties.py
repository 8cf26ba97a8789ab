"""What must hold for any input, on examples that hypothesis draws; the same ones every time."""

import csv
import io
import itertools
import json
import math
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as some

from clearmel.audio import complex_masks, gains, levels, sound_file, splice
from clearmel.audio.features import DECIBELS_PER_UNIT, MelFeatures
from clearmel.audio.pipes import SAMPLE_BYTES, Pcm, read_header
from clearmel.augmentation import mix, recording_chain
from clearmel.core import file_io
from clearmel.core.errors import InputError
from clearmel.data import labels
from clearmel.data.batching import BucketSampler, Item, Shares, collate
from clearmel.data.labels import Listing
from clearmel.inference import live
from clearmel.options import CutOptions
from clearmel.prepare.download import clip_lists
from clearmel.reporting import tables
from clearmel.segments import binarize, frames, timelines
from clearmel.segments.binarize import parts_to_keep
from clearmel.segments.frame_rate import FrameRate
from clearmel.segments.label_file import LabelFile
from clearmel.segments.timelines import Timeline
from clearmel.web.wav_stream import WavStream

SILENCE = 1 + math.log(1e-12) / 10


def holds(n_examples: int = 40) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=n_examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def wave_of(seed: int, n_samples: int, level_db: float = -20.0, kind: str = "noise") -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = rng.standard_normal(n_samples) if kind == "noise" else np.zeros(n_samples)
    if kind == "click":
        wave[rng.integers(n_samples)] = 1.0
    if kind == "steady":
        wave[:] = 1.0
    return np.asarray(wave * 10 ** (level_db / 20), np.float32)


seeds = some.integers(0, 2**31 - 1)
features = some.sampled_from([
    MelFeatures(), MelFeatures(n_fft=512), MelFeatures(hop_length=512), MelFeatures(win_length=800),
    MelFeatures(n_fft=480, hop_length=160, n_mels=40), MelFeatures(top_db=80.0),
    MelFeatures(pre_emphasis=0.97, exponent=1),
])  # fmt: skip


# Features


@holds()
@given(
    features,
    seeds,
    some.integers(1, 6000),
    some.floats(-250, 120),
    some.sampled_from(["noise", "click", "steady", "no"]),
)
def test_a_mel_is_finite_and_as_long_as_it_should_be(
    of: MelFeatures, seed: int, n_samples: int, level_db: float, kind: str
) -> None:
    mel = of.mel(torch.from_numpy(wave_of(seed, n_samples, level_db, kind)))
    assert mel.shape == (1 + n_samples // of.hop_length, of.n_mels)
    assert torch.isfinite(mel).all()
    if not of.top_db:
        assert float(mel.min()) >= SILENCE - 1e-4
    elif n_samples:
        assert float(mel.max()) == pytest.approx(1)
        assert float(mel.min()) >= 1 - of.top_db / DECIBELS_PER_UNIT - 1e-5


@holds()
@given(seeds, some.integers(1, 5000), some.integers(0, 9))
def test_silence_of_some_hops_before_a_recording_moves_its_mel_by_as_many_frames(
    seed: int, n_samples: int, hops: int
) -> None:
    of, wave = MelFeatures(), torch.from_numpy(wave_of(seed, n_samples))
    moved = of.mel(torch.cat([torch.zeros(hops * of.hop_length), wave]))
    torch.testing.assert_close(moved[hops:], of.mel(wave), atol=2e-4, rtol=0)


@holds()
@given(seeds, some.integers(2000, 5000), some.floats(-60, 30))
def test_a_gain_moves_every_band_by_its_decibels(seed: int, n_samples: int, gain_db: float) -> None:
    of, wave = MelFeatures(), torch.from_numpy(wave_of(seed, n_samples, 0.0))
    before, after = of.mel(wave), of.mel(wave * 10 ** (gain_db / 20))
    loud = torch.minimum(before, after) > SILENCE + 0.8  # the floor adds less than a thousandth there
    assert loud.any()
    torch.testing.assert_close(after[loud] - before[loud], torch.full_like(before[loud], gain_db / DECIBELS_PER_UNIT),
                               atol=2e-4, rtol=0)  # fmt: skip


@holds()
@given(seeds, some.integers(2000, 5000), some.floats(-40, 20))
def test_mels_that_count_from_the_loudest_value_know_no_level(seed: int, n_samples: int, gain_db: float) -> None:
    of, wave = MelFeatures(top_db=40.0), torch.from_numpy(wave_of(seed, n_samples, 0.0))
    torch.testing.assert_close(of.mel(wave * 10 ** (gain_db / 20)), of.mel(wave), atol=2e-3, rtol=0)


@holds(60)
@given(seeds, some.integers(1, 6000), some.sampled_from([(1024, 256), (1024, 512), (512, 128), (512, 256), (64, 16)]))
def test_the_stft_comes_back(seed: int, n_samples: int, sizes: tuple[int, int]) -> None:
    of, wave = MelFeatures(n_fft=sizes[0], hop_length=sizes[1], n_mels=4), torch.from_numpy(wave_of(seed, n_samples))
    torch.testing.assert_close(of.istft(of.stft(wave), n_samples), wave, atol=1e-5, rtol=1e-4)


@holds()
@given(seeds, some.integers(1, 40), some.floats(-3, 3))
def test_a_band_gain_turns_the_power_of_one_mel_into_that_of_the_other(seed: int, n_frames: int, change: float) -> None:
    of = MelFeatures()
    noisy = torch.from_numpy(np.random.default_rng(seed).normal(0, 0.4, (n_frames, 80))).double()
    gain = gains.band_gain(noisy, noisy + change)
    assert float(gain.max()) <= 1
    torch.testing.assert_close(of.power_of_mel(noisy) * gain**2, of.power_of_mel(noisy + min(change, 0.0)))


# Mixing


@holds()
@given(seeds, some.integers(1600, 16000), some.floats(-20, 40), some.floats(-60, 0), some.floats(-60, 0))
def test_the_snr_that_was_asked_for_is_the_one_that_comes(
    seed: int, n_samples: int, snr_db: float, speech_db: float, noise_db: float
) -> None:
    speech, noise = wave_of(seed, n_samples, speech_db), wave_of(seed + 1, n_samples * 2, noise_db)
    recipe = mix.Recipe(("noise/a",), snr_db, seed)
    noisy, clean = mix.mix(speech, recipe, lambda _: noise)
    assert noisy.shape == clean.shape == speech.shape
    assert max(np.abs(noisy).max(), np.abs(clean).max()) <= 0.99 + 1e-6
    measured = levels.active_level_db(clean) - levels.active_level_db(noisy - clean)
    assert measured == pytest.approx(snr_db, abs=0.05)


@holds()
@given(seeds, some.integers(400, 9000), some.integers(1, 20000), some.integers(1, 3))
def test_any_chain_gives_finite_sound_of_the_same_length_twice_the_same(
    seed: int, n_samples: int, n_noise: int, n_noises: int
) -> None:
    rng = np.random.default_rng(seed)
    chain = recording_chain.draw_chain(rng, True, 0.0)
    recipe = mix.Recipe(
        ("noise/a", "coloured", "noise/b")[:n_noises], float(rng.uniform(-10, 30)), seed, 6.0, chain, 3.0
    )
    speech, noise = wave_of(seed, n_samples), wave_of(seed + 1, n_noise)
    pairs = [mix.mix(speech, recipe, lambda _: noise) for _ in range(2)]
    for side in (0, 1):
        assert pairs[0][side].shape == speech.shape
        assert pairs[0][side].dtype == np.float32
        assert np.isfinite(pairs[0][side]).all()
        assert np.abs(pairs[0][side]).max() <= 0.991
        np.testing.assert_array_equal(pairs[0][side], pairs[1][side])


@holds()
@given(seeds, some.integers(1, 4000), some.booleans(), some.booleans())
def test_silence_is_refused_and_never_becomes_nan(seed: int, n_samples: int, speaks: bool, sounds: bool) -> None:
    speech = wave_of(seed, n_samples, kind="noise" if speaks else "no")
    noise = wave_of(seed + 1, n_samples, kind="click" if sounds else "no")
    recipe = mix.Recipe(("noise/a",), 5.0, seed)
    if speaks and sounds:
        assert np.isfinite(mix.mix(speech, recipe, lambda _: noise)).all()
    else:
        with pytest.raises(InputError, match="is silent"):
            mix.mix(speech, recipe, lambda _: noise)


@holds()
@given(seeds, some.integers(1, 3000), some.integers(1, 9000))
def test_noise_is_stretched_to_any_length(seed: int, n_noise: int, n_samples: int) -> None:
    noise = wave_of(seed, n_noise)
    part = mix.random_segment(noise, n_samples, np.random.default_rng(seed))
    assert part.shape == (n_samples,)
    assert np.abs(part).max() <= math.sqrt(2) * np.abs(noise).max() + 1e-6


# Sound files and pipes


STEPS = {"PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 0.0, "DOUBLE": 0.0}


@holds()
@given(
    seeds, some.integers(1, 3000), some.integers(1, 8), some.integers(1000, 384_000), some.sampled_from(list(STEPS)),
    some.sampled_from([".wav", ".flac", ".aiff", ".au", ".caf", ".w64", ".rf64"]),
)  # fmt: skip
def test_sound_comes_back_from_a_file(
    seed: int, n_samples: int, n_channels: int, rate: int, subtype: str, suffix: str
) -> None:
    assume(suffix != ".flac" or subtype in ("PCM_16", "PCM_24"))
    rng = np.random.default_rng(seed)
    wave = rng.uniform(-0.99, 0.99, (n_channels, n_samples)).astype(np.float32)
    path = f"sound{suffix}"
    sound_file.write(path, wave, rate, subtype)
    info = sound_file.inspect(path)
    assert (info.sample_rate, info.n_channels, info.n_samples) == (rate, n_channels, n_samples)
    assert info.subtype == subtype
    pieces = list(sound_file.blocks(path, float(rng.uniform(0.2, 2)) * n_samples / rate))
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), wave, atol=STEPS[subtype] + 1e-7, rtol=0)
    np.testing.assert_allclose(sound_file.read(path)[0], wave.mean(axis=0), atol=STEPS[subtype] + 1e-6, rtol=0)


rates = some.sampled_from([1000, 8000, 11025, 16000, 22050, 44100, 48000, 96000, 384_000])


@holds(60)
@given(seeds, some.integers(1, 6000), rates, rates, some.floats(0.05, 1.5), some.integers(1, 2))
def test_resampled_sound_lasts_as_long_at_once_and_in_pieces(
    seed: int, n_samples: int, own: int, other: int, share: float, n_channels: int
) -> None:
    wave = np.stack([wave_of(seed + channel, n_samples) for channel in range(n_channels)])
    sound_file.write("own.wav", wave, own, "FLOAT")
    whole, rate = sound_file.read("own.wav", other)
    assert rate == other
    assert abs(len(whole) - n_samples * other / own) <= 1
    pieces = list(sound_file.resampled("own.wav", other, share * n_samples / own))
    assert 0 <= sum(piece.shape[1] for piece in pieces) - math.floor(n_samples * other / own) <= 2
    together = np.concatenate(pieces, axis=1).mean(axis=0)
    count = min(len(together), len(whole)) - 1  # the last one may have been lost in rounding, and be silence
    np.testing.assert_allclose(together[:count], whole[:count], atol=1e-4)


@holds()
@given(
    seeds, some.sampled_from(list(SAMPLE_BYTES)), some.integers(1, 4), some.integers(1, 700),
    some.lists(some.integers(1, 400), min_size=1, max_size=12), some.integers(1, 40), some.booleans(),
)  # fmt: skip
def test_bytes_of_a_pipe_give_the_same_samples_however_they_come(
    seed: int, subtype: str, n_channels: int, n_samples: int, sizes: list[int], hop: int, header: bool
) -> None:
    form = Pcm.of_file(subtype, 16000, n_channels)
    wave = np.random.default_rng(seed).uniform(-0.99, 0.99, (n_channels, n_samples)).astype(np.float32)
    data = (form.header() if header else b"") + form.encode(wave)
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # keeps the pieces apart
    with theirs, ours:
        for buffer in (theirs, ours):
            buffer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        start, lengths = 0, itertools.cycle(sizes)
        while start < len(data):
            size = max(next(lengths), len(data) // 60)
            theirs.send(data[start : start + size])
            start += size
        theirs.close()
        incoming = live.Incoming(ours.fileno())
        found = read_header(incoming.exactly) if header else form
        pieces = list(live._blocks(incoming, found, hop))
    assert found == form
    assert all(piece.shape[1] % hop == 0 for piece in pieces[:-1])
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), form.decode(form.encode(wave)))
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), wave, atol=2**-15)


@holds(60)
@given(some.sampled_from(list(SAMPLE_BYTES)), some.integers(1000, 384_000), some.integers(1, 64))
def test_a_header_that_goes_out_comes_in(subtype: str, rate: int, n_channels: int) -> None:
    form = Pcm.of_file(subtype, rate, n_channels)
    assert read_header(io.BytesIO(form.header()).read) == form


# What is kept and cut


cut_options = some.builds(
    CutOptions,
    threshold=some.floats(0.05, 0.95),
    hysteresis=some.floats(0, 1),
    min_keep_s=some.floats(0, 0.5),
    min_cut_s=some.floats(0, 0.5),
    margin_before_s=some.floats(0, 0.4),
    margin_after_s=some.floats(0, 0.4),
)
runs = some.tuples(some.sampled_from([0.0, 0.1, 0.3, 0.49, 0.5, 0.6, 0.9, 1.0]), some.integers(1, 30))
chances = some.lists(runs, min_size=1, max_size=12).map(lambda found: [p for p, count in found for _ in range(count)])


@holds(200)
@given(chances, cut_options, some.sampled_from([0.016, 0.02, 0.04, 0.1]), some.floats(-0.5, 0.5), some.floats(0, 1))
def test_what_stays_and_what_goes_make_up_the_recording(
    found: list[float], options: CutOptions, frame_s: float, more: float, first: float
) -> None:
    probabilities, duration_s = np.array(found, np.float32), max(0.001, (len(found) + more) * frame_s)
    kept = parts_to_keep(probabilities, frame_s, duration_s, options, -first * frame_s)
    timeline = Timeline(Path("a.wav"), duration_s, 16000, 1, kept)
    segments = timeline.segments()
    assert [segment[0] for segment in segments] == [0.0, *(segment[1] for segment in segments[:-1])]
    assert segments[-1][1] == duration_s
    assert all(start < end for start, end, _ in segments)
    assert all(before[2] != after[2] for before, after in itertools.pairwise(segments))
    assert timeline.kept_s() == pytest.approx(sum(end - start for start, end in kept))
    inner = [(a, b) for a, b in timeline.cuts() if a > 0 and b < duration_s]
    assert all(end - start >= options.min_cut_s - 1e-9 for start, end in inner)


@holds(100)
@given(chances, cut_options)
def test_a_frame_that_is_sure_stays_and_one_that_is_far_from_any_goes(found: list[float], options: CutOptions) -> None:
    options = replace(options, min_keep_s=0.0)
    kept = parts_to_keep(np.array(found, np.float32), 0.1, len(found) * 0.1, options)
    margin = options.margin_before_s + options.margin_after_s + options.min_cut_s
    low = np.array(found, np.float32) < options.lower()
    for number, chance in enumerate(np.array(found, np.float32)):
        middle = (number + 0.5) * 0.1
        inside = any(start <= middle <= end for start, end in kept)
        if chance >= options.threshold:
            assert inside
        reach = math.ceil(margin / 0.1) + 1
        if low[max(0, number - reach) : number + reach + 1].all():
            assert not inside or len(kept) == 0


@holds(60)
@given(chances, cut_options, some.sampled_from([24, 25, 30, 60]))
def test_time_lines_say_the_same_in_every_format(found: list[float], options: CutOptions, fps: int) -> None:
    kept = parts_to_keep(np.array(found, np.float32), 0.04, len(found) * 0.04, options)
    timeline = Timeline(Path("a b.wav"), len(found) * 0.04, 16000, 1, kept)
    wanted = [(round(start, 4), round(end, 4), label) for start, end, label in timeline.segments()]
    rate = FrameRate(Fraction(fps))
    plain = json.loads(timelines.as_json(timeline, rate))["segments"]
    assert [(one["start_s"], one["end_s"], one["label"]) for one in plain] == wanted
    rows = list(csv.DictReader(io.StringIO(timelines.as_csv(timeline, rate))))
    assert [(float(row["start_s"]), float(row["end_s"]), row["label"]) for row in rows] == wanted
    tracks = [line.split("\t") for line in timelines.as_audacity(timeline, rate).splitlines()]
    assert [(round(float(a), 4), round(float(b), 4), label) for a, b, label in tracks] == wanted
    events = [line.split()[-4:] for line in timelines.as_edl(timeline, rate).splitlines() if line[:3].isdigit()]
    places = [[in_frames(code, fps) for code in event] for event in events]
    at = 0
    for first, last, place, behind in places:
        assert place == at
        assert behind - place == last - first > 0
        at = behind
    assert abs(at - timeline.kept_s() * fps) <= len(kept) + 1e-6


def in_frames(code: str, fps: int) -> int:
    hours, minutes, seconds, rest = map(int, code.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * fps + rest


@some.composite
def removals(draw: some.DrawFn) -> tuple[int, int, list[tuple[float, float]]]:
    """Samples, rate, and spans in order."""
    n_samples, rate = draw(some.integers(1, 4000)), draw(some.sampled_from([1000, 8000, 16000]))
    edges = sorted(draw(some.lists(some.floats(0, n_samples / rate), max_size=12)))
    return n_samples, rate, list(zip(edges[::2], edges[1::2], strict=False))


@holds(150)
@given(removals())
def test_joins_take_no_more_than_what_is_kept_beside_them(given_: tuple[int, int, list[tuple[float, float]]]) -> None:
    n_samples, rate, remove = given_
    found = splice.parts(n_samples, rate, remove)
    gone = sum(min(n_samples, round(b * rate)) - min(n_samples, round(a * rate)) for a, b in remove)
    assert sum(part.end - part.start for part in found) == n_samples - gone
    at = 0
    for part in found:
        assert part.place == at
        assert part.before + part.behind <= part.end - part.start
        assert part.start - part.before >= 0
        assert part.end + part.behind <= n_samples
        at += part.end - part.start
    assert all(
        before.end <= after.start and before.behind == after.before for before, after in itertools.pairwise(found)
    )


@holds(30)
@given(removals(), seeds, some.lists(some.tuples(some.integers(0, 4000), some.integers(1, 900)), max_size=4))
def test_an_edited_recording_reads_the_same_from_anywhere(
    given_: tuple[int, int, list[tuple[float, float]]], seed: int, places: list[tuple[int, int]]
) -> None:
    n_samples, rate, remove = given_
    wave = np.random.default_rng(seed).uniform(-1, 1, n_samples).astype(np.float32)
    sound_file.write("whole.wav", wave, rate, "FLOAT")
    with splice.Spliced("whole.wav", remove) as spliced:
        edited = spliced.read(0, spliced.n_samples)
        for start, count in places:
            piece, wanted = spliced.read(start, count), edited[:, start : start + count]
            np.testing.assert_allclose(piece[:, : wanted.shape[1]], wanted, atol=1e-6)
            assert not piece[:, wanted.shape[1] :].any()
        for part in spliced.parts:  # between its joins it is the source
            own = slice(part.place + part.before, part.place + part.end - part.start - part.behind)
            np.testing.assert_array_equal(
                edited[0, own], wave[own.start - part.place + part.start :][: own.stop - own.start]
            )


@holds()
@given(seeds, some.integers(1, 900), some.lists(some.integers(1, 400), min_size=1, max_size=9))
def test_lowered_sound_is_the_same_in_any_pieces(seed: int, n_samples: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    edges = np.unique(rng.integers(0, n_samples + 1, 6) // 40 * 40)
    parts = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=False))
    wave = rng.uniform(-1, 1, (2, n_samples)).astype(np.float32)
    ends = np.minimum(np.cumsum(list(itertools.islice(itertools.cycle(sizes), n_samples))), n_samples)
    pieces = [piece for piece in np.split(wave, np.unique(ends), axis=1) if piece.shape[1]]
    done = np.concatenate(list(binarize.attenuate(pieces, parts, -20.0, 20)), axis=1)
    np.testing.assert_allclose(done, next(binarize.attenuate([wave], parts, -20.0, 20)), atol=1e-6)
    assert (np.abs(done) <= np.abs(wave) + 1e-6).all()
    assert (np.abs(done) >= np.abs(wave) * 0.1 - 1e-6).all()


# Labels of the page


@holds(100)
@given(some.lists(some.integers(0, 1), min_size=1, max_size=60), some.floats(0, 0.0399))
@example([0], 0.0)
@example([1, 0], 0.0)
def test_a_list_of_labels_comes_back_from_its_spans(label: list[int], rest: float) -> None:
    duration_s = (len(label) - 1) * frames.FRAME_S + max(rest, 0.002)
    spans = frames.to_spans(label, duration_s)
    assert frames.n_frames(duration_s) == len(label)
    assert frames.from_spans(spans, len(label), duration_s) == label


spans = some.lists(some.tuples(some.floats(-1, 12), some.floats(-1, 12)).map(sorted), max_size=20)


@holds(200)
@given(spans, some.floats(0.01, 10))
@example([[0.1, 0.2000001], [0.2000003, 0.3]], 1.0)
@example([[0.0000004, 0.0010004]], 1.0)
def test_tidy_spans_are_in_order_apart_and_stay_as_they_are(found: list[list[float]], duration_s: float) -> None:
    tidy = frames.tidy(found, duration_s)
    assert all(0 <= start < end <= duration_s + 1e-6 for start, end in tidy)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(tidy))
    assert frames.tidy(tidy, duration_s) == tidy


@holds(30)
@given(spans, some.floats(0.1, 10), some.sampled_from(["spans", "lists"]))
def test_what_is_stored_is_what_was_saved(found: list[list[float]], duration_s: float, form: str) -> None:
    path = Path("labels.json")
    path.unlink(missing_ok=True)
    if form == "lists":
        path.write_text('{"b": [1]}')
    store = LabelFile(path, ["a.wav", "b.wav"])
    saved, entry = store.save("a.wav", found, duration_s, None)
    again = LabelFile(path, ["a.wav", "b.wav"])
    assert saved
    assert again.get("a.wav", duration_s) == entry
    assert again.save("a.wav", entry.remove, duration_s, entry.version) == (True, entry)
    if form == "spans":
        assert entry.remove == frames.tidy(found, duration_s)
    count = frames.n_frames(duration_s)
    assert again.frames("a.wav", duration_s) == frames.from_spans(frames.tidy(found, duration_s), count, duration_s)


@holds(30)
@given(
    removals(),
    seeds,
    some.integers(1, 2),
    some.lists(some.tuples(some.integers(0, 9000), some.integers(1, 999)), max_size=5),
)
def test_ranges_of_the_pages_wav_are_parts_of_it(
    given_: tuple[int, int, list[tuple[float, float]]], seed: int, n_channels: int, ranges: list[tuple[int, int]]
) -> None:
    n_samples, rate, remove = given_
    rng = np.random.default_rng(seed)
    sound_file.write("page.wav", rng.uniform(-1, 1, (n_channels, n_samples)).astype(np.float32), rate)
    wav = WavStream(Path("page.wav"), remove)
    whole = b"".join(wav.data(0, wav.size))
    assert len(whole) == wav.size
    if wav.size > 44:
        decoded, decoded_rate = sf.read(io.BytesIO(whole))
        assert (decoded_rate, len(decoded)) == (rate, round(wav.duration_s * rate))
    for start, count in ranges:
        start %= wav.size + 50
        asked = wav.range(f"bytes={start}-{start + count - 1}")
        if start >= wav.size:
            assert asked is None
            continue
        assert asked == (start, min(wav.size, start + count))
        assert b"".join(wav.data(*asked)) == whole[asked[0] : asked[1]]


# Batches, splits, masks


@holds(80)
@given(some.lists(some.integers(1, 500), min_size=1, max_size=150), some.integers(1, 20), seeds, some.integers(0, 5))
def test_every_item_comes_once_an_epoch_on_any_number_of_processes(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    for shuffle in (True, False):
        sampler = BucketSampler(lengths, batch_size, shuffle, seed)
        sampler.epoch = epoch
        batches = sampler.batches()
        assert len(batches) == len(sampler)
        assert sorted(item for batch in batches for item in batch) == list(range(len(lengths)))
        assert all(1 <= len(batch) <= batch_size for batch in batches)
        for world in (1, 2, 3, 7):
            start = (seed + world) % (len(batches) + 1)
            shares = [list(Shares(batches, rank, world, start)) for rank in range(world)]
            for number, batch in enumerate(batches[start:]):
                own = [share[number][: len(batch[rank::world])] for rank, share in enumerate(shares)]
                assert sorted(item for part in own for item in part) == sorted(batch)
                assert all(share[number] for share in shares)  # nobody waits for one that has nothing


@holds()
@given(some.lists(some.integers(1, 30), min_size=1, max_size=8), seeds)
def test_padding_hides_nothing_and_is_masked(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    mels = [torch.from_numpy(rng.normal(size=(length, 5)).astype(np.float32)) for length in lengths]
    batch = collate([Item(str(k), {"mel": mel}, float(k)) for k, mel in enumerate(mels)])
    mask = batch.mask()
    assert mask.sum(dim=1).tolist() == lengths
    for k, mel in enumerate(mels):
        torch.testing.assert_close(batch.mels["mel"][k][mask[k]], mel)
        assert not batch.mels["mel"][k][~mask[k]].any()


@holds(60)
@given(
    some.lists(some.integers(0, 3), min_size=1, max_size=60), some.floats(0, 1), seeds,
    some.one_of(some.none(), some.integers(0, 3)),
)  # fmt: skip
def test_training_and_validation_share_no_recording(
    targets: list[int], fraction: float, seed: int, fold: int | None
) -> None:
    names = [Path(f"{k}.wav") for k in range(len(targets))]
    used = sorted(set(targets))
    listing = Listing(
        Path(), names, [used.index(t) for t in targets], [str(t) for t in used], [1 + k % 3 for k in range(len(names))]
    )
    try:
        parts, line = [labels.part(listing, split, fold, fraction, seed) for split in ("train", "val")], ""
    except InputError as error:
        parts, line = [], error.line()
    if not parts:
        assert "no training files are left" in line or "has no file of fold" in line
        return
    assert not set(parts[0].names) & set(parts[1].names)
    assert set(parts[0].names) | set(parts[1].names) == set(names)
    by_name = dict(zip(listing.names, listing.targets, strict=True))
    assert all(by_name[name] == t for part in parts for name, t in zip(part.names, part.targets, strict=True))


@holds()
@given(seeds, some.floats(0.1, 40))
def test_compressed_masks_come_back(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    mask = torch.from_numpy(rng.uniform(-size, size, (3, 20)) + 1j * rng.uniform(-size, size, (3, 20)))
    torch.testing.assert_close(complex_masks.expand(complex_masks.compress(mask)), mask, atol=1e-6, rtol=1e-6)
    small = mask * (12 / size)
    torch.testing.assert_close(
        complex_masks.expand_sigmoid(complex_masks.compress_sigmoid(small)), small, atol=1e-6, rtol=1e-6
    )
    assert torch.view_as_real(complex_masks.compress(mask * 1e6)).abs().max() <= complex_masks.K


@holds()
@given(seeds, some.floats(-60, 20))
def test_ideal_masks_give_the_voices_back(seed: int, level_db: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((1, 2, 6, 9)) + 1j * rng.standard_normal((1, 2, 6, 9))
    voices = torch.from_numpy(values * 10 ** (level_db / 20))
    mixture = voices.sum(dim=1, keepdim=True)
    audible = mixture.abs() > 1e-2 * voices.abs().amax()
    back = complex_masks.ideal_complex(voices, mixture) * mixture
    power = mixture.abs().square()
    torch.testing.assert_close(back, voices * power / (power + complex_masks.TINY))
    assert audible.any()
    shares = complex_masks.ideal_ratio(voices)
    assert bool(((shares >= 0) & (shares <= 1)).all())
    torch.testing.assert_close(shares.sum(dim=1), torch.ones_like(shares[:, 0]), atol=1e-3, rtol=0)


# Text that goes out


@holds(100)
@given(some.text(max_size=900))
def test_a_path_in_a_message_is_one_short_line(text: str) -> None:
    shown = file_io.quoted(text)
    assert shown.isprintable()
    assert len(shown) <= 300
    assert InputError(f"{shown} is missing.").line() == f"{shown} is missing."


values = some.recursive(
    some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), some.text(max_size=5)),
    lambda inner: some.one_of(
        some.lists(inner, max_size=3), some.dictionaries(some.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@holds(100)
@given(values)
def test_json_holds_no_numbers_that_json_does_not_know(value: object) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = tables.json_text(value)
    file_io.write_text("value.json", text)
    back = json.loads(Path("value.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert tables.json_text(back) == text


clips = some.tuples(some.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True), some.floats(0, 1e6), some.floats(0.001, 1e4))


@holds(60)
@given(some.lists(clips, min_size=1, max_size=12), some.booleans(), some.integers(1, 12), some.integers(0, 12))
def test_a_list_of_clips_is_read_as_it_was_written(
    rows: list[tuple[str, float, float]], header: bool, first: int, more: int
) -> None:
    assume(first <= len(rows))
    lines = ["# a comment", *(["id,start,end"] if header else [])]
    Path("list.csv").write_text("\n".join([*lines, *(f"{name}, {a!r},{a + b!r}" for name, a, b in rows)]))
    found = clip_lists.read("list.csv", first, first + more)
    assert [clip.row for clip in found] == list(range(first, min(len(rows), first + more) + 1))
    for clip in found:
        name, start, length = rows[clip.row - 1]
        assert (clip.id, clip.start_s, clip.end_s) == (name, start, start + length)
        assert os.sep not in clip.stem
    assert len({clip.stem for clip in found}) == len(found)
