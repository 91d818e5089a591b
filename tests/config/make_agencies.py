"""Makes ``citysoc/config/example/agencies.yaml``: 483 agencies of a city like Huế.

The 40 wards and communes, their codes and the names of the departments are real; the composition
(12 + 16 + 118 + 9 + 200 + 88 + 40), the addresses and what each body expects are made up. Run it
from the checkout, ``python tests/config/make_agencies.py``; the same run gives the same bytes.
"""

from __future__ import annotations

import ipaddress
import math
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from citysoc.config.fold import fold

TARGET = Path(__file__).parents[2] / "citysoc/config/example/agencies.yaml"
MACHINES = 5661
ANTIVIRUS = 230

PARTY = """
Văn phòng Thành ủy|Office of the City Party Committee
Ban Tổ chức Thành ủy|Organisation Commission of the City Party Committee
Ủy ban Kiểm tra Thành ủy|Inspection Commission of the City Party Committee
Ban Tuyên giáo và Dân vận Thành ủy|Information and Mass Mobilisation Commission of the City Party Committee
Ban Nội chính Thành ủy|Internal Affairs Commission of the City Party Committee
Đảng ủy các cơ quan Đảng thành phố|Party Committee of the City Party Bodies
Đảng ủy Ủy ban nhân dân thành phố|Party Committee of the City People's Committee
Trường Chính trị Nguyễn Chí Thanh|Nguyễn Chí Thanh School of Politics
Ủy ban Mặt trận Tổ quốc Việt Nam thành phố|City Committee of the Việt Nam Fatherland Front
Liên đoàn Lao động thành phố|City Federation of Labour
Thành đoàn Huế|Huế City Youth Union
Hội Liên hiệp Phụ nữ thành phố|City Women's Union
"""
OFFICES = """
Văn phòng Đoàn đại biểu Quốc hội và Hội đồng nhân dân thành phố|Office of the National Assembly Delegation and the City People's Council
Văn phòng Ủy ban nhân dân thành phố|Office of the City People's Committee
"""
DEPARTMENTS = """
Sở Nội vụ|Department of Home Affairs
Sở Tư pháp|Department of Justice
Sở Tài chính|Department of Finance
Sở Công Thương|Department of Industry and Trade
Sở Nông nghiệp và Môi trường|Department of Agriculture and Environment
Sở Xây dựng|Department of Construction
Sở Khoa học và Công nghệ|Department of Science and Technology
Sở Văn hóa và Thể thao|Department of Culture and Sports
Sở Du lịch|Department of Tourism
Sở Giáo dục và Đào tạo|Department of Education and Training
Sở Y tế|Department of Health
Sở Dân tộc và Tôn giáo|Department of Ethnic and Religious Affairs
Thanh tra thành phố|City Inspectorate
Ban Quản lý Khu kinh tế, công nghiệp thành phố|Management Board of the City's Economic and Industrial Zones
"""
SUBORDINATES = """
Ban Thi đua - Khen thưởng thành phố|Emulation and Commendation Board
Trung tâm Lưu trữ lịch sử thành phố|Historical Archives Centre
Trung tâm Dịch vụ việc làm thành phố|Employment Service Centre
Trung tâm Điều dưỡng người có công|Nursing Centre for People with Merit
Trung tâm Trợ giúp pháp lý Nhà nước|State Legal Aid Centre
Phòng Công chứng số 1|Notary Office No. 1
Phòng Công chứng số 2|Notary Office No. 2
Phòng Công chứng số 3|Notary Office No. 3
Trung tâm Dịch vụ đấu giá tài sản|Property Auction Service Centre
Trung tâm Xúc tiến đầu tư và Hỗ trợ doanh nghiệp|Investment Promotion and Business Support Centre
Trung tâm Tư vấn và Dịch vụ tài chính công|Public Finance Advisory Centre
Chi cục Quản lý thị trường|Market Surveillance Sub-department
Đội Quản lý thị trường số 1|Market Surveillance Team No. 1
Đội Quản lý thị trường số 2|Market Surveillance Team No. 2
Đội Quản lý thị trường số 3|Market Surveillance Team No. 3
Trung tâm Khuyến công và Tư vấn phát triển công nghiệp|Industrial Promotion Centre
Trung tâm Xúc tiến thương mại|Trade Promotion Centre
Chi cục Kiểm lâm|Forest Protection Sub-department
Hạt Kiểm lâm khu vực Phong Điền|Phong Điền Area Forest Rangers
Hạt Kiểm lâm khu vực Hương Trà|Hương Trà Area Forest Rangers
Hạt Kiểm lâm khu vực Hương Thủy|Hương Thủy Area Forest Rangers
Hạt Kiểm lâm khu vực Phú Lộc|Phú Lộc Area Forest Rangers
Hạt Kiểm lâm khu vực Nam Đông|Nam Đông Area Forest Rangers
Hạt Kiểm lâm khu vực A Lưới|A Lưới Area Forest Rangers
Đội Kiểm lâm cơ động và Phòng cháy chữa cháy rừng|Mobile Forest Ranger and Fire Team
Chi cục Trồng trọt và Bảo vệ thực vật|Crop Production and Plant Protection Sub-department
Chi cục Chăn nuôi và Thú y|Livestock and Veterinary Sub-department
Chi cục Thủy lợi|Irrigation Sub-department
Chi cục Biển, Đảo và Thủy sản|Sea, Islands and Fisheries Sub-department
Chi cục Phát triển nông thôn|Rural Development Sub-department
Chi cục Quản lý chất lượng nông, lâm sản và thủy sản|Agricultural Quality Sub-department
Chi cục Bảo vệ môi trường|Environmental Protection Sub-department
Chi cục Quản lý đất đai|Land Administration Sub-department
Trung tâm Khuyến nông|Agricultural Extension Centre
Trung tâm Nước sạch và Vệ sinh môi trường nông thôn|Rural Water and Sanitation Centre
Trung tâm Kỹ thuật Tài nguyên và Môi trường|Natural Resources Technology Centre
Trung tâm Quan trắc Môi trường|Environmental Monitoring Centre
Trung tâm Công nghệ thông tin Nông nghiệp và Môi trường|Agriculture and Environment IT Centre
Quỹ Bảo vệ và Phát triển rừng|Forest Protection and Development Fund
Quỹ Bảo vệ môi trường thành phố|City Environmental Protection Fund
Ban Quản lý rừng phòng hộ Bắc Hải Vân|Bắc Hải Vân Protection Forest Board
Ban Quản lý rừng phòng hộ Sông Hương|Sông Hương Protection Forest Board
Ban Quản lý rừng phòng hộ Sông Bồ|Sông Bồ Protection Forest Board
Ban Quản lý rừng phòng hộ A Lưới|A Lưới Protection Forest Board
Ban Quản lý rừng phòng hộ Nam Đông|Nam Đông Protection Forest Board
Ban Quản lý Khu bảo tồn thiên nhiên Phong Điền|Phong Điền Nature Reserve Board
Ban Quản lý Khu bảo tồn Sao La|Saola Nature Reserve Board
Ban Quản lý Khu bảo tồn đất ngập nước Tam Giang - Cầu Hai|Tam Giang - Cầu Hai Wetland Reserve Board
Ban Quản lý Cảng cá|Fishing Port Board
Văn phòng Đăng ký đất đai thành phố|City Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Phú Xuân|Phú Xuân Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Thuận Hóa|Thuận Hóa Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Phong Điền|Phong Điền Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Quảng Điền|Quảng Điền Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Hương Trà|Hương Trà Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Hương Thủy|Hương Thủy Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Phú Vang|Phú Vang Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực Phú Lộc|Phú Lộc Area Branch of the Land Registration Office
Chi nhánh Văn phòng Đăng ký đất đai khu vực A Lưới|A Lưới Area Branch of the Land Registration Office
Trung tâm Phát triển quỹ đất thành phố|City Land Fund Development Centre
Chi nhánh Trung tâm Phát triển quỹ đất khu vực 1|Land Fund Development Centre, Area Branch 1
Chi nhánh Trung tâm Phát triển quỹ đất khu vực 2|Land Fund Development Centre, Area Branch 2
Chi nhánh Trung tâm Phát triển quỹ đất khu vực 3|Land Fund Development Centre, Area Branch 3
Chi cục Giám định xây dựng|Construction Inspection Sub-department
Trung tâm Kiểm định chất lượng công trình xây dựng|Construction Quality Testing Centre
Trung tâm Quy hoạch xây dựng|Construction Planning Centre
Trung tâm Quản lý và Điều hành vận tải hành khách công cộng|Public Transport Management Centre
Trung tâm Đăng kiểm xe cơ giới 75-01|Vehicle Inspection Centre 75-01
Trung tâm Sát hạch lái xe|Driving Test Centre
Cảng vụ đường thủy nội địa|Inland Waterway Port Authority
Ban Quản lý bảo trì đường bộ|Road Maintenance Board
Trung tâm Quản lý nhà ở và hạ tầng kỹ thuật|Housing and Technical Infrastructure Centre
Chi cục Tiêu chuẩn Đo lường Chất lượng|Standards, Metrology and Quality Sub-department
Trung tâm Kỹ thuật Tiêu chuẩn Đo lường Chất lượng|Standards and Metrology Technical Centre
Trung tâm Giám sát, điều hành đô thị thông minh|Smart City Monitoring and Operations Centre
Trung tâm Công nghệ thông tin thành phố|City Information Technology Centre
Trung tâm Khởi nghiệp, Đổi mới sáng tạo|Start-up and Innovation Centre
Trung tâm Ứng dụng tiến bộ khoa học và công nghệ|Science and Technology Application Centre
Quỹ Phát triển khoa học và công nghệ|Science and Technology Development Fund
Bảo tàng Thiên nhiên duyên hải miền Trung|Natural History Museum of the Central Coast
Bảo tàng Lịch sử thành phố|City History Museum
Bảo tàng Hồ Chí Minh thành phố|City Hồ Chí Minh Museum
Bảo tàng Mỹ thuật Huế|Huế Fine Arts Museum
Thư viện Tổng hợp thành phố|City General Library
Trung tâm Văn hóa và Điện ảnh|Culture and Cinema Centre
Trung tâm Huấn luyện và Thi đấu thể thao|Sports Training and Competition Centre
Trường Trung cấp Thể dục thể thao|Secondary Vocational School of Sports
Nhà hát Nghệ thuật Ca kịch Huế|Huế Drama and Folk Opera Theatre
Trung tâm Festival Huế|Huế Festival Centre
Trung tâm Thông tin và Xúc tiến du lịch|Tourism Information and Promotion Centre
Trung tâm Quản lý các tuyến du lịch sông Hương|Hương River Tourism Routes Centre
Trung tâm Giáo dục thường xuyên thành phố|City Continuing Education Centre
Trung tâm Hỗ trợ phát triển giáo dục hòa nhập|Inclusive Education Support Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên Phong Điền|Phong Điền Vocational and Continuing Education Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên Quảng Điền|Quảng Điền Vocational and Continuing Education Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên Hương Trà|Hương Trà Vocational and Continuing Education Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên Hương Thủy|Hương Thủy Vocational and Continuing Education Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên Phú Vang|Phú Vang Vocational and Continuing Education Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên Phú Lộc|Phú Lộc Vocational and Continuing Education Centre
Trung tâm Giáo dục nghề nghiệp - Giáo dục thường xuyên A Lưới|A Lưới Vocational and Continuing Education Centre
Chi cục Dân số|Population Sub-department
Chi cục An toàn vệ sinh thực phẩm|Food Safety Sub-department
Trung tâm Kiểm soát bệnh tật thành phố|City Centre for Disease Control
Trung tâm Kiểm nghiệm thuốc, mỹ phẩm, thực phẩm|Drug, Cosmetic and Food Testing Centre
Trung tâm Giám định Y khoa|Medical Assessment Centre
Trung tâm Pháp y|Forensic Medicine Centre
Trung tâm Cấp cứu 115|Emergency Centre 115
Trung tâm Công tác xã hội|Social Work Centre
Trung tâm Bảo trợ xã hội|Social Protection Centre
Quỹ Bảo trợ trẻ em|Child Protection Fund
Trung tâm Chăm sóc, giáo dục trẻ em thiệt thòi|Care Centre for Disadvantaged Children
Cơ sở Cai nghiện ma túy số 1|Drug Rehabilitation Facility No. 1
Trung tâm Dịch vụ và Phát triển hạ tầng khu kinh tế|Economic Zone Infrastructure Centre
Văn phòng đại diện Khu kinh tế Chân Mây - Lăng Cô|Chân Mây - Lăng Cô Economic Zone Office
Văn phòng đại diện Khu công nghiệp Phú Bài|Phú Bài Industrial Zone Office
Đội Quản lý thị trường số 4|Market Surveillance Team No. 4
Trạm Kiểm dịch động vật Bắc Huế|North Huế Animal Quarantine Station
Trạm Kiểm dịch động vật Chân Mây|Chân Mây Animal Quarantine Station
"""
CITY_UNITS = """
Trung tâm Bảo tồn Di tích Cố đô Huế|Huế Monuments Conservation Centre
Trung tâm Phục vụ hành chính công thành phố|City Public Administration Service Centre
Ban Quản lý dự án đầu tư xây dựng công trình dân dụng và công nghiệp|Civil and Industrial Works Project Board
Ban Quản lý dự án đầu tư xây dựng công trình giao thông|Transport Works Project Board
Ban Quản lý dự án đầu tư xây dựng công trình nông nghiệp|Agricultural Works Project Board
Viện Nghiên cứu phát triển thành phố|City Institute for Development Studies
Trường Cao đẳng Huế|Huế College
Trường Cao đẳng Y tế Huế|Huế Medical College
Quỹ Đầu tư phát triển và Bảo lãnh tín dụng|Development Investment and Credit Guarantee Fund
"""
WARDS = """
19753 P Phú Xuân|19774 P Kim Long|19777 P Vỹ Dạ|19789 P Thuận Hóa|19804 P Hương An|19813 P Thủy Xuân
19815 P An Cựu|19819 P Phong Điền|19828 P Phong Phú|19831 P Phong Dinh|19858 P Phong Thái|19867 X Quảng Điền
19873 P Phong Quảng|19885 X Đan Điền|19900 P Thuận An|19909 P Dương Nỗ|19918 X Phú Hồ|19930 P Mỹ Thượng
19942 X Phú Vang|19945 X Phú Vinh|19960 P Phú Bài|19969 P Thanh Thủy|19975 P Hương Thủy|19996 P Hương Trà
20014 P Hóa Châu|20017 P Kim Trà|20035 X Bình Điền|20044 X A Lưới 2|20050 X A Lưới 5|20056 X A Lưới 1
20071 X A Lưới 3|20101 X A Lưới 4|20107 X Phú Lộc|20122 X Vinh Lộc|20131 X Hưng Lộc|20137 X Chân Mây - Lăng Cô
20140 X Lộc An|20161 X Khe Tre|20179 X Nam Đông|20182 X Long Quảng
"""
HOSPITALS = """
Bệnh viện Đa khoa thành phố|City General Hospital
Bệnh viện Đa khoa Chân Mây|Chân Mây General Hospital
Bệnh viện Đa khoa Bình Điền|Bình Điền General Hospital
Bệnh viện Y học cổ truyền|Traditional Medicine Hospital
Bệnh viện Phục hồi chức năng|Rehabilitation Hospital
Bệnh viện Tâm thần|Psychiatric Hospital
Bệnh viện Phổi|Lung Hospital
Bệnh viện Mắt|Eye Hospital
Bệnh viện Răng Hàm Mặt|Dental and Maxillofacial Hospital
Bệnh viện Phong - Da liễu|Leprosy and Dermatology Hospital
Trung tâm Y tế khu vực Phú Xuân|Phú Xuân Area Medical Centre
Trung tâm Y tế khu vực Thuận Hóa|Thuận Hóa Area Medical Centre
Trung tâm Y tế khu vực Phong Điền|Phong Điền Area Medical Centre
Trung tâm Y tế khu vực Quảng Điền|Quảng Điền Area Medical Centre
Trung tâm Y tế khu vực Hương Trà|Hương Trà Area Medical Centre
Trung tâm Y tế khu vực Hương Thủy|Hương Thủy Area Medical Centre
Trung tâm Y tế khu vực Phú Vang|Phú Vang Area Medical Centre
Trung tâm Y tế khu vực Phú Lộc|Phú Lộc Area Medical Centre
Trung tâm Y tế khu vực Nam Đông|Nam Đông Area Medical Centre
Trung tâm Y tế khu vực A Lưới|A Lưới Area Medical Centre
"""
# Station at each commune-level unit outside the ten whose medical centre has the same name: 30 more.
WITHOUT_STATION = {
    "Phú Xuân", "Thuận Hóa", "Phong Điền", "Quảng Điền", "Hương Trà",
    "Hương Thủy", "Phú Vang", "Phú Lộc", "Nam Đông", "A Lưới 1",
}  # fmt: skip
SCHOOLS = """
Chuyên Quốc Học|Hai Bà Trưng|Nguyễn Huệ|Gia Hội|Nguyễn Trường Tộ|Bùi Thị Xuân|Đặng Trần Côn|Cao Thắng
Đặng Huy Trứ|Bình Điền|Hương Vinh|Phan Đăng Lưu|An Lương Đông|Vinh Lộc|Phú Lộc|Thừa Lưu|Hương Thủy|Phú Bài
Nguyễn Trãi|Phong Điền|Trần Văn Kỷ|Tam Giang|Nguyễn Chí Thanh|Hóa Châu|Tố Hữu|Thuận An|Hà Trung
Nguyễn Sinh Cung|Vinh Xuân|Nam Đông|Hương Giang|A Lưới|Hồng Vân|Hương Lâm|Nguyễn Đình Chiểu|Hương Trà
Dân tộc nội trú thành phố|Chi Lăng
"""
ASSOCIATIONS = """
Liên hiệp các Hội Khoa học và Kỹ thuật|Union of Science and Technology Associations
Liên hiệp các Hội Văn học Nghệ thuật|Union of Literature and Arts Associations
Liên hiệp các Tổ chức hữu nghị|Union of Friendship Organisations
Liên minh Hợp tác xã|Cooperative Alliance
Hội Chữ thập đỏ|Red Cross Society
Hội Nông dân|Farmers' Union
Hội Cựu chiến binh|Veterans' Association
Hội Nhà báo|Journalists' Association
Hội Luật gia|Lawyers' Association
Hội Đông y|Traditional Medicine Association
Hội Người mù|Association of the Blind
Hội Khuyến học|Study Promotion Association
Hội Người cao tuổi|Association of the Elderly
Hội Nạn nhân chất độc da cam/dioxin|Association of Agent Orange Victims
Hội Cựu thanh niên xung phong|Former Youth Volunteers' Association
Hội Bảo vệ quyền trẻ em và Bảo trợ người khuyết tật|Association for Children's Rights and People with Disabilities
Hội Kế hoạch hóa gia đình|Family Planning Association
Hội Làm vườn|Gardeners' Association
Hội Khoa học Lịch sử|Historical Science Association
Hội Kiến trúc sư|Architects' Association
Hội Tin học|Informatics Association
Hiệp hội Doanh nghiệp|Business Association
Hiệp hội Du lịch|Tourism Association
Hội Nữ doanh nhân|Women Entrepreneurs' Association
Hội Doanh nhân trẻ|Young Entrepreneurs' Association
Hội Sinh viên|Students' Association
Hội Y học|Medical Association
Hội Điều dưỡng|Nursing Association
Đoàn Luật sư|Bar Association
Hội Công chứng viên|Notaries' Association
Thống kê thành phố|City Statistics Office
Kho bạc Nhà nước khu vực|Regional State Treasury
Thuế thành phố|City Tax Office
Bảo hiểm xã hội thành phố|City Social Insurance
Ngân hàng Chính sách xã hội chi nhánh thành phố|Social Policy Bank, City Branch
Tòa án nhân dân thành phố|City People's Court
Viện kiểm sát nhân dân thành phố|City People's Procuracy
Thi hành án dân sự thành phố|City Civil Judgment Enforcement
Đài Khí tượng Thủy văn thành phố|City Hydrometeorological Station
Báo và Phát thanh, Truyền hình Huế|Huế Newspaper, Radio and Television
"""


