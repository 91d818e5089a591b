"""Reports copied to a folder, a share for example."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from citysoc.errors import DeliveryError
from citysoc.i18n import _
from citysoc.reports import counts

if TYPE_CHECKING:
    from pathlib import Path

    from citysoc.reports.delivery.package import Package


def deliver(root: Path, package: Package) -> str:
    """Copy the documents below ``root``; a reader there sees a whole file or none.

    Raises:
        DeliveryError: the folder cannot be written; it may be a share that is away.
    """
    folder = root / package.place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in package.files:
            draft = folder / f".{path.name}.{os.getpid()}"
            shutil.copyfile(path, draft)
            draft.replace(folder / path.name)
    except OSError as error:
        raise DeliveryError(
            _("The folder cannot be written: {error}.").format(error=error.strerror or error),
            where=str(folder),
            transient=True,
        ) from error
    return _("{files} in {folder}").format(files=counts.files(len(package.files)), folder=folder)
