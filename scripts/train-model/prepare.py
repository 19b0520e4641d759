"""Turns the books and the tales into a tokenizer and two token files (training, held out).

Usage: prepare.py --stdlib PACKAGE_DIR --austen Rdata.rdb --out DIR [--tokenizer tokenizer.json]
With --tokenizer an existing tokenizer is kept, so that a trained network can go on from its checkpoint.
"""

import argparse
from pathlib import Path
from random import Random

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import books
import tales

SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|text|>"]
VOCABULARY = 2048
DIALOGUES = 260_000
PASSAGE_WORDS = 150


def chat(turns: list[tuple[str, str]], random: Random) -> str:
    text = f"<|system|>{random.choice(tales.SYSTEMS)}<|end|>" if random.random() < 0.06 else ""
    for said, answered in turns:
        text += f"<|user|>{said}<|end|><|assistant|>{answered}<|end|>"
    return text


def dialogues(count: int, others: list[tales.Thing], random: Random) -> list[str]:
    found = []
    for _ in range(count):
        turns = [tales.turn(random, others)]
        while len(turns) < 3 and random.random() < 0.12:
            turns.append(tales.turn(random, others))
        found.append(chat(turns, random))
    return found


def passages(paragraphs: list[str]) -> list[str]:
    """Neighbouring paragraphs joined to passages of about PASSAGE_WORDS words."""
    found, now = [], ""
    for paragraph in paragraphs:
        now = f"{now} {paragraph}".strip()
        if len(now.split()) >= PASSAGE_WORDS:
            found.append(f"<|text|>{now}<|end|>")
            now = ""
    return found


def book_dialogues(paragraphs: list[str], random: Random) -> list[str]:
    plain = books.plain_sentences(paragraphs)
    found = []
    for noun, text in books.with_subjects(plain, random):
        ask = random.choice(tales.ASK_OLD).replace("{the}", f"the {noun}")  # not the plain question: see MODEL.md
        found.append(chat([(ask, text)], random))
    for text in plain[::3]:
        words = text.split()
        cut = random.randint(3, min(8, len(words) - 2))
        found.append(chat([("Continue: " + " ".join(words[:cut]), " ".join(words[cut:]))], random))
    return found


def train_tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, documents: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """All tokens in a row, and the offset of every document."""
    encoded = [e.ids for e in tokenizer.encode_batch(documents)]
    starts = np.cumsum([0] + [len(ids) for ids in encoded])
    return np.concatenate([np.array(ids, dtype=np.uint16) for ids in encoded]), starts.astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stdlib", type=Path, required=True)
    parser.add_argument("--austen", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    random = Random(2048)
    paragraphs = [p for p in books.moby_dick(chosen.stdlib) + books.austen(chosen.austen) if books.readable(p)]
    held = [p for at, p in enumerate(paragraphs) if at % 40 == 39]
    kept = [p for at, p in enumerate(paragraphs) if at % 40 != 39]
    nouns = [n for n, count in books.subjects(books.plain_sentences(kept)).items() if count >= 2]
    others = tales.open_things(sorted(nouns))
    print(f"{len(others)} other nouns")
    parts = {
        "passages": (passages(kept), passages(held)),
        "book_dialogues": (book_dialogues(kept, random), book_dialogues(held, random)),
        "tales": (dialogues(DIALOGUES, others, random), dialogues(2000, others, Random(4096))),
    }
    texts = (parts["passages"][0] + parts["book_dialogues"][0] + parts["tales"][0][:15_000])
    tokenizer = Tokenizer.from_file(str(chosen.tokenizer)) if chosen.tokenizer else train_tokenizer(texts)
    tokenizer.save(str(chosen.out / "tokenizer.json"))
    for name, (train, heldout) in parts.items():
        for split, documents in (("train", train), ("held", heldout)):
            tokens, starts = encode(tokenizer, documents)
            np.savez(chosen.out / f"{name}.{split}.npz", tokens=tokens, starts=starts)
            print(f"{name} {split}: {len(documents)} documents, {len(tokens)} tokens")


if __name__ == "__main__":
    main()
