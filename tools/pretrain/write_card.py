"""Writes the model card of a network that ships, from the figures in `results/` and the file in `assets/`."""

import json
import sys
from pathlib import Path

from measure_text import interval

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parents[1] / "assets"

TEACHERS_OF_TEXT = """- Teachers, whose outputs were matched: [all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2) (Apache-2.0) and
  [bge-small-en-v1.5](https://huggingface.co/BAAI/bge-small-en-v1.5) (MIT). No weight of theirs is in the file, nor was one copied to start from."""

TEXTS = """- 64,265 sentences without their labels: the training parts of SST-2 (as openai/generating-reviews-discovering-sentiment gives
  it, MIT), banking77 (CC BY 4.0), STS benchmark (its own terms), and, with no licence stated where they were taken from, TREC, MR, CR and SUBJ
  (harvardnlp/sent-conv-torch), AG News (mhjabreel/CharCnn_Keras) and the emotions of TweetEval (cardiffnlp/tweeteval); and the validation and
  test text of wikitext-2 (CC BY-SA). A sentence that also appears in any part used for evaluation, of any of these sets, was left
  out, however it is cased or punctuated. 32,768 random pieces of the longer sentences were added.
- Word pieces: chosen by this project from the counts in these sentences and in everyday English (wordfreq 3.1)."""

PHOTOS = """- 3,409 photos of garments, training and validation part of clothing-dataset-small (CC0); 2,936 photos of groceries, GroceryStoreDataset
  (MIT); 4,000 pictures of 32 x 32 pixels of CIFAR-10 (as karpathy/convnetjs gives them, MIT). No label was used.
- Teacher, whose outputs were matched: MobileNetV2 1.0 trained on ImageNet by Google (Apache-2.0). No weight of it is in the file, nor was
  one copied to start from. ImageNet photos were not used."""


def results(name: str) -> dict:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def percent(share: float, count: int | None = None) -> str:
    if count is None:
        return f"{100 * share:.1f}"
    low, high = interval(share, count)
    return f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def text_small() -> str:
    own, minilm = results("text-small"), results("minilm")
    columns = ((own, "full"), (minilm, "full"), (own, "few"), (minilm, "few"), (own, "tfidf few"))
    rows = [
        [name, *(percent(each[name][key], own[name]["count"]) for each, key in columns)]
        for name in own
    ]
    average = [mean(each[name][key] for name in own) for each, key in columns]
    rows.append(["mean", *(percent(value) for value in average)])
    return f"""One vector for each of 14,336 word pieces; the feature of a text is their mean, brought to length 1: 256 numbers. English, any case.
There is no order of words in it, so it costs next to nothing: hundreds of texts a second on one core, without any matrix product.

## Data

{TEXTS}
{TEACHERS_OF_TEXT}

## Recipe

The vectors started as what the teachers make of each piece by itself, in its 256 principal directions. Then they were tuned for 8
passes (AdamW, rate 0.005, cosine, 256 texts a step, 15 % of the pieces dropped) so that a linear map of
the feature gives the embeddings of both teachers and, with a fifth of the weight, which words the text holds. Sources are drawn by the
square root of their size. Seed 1. About 3 minutes on two cores, and 25 for the teachers.

## Results

Accuracy in percent on test parts that were never seen, features frozen, a logistic head on standardised features, its decay chosen on a tenth
of the training examples. In brackets the 95 % interval of Wilson. Sentences of the training parts were seen without labels, which
helps on these sets; expect a little less on texts of another kind.

{table(["set", "full training part", "MiniLM", "1,000 examples", "MiniLM", "TF-IDF"], rows)}

That is {percent(average[0] / average[1])} % of what all-MiniLM-L6-v2, published in 91 MB, reaches with the same head (its features computed in bfloat16), and with 1,000
examples {100 * (average[2] - average[4]):.1f} points above TF-IDF (words and pairs of words) with the same kind of head.

## Limits

It knows words, not sentences: "not good" and "good, not" are the same to it, and questions, which hang on pairs such as "how many", are where
TF-IDF with pairs beats it (TREC with 1,000 examples). English only. Words that are in no list are put together from pieces, badly. It has
the prejudices of the texts that its teachers were trained on."""


