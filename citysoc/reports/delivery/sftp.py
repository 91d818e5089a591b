"""Reports to a folder of another machine, by SFTP. Needs asyncssh: the extra ``sftp``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from citysoc.errors import ConfigError, DeliveryError
from citysoc.i18n import _
from citysoc.reports import counts

if TYPE_CHECKING:
    from citysoc.config.load import Config
    from citysoc.config.reports import SftpTarget
    from citysoc.reports.delivery.package import Package

TIMEOUT_SECONDS = 120


def deliver(config: Config, target: SftpTarget, package: Package) -> str:
    """Copy the documents; the machine must be the one that ``known_hosts`` says.

    Raises:
        ConfigError: the library is not installed, or a key cannot be read.
        DeliveryError: the machine is away or refuses.
    """
    try:
        import asyncssh
    except ImportError as error:
        raise ConfigError(
            _("SFTP needs the extra sftp."), where=target.id, hint='pip install "citysoc[sftp]"'
        ) from error
    try:
        asyncio.run(asyncio.wait_for(_send(config, target, package), TIMEOUT_SECONDS))
    except (asyncssh.KeyImportError, asyncssh.HostKeyNotVerifiable, asyncssh.PermissionDenied) as error:
        raise DeliveryError(
            _("The machine was not trusted or did not let us in: {error}.").format(error=error),
            where=target.id,
        ) from error
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise DeliveryError(
            _("The files were not sent: {error}.").format(error=error), where=target.id, transient=True
        ) from error
    return _("{files} to {host}").format(files=counts.files(len(package.files)), host=target.host)


async def _send(config: Config, target: SftpTarget, package: Package) -> None:
    import asyncssh

    connection = await asyncssh.connect(
        target.host,
        target.port,
        username=target.username,
        client_keys=[str(config.root / target.key_file)],
        known_hosts=str(config.root / target.known_hosts),
        agent_path=None,
        config=None,
    )
    async with connection, connection.start_sftp_client() as client:
        folder = f"{target.directory.rstrip('/')}/{package.place}"
        await client.makedirs(folder, exist_ok=True)
        for path in package.files:
            draft = f"{folder}/.{path.name}.part"
            await client.put(str(path), draft)
            await client.posix_rename(draft, f"{folder}/{path.name}")
