"""A register list as people keep it: any usual encoding and separator, with or without lines above the header. Pure."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "label_zh": ("chinese", "chinese name", "name zh", "zh", "中文", "中文名", "中文名称", "中文描述"),
    "label_en": ("english", "english name", "name en", "en", "英文", "英文名", "英文名称", "英文描述"),
    "name": (
        *("name", "point", "point name", "tag", "tag name", "parameter", "parameter name", "signal", "signal name"),
        *("variable", "variable name", "register name", "item", "data item", "symbol", "object"),
        *(
            "名称",
            "点名",
            "点位",
            "点位名称",
            "参数",
            "参数名",
            "参数名称",
            "变量",
            "变量名",
            "变量名称",
            "信号",
            "信号名称",
        ),
        *("测点", "测点名称", "数据项", "数据名称", "寄存器名称", "项目", "内容", "数据内容"),
    ),
    "address": (
        *("address", "addr", "register", "register address", "register number", "reg", "reg addr", "reg address"),
        *("modbus address", "modbus addr", "modbus register", "start address", "plc address", "reference"),
        *(
            "地址",
            "寄存器",
            "寄存器地址",
            "寄存器号",
            "通讯地址",
            "通信地址",
            "起始地址",
            "点位地址",
            "数据地址",
            "modbus地址",
        ),
    ),
    "type": (
        *("type", "data type", "datatype", "format", "data format", "value type"),
        *("类型", "数据类型", "格式", "数据格式", "变量类型"),
    ),
    "scale": (
        *("scale", "scaling", "scale factor", "factor", "multiplier", "gain", "resolution", "coefficient", "ratio"),
        *(
            "系数",
            "倍率",
            "比例",
            "比例系数",
            "缩放",
            "缩放系数",
            "分辨率",
            "精度",
            "放大倍数",
            "倍数",
            "换算系数",
            "转换系数",
        ),
    ),
    "offset": ("offset", "value offset", "偏移量", "偏置", "零点偏移"),
    "unit": ("unit", "units", "engineering unit", "eu", "单位", "工程单位"),
    "access": (
        *("access", "r/w", "rw", "read/write", "access type", "permission", "mode"),
        *("读写", "权限", "读写属性", "读写权限", "访问", "访问权限", "操作", "属性", "读/写"),
    ),
    "function": (
        *("function", "function code", "fc", "func", "func code", "modbus function"),
        *("功能码", "功能号", "功能代码", "读功能码"),
    ),
    "table": ("table", "register type", "area", "object type", "memory area", "寄存器类型", "区", "数据区", "寄存器区"),
    "length": (
        *("length", "len", "count", "quantity", "registers", "words", "size", "no of registers", "number of registers"),
        *("长度", "数量", "寄存器个数", "寄存器数", "寄存器数量", "寄存器长度", "字数", "数据长度"),
    ),
    "bit": ("bit", "bit no", "bit number", "bit index", "位", "位号", "比特", "bit位"),
    "low": ("min", "minimum", "low", "lower limit", "最小值", "最小", "下限"),
    "high": ("max", "maximum", "high", "upper limit", "最大值", "最大", "上限"),
    "range": ("range", "value range", "范围", "量程", "取值范围", "数值范围"),
    "order": ("word order", "byte order", "endian", "endianness", "swap", "字节序", "字序", "字节顺序", "高低字节"),
    "description": (
        *("description", "desc", "remark", "remarks", "note", "notes", "comment", "comments", "explanation", "values"),
        *("备注", "说明", "描述", "含义", "注释", "数据说明", "取值", "枚举"),
    ),
}
"""What each column may be called, in lower case."""
DIVIDES = frozenset({"倍率", "放大倍数", "倍数", "multiplier", "gain"})
"""Headers by which makers say either what the value is multiplied by, or what it was multiplied by before."""

_ENCODINGS = ("utf-8-sig", "gb18030")
_SEPARATORS = ",;\t|"
_HEADER_WITHIN = 20
_LOOKALIKES = str.maketrans({"\u2010": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00d7": "x", "\u301c": "~"})
_INSIDE = re.compile(r"[(\[【]([^)\]】]*)[)\]】]")


class NoTable(ValueError):
    """What was given is no register list; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row: its line in the file (from 1), its cells by column, and the cells as they stand there."""

    line: int
    cells: Mapping[str, str]
    written: tuple[str, ...]

    def get(self, column: str) -> str:
        """Give a cell; empty where there is none."""
        return self.cells.get(column, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A register list. `headers` are as written; `columns` say which of them was understood as what."""

    encoding: str
    separator: str
    headers: tuple[str, ...]
    columns: Mapping[str, int]
    hexadecimal: bool
    rows: tuple[Row, ...]

    def header(self, column: str) -> str:
        """Give a column's own header; empty where there is none."""
        return self.headers[self.columns[column]] if column in self.columns else ""


