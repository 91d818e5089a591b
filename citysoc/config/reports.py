"""The configuration of reports: who reports, in which documents, when, and where they go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from citysoc.config.base import Identifier, Model, SecretReference
from citysoc.i18n import _

ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+"
"""An address for mail that every server takes (RFC 5321 without quoted and international ones)."""
Address = Annotated[str, Field(pattern=rf"^{ADDRESS}$", max_length=320)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$", min_length=1, max_length=253)]


def _printable(value: Path | str) -> Path | str:
    if not str(value).isprintable():
        raise ValueError(_("a path or name holds a character that cannot be printed"))
    return value


Folder = Annotated[Path, AfterValidator(_printable)]
Name = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]


ReportFormat = Literal["html", "pdf", "docx", "xlsx", "csv"]


class AvReport(Model):
    """Who sends malware data to the national centre, and where; see ``citysoc reports avreport``.

    Args:
        organ_id: the sender's identifier, at most 13 letters (QCVN 102:2016).
        organ_name: its name.
        in_charge: the body above it; only the variant of 2025 has it.
        address: its postal address.
        email: its address for mail.
        telephone: its telephone.
        fax: its fax.
        website: its site.
        product: the name of the antivirus, as the report's name.
        namespace: the header's namespace where the centre wants another than the variant's own.
        batch: machines of one section in one document.
        url: where documents are sent, only ever by ``citysoc reports avreport send``.
        client_certificate: the certificate for that, PEM.
        client_key: its key, PEM.
        ca_file: a certificate authority of one's own.
    """

    organ_id: Annotated[str, Field(max_length=13)] = ""
    organ_name: Annotated[str, Field(max_length=200)] = ""
    in_charge: Annotated[str, Field(max_length=200)] = ""
    address: Annotated[str, Field(max_length=300)] = ""
    email: Annotated[str, Field(max_length=200)] = ""
    telephone: Annotated[str, Field(max_length=50)] = ""
    fax: Annotated[str, Field(max_length=50)] = ""
    website: Annotated[str, Field(max_length=200)] = ""
    product: Annotated[str, Field(min_length=1, max_length=100)] = "citysoc"
    namespace: Annotated[str, Field(max_length=200, pattern=r"^[!-~]*$")] = ""
    batch: Annotated[int, Field(ge=10, le=1000)] = 500
    url: Annotated[str, Field(pattern=r"^(https://.*)?$")] = ""
    client_certificate: Path | None = None
    client_key: Path | None = None
    ca_file: Path | None = None


class _ReportTarget(Model):
    id: Identifier
    formats: tuple[ReportFormat, ...] = ("pdf", "docx")
    language: Literal["vi", "en"] = "vi"
    scope: Literal["city", "agencies"] = "city"
    link: Annotated[str, Field(pattern=r"^(https?://[!-~]*)?$", max_length=500)] = ""


class DirectoryTarget(_ReportTarget):
    """A folder that reports are copied to.

    Args:
        id: its id.
        kind: directory.
        path: the folder, made when it is absent.
        formats: which documents.
        language: in which language.
        scope: the city's report, or the report of every agency, in a folder of its own.
        link: not used.
    """

    kind: Literal["directory"]
    path: Folder


class MailTarget(_ReportTarget):
    """A mail with the documents attached, or a link to them.

    Args:
        id: its id.
        kind: mail.
        host: the mail server.
        port: its port.
        security: starttls, tls from the first byte, or none.
        username: to log in with; empty for none.
        password: a reference to its password.
        sender: the address it is from.
        to: whom it goes to; with scope agencies the addresses of each agency's contacts instead.
        formats: which documents.
        language: in which language.
        scope: the city's report, or to every agency its own.
        link: the beginning of an address where the folder of reports can be read; empty attaches them.
        max_bytes: larger documents are not attached.
        ca_file: a certificate authority of one's own.
    """

    kind: Literal["mail"]
    host: Host
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretReference | None = None
    sender: Address
    to: tuple[Address, ...] = ()
    max_bytes: Annotated[int, Field(ge=1, le=100_000_000)] = 20_000_000
    ca_file: Path | None = None


class SftpTarget(_ReportTarget):
    """A folder on another machine, by SFTP (needs the extra ``sftp``).

    Args:
        id: its id.
        kind: sftp.
        host: the machine.
        port: its port.
        username: who logs in.
        key_file: the private key to log in with.
        known_hosts: the file that says which key the machine has; nobody else is trusted.
        directory: the folder there.
        formats: which documents.
        language: in which language.
        scope: the city's report, or the report of every agency, in a folder of its own.
        link: not used.
    """

    kind: Literal["sftp"]
    host: Host
    port: Annotated[int, Field(ge=1, le=65_535)] = 22
    username: Name
    key_file: Folder
    known_hosts: Folder
    directory: Name = "."


class WebhookTarget(_ReportTarget):
    """A signed webhook with the figures and the documents, or links to them.

    Args:
        id: its id.
        kind: webhook.
        webhook: the id of one of ``webhooks``: its address and its secret.
        formats: which documents.
        language: in which language.
        scope: the city's report, or the report of every agency.
        link: the beginning of an address where the folder of reports can be read; empty attaches them.
        max_bytes: larger documents are named, not attached.
    """

    kind: Literal["webhook"]
    webhook: Identifier
    max_bytes: Annotated[int, Field(ge=1, le=20_000_000)] = 5_000_000


ReportTarget = Annotated[
    DirectoryTarget | MailTarget | SftpTarget | WebhookTarget, Field(discriminator="kind")
]


class Reports(Model):
    """The monthly report.

    Args:
        directory: where reports are written, relative to ``data_dir``.
        superior: the body above the issuer, as printed in the heading.
        issuer: the issuing body, as printed in the heading.
        place: the place of issue.
        addressee: to whom reports go; left blank where empty.
        signer: the position of who signs, with the prefix of their authority, e.g. ``KT. GIÁM ĐỐC``.
        recipients: who gets a copy, one line each.
        superior_en: the body above the issuer in English reports; where empty, as in Vietnamese ones.
        issuer_en: the issuing body in English reports; where empty, as in Vietnamese ones.
        place_en: the place of issue in English reports; where empty, as in Vietnamese ones.
        addressee_en: to whom English reports go; where empty, as in Vietnamese ones.
        signer_en: the position of who signs English reports; where empty, as in Vietnamese ones.
        recipients_en: who gets a copy of English reports; where empty, as of Vietnamese ones.
        internal: whether the heading carries the mark of internal circulation.
        formats: which documents are made, beside the figures as JSON.
        template: a DOCX file to fill instead of the layout of Decree 30/2020 (``reports template export``).
        geoip: MaxMind DB files that name countries and networks of addresses.
        avreport: who sends malware data to the national centre.
        schedule: which periods are reported by themselves: month, week, quarter.
        each_agency: whether every agency gets a report of its own on schedule.
        targets: where reports built on schedule go.
        day_of_month_time: local time of day at which the first working day's report is built.
    """

    directory: Folder = Path("reports")
    superior: str = ""
    issuer: str = ""
    place: str = "Huế"
    addressee: Annotated[str, Field(max_length=300)] = ""
    signer: Annotated[str, Field(max_length=200)] = ""
    recipients: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=50)] = ()
    superior_en: Annotated[str, Field(max_length=300)] = ""
    issuer_en: Annotated[str, Field(max_length=300)] = ""
    place_en: Annotated[str, Field(max_length=200)] = ""
    addressee_en: Annotated[str, Field(max_length=300)] = ""
    signer_en: Annotated[str, Field(max_length=200)] = ""
    recipients_en: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=50)] = ()
    internal: bool = True
    formats: tuple[ReportFormat, ...] = ("html", "pdf", "docx", "xlsx", "csv")
    template: Folder | None = None
    geoip: tuple[Folder, ...] = ()
    avreport: AvReport = AvReport()
    schedule: tuple[Literal["month", "week", "quarter"], ...] = ("month",)
    each_agency: bool = False
    targets: tuple[ReportTarget, ...] = ()
    day_of_month_time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "08:00"

    def named(self, name: str, language: str) -> str:
        """Return a name of the letterhead in a language; the Vietnamese one where there is no English one.

        Args:
            name: superior, issuer, place, addressee or signer.
            language: vi or en.
        """
        english: str = getattr(self, f"{name}_en") if language == "en" else ""
        vietnamese: str = getattr(self, name)
        return english or vietnamese

    @field_validator("targets")
    @classmethod
    def _ids_differ(cls, targets: tuple[ReportTarget, ...]) -> tuple[ReportTarget, ...]:
        ids = [target.id for target in targets]
        if doubled := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(_("two targets have the id {id!r}").format(id=min(doubled)))
        return targets
