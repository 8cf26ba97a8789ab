"""Sorts recordings of noise and speech into classes by the names of their files, to train models/sounds.pth.

    python tools/gather_sounds.py --noise_path noise/outside --speech_path speech/outside --output_path sounds

Writes pieces of 5 s at 16 kHz as <class>/<file>-<number>.flac. Alarms, crowds and music, of which there are few
recordings, are built in part.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clearmel.audio import levels, sound_file
from clearmel.augmentation import scenes
from clearmel.core.file_io import FloatArray, list_files

RATE, PIECE_S = 16000, 5
LEAST, MOST = 45, 90
"""Pieces of a class, spread over its files; where there are fewer, they are repeated."""
MADE = 50
"""Crowds, pieces of music, and alarms in traffic, that are built."""
ALARM_RANGE_DB = (-5.0, 30.0)
"""Level of such an alarm above the traffic."""
CLASSES = {
    "alarm": r"cdda.*/(alarm|car_alarm|police_siren|church_bells)|redalert|FireStation",
    "animal": r"dog_bark|rooster|birds|[Rr]ainforest|summer-night|owls|farm\.|forest-ambience|(birch|dark)_forest_"
    r"(day|night)|autumn_(night|sunny)|(fernland|spring|mediterran|desert2).*(day|night)|animals_|farm_animal|"
    r"maad_soundscape|clear_night|weather_(clear|sunny|cloudy)|stebet|miaowing",
    "clock": r"clock_tick",
    "crowd": r"/crowd|crowded|cheering|applause|coffee-shop|walla|MarketFull|MarketMed|SportsCroud|School|chatter|"
    r"lobby_freshmen|taverns|scream",
    "engine": r"helicopter|searchandrescue|crrcsim|engine_|gear_shift|ignition|plane|car_engine|motor",
    "fire": r"[Ff]ire(_|place|[0-9]|\.)|0ad_fire|campfire",
    "impact": r"smash|bite_hit|hit_vehicle|hammering|woodcutting|smiths_|stonecutting|Blacksmith|destruction|explo|"
    r"close_|walk_|falling_tools",
    "keyboard": r"bucklespring|typing",
    "machine": r"aircon|dishwasher|vacuuming|/machine|/hum|exercise_bike|chainsaw|benchsaw|fridge|IndustryHigh",
    "music": r"librosa_music|guitar|piano|lugaru_music",
    "rain": r"rain|RAINSTORM|drizzle",
    "thunder": r"thunder",
    "traffic": r"/street|/city|Trafic",
    "railway": r"train\.|RailTrain|metro",
    "voice": r"baby_cry|sneeze|snoring|zombie_death",
    "water": r"sea_waves|0ad_water|waves|water(fall|\.|[0-9])|river|boat|running_tap|flush",
    "wind": r"wind|[Ww]ind|SNOWSTORM|snow",
}
"""A pattern of "<folder>/<file>" for each class."""
FIRST = ("music", "fire", "animal", "engine", "railway", "thunder", "alarm", "traffic")
"""The classes that win, in this order, where several patterns match; otherwise such a file is left out."""
MIXED = r"rain.*(thunder|traffic)|(thunder|storm).*rain|thunderstorm|snow-wind|portal_storm|[Ww]ind[Mm]ill"
"""Files with two sounds, or with a misleading name."""


def class_of(name: str) -> str | None:
    """The class of a file "<folder>/<file>", None if its name says none or several."""
    if re.search(MIXED, name):
        return None
    fitting = [label for label, pattern in CLASSES.items() if re.search(pattern, name)]
    return next((label for label in FIRST if label in fitting), fitting[0] if len(fitting) == 1 else None)


def pieces(wave: FloatArray) -> list[FloatArray]:
    """Pieces of `PIECE_S`, without those that are silent or 40 dB below the loudest; a short wave is one piece."""
    size = PIECE_S * RATE
    parts = [wave[start : start + size] for start in range(0, max(1, len(wave) - size // 2), size)]
    level = [levels.active_level_db(part, RATE) for part in parts]
    return [part for part, own in zip(parts, level, strict=True) if np.isfinite(own) and own > max(level) - 40]


def spread(found: dict[str, list[FloatArray]], rng: np.random.Generator) -> list[tuple[str, FloatArray]]:
    """From `LEAST` to `MOST` pieces with names, in turn from all files."""
    order = {name: int(place) for name, place in zip(sorted(found), rng.permutation(len(found)), strict=True)}
    ranked = sorted((turn, order[name], name) for name, parts in found.items() for turn in range(len(parts)))
    count = min(MOST, max(LEAST, len(ranked)))
    return [
        (f"{name}-{turn}-{number}", found[name][turn])
        for number, (turn, _, name) in enumerate((ranked * (LEAST // len(ranked) + 1))[:count])
    ]


def main() -> None:
    """Reads, sorts and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise_path", type=Path, required=True, help="folder of noise, a sub-folder for each source")
    parser.add_argument("--speech_path", type=Path, required=True, help="folder of speech, a sub-folder per speaker")
    parser.add_argument("--output_path", type=Path, required=True, help="output folder, with one sub-folder per class")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, list[FloatArray]]] = {label: {} for label in (*CLASSES, "speech")}
    for name in tqdm(list_files(args.noise_path, sound_file.SUFFIXES), desc="noise"):
        if label := class_of(name.as_posix()):
            wave = sound_file.read(args.noise_path / name, RATE)[0][: 120 * RATE]
            found[label]["_".join(name.with_suffix("").parts)] = pieces(wave)
    speakers = sorted({name.parts[0] for name in list_files(args.speech_path, sound_file.SUFFIXES)})
    voices = list[FloatArray]()
    for speaker in rng.permutation(speakers)[: 3 * MOST]:
        own = list_files(args.speech_path / speaker, sound_file.SUFFIXES)
        wave = sound_file.read(args.speech_path / speaker / own[int(rng.integers(len(own)))], RATE)[0]
        if len(wave) >= 2 * RATE and len(parts := pieces(wave)):
            voices.append(np.resize(parts[0], PIECE_S * RATE))
            found["speech"][speaker] = parts[:1]
    for number in range(MADE):
        chosen = rng.choice(len(voices), scenes.draw_crowd_size(rng))
        found["crowd"][f"made_{number}"] = [scenes.crowd([voices[k] for k in chosen], RATE, rng)]
        found["music"][f"made_{number}"] = [scenes.music(PIECE_S * RATE, RATE, rng)]
    streets = [piece for own in found["traffic"].values() for piece in own]
    rng_alarms = np.random.default_rng(1)
    for number in range(MADE):
        street = np.resize(streets[int(rng_alarms.integers(len(streets)))], PIECE_S * RATE)
        alarm = scenes.alarm(PIECE_S * RATE, RATE, rng_alarms)
        above_db = levels.active_level_db(alarm, RATE) - levels.active_level_db(street, RATE)
        gain = np.float32(10 ** ((above_db - rng_alarms.uniform(*ALARM_RANGE_DB)) / 20))
        found["alarm"][f"made_{number}"] = [alarm + street * gain]
    for label, files in found.items():
        chosen_pieces = spread(files, rng)
        (args.output_path / label).mkdir(parents=True, exist_ok=True)
        for name, piece in chosen_pieces:
            sound_file.write(
                args.output_path / label / f"{name}.flac", piece * np.float32(0.5 / np.abs(piece).max()), RATE
            )
        print(f"{label:10} {len(chosen_pieces):3} pieces of {len(files)} files", flush=True)


if __name__ == "__main__":
    main()
