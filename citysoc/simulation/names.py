"""The words of the simulated city: accounts by role, malware, programs, pages, names on the Internet.

No people's names; every Internet name ends in ``.example``, ``.test`` or ``.invalid`` (RFC 2606).
Malware names have the shape that the city's antivirus is seen to report: platform, family, kind.
"""

from __future__ import annotations

DOMAIN = "hue.example"
"""The city's own domain."""

ROLES = ("vanthu", "ketoan", "motcua", "kt.cb", "vp.cb", "tc.cb", "nv.cb", "cntt", "tp.cb", "bv.truc")
"""Beginnings of account names; two digits follow."""

SYSTEMS = (
    "Windows 10 Pro 22H2",
    "Windows 11 Pro 24H2",
    "Windows 10 Pro 21H2",
    "Windows 7 Professional SP1",
    "Windows Server 2019",
)
SYSTEM_WEIGHTS = (52, 33, 8, 5, 2)

MALWARE: tuple[tuple[str, str, str], ...] = (
    ("W32.AIDetectMalware", "Nghi ngờ", "C:\\Users\\{user}\\Downloads\\CaiDat_BoGo_v4.exe"),
    ("W64.AIDetectMalware", "Nghi ngờ", "C:\\Users\\{user}\\AppData\\Local\\Temp\\setup_{n}.exe"),
    ("W32.SalityVG.PE", "Virus", "D:\\Phan mem\\ke_toan\\KTHCSN{n}.exe"),
    ("LNK.USBShortcutVN.Worm", "Sâu", "E:\\Bao cao thang {n}.lnk"),
    ("W32.BrowserHelperK.Adware", "Quảng cáo", "C:\\Program Files (x86)\\Toolbar{n}\\helper.dll"),
    ("W32.VirutNS.PE", "Virus", "D:\\Luu tru\\Hoso{n}.exe"),
    ("X97M.LarouxHC.Macro", "Vi-rút macro", "D:\\Ke toan\\Bang luong {n}.xls"),
    ("W32.FakeDoc.Worm", "Sâu", "E:\\Tai lieu\\Cong van {n}.doc.exe"),
    ("JS.RedirLoad.Trojan", "Trojan", "C:\\Users\\{user}\\AppData\\Local\\Temp\\page_{n}.js"),
    ("HW32.Packed", "Nghi ngờ", "D:\\Phan mem\\tienich{n}.exe"),
    ("W32.Common.4F1A09C2", "Virus", "C:\\Windows\\Temp\\svc{n}.exe"),
    ("W97M.AutoDoc.Macro", "Vi-rút macro", "C:\\Users\\{user}\\Documents\\To trinh {n}.doc"),
    ("MW.Clod93D1.Trojan", "Trojan", "C:\\ProgramData\\upd{n}\\client.exe"),
    ("VBS.DinhiStart.Worm", "Sâu", "E:\\Khoi dong{n}.vbs"),
    ("MSIL.BundleInst.Adware", "Quảng cáo", "C:\\Users\\{user}\\Downloads\\xem_phim_{n}.exe"),
    ("W32.KeyGenX.Trojan", "Trojan", "D:\\Phan mem\\crack\\keygen{n}.exe"),
    ("W32.RamnitDL.PE", "Virus", "D:\\Website cu\\trang{n}.html"),
    ("W32.CoinBundle.Adware", "Không mong muốn", "C:\\Users\\{user}\\AppData\\Roaming\\tool{n}.exe"),
)
"""Name, kind and path of what the antivirus finds, the most frequent first."""

MALWARE_WEIGHTS = tuple(round(1000 / rank**1.15) for rank in range(1, len(MALWARE) + 1))
"""A long tail, as in the figures cities publish: the first name is about a third of all."""

SITES = (
    "dichvucong.example",
    "tintuc.example",
    "thoitiet.example",
    "vanban.example",
    "mail.example",
    "hoctap.example",
    "bando.example",
    "capnhat.example",
    "taichinh.example",
    "baochi.example",
    "giaoduc.example",
    "suckhoe.example",
    "ngansach.example",
    "cdn.example",
    "anh.example",
    "video.example",
)
"""Ordinary places that offices visit."""

