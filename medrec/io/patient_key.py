"""The secret that turns a PatientID into a key nobody else can guess."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from platformdirs import user_config_path

from medrec.errors import InputError

KEY_BYTES = 32
_FILE_NAME = "patient.key"


def load_key() -> bytes:
    """Read the user's key (32 bytes), made on first use, readable by the user alone.

    Raises:
        InputError: The file is not 32 bytes, or the folder can't be written.
    """
    path = user_config_path("medrec") / _FILE_NAME
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        problem = f"can't be read or made ({error.strerror}): check the folder's permissions"
        raise InputError(str(path), [problem]) from error
    if len(key) != KEY_BYTES:
        problem = f"{len(key)} bytes, wanted {KEY_BYTES}: restore it, or delete it to get a new one"
        raise InputError(str(path), [problem])
    return key


def _make(path: Path) -> None:
    """Write a new key beside its place and link it there: two processes agree on the first one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)
    except FileExistsError:
        pass  # another process was faster: its key counts
    finally:
        temporary.unlink()