@dataclass
class Body:
    id: str
    name: str
    name_en: str
    level: str
    group: str
    code: str = ""
    aliases: tuple[str, ...] = ()
    expects: tuple[str, ...] = ()
    weight: float = 1.0
    """How many machines it has, against others; decides who gets the large numbers."""
    machines: int = 0
    network: str = ""


def slug(name: str) -> str:
    whole = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")
    return whole if len(whole) <= 63 else whole[:63].rpartition("-")[0]


def pairs(text: str) -> list[tuple[str, str]]:
    return [tuple(line.split("|")) for line in text.strip().splitlines()]  # type: ignore[misc]


def listed(text: str, level: str, group: str, expects: tuple[str, ...], weight: float) -> list[Body]:
    return [
        Body(
            slug(vi), vi, en, level, group, expects=expects, weight=weight * (1 + 0.25 * math.sin(7 * number))
        )
        for number, (vi, en) in enumerate(pairs(text))
    ]


def wards() -> list[tuple[str, str, str]]:
    cells = [cell for line in WARDS.strip().splitlines() for cell in line.split("|")]
    return [tuple(cell.split(" ", 2)) for cell in cells]  # type: ignore[misc]


def ward_points() -> list[Body]:
    bodies = []
    for number, (code, kind, name) in enumerate(wards()):
        word, word_en, level = ("phường", "Ward", "ward") if kind == "P" else ("xã", "Commune", "commune")
        stem, unit, unit_en = slug(f"{word} {name}"), f"{word} {name}", f"{name} {word_en}"
        size = 1.2 + 0.5 * math.sin(5 * number)
        council = (f"HĐND và UBND {unit}", f"UBND {unit}")
        bodies += [
            Body(f"{stem}-dang-uy", f"Đảng ủy {unit}", f"Party Committee of {unit_en}", level, stem, code,
                 expects=("syslog", "windows"), weight=0.5 * size),
            Body(f"{stem}-ubnd", f"Ủy ban nhân dân {unit}", f"People's Committee of {unit_en}", level, stem, code,
                 council, ("firewall", "dns", "windows"), 1.4 * size),
            Body(f"{stem}-hcc", f"Trung tâm Phục vụ hành chính công {unit}",
                 f"Public Administration Service Centre of {unit_en}", level, stem, code,
                 expects=("syslog", "web"), weight=0.6 * size),
            Body(f"{stem}-mttq", f"Ủy ban Mặt trận Tổ quốc Việt Nam {unit}",
                 f"Fatherland Front Committee of {unit_en}", level, stem, code, expects=("syslog",)),
            Body(f"{stem}-co-so-2", f"Trụ sở 2 Ủy ban nhân dân {unit}",
                 f"Second Office of the People's Committee of {unit_en}", level, stem, code, expects=("syslog",)),
        ]  # fmt: skip
    return bodies


