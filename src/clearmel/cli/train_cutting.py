"""Trains a network that cuts pauses, breaths and knocks out of speech, and saves its weights to models/."""

import functools
from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_model_flag, add_option_flags, add_plot_flags, take
from clearmel.options import AugmentOptions, ClipNoiseOptions, CutterOptions, FeatureOptions, FitOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    data_flags.add_clip_flags(parser, training=True)
    add_model_flag(parser, "cutter.pth")
    add_option_flags(parser, FitOptions, epochs=40, batch_size=24, learning_rate=2e-3, weight_decay=0.01,
                         clip_norm=1.0, schedule="cosine")  # fmt: skip
    add_plot_flags(parser)
    add_option_flags(parser.add_argument_group("features"), FeatureOptions, features="mel100")
    changes = parser.add_argument_group("changes in training")
    add_option_flags(changes, AugmentOptions, ("speed", "shortest", "blend", "mixup", "temperature"),
                         gain_db=12.0, filter_db=6.0, time_mask=0.03, freq_mask=0.15)  # fmt: skip
    add_option_flags(parser.add_argument_group("noise in training, where --noise_path is given"), ClipNoiseOptions)
    add_option_flags(parser.add_argument_group("network"), CutterOptions)
    args = parser.parse_args(argv)
    chosen, features = take(CutterOptions, args), take(FeatureOptions, args)
    augment, options, noise = take(AugmentOptions, args), take(FitOptions, args), take(ClipNoiseOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.checkpoints import weights_file
    from clearmel.inference import cut, denoise
    from clearmel.reporting import plots
    from clearmel.tasks import CuttingTask
    from clearmel.training import run

    skipped = data_flags.skipped([args.dataset_path, noise.noise_path, noise.val_noise_path, noise.rir_path])

    mel, denoised = MelFeatures(**features.numbers()), None
    if noise.noise_path and noise.denoised_share:
        network = weights_file.load_denoiser("denoiser.pth")
        denoised = functools.partial(denoise.denoise_wave, network, sample_rate=mel.sample_rate, options=cut.FOR_CUTS)
    task = CuttingTask(
        data_flags.source(args, "train", options.seed),
        sizes=chosen.sizes(),
        features=mel,
        network_name=chosen.network,
        augment=augment,
        clip_s=args.clip_s,
        labels_path=args.labels_path,
        noise=noise,
        denoise=denoised,
    )
    run.train(task, options, args.model_filename, plots.Board(args.plot_dir, enabled=not args.no_plots))
    return skipped
