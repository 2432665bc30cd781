"""Texts that tokenizers have gone wrong on."""

import random
import unicodedata

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


APOSTROPHES = ["'", "\u2019", "\u02bc"]
ENDINGS = ["s", "S", "\u017f", "t", "T", "re", "RE", "rE", "ve", "m", "ll", "LL", "d", "x"]
WORDS = ["the", "HTTP", "camelCase", "XMLHttpRequest", "iPhone", "snake_case", "ΑΒΓδε", "Ǆungla", "ǅ", "ʰa", "naïve", "ﬁx", "x86", "3D", "№5", "½", "Ⅻ", "²"]
CODE = [
    "def ", "return", "(", ")", "{", "}", "[", "]", "->", "=>", "!=", "===", "::", "//", "/*", "*/", "#", "\"", "'", "\\n", "\\", "$x", "@",
    "&&", "||", "+=", "0x1F", "1e-9", "1_000_000", "1234567", "std::vector<int>", "import numpy as np", "if (x == y)", "<div class=\"a\">",
    "https://a.b/c?d=e&f=g#h", "`", "~~~", "---", "...", "\t", "\t\t", "    ", "        ", "\n", "\r\n", "\n\n", " \n", ";", ",", ".",
]  # fmt: skip
WHITE = ["\t", "\n", "\x0b", "\x0c", "\r", "\r\n", " ", "  ", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\u2060", "\ufeff", "\x1c"]
PEOPLE = ["👨", "👩", "🧑", "👧", "👦", "💻", "🚀", "🎨", "❤", "🦰", "⚕", "🏳", "🏴", "🌈", "☠", "👋", "✊", "🤝"]


def all_scripts(seed=7):
    """A few thousand texts: every block of Unicode, marks, emoji, code, white space, cases and numbers."""
    source = random.Random(seed)
    one = source.choice
    assigned = [code for code in range(0x21, 0x32000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    assigned += [*range(0xE0001, 0xE0080), *range(0xE0100, 0xE01F0)]
    blocks = {}
    for code in assigned:
        blocks.setdefault(code >> 7, []).append(chr(code))
    marks = [chr(code) for code in assigned if unicodedata.category(chr(code)).startswith("M")]
    letters = [chr(code) for code in assigned if unicodedata.category(chr(code)).startswith("L") and code < 0x3000]
    for block in blocks.values():
        for _ in range(3):
            words = ["".join(source.choices(block, k=source.randrange(1, 9))) for _ in range(source.randrange(1, 6))]
            yield one(["", "", " ", "\n"]) + one([" ", " ", "", ", ", "-", "\u3000"]).join(words) + one(["", ".", "!", "\n"])
    for _ in range(400):
        parts = []
        for _ in range(source.randrange(1, 8)):
            kept = marks if source.random() < 0.5 else marks[:112]
            parts.append(one(letters) + "".join(source.choices(kept, k=source.randrange(0, 5))) + one(["", "", " "]))
        text = "".join(parts)
        yield unicodedata.normalize(one(["NFC", "NFD", "NFKD"]), text) if source.random() < 0.5 else text
    for _ in range(300):
        parts = []
        for _ in range(source.randrange(1, 6)):
            person = one(PEOPLE) + one(["", "\ufe0f", chr(source.randrange(0x1F3FB, 0x1F400))])
            flag = "".join(chr(0x1F1E6 + source.randrange(26)) for _ in range(source.randrange(1, 5)))
            parts.append(one([person, "\u200d".join([person, one(PEOPLE), one(PEOPLE)]), flag, one("0123456789#*") + "\ufe0f\u20e3", one(WORDS), " "]))
        yield "".join(parts)
    for kinds, count in ((CODE + WORDS, 400), (WHITE + ["a", "B", "字", "1", "."], 400), (WHITE, 100)):
        for _ in range(count):
            yield "".join(source.choices(kinds, k=source.randrange(1, 25)))
    for _ in range(400):
        parts = []
        for _ in range(source.randrange(1, 8)):
            number = "".join(source.choices("0123456789٣५๔１²", k=source.randrange(1, 9)))
            parts.append(one([one(WORDS) + one(APOSTROPHES) + one(ENDINGS), one(WORDS).upper(), number, one(WORDS)]) + one([" ", "", "  ", "/", "\n"]))
        yield "".join(parts)


def invalid_bytes(seed=9, count=200):
    """Texts that are no UTF-8: bytes alone, cut characters, surrogates, spellings that are too long."""
    source = random.Random(seed)
    bad = [b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xfe\xff"]
    for _ in range(count):
        parts = [source.choice(bad)] + [source.choice([*bad, b"a", b" the", "é字🙂".encode(), b"\n"]) for _ in range(source.randrange(0, 8))]
        # Two bad ones beside each other may make a good one.
        yield b"".join(part + b"." for part in source.sample(parts, len(parts)))