def schools_and_hospitals() -> list[Body]:
    bodies = listed(HOSPITALS, "hospital", "hospital", ("firewall", "windows"), 2)
    for code, kind, name in wards():
        if name not in WITHOUT_STATION:
            unit = f"{'phường' if kind == 'P' else 'xã'} {name}"
            unit_en = f"{name} {'Ward' if kind == 'P' else 'Commune'}"
            vi, en = f"Trạm Y tế {unit}", f"Health Station of {unit_en}"
            bodies.append(Body(slug(vi), vi, en, "hospital", "station", code, expects=("syslog",)))
    for line in SCHOOLS.strip().splitlines():
        for name in line.split("|"):
            vi, en = f"Trường THPT {name}", f"{name} High School"
            alias = (f"Trường Trung học phổ thông {name}",)
            bodies.append(Body(slug(vi), vi, en, "school", "school", "", alias, ("syslog",)))
    return bodies


def bodies() -> list[Body]:
    full = ("firewall", "ids", "dns", "web", "windows")
    found = [
        *listed(PARTY, "party", "party", ("firewall", "windows"), 4),
        *listed(OFFICES, "city", "city", full, 14),
        *listed(DEPARTMENTS, "department", "department", full, 9),
        *listed(SUBORDINATES, "subordinate", "subordinate", ("syslog",), 1.1),
        *listed(CITY_UNITS, "city", "unit", ("firewall", "web", "windows"), 6),
        *ward_points(),
        *schools_and_hospitals(),
        *listed(ASSOCIATIONS, "association", "association", ("syslog",), 1),
    ]
    choose_antivirus(found)
    number_machines(found)
    number_networks(found)
    return found


