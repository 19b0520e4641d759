"""Trains the network on the token files that prepare.py wrote. CPU only.

Usage: train.py --data DIR --out DIR --minutes 70 [--threads 1] [--compile] [--start checkpoint.pt --peak 1.2e-3]
The learning rate warms up and then falls with the share of the minutes that has passed, so a run on a busy machine
ends at the same rate as one on an idle machine. An average of the weights over time is what is kept and exported.
"""

import argparse
import csv
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from model import Decoder, Shape

MIX = {"tales": 0.64, "passages": 0.3, "book_dialogues": 0.06}
BATCH = 16
WARM_UP_STEPS = 80
AVERAGE = 0.99
LOOK_EVERY = 100


class Source:
    """Sequences of context + 1 tokens that begin at the start of a document; the next documents follow it."""

    def __init__(self, folder: Path, name: str, split: str, length: int):
        file = np.load(folder / f"{name}.{split}.npz")
        self.tokens, self.length = file["tokens"].astype(np.int64), length
        self.starts = file["starts"][file["starts"] < len(self.tokens) - length]

    def take(self, count: int, random: np.random.Generator, inside: bool) -> torch.Tensor:
        starts = random.choice(self.starts, count)
        if inside:  # long passages: begin anywhere half of the time, so that their ends are seen too
            anywhere = random.integers(0, len(self.tokens) - self.length, count)
            starts = np.where(random.random(count) < 0.5, anywhere, starts)
        return torch.from_numpy(np.stack([self.tokens[s : s + self.length] for s in starts]))


def loss_of(model: Decoder, batch: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch[:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def held_out(model: Decoder, sources: dict[str, Source]) -> dict[str, float]:
    random = np.random.default_rng(5)
    return {name: loss_of(model, source.take(12, random, False)).item() for name, source in sources.items()}


def groups_of(model: Decoder) -> list[dict]:
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    return [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]


def save(average: Decoder, out: Path, facts: dict) -> None:
    partial = out / "checkpoint.part"
    torch.save({"weights": average.state_dict(), "shape": average.shape.as_dict(), "facts": facts}, partial)
    os.replace(partial, out / "checkpoint.pt")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights to begin with")
    parser.add_argument("--peak", type=float, default=2.5e-3, help="the highest learning rate")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(11)
    random = np.random.default_rng(11)
    shape = Shape()
    model, average = Decoder(shape), Decoder(shape)
    if chosen.start is not None:
        model.load_state_dict(torch.load(chosen.start, weights_only=True)["weights"])
    average.load_state_dict(model.state_dict())
    step_model = torch.compile(model) if chosen.compile else model
    optimizer = torch.optim.AdamW(groups_of(model), lr=chosen.peak, betas=(0.9, 0.95), fused=True)
    length = shape.context + 1
    train = {name: Source(chosen.data, name, "train", length) for name in MIX}
    held = {name: Source(chosen.data, name, "held", length) for name in MIX}
    names, weights = list(MIX), list(MIX.values())
    log = (chosen.out / "loss.csv").open("w", newline="")
    table = csv.writer(log)
    table.writerow(["step", "seconds", "tokens", "train", *[f"held_{n}" for n in names]])
    began, step, smooth = time.monotonic(), 0, 0.0
    while (passed := (time.monotonic() - began) / (60 * chosen.minutes)) < 1:
        if (out_threads := chosen.out / "threads").exists():  # lets a person give a running training more cores
            torch.set_num_threads(int(out_threads.read_text()))
            out_threads.unlink()
        rate = chosen.peak * min(1, (step + 1) / WARM_UP_STEPS) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * passed)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        counts = random.multinomial(BATCH, weights)
        batch = torch.cat([train[n].take(c, random, n == "passages") for n, c in zip(names, counts) if c > 0])
        loss = loss_of(step_model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            share = min(AVERAGE, step / (step + 10))
            for kept, now in zip(average.parameters(), model.parameters()):
                kept.lerp_(now, 1 - share)
        smooth = loss.item() if step == 1 else 0.98 * smooth + 0.02 * loss.item()
        if step % LOOK_EVERY == 0:
            seen = held_out(average, held)
            seconds = time.monotonic() - began
            row = [step, round(seconds), step * BATCH * shape.context, round(smooth, 4), *[round(v, 4) for v in seen.values()]]
            table.writerow(row)
            log.flush()
            print(*row, flush=True)
            save(average, chosen.out, dict(zip(["step", "seconds", "tokens", "train", *names], row)))
    print("time is up after", step, "steps", flush=True)


if __name__ == "__main__":
    main()
