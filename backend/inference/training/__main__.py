"""Trains the model and writes its file and its card: `make train`, `make train CSV=FILE`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from inference.model import CARD_FILE, MODEL_FILE, TRAINED

from training.data import Data, DataError, read_csv
from training.fit import train
from training.packages import fetch_packages


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 when the model was written, 1 when the data is no good."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument(
        "--csv", type=Path, help="train from this file: columns url, label (phishing or benign)"
    )
    parser.add_argument("--licence", default="not stated", help="the CSV's, for the model card")
    parser.add_argument("--output", type=Path, default=TRAINED, help="folder for model and card")
    asked = parser.parse_args(arguments)
    try:
        trained = train(_data(asked.csv, licence=asked.licence))
    except DataError as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / MODEL_FILE).write_bytes(trained.data)
    card = json.dumps(trained.card, indent=2, ensure_ascii=False)
    (asked.output / CARD_FILE).write_text(f"{card}\n", encoding="utf-8")
    measured = trained.card["held_out"]
    print(
        f"Trained model {trained.card['version']} ({len(trained.data):,} bytes). Held out: "
        f"AUC {measured['auc']}; at {trained.card['threshold']}: precision "
        f"{measured['precision']}, recall {measured['recall']}."
    )
    return 0


def _data(file: Path | None, *, licence: str) -> Data:
    if file is not None:
        return read_csv(file, licence=licence)
    print("training: fetching the lists with npm", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        return fetch_packages(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