def text_transformer() -> str:
    own, small, shipped = results("text-transformer"), results("text-small"), results("text-transformer.package")
    rows = [[name, *(percent(share, own[name]["count"]) for share in (own[name]["fine-tuned"], small[name]["full"]))] for name in own]
    rows.append(["mean", percent(mean(own[name]["fine-tuned"] for name in own)), percent(mean(small[name]["full"] for name in own))])
    package = "\n".join(f"- {name}: {percent(figure['accuracy'], figure['count'])}, {figure['recipe']}" for name, figure in shipped.items())
    return f"""A BERT of 3 layers, 256 wide, 4 heads, 11,264 word pieces, up to 64 pieces a text; its feature is the mean over pieces: 256 numbers. English, any case.
It sees the order of words, and has layers to unfreeze and to put adapters on.

## Data

{TEXTS}
{TEACHERS_OF_TEXT}

## Recipe

Word vectors started as those of text-small, everything else at random. 11,000 steps of 64 texts (AdamW, rate 0.001, decay 0.01, warm-up,
cosine, bfloat16) so that a linear map of the feature gives the embeddings of both teachers. Seed 1. About 45 minutes on one core that other programs shared.

## Results

Accuracy in percent on test parts that were never seen; the whole network was trained further on the full training part (4 passes, PyTorch,
the same settings for every set), beside text-small frozen under a logistic head. In brackets the 95 % interval of Wilson.

{table(["set", "fine-tuned whole", "text-small, frozen"], rows)}

With this package, weights in 8 bits as they ship:

{package}

## Limits

Texts are cut after 64 pieces, about 50 words. It has seen a hundred thousand texts, a very small part of what its teachers saw; a published
model such as MiniLM is better where a download is possible. English only. It has the prejudices of the texts that its teachers were
trained on."""


def image_small() -> str:
    own = results("image-small")
    names = {"image-small": "image-small, 160 px", "untrained": "the same, random weights", "mnv2-035": "MobileNetV2 0.35, ImageNet, 224 px"}
    sets = list(own["image-small"])
    rows = [[label, *(percent(own[key][name]["accuracy"], own[key][name]["count"]) for name in sets)] for key, label in names.items()]
    return f"""A MobileNetV2 that halves its maps early and is wide where they are small: 14 blocks, 1.7 million weights, 1280
features. Photos are shown to it at 160 x 160 pixels.

## Data

{PHOTOS}

## Recipe

98,304 random crops of these photos, some turned, blended or pasted together, were shown to the teacher at 192 pixels; the network learned to
see the same in them at 128: its maps, their mean and, through the teacher's own classifier, the classes. 5,000 steps of 128 crops
(AdamW, rate 0.002, decay 0.02, warm-up, cosine). Seed 1. About 70 minutes on one core, and 20 on two for the crops. Whole photos show
things smaller than crops do, so they are shown at 160 pixels: on training photos of flowers that gave 2 points in cross-validation.

## Results

Accuracy in percent on test parts, features frozen, a logistic head on standardised features trained on the full training part, its decay chosen on
a tenth of it. In brackets the 95 % interval of Wilson. Flowers and cats-dogs were never seen in any form; of clothing the
training part was seen without labels.

{table(["network", *sets], rows)}

## Limits

It learned from ten thousand pictures of garments, groceries and small things, where ImageNet has a million of everything: it is a start that
needs no download, and a published network is better where one is possible. It sees photos at 160 pixels, so small details are lost.
It has the prejudices of its teacher's photos."""


CARDS = {
    "text-small": (text_small, "feature-extraction"),
    "text-transformer": (text_transformer, "feature-extraction"),
    "image-small": (image_small, "image-feature-extraction"),
}


def main() -> None:
    name = sys.argv[1]
    write, task = CARDS[name]
    size = (ASSETS / f"{name}.safetensors").stat().st_size / 1e6
    language = "" if name.startswith("image") else "language: en\n"
    head = f"---\nlicense: apache-2.0\n{language}library_name: transferkit\npipeline_tag: {task}\ntags:\n  - transfer-learning\n---\n"
    text = f"{head}\n# {name}\n\nOne of the networks that ship with TransferKit, trained by this project. {size:.1f} MB, 8 bits a weight. Apache-2.0.\n\n{write()}\n"
    (ASSETS / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
