"""A look into a pickle of weights before torch reads it: what it names, and what it would unpack to.

`weights_only=True` keeps code from being run. It does not keep a few bytes from asking for `bytearray(10 ** 11)`, a
squeezed archive from unpacking to what no memory holds, nor a key of tuples within tuples from being hashed for ever.
"""

from __future__ import annotations

import pickletools
import re
import tarfile
from pathlib import Path
from typing import IO

import torch

from weibo_tui.errors import BadInput
from weibo_tui.locale import gettext as _

# What a state dict of plain tensors is made of.
_PLAIN = re.compile(r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter)|torch \w+Storage")
_NAMING = ("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4")

# A tensor takes some forty; no model in use has a tenth of the tensors.
MOST_OPERATIONS = 2_000_000

# As torch wrote before 1.6: two numbers, the system, the state dict, and the keys of its storages.
_OLD_PICKLES = 5


def check(file: Path) -> None:
    """Raise BadInput where a file would run away with its reader. What is broken raises whatever the readers raise."""
    with file.open("rb") as raw:
        if raw.read(4) == b"PK\3\4":
            records = torch._C.PyTorchFileReader(str(file))
            sizes = map(records.get_record_size, records.get_all_records())
            if sum(sizes) > file.stat().st_size:  # torch squeezes nothing, and nothing lies in two places
                raise too_large(file)
            return _check_operations(file, records.get_record("data.pkl"))
        raw.seek(0)
        if _is_tar(raw.read(tarfile.BLOCKSIZE)):  # torch unpacks a tar of 2016 into a folder
            raise not_plain(file)
        raw.seek(0)
        for _number in range(_OLD_PICKLES):
            _check_operations(file, raw)
    return None


def _check_operations(file: Path, pickle: bytes | IO[bytes]) -> None:
    tuples: set[object] = set()
    before = ""
    for number, (operation, argument, _place) in enumerate(pickletools.genops(pickle)):
        name = operation.name
        if name in _NAMING and not (name == "GLOBAL" and _PLAIN.fullmatch(str(argument))):
            raise not_plain(file)
        if "PUT" in name and "TUPLE" in before:
            tuples.add(argument)
        if number > MOST_OPERATIONS or ("GET" in name and argument in tuples):
            raise too_large(file)
        before = name


def _is_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def not_plain(file: Path) -> BadInput:
    return BadInput(
        _(
            "{file} was refused: it is no plain file of weights, and what else it holds might run code; get "
            "one of weights alone."
        ).format(file=file)
    )


def too_large(file: Path) -> BadInput:
    return BadInput(
        _("{file} was refused: it unpacks to more than it is large; get the model from elsewhere.").format(file=file)
    )
