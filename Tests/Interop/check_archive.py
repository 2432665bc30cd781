"""An archive read by what Specs/archive.md says, by the safetensors library and by zstd: every file that went in comes out."""

import json
import shutil
import struct
import subprocess
import zlib

import numpy
from safetensors import safe_open

from referee import TINY, WORK, check, family, golden_or_skip, recast, report


def planes(blob, piece):
    """The bytes of a piece of planes, from what zstd makes of the frames and the seek table."""
    magic, version, width, mask, zero, count, per_frame, frames, opened, start, length = struct.unpack_from("<4sBBBBQIIQQQ", blob)
    assert (magic, version, zero, count * width) == (b"RCPL", 1, 0, piece["bytes"])
    table = 8 + 8 * frames + 9
    command = ["zstd", "-d", "-q", "-c"]
    content = subprocess.run(command, input=blob[start : start + length + table], stdout=subprocess.PIPE, check=True).stdout
    packed, plain = ([p for p in range(width) if mask >> p & 1 == bit] for bit in (1, 0))
    parts = [None] * width
    content = numpy.frombuffer(content, numpy.uint8)
    step = per_frame * len(packed)
    for order, plane in enumerate(packed):
        pieces = []
        for first in range(0, len(content), step):
            frame = content[first : first + step].reshape(len(packed), -1)
            pieces.append(frame[order])
        parts[plane] = numpy.concatenate(pieces)
    stride = -(-count // 64) * 64
    for order, plane in enumerate(plain):
        parts[plane] = numpy.frombuffer(blob, numpy.uint8, count, opened + order * stride)
    elements = numpy.zeros(count, numpy.uint64)
    for part in parts:
        elements = elements << numpy.uint64(8) | part
    if width > 1:
        elements = elements >> numpy.uint64(1) | (elements & numpy.uint64(1)) << numpy.uint64(8 * width - 1)
    return elements.astype(f"<u{width}").tobytes()


def unpacked(path):
    """The files of an archive, by name."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    text = header["__metadata__"]["index"]
    assert f"{zlib.crc32(text.encode()):08x}" == header["__metadata__"]["index_crc32"]
    files = {}
    for file in json.loads(text)["files"]:
        content = b""
        for piece in file["pieces"]:
            if "zeros" in piece:
                content += bytes(piece["zeros"])
                continue
            begin, end = (8 + length + offset for offset in header[piece["entry"]]["data_offsets"])
            part = data[begin:end] if piece["codec"] == "raw" else planes(data[begin:end], piece)
            assert f"{zlib.crc32(part):08x}" == piece["crc32"], piece["entry"]
            content += part
        assert len(content) == file["bytes"]
        files[file["name"]] = content
    return files


def compare(name, source):
    with check(f"{name}-archive"):
        path = WORK / f"{name}.packed"
        recast("pack", source, path, "--force", "--quiet")
        with safe_open(path, "np") as file:
            names = set(file.keys())
        original = {str(each.relative_to(source)): each.read_bytes() for each in source.rglob("*") if each.is_file()}
        found = unpacked(path)
        wrong = [each for each in original.keys() | found.keys() if original.get(each) != found.get(each)]
        report(f"{name}-archive", not wrong and "checksums" in names, ", ".join(wrong[:3]) or f"{len(found)} files")


if shutil.which("zstd") is None:
    print("skip archive zstd is not there", flush=True)
else:
    compare("qwen2-tiny", TINY)
    if golden_or_skip("families"):
        for each in ("llama_mha", "llama3_rope_sharded", "mixtral"):
            compare(each, family(each))
