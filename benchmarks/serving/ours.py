"""Our own servers: images of a model that the training job trained, started as a supervisor would start them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.serving.peers import Peer, Question
from platforms.local.images import LocalImages
from platforms.settings import ROOT, Settings
from training import outputs

RECIPE: Final = "diabetes"
KEY: Final = "the-key-of-the-benchmark"
AUTHORIZED: Final = (f"Authorization: Bearer {KEY}",)


def train(home: Path) -> Path:
    """Run the training job on the recipe's seed data, once; returns its outputs."""
    job = home / "job"
    if (job / outputs.RESULT).exists():
        return job
    from deltalake import write_deltalake

    from recipes import catalog

    rows = catalog.load(RECIPE).seed_data()
    table = home / "table"
    shutil.rmtree(table, ignore_errors=True)
    write_deltalake(table, rows.assign(_version=0, _row=range(len(rows))))
    command = [sys.executable, "-m", "training", "--recipe", RECIPE, "--dataset-version", "0"]
    command += ["--table", str(table), "--out", str(job)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return job


def servers(home: Path, job: Path, binary_head: int) -> tuple[Peer, ...]:
    """The service with the job's weights, and with the same estimator as the peers: like for like.

    `binary_head` is the length of the JSON before the tensor in the body `v2-binary` of a thousand rows.
    """
    return (
        _server(home, "ridgeline", "Ridgeline", job, binary_head),
        _server(
            home, "ridgeline-estimator", "Ridgeline, same `Ridge.predict`", _estimator_job(home, job), binary_head
        ),
    )


def _server(home: Path, name: str, title: str, job: Path, binary_head: int) -> Peer:
    from tasks.packaging import assemble

    images = LocalImages(Settings(state=home / "state"))
    context = home / "context" / name
    shutil.rmtree(context, ignore_errors=True)
    assemble(context, RECIPE, job)
    image = images.build(context, RECIPE, 1)
    folder, python = images.locate(image.digest)
    keys = home / "keys"
    keys.write_text(f"benchmark {KEY}\n")
    values = {
        "PORT": "$port",
        "KEYS_FILE": str(keys),
        "LOG_DIR": f"$home/logs/{name}",
        "MODEL_VERSION": "1",
        "IMAGE_DIGEST": image.digest,
        "ENVIRONMENT": "prod",
    }
    binary = f"Inference-Header-Content-Length: {binary_head}"
    infer = f"/v2/models/{RECIPE}/infer"
    questions = (
        Question("rows", "/score", AUTHORIZED),
        Question("v2", infer, AUTHORIZED),
        Question("v2-columns", infer, AUTHORIZED),
        Question("v2-binary", infer, (*AUTHORIZED, binary)),
    )
    environ = {f"SCORING_{name}": value for name, value in values.items()}
    command = (str(python), "-m", "scoring_service")
    return Peer(name, title, command, questions, environ=environ, folder=folder, kind="ours")


def _estimator_job(home: Path, job: Path) -> Path:
    """The job's outputs with the estimator itself as the form that serves."""
    from benchmarks.serving.material import estimator_of
    from training import skops_file

    folder = home / "job-estimator"
    (folder / outputs.PORTABLE).mkdir(parents=True, exist_ok=True)
    trusted = skops_file.dump(estimator_of(job), folder / outputs.PORTABLE / "model.skops")
    form = {"form": "skops", "trusted": trusted}
    outputs.write_json(folder / outputs.PORTABLE / "form.json", form)
    result = json.loads((job / outputs.RESULT).read_text())
    outputs.write_json(folder / outputs.RESULT, result | {"requirements": ["numpy", "scikit-learn", "skops"]})
    return folder
