"""What is seen for the first time in 30 days.

Nothing counts as new in the first week of an installation's data: then everything would be.
"""

from __future__ import annotations

from citysoc.detectors.anomaly.families.names import NAMED
from citysoc.detectors.anomaly.feature import Feature

DAYS = 30
"""How long something is remembered."""
WARM_UP_DAYS = 7
"""So many days of data must be there before anything counts as new."""

FEATURES = (
    Feature(
        "new_peers",
        "novelty",
        "addresses",
        "new(host, outside peer)",
        "outside addresses that this machine never spoke to in 30 days",
        "số địa chỉ bên ngoài mà máy này chưa từng giao tiếp trong 30 ngày",
        ("host",),
    ),
    Feature(
        "first_peers",
        "novelty",
        "addresses",
        "first in the city(outside peer)",
        "outside addresses that nobody in the city spoke to in 30 days",
        "số địa chỉ bên ngoài mà cả thành phố chưa từng giao tiếp trong 30 ngày",
        ("host",),
    ),
    Feature(
        "new_programs",
        "novelty",
        "programs",
        "new(host, program)",
        "programs that this machine never ran in 30 days",
        "số chương trình máy này chưa từng chạy trong 30 ngày",
        ("host",),
        "event.category:process",
    ),
    Feature(
        "first_programs",
        "novelty",
        "programs",
        "first in the city(program)",
        "programs that nobody in the city ran in 30 days",
        "số chương trình mà cả thành phố chưa từng chạy trong 30 ngày",
        ("host",),
        "event.category:process",
    ),
    Feature(
        "new_accounts",
        "novelty",
        "accounts",
        "new(host, account)",
        "accounts never seen on this machine in 30 days",
        "số tài khoản chưa từng xuất hiện trên máy này trong 30 ngày",
        ("host",),
        "_exists_:user.name",
    ),
    Feature(
        "new_places",
        "novelty",
        "machines",
        "new(account, host)",
        "machines where this account was never seen in 30 days",
        "số máy mà tài khoản này chưa từng xuất hiện trong 30 ngày",
        ("account",),
    ),
    Feature(
        "new_names",
        "novelty",
        "domains",
        "new(agency, registered domain)",
        "domains that this agency never asked for in 30 days",
        "số tên miền cơ quan này chưa từng truy vấn trong 30 ngày",
        ("agency",),
        NAMED,
    ),
    Feature(
        "new_ports",
        "novelty",
        "ports",
        "new(agency, destination port from inside)",
        "ports that this agency never used in 30 days",
        "số cổng cơ quan này chưa từng dùng trong 30 ngày",
        ("agency",),
    ),
    Feature(
        "new_malware",
        "novelty",
        "names",
        "new(agency, malware name)",
        "malware never seen at this agency in 30 days",
        "số mã độc chưa từng thấy ở cơ quan này trong 30 ngày",
        ("agency",),
        "event.category:malware",
    ),
    Feature(
        "first_malware",
        "novelty",
        "names",
        "first in the city(malware name)",
        "malware never seen in the city in 30 days",
        "số mã độc cả thành phố chưa từng thấy trong 30 ngày",
        ("agency",),
        "event.category:malware",
    ),
)
