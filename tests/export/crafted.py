"""Artifacts as a stranger could craft them: contents that no model wrote, under checksums that hold."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import polars as pl

from motet.artifact.sealed import seal

Files = dict[str, bytes]
BIG = 10**12
SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63, -(2**63), BIG, 10**30, 0.5, -0.5, 1e300, 1e-300),
    *(float("nan"), float("inf"), -float("inf"), "", "x", "user_id", "stars", "event == 'x'", "../model.json"),
    *("/etc/passwd", "a\0b", "\ud800", "Event", "Model", "EventLog", "__import__('os').system('false')"),
)


def crafted(files: Files, chance: random.Random) -> tuple[str, Files]:
    """An artifact with one thing wrong, or two.

    Args:
        files: Of a whole artifact, by name, without its manifest.
        chance: Chooses.

    Returns:
        What was touched, and the files.
    """
    files = dict(files)
    touched = []
    for _ in range(chance.choice((1, 1, 1, 2))):
        name = chance.choice(sorted(files))
        touched.append(name)
        files[name] = changed(name, files[name], chance)
    return " and ".join(touched), files


def changed(name: str, content: bytes, chance: random.Random) -> bytes:
    """Another content of a file."""
    if chance.random() < 0.1:
        return _bytes(content, chance)
    kind = name.rpartition(".")[2]
    makers: dict[str, Callable[[bytes, random.Random], bytes]] = {
        "json": _json,
        "safetensors": _safetensors if name != "index.safetensors" else _index,
        "parquet": _parquet,
    }
    try:
        return makers.get(kind, _bytes)(content, chance)
    except Exception:  # it was crafted before and is none of its kind, or the library refuses to write such a thing
        return _bytes(content, chance)


def manifest(files: Files, chance: random.Random | None = None) -> bytes:
    """The manifest of some files; with a chance, of others."""
    entries: dict[str, Any] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    document: Any = {"format": 1, "motet": "0.1.0", "files": entries}
    if chance is not None:
        if chance.random() < 0.4:
            name = chance.choice(sorted(entries))
            odd = ("../x", "/etc/passwd", "", ".", "..", "a\0b", "x" * 5000, "sub/../model.json", f"./{name}", "\ud800")
            entries[chance.choice((*odd, f"{name}/", name.upper()))] = entries.pop(name)
        else:
            document = _document(document, chance)
    if not isinstance(document, dict):
        return json.dumps(document).encode()
    document.pop("sha256", None)
    return seal(document)


def _bytes(content: bytes, chance: random.Random) -> bytes:
    """Bytes turned, cut, repeated or made up."""
    kind = chance.randrange(5)
    if kind == 0:
        return content[: chance.randrange(len(content) + 1)]
    if kind == 1:
        return chance.randbytes(chance.choice((0, 1, 8, 100)))
    if kind == 2:
        return content + chance.randbytes(chance.randrange(1, 20))
    changed = bytearray(content or b"\0")
    for _ in range(chance.choice((1, 2, 10))):
        changed[chance.randrange(len(changed))] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(changed)


def _json(content: bytes, chance: random.Random) -> bytes:
    """JSON with a value replaced, taken out, doubled or nested too deeply."""
    text = json.dumps(_document(json.loads(content), chance), indent=chance.choice((None, 2)))
    kind = chance.randrange(30)
    if kind == 0:
        return text.encode().replace(b"{", b"[" * 100_000, 1)
    if kind == 1:
        return text.encode("utf-16")
    if kind == 2:
        return text.encode().replace(b"1", b"1" * 5000, 1)
    if kind == 3:
        return (text[:-1] + "," + text[1:]).encode()  # every key twice
    return text.encode(errors="surrogatepass")


def _document(document: Any, chance: random.Random) -> Any:
    """A document with some places changed."""
    for _ in range(chance.choice((1, 1, 1, 3))):
        document = _place(document, chance)
    return document


def _place(value: Any, chance: random.Random) -> Any:
    """Go down, and change something on the way."""
    inner = isinstance(value, dict | list) and len(value) > 0
    if not inner or chance.random() < 0.12:
        return _value(value, chance)
    if isinstance(value, dict):
        key = chance.choice(list(value))
        kind = chance.random()
        rest = {name: each for name, each in value.items() if name != key}
        if kind < 0.08:
            return rest
        if kind < 0.14:
            return {**rest, chance.choice(("x", "", "sha256", "class", "config", f"{key}s")): value[key]}
        return {**value, key: _place(value[key], chance)}
    place = chance.randrange(len(value))
    kind = chance.random()
    if kind < 0.1:
        return value[:place] + value[place + 1 :]
    if kind < 0.2:
        return [*value, value[place]]
    return [*value[:place], _place(value[place], chance), *value[place + 1 :]]


def _value(value: Any, chance: random.Random) -> Any:
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(SCALARS)
    if kind < 0.75 and isinstance(value, int | float):
        return chance.choice((value + 1, value * 1000, -value, str(value), [value], value / 3))
    if kind < 0.8:
        return "a" * chance.choice((100, 10_000))
    if kind < 0.85:
        return list(range(chance.choice((3, 10_000))))
    if kind < 0.9:
        nested: Any = value
        for _ in range(chance.choice((3, 500))):
            nested = [nested]
        return nested
    return chance.choice(({}, [], [[]], {"x": value}, [value, value], {"class": "Event", "config": {"label": value}}))


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _joined(header: Any, data: bytes, size: int | None = None) -> bytes:
    text = json.dumps(header).encode(errors="surrogatepass")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def _safetensors(content: bytes, chance: random.Random) -> bytes:
    """A header that says other things, or other numbers behind it."""
    header, data = _split(content)
    kind = chance.randrange(6)
    if kind == 0:
        return _joined(_document(header, chance), data)
    if kind == 1:
        return _joined(header, data, chance.choice((0, 1, 2**63, 2**40, len(content), 100)))
    return _joined(*_tensors(header, data, chance))


def _tensors(header: dict[str, Any], data: bytes, chance: random.Random) -> tuple[dict[str, Any], bytes]:
    """The same layout with a tensor of another shape, kind, name or content."""
    names = [name for name in header if name != "__metadata__"]
    name = chance.choice(names)
    entry = header[name]
    start, end = entry["data_offsets"]
    kind = chance.randrange(6)
    if kind == 0:  # numbers that are none, or huge
        numbers = {"F32": ("<f", (float("nan"), float("inf"), 1e38, -1e38)), "I64": ("<q", (-1, 2**62, BIG, 99))}
        form, values = numbers.get(entry["dtype"], ("<B", (255, 2, 0)))
        width = struct.calcsize(form)
        changed = bytearray(data)
        for _ in range(chance.choice((1, 5)) if end > start else 0):
            place = start + width * chance.randrange((end - start) // width)
            changed[place : place + width] = struct.pack(form, chance.choice(values))
        return header, bytes(changed)
    if kind == 1:
        shape = entry["shape"]
        count = 1
        for each in shape:
            count *= each
        shapes: tuple[list[int], ...] = ([count], [1, *shape], [*shape, 1], shape[::-1], [BIG, *shape], [0], [])
        return {**header, name: {**entry, "shape": chance.choice(shapes)}}, data
    if kind == 2:
        kinds = ("F16", "BF16", "F64", "I8", "U8", "I32", "BOOL", "I64", "F32", "F8_E4M3", "XX")
        return {**header, name: {**entry, "dtype": chance.choice(kinds)}}, data
    if kind == 3:
        return {chance.choice((f"{name}x", "", "x.y")) if each == name else each: header[each] for each in header}, data
    if kind == 4:  # a tensor more at the end
        more = {"dtype": "F32", "shape": [2], "data_offsets": [len(data), len(data) + 8]}
        return {**header, chance.choice(("more", f"{name}.more")): more}, data + bytes(8)
    other = chance.choice(names)
    return {**header, name: header[other], other: entry}, data


def _index(content: bytes, chance: random.Random) -> bytes:
    """An index of other numbers under its own checksum, which holds too."""
    import torch
    from safetensors.torch import load, save

    from motet.index.stored import _checksum

    header, _ = _split(content)
    if chance.random() < 0.3:
        return _safetensors(content, chance)
    told, tensors = {**header["__metadata__"]}, load(content)
    told.pop("sha256")
    name = chance.choice(sorted(tensors))
    tensor, kind = tensors[name], chance.randrange(8)
    if kind == 0:
        tensors[name] = tensor.to(chance.choice((torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool)))
    elif kind == 1:
        rows = chance.randrange(len(tensor) + 1) if tensor.ndim else 0
        tensors[name] = tensor[:rows].clone() if tensor.ndim else tensor[None]
    elif kind == 2:
        tensors[name] = tensor.flatten()[None].clone()
    elif kind == 3 and tensor.numel():
        tensors[name].flatten()[chance.randrange(tensor.numel())] = chance.choice((-1, 0, 99))
    elif kind == 4:
        del tensors[name]
    elif kind == 5:
        told[chance.choice(("index", "shortlist", "format"))] = chance.choice(
            ("", "x", "-1", "0", "1" * 30, "Codes", "ExactIndex", "ApproximateIndex", "nan")
        )
    elif kind == 6:
        tensors[name] = torch.cat([tensor, tensor]) if tensor.ndim else tensor
    else:
        told.pop(chance.choice(sorted(told)))
    return save(tensors, {**told, "sha256": _checksum(tensors, told)})


def _parquet(content: bytes, chance: random.Random) -> bytes:
    """A table with a column or a row that is not as it was."""
    table = pl.read_parquet(content)
    name = chance.choice(table.columns)
    column, kind = table[name], chance.randrange(13)
    rows = len(table)
    made: dict[int, Callable[[], pl.DataFrame]] = {
        0: lambda: table.drop(name),
        1: lambda: table.rename({name: chance.choice(("x", "", f"{name} "))}),
        2: lambda: table.with_columns(
            column.cast(chance.choice((pl.String, pl.Float64, pl.Int8, pl.Boolean)), strict=False)
        ),
        3: lambda: table.with_columns(pl.when(pl.int_range(rows) % 3 == 1).then(None).otherwise(column).alias(name)),
        4: lambda: table[[0] * rows],
        5: lambda: table.reverse(),
        6: lambda: table.clear(),
        7: lambda: pl.concat([table, table]),
        8: lambda: table.with_columns(pl.Series(name, [chance.choice((-1, BIG, 2**62, 99))] * rows, dtype=pl.Int64)),
        9: lambda: table.with_columns(pl.Series(name, [chance.choice((float("nan"), float("inf"), 1e300))] * rows)),
        10: lambda: table.with_columns(pl.Series(name, [[1, 2]] * rows)),
        11: lambda: table.with_columns(pl.Series(name, ["a" * 100_000] * rows)),
        12: lambda: table.head(1).select(pl.all().repeat_by(chance.choice((1_200_000, 3))).explode()),
    }
    stream = io.BytesIO()
    made[kind]().write_parquet(stream)
    return stream.getvalue()