def read_sheet(data: bytes) -> Sheet:
    """Read a register list; NoTable."""
    text, encoding = _decoded(data)
    separator = _separator(text)
    lines = [(number, [cell.strip() for cell in cells]) for number, cells in _cells(text, separator)]
    at, columns = _header(lines)
    if "address" not in columns:
        known = ", ".join(f"`{name}`" for name in ("address", "register", "地址", "寄存器地址"))
        raise NoTable(f"no column is an address: name one of them {known}, or another usual name")
    headers = tuple(lines[at][1])
    marks = [mark.lower() for mark in _INSIDE.findall(narrow(headers[columns["address"]]))]
    rows = tuple(
        Row(
            line=number,
            cells={name: cells[index] for name, index in columns.items() if index < len(cells)},
            written=tuple(cells),
        )
        for number, cells in lines[at + 1 :]
        if any(cells)
    )
    return Sheet(
        encoding=encoding,
        separator=separator,
        headers=headers,
        columns=columns,
        hexadecimal=any("hex" in mark or "十六" in mark or "16进制" in mark for mark in marks),
        rows=rows,
    )


def plain(header: str) -> str:
    """Bring a header to the form in which `COLUMNS` has it."""
    return re.sub(r"[\s_\-.:#*]+", " ", _INSIDE.sub("", narrow(header)).lower()).strip()


def narrow(text: str) -> str:
    """Bring full-width digits, letters and punctuation, as Chinese input methods write them, to their common form."""
    return unicodedata.normalize("NFKC", text).translate(_LOOKALIKES).strip()


def _decoded(data: bytes) -> tuple[str, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), "utf-16"
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise NoTable("the file is neither UTF-8 nor GBK text: save it as CSV (UTF-8)")


def _separator(text: str) -> str:
    """Take the separator that gives the most lines the same number of cells, and more than one."""

    def worth(separator: str) -> tuple[int, int]:
        widths = [len(cells) for _, cells in _cells("\n".join(text.splitlines()[:50]), separator)]
        common = max(set(widths), key=widths.count, default=1)
        return (widths.count(common) if common > 1 else 0, common)

    return max(_SEPARATORS, key=worth)


def _cells(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise NoTable(f"line {reader.line_num}: {error}") from error
        yield before + 1, cells
        before = reader.line_num


def _header(lines: list[tuple[int, list[str]]]) -> tuple[int, dict[str, int]]:
    """Find the row whose cells are the most known headers, near the top."""
    found = [_columns(cells) for _, cells in lines[:_HEADER_WITHIN]]
    best = max(range(len(found)), key=lambda at: len(found[at]), default=None)
    if best is None or len(found[best]) < 2:  # noqa: PLR2004 - a name and an address
        raise NoTable("no row names its columns: the first row should say `name`, `address`, `type`, …")
    return best, found[best]


def _columns(cells: list[str]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for index, header in enumerate(cells):
        word = plain(header)
        for name, known in COLUMNS.items():
            if word not in known:
                continue
            if name not in columns:
                columns[name] = index
            elif name == "name":  # the same in another language
                columns.setdefault("label_en" if word.isascii() else "label_zh", index)
            break
    return columns
