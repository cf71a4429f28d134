"""Reads and writes one checkpoint file, and detects incomplete and changed files.

A checkpoint is a safetensors file (https://huggingface.co/docs/safetensors, format 1): its tensors by name,
everything else as JSON in the metadata. `<name>.sha256` beside it, in the format of `sha256sum`, is written
last; a checkpoint without it, or with another content, is damaged.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.checkpoint.state_tree import flatten, unflatten
from harness.core.errors import UserError
from harness.runtime.atomic_file import replace_file, sync_folder, write_text

ENDING = ".safetensors"
SIDECAR = ".sha256"

_FORMAT = "harness state 1"
_LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors library
_ALIGNMENT = 8
_NAMES: dict[torch.dtype, str] = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}


class DamagedCheckpoint(Exception):
    """A file is incomplete, was changed, or is not a checkpoint of harness; the message says which."""


def write(path: Path, state: Any, facts: dict[str, Any], *, lasting: bool = True) -> None:
    """Writes the state; a reader meanwhile sees the old file, or a damaged one.

    Args:
        path: `….safetensors`; its folder exists.
        state: see `flatten`; tensors on the CPU are written without a copy.
        facts: plain values for `facts_of`, which reads them without the state.
        lasting: whether to flush to the disk, so that the file survives a power cut.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        TypeError: the state contains a type that a checkpoint cannot store.
    """
    tensors, tree = flatten(state)
    metadata = {"format": _FORMAT, "facts": json.dumps(facts), "state": tree}
    blocks = dict(sorted(tensors.items(), key=lambda item: -item[1].element_size()))
    digest = hashlib.sha256()
    with replace_file(path, lasting) as draft, draft.open("wb") as file:
        for piece in itertools.chain([_header(blocks, metadata)], map(_bytes, blocks.values())):
            digest.update(piece)
            file.write(piece)
    write_text(path.with_name(path.name + SIDECAR), f"{digest.hexdigest()}  {path.name}\n", lasting)
    if lasting:
        sync_folder(path.parent)


def read(path: Path) -> Any:
    """Returns the state that `write` stored; nothing in the file is unpickled or executed.

    Raises:
        DamagedCheckpoint: the file is incomplete or was changed.
        OSError: it cannot be read, or does not exist.
    """
    metadata = _metadata(path)
    _check_digest(path)
    try:
        return unflatten(_tensors(path), metadata["state"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint("it is of another version of harness") from error


def facts_of(path: Path) -> dict[str, Any]:
    """Returns the facts that were written with the state; reads only the header of the file.

    Raises:
        DamagedCheckpoint: the file has no readable header.
        OSError: it cannot be read, or does not exist.
    """
    try:
        return dict(json.loads(_metadata(path)["facts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint("its beginning is damaged") from error


def read_named(path: Path) -> Any:
    """Reads a file that the user named, as `read`.

    Raises:
        UserError: it does not exist, is damaged, or is not a checkpoint.
    """
    try:
        return read(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"the checkpoint {path} cannot be read ({reason})", "name another") from error
    except DamagedCheckpoint as error:
        raise UserError(
            f"a checkpoint is a safetensors file that harness wrote, with its {SIDECAR} beside it, and "
            f"{path} is refused: {error}",
            "name another",
        ) from error


def remove(path: Path) -> None:
    """Removes a checkpoint and its hash; files that cannot be removed are kept."""
    for file in (path.with_name(path.name + SIDECAR), path):
        with suppress(OSError):
            file.unlink()


def _header(blocks: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Returns the header. Tensors with the widest elements come first, so that each starts at a multiple of
    its element size."""
    entries: dict[str, Any] = {"__metadata__": metadata}
    begin = 0
    for name, tensor in blocks.items():
        if tensor.dtype not in _NAMES:
            raise TypeError(f"{name} is a tensor of {tensor.dtype}, which a checkpoint cannot store")
        end = begin + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _bytes(tensor: Tensor) -> Any:
    """Returns the tensor's memory, (bytes,) uint8 of NumPy; a copy if it is on a device or not contiguous."""
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _metadata(path: Path) -> dict[str, str]:
    entries, _ = _entries(path)
    metadata = entries.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise DamagedCheckpoint("harness wrote no such file")
    return metadata


def _entries(path: Path) -> tuple[dict[str, Any], int]:
    """Returns the header, and the offset of the tensors."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(_LONGEST_HEADER, os.fstat(file.fileno()).st_size - 8):
            raise DamagedCheckpoint("it is cut off, or no safetensors file at all")
        try:
            entries = json.loads(file.read(size))
        except ValueError as error:
            raise DamagedCheckpoint("it is damaged, or no safetensors file at all") from error
    if not isinstance(entries, dict):
        raise DamagedCheckpoint("it is no safetensors file")
    return entries, 8 + size


def _check_digest(path: Path) -> None:
    try:
        words = path.with_name(path.name + SIDECAR).read_bytes().split()
    except FileNotFoundError as error:
        raise DamagedCheckpoint(f"its {SIDECAR} is missing, which is written last") from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not words or words[0] != digest.encode():
        raise DamagedCheckpoint(f"its content is not that of its {SIDECAR}")


def _tensors(path: Path) -> dict[str, Tensor]:
    """Returns every tensor of the file, read directly into its memory."""
    entries, start = _entries(path)
    tensors = {}
    with path.open("rb") as file:
        for name, entry in entries.items():
            if name != "__metadata__":
                tensors[name] = torch.empty(entry["shape"], dtype=_DTYPES[entry["dtype"]])
                file.seek(start + entry["data_offsets"][0])
                if tensors[name].numel():
                    file.readinto(_bytes(tensors[name]))
    return tensors
