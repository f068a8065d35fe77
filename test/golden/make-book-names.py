"""Writes test/golden/book-names.json: every function and class of d2l/torch.py in both editions of
the book, with the sections that define it. Run it with the folders of both repositories, then
docs/figures/book-names.mjs, which adds deepend's names:

    python test/golden/make-book-names.py d2l-en d2l-zh && node docs/figures/book-names.mjs
"""

import json
import os
import re
import sys

OUT = os.path.join(os.path.dirname(__file__), "book-names.json")
# The chapters in order, from the first one: those of each edition, without "chapter_".
ENGLISH = """introduction preliminaries linear-regression linear-classification multilayer-perceptrons
builders-guide convolutional-neural-networks convolutional-modern recurrent-neural-networks
recurrent-modern attention-mechanisms-and-transformers optimization computational-performance
computer-vision natural-language-processing-pretraining natural-language-processing-applications
reinforcement-learning gaussian-processes hyperparameter-optimization
generative-adversarial-networks recommender-systems appendix-mathematics-for-deep-learning
appendix-tools-for-deep-learning""".split()
CHINESE = """introduction preliminaries linear-networks multilayer-perceptrons deep-learning-computation
convolutional-neural-networks convolutional-modern recurrent-neural-networks recurrent-modern
attention-mechanisms optimization computational-performance computer-vision
natural-language-processing-pretraining natural-language-processing-applications
appendix-tools-for-deep-learning""".split()


# What no label of the book leads to.
ENGLISH_UNLABELLED = {"rbfkernel": "18.2"}
CHINESE_UNLABELLED = {"Residual": "7.6", "Encoder": "9.6", "annotate": "11.1"}


def pages(folder, chapters):
    """The book's pages in order, each with its number: 3.2."""
    for i, chapter in enumerate(chapters, 1):
        chapter = f"chapter_{chapter}"
        index = os.path.join(folder, chapter, "index.md")
        if not os.path.exists(index):
            continue
        with open(index) as file:
            text = file.read()
        yield f"{i}", os.path.join(chapter, "index.md")
        toc = "".join(re.findall(r"```toc(.*?)```", text, re.S))
        sections = [line for line in toc.split() if not re.match(r":|\d+$", line)]
        for j, section in enumerate(sections, 1):
            yield f"{i}.{j}", os.path.join(chapter, f"{section}.md")


def labels(folder, chapters):
    """The number of the section that has each label."""
    found = {}
    for number, page in pages(folder, chapters):
        path = os.path.join(folder, page)
        if not os.path.exists(path):
            continue
        with open(path) as file:
            for label in re.findall(r":label:`([^`]+)`", file.read()):
                found[label] = number
    return found


def definitions(folder, chapters):
    """The section of each top-level function and class of d2l/torch.py."""
    with open(os.path.join(folder, "d2l/torch.py")) as file:
        text = file.read()
    sections = labels(folder, chapters)
    parts = re.split(r"^(?=def |class )", text, flags=re.M)[1:]
    found = {}
    for part in parts:
        name = re.match(r"(?:def|class) (\w+)", part).group(1)
        label = re.search(r"Defined in :numref:`([^`]+)`", part)
        found[name] = sections.get(label.group(1)) if label else None
    return found


def main(english, chinese):
    en, zh = definitions(english, ENGLISH), definitions(chinese, CHINESE)
    names = list(dict.fromkeys([*zh, *en]))
    en.update({name: section for name, section in ENGLISH_UNLABELLED.items() if name in en})
    zh.update({name: section for name, section in CHINESE_UNLABELLED.items() if name in zh})
    rows = [{"name": name, "en": en.get(name), "zh": zh.get(name)} for name in names]
    with open(OUT, "w") as file:
        json.dump(rows, file, indent=1)
    nowhere = [row["name"] for row in rows if not row["en"] and not row["zh"]]
    print(len(rows), "names; without a section:", nowhere)


main(*sys.argv[1:3])