def choose_antivirus(found: list[Body]) -> None:
    """All city bodies, 73 of the 118 subordinates, three points of each ward: 230."""
    subordinates = sorted((b for b in found if b.group == "subordinate"), key=lambda b: -b.weight)[:73]
    points = [
        b for b in found if b.id.endswith(("-dang-uy", "-ubnd", "-hcc")) and b.level in {"ward", "commune"}
    ]
    city = [b for b in found if b.group in {"party", "city", "department", "unit"}]
    for body in (*city, *subordinates, *points):
        body.expects = ("antivirus", *body.expects)


def number_machines(found: list[Body]) -> None:
    """Give the bodies with antivirus machines, log-normal from 5 to 250, that sum to the city's number."""
    chosen = sorted((b for b in found if "antivirus" in b.expects), key=lambda b: (-b.weight, b.id))
    normal = statistics.NormalDist()
    quantiles = [normal.inv_cdf(1 - (i + 0.5) / len(chosen)) for i in range(len(chosen))]
    low, high = 0.0, 10.0
    for _step in range(60):
        middle = (low + high) / 2
        if sum(sizes(quantiles, middle)) < MACHINES:
            low = middle
        else:
            high = middle
    counts = sizes(quantiles, low)
    for place in range(MACHINES - sum(counts)):
        counts[len(counts) // 3 + place] += 1
    for body, count in zip(chosen, counts, strict=True):
        body.machines = count


def sizes(quantiles: list[float], mu: float) -> list[int]:
    return [min(250, max(5, round(math.exp(mu + 0.95 * q)))) for q in quantiles]


def number_networks(found: list[Body]) -> None:
    """Give each body a network with room for its machines, group after group in 10.0.0.0/8."""
    groups = {"party": 1, "city": 2, "department": 3, "unit": 4, "subordinate": 8, "hospital": 12,
              "station": 16, "school": 20, "association": 24}  # fmt: skip
    stems = {
        stem: 64 + n for n, stem in enumerate(dict.fromkeys(b.group for b in found if b.code and b.aliases))
    }
    next_free: dict[int, int] = {}
    for body in found:
        second = groups.get(body.group) or stems[body.group]
        hosts = (body.machines or 12) + 8  # printers, switches, the gateway
        length = next(n for n in (27, 26, 25, 24) if hosts <= 2 ** (32 - n) - 2 or n == 24)
        step = 1 << (32 - length)
        start = -(-next_free.get(second, 0) // step) * step
        next_free[second] = start + step
        base = int(ipaddress.ip_address(f"10.{second}.0.0")) + start
        body.network = f"{ipaddress.ip_address(base)}/{length}"


HEAD = """\
# An example: the bodies of a city like Huế. The 40 wards and communes, their codes and the departments are
# real names; everything else (the composition, the addresses, the machines) is made up. Replace it.
#
#   networks   addresses of the agency; no two agencies may overlap; whoever sends from here is the agency
#   senders    single addresses outside its networks that send its logs, a relay for example
#   expects    the sources (ids in sources/*.yaml) that must speak for it; their silence is an alarm
#   antivirus  how many machines its central antivirus manages
#   code       the official code of the ward or commune; further keys: aliases, contacts

example: true
agencies:
"""


def entry(body: Body) -> str:
    lines = [f"id: {body.id}", f"name: {body.name}", f'name_en: "{body.name_en}"', f"level: {body.level}"]
    if body.code:
        lines.append(f'code: "{body.code}"')
    if body.aliases:
        lines.append(f"aliases: [{', '.join(body.aliases)}]")
    lines += [f"networks: [{body.network}]", f"expects: [{', '.join(body.expects)}]"]
    if body.machines:
        lines.append(f"antivirus: {{machines: {body.machines}}}")
    return "  - " + "\n    ".join(lines) + "\n"


def text() -> str:
    return HEAD + "".join(entry(body) for body in bodies())


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")
