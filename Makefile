# A fresh machine needs Python 3.11 or newer with venv, and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test check format

demo: $(VENV)/.installed
	$(BIN)/clearmel build dataset --val_speakers ru --val_noises val_market,val_harbour,val_jungle --output_path demo/data
	$(BIN)/python eval_classification.py --dataset_path demo/data/val
	$(BIN)/python eval_denoising.py --dataset_path demo/data/val --plot_dir demo/plots --max_plots 3
	$(BIN)/python train_classification.py --epochs 1 --dataset_path demo/data --model_filename demo_classifier.pth --plot_dir demo/plots
	$(BIN)/python train_denoising.py --epochs 1 --dataset_path demo/data --model_filename demo_denoiser.pth --plot_dir demo/plots
	$(BIN)/clearmel classify data/noisy.wav
	$(BIN)/clearmel denoise data/noisy.wav -o demo/denoised.wav --plot_dir demo/plots

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@
