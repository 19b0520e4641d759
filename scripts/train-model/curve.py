"""Draws the losses of one run, or of runs that follow each other, as an SVG: curve.py loss.svg loss.csv [loss.csv ...]"""

import csv
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 360, 52, 24, 190, 40
COLUMNS = [("train", "training mix", "#555"), ("held_tales", "held out: tales", "#0a7"),
           ("held_passages", "held out: books", "#c50"), ("held_book_dialogues", "held out: book sentences", "#06c")]


def main() -> None:
    rows, steps, borders = [], [], []
    for path in sys.argv[2:]:
        before = steps[-1] if steps else 0
        borders.append(before)
        found = list(csv.DictReader(Path(path).open()))
        rows += found
        steps += [before + int(row["step"]) for row in found]
    most = max(float(row[name]) for row in rows[1:] for name, _, _ in COLUMNS)
    x = lambda step: LEFT + (WIDTH - LEFT - RIGHT) * step / steps[-1]  # noqa: E731
    y = lambda loss: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(loss, most) / most  # noqa: E731
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<title>Loss (nats per token) by training step</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for loss in range(int(most) + 1):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss}</text>')
    for part in range(5):
        step = steps[-1] * part // 4
        out.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">training step</text>')
    out.append(f'<text x="{LEFT}" y="14">loss, nats per token</text>')
    for border in borders[1:]:
        out.append(f'<line x1="{x(border):.1f}" x2="{x(border):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#999" stroke-dasharray="4 4"/>')
    for name, label, colour in COLUMNS:
        points = " ".join(f"{x(step):.1f},{y(float(row[name])):.1f}" for step, row in zip(steps, rows))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        last = float(rows[-1][name])
        out.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y(last) + 4:.1f}" fill="{colour}">{last:.2f} {label}</text>')
    Path(sys.argv[1]).write_text("\n".join([*out, "</svg>", ""]))


if __name__ == "__main__":
    main()
