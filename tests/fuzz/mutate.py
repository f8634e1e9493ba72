"""Ways to damage a file and values that programs stumble over; every choice comes from the generator that is passed."""

WORDS = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-400",
    "9" * 30,
    "9" * 400,
    "true",
    "null",
    "None",
    "1" + "0" * 12,
    str(2**63),
    "cat",
    "\x1b[2J",
    "\r",
    "\n",
    "a\nb",
    "\u202e",
    "é",
    "猫",
    "\x00",
    "=1+1",
    "[1, 2]",
    "[" * 2000,
    "{}",
    "[1], [2]",
    '"',
    '""',
    "'",
    ",",
    ";",
    "x" * 5000,
    "2023-13-45",
    "../../etc/passwd",
    "s3://x/y",
]


def bytes_of(rng, content):
    """Return a file's content with flips, cuts, repeats and insertions."""
    found = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        if not found:
            break
        at, width = rng.randrange(len(found)), rng.choice([1, 1, 2, 4, 8, 64])
        way = rng.randrange(6)
        if way == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            found[at : at + width] = rng.choice([b"\x00", b"\xff", b"\x7f", b"\x80"]) * width
        elif way == 2:
            del found[at : at + width]
        elif way == 3:
            found[at:at] = found[at : at + width] * rng.choice([1, 2, 50])
        elif way == 4:
            found[at : at + width] = rng.randbytes(width)
        else:
            del found[at:]
    return bytes(found)


def lines_of(rng, content):
    """Return a text with lines dropped, repeated, swapped, or with an odd word in place of one."""
    lines = content.split("\n")
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(lines))
        way = rng.randrange(5)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines[at:at] = [lines[at]] * rng.choice([1, 3])
        elif way == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif way == 3:
            lines[at] = lines[at].replace(rng.choice(lines[at] or " "), rng.choice(WORDS), 1)
        else:
            cells = lines[at].split(",")
            cells[rng.randrange(len(cells))] = rng.choice(WORDS)
            lines[at] = ",".join(cells)
        lines = lines or [""]
    return "\n".join(lines)
