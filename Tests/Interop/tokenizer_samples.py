"""Texts that tokenizers have gone wrong on."""

import random

SAMPLES = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n\n", "\r\n", " \n \n", "a", " a", "a ", "  a  ", "a  b   c    d",
    "Hello world", " Hello World!", "Hello, y'all! How are you 😁 ?我想在apple工作1314151天～",
    "In the beginning God created the heaven and the earth.", "def f(x):\n\treturn x ** 2  # squares\n",
    "    four\n        eight\n", "\u2581", "\u2581\u2581a", "a\u2581b", " \u2581 ", "tab\there", "x\u3000y\u00a0z",
    "ﬁne Ａ A\u030a a\u030a", "soft\u00adhyphen", "🦙🦙🦙", "👩\u200d👩\u200d👧\u200d👦", "🇩🇪🇫🇷", "e\u0301te\u0301", "été",
    "東京都に住んでいます。", "안녕하세요 세계", "Привет, мир", "שלום עולם", "नमस्ते दुनिया", "ยินดีต้อนรับ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "\u0000",
    "a\u0000b", "\ufeffbom", "\ufffd", "\U0010ffff", "<0x41>", "<unk>", "<s>", "</s>", "<s>a</s>", "<own>", "a<own>b", "<own> <own>",
    "own", "brown owner", "  own", "1234567890", "3.14159", "https://example.com/a?b=c&d=e", "ααββγγ", "ǅ ǆ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    " " * 100 + "x", "\n" * 50, "the the the the the", "THE QUICK BROWN FOX", "x" + " " * 33 + "y" + " " * 200,
]  # fmt: skip


def hostile(seed, count):
    """Random texts of all planes, of spaces, and of pieces of other texts."""
    source = random.Random(seed)
    planes = [(0x20, 0x7F), (0x20, 0x7F), (0x9, 0x21), (0x80, 0x800), (0x2000, 0x2100), (0x3040, 0xD7A0), (0xE000, 0x10000), (0x1F300, 0x1FA00), (0x10000, 0x110000)]  # fmt: skip
    words = " ".join(SAMPLES).split(" ")
    for _ in range(count):
        parts = []
        for _ in range(source.randrange(1, 30)):
            kind = source.randrange(6)
            if kind == 0:
                parts.append(" " * source.randrange(1, 12))
            elif kind == 1:
                parts.append(source.choice(words))
            elif kind == 2:
                parts.append(source.choice("\u2581 \t\n"))
            else:
                low, high = source.choice(planes)
                parts.append("".join(chr(source.randrange(low, high)) for _ in range(source.randrange(1, 5))))
        yield "".join(parts)


def long_texts():
    """A million bytes without a break, and runs of spaces."""
    source = random.Random(3)
    yield "a" * 1_000_000
    yield "".join(source.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(1_000_000))
    yield " " * 1_000_000
    yield "".join(source.choice(["the", "字", "🙂", "ing", "é"]) for _ in range(250_000))