SITE_WEIGHTS = tuple(round(1000 / rank**0.8) for rank in range(1, len(SITES) + 1))

BLOCKED_SITES: tuple[tuple[str, int, str], ...] = (
    ("cadobong.example", 11, "Gambling"),
    ("phim-lau.example", 25, "Streaming Media and Download"),
    ("game-bai.example", 20, "Games"),
    ("quangcao-xau.example", 26, "Malicious Websites"),
    ("trung-thuong.example", 61, "Phishing"),
    ("mang-xa-hoi.example", 37, "Social Networking"),
)
"""Places the policy blocks: name, category number, category."""

PAGES = (
    "/",
    "/tin-tuc",
    "/thu-tuc-hanh-chinh",
    "/lien-he",
    "/van-ban/chi-dao-dieu-hanh",
    "/lich-cong-tac",
    "/tra-cuu-ho-so?ma=H57.12-261001-0012",
    "/gop-y-du-thao",
    "/images/banner.jpg",
    "/css/main.css",
    "/js/app.js",
    "/favicon.ico",
)
PROBES = (
    "/wp-login.php",
    "/.env",
    "/phpmyadmin/index.php",
    "/manager/html",
    "/.git/config",
    "/boaform/admin/formLogin",
    "/cgi-bin/luci",
    "/actuator/health",
    "/robots.txt",
    "/admin/",
)
"""What Internet scanners ask every web server for."""

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_ENGINE = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
BROWSERS = (
    f"{_WINDOWS}) {_ENGINE} Safari/537.36",
    f"{_WINDOWS}; rv:143.0) Gecko/20100101 Firefox/143.0",
    f"Mozilla/5.0 (Linux; Android 14; K) {_ENGINE} Mobile Safari/537.36",
)
SCANNERS = (
    "Mozilla/5.0 zgrab/0.x",
    "python-requests/2.32.3",
    "masscan/1.3",
    "Go-http-client/1.1",
    "curl/8.5.0",
)

SCANNED_PORTS = (23, 445, 22, 3389, 80, 8080, 443, 5060, 1433, 8443, 2323, 3306, 5900, 6379, 81, 7547, 21)
SCANNED_WEIGHTS = (22, 14, 12, 11, 7, 6, 5, 5, 4, 3, 3, 2, 2, 2, 1, 1, 1)

PROGRAMS: tuple[tuple[str, str, str], ...] = (
    (
        "C:\\Windows\\System32\\svchost.exe",
        "svchost.exe -k netsvcs -p -s Schedule",
        "C:\\Windows\\System32\\services.exe",
    ),
    (
        "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
        '"WINWORD.EXE" /n "D:\\Cong van\\To trinh.docx"',
        "C:\\Windows\\explorer.exe",
    ),
    (
        "C:\\Program Files\\Microsoft Office\\root\\Office16\\EXCEL.EXE",
        '"EXCEL.EXE" "D:\\Ke toan\\Bang luong.xlsx"',
        "C:\\Windows\\explorer.exe",
    ),
    ("C:\\Program Files\\UniKey\\UniKeyNT.exe", "UniKeyNT.exe", "C:\\Windows\\explorer.exe"),
    ("C:\\Windows\\System32\\notepad.exe", "notepad.exe D:\\ghichu.txt", "C:\\Windows\\explorer.exe"),
    (
        "C:\\Windows\\System32\\taskhostw.exe",
        "taskhostw.exe Install",
        "C:\\Windows\\System32\\svchost.exe",
    ),
    (
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        '"chrome.exe" --type=renderer --lang=vi',
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    ),
    ("C:\\Windows\\System32\\ipconfig.exe", "ipconfig /all", "C:\\Windows\\System32\\cmd.exe"),
    (
        "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
        "powershell.exe -File C:\\IT\\sao-luu-hang-ngay.ps1",
        "C:\\Windows\\System32\\svchost.exe",
    ),
)
"""Ordinary programs: image, command line, parent. The backup script of the IT staff is among them."""

PROGRAM_WEIGHTS = (22, 16, 12, 6, 4, 12, 24, 1, 3)
