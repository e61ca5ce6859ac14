"""The words by which register lists say types, tables and orders. Data only."""

from collections.abc import Mapping

from drivers.places.modbus import RegisterType, Table, WordOrder

_T = RegisterType
TYPES: Mapping[str, RegisterType] = {
    **dict.fromkeys(
        ("bool", "boolean", "bit", "coil", "digital", "discrete", "开关量", "布尔", "布尔型", "位"), _T.BOOL
    ),
    **dict.fromkeys(("int16", "i16", "s16", "short", "int", "integer", "sint16", "signed", "有符号"), _T.INT16),
    **dict.fromkeys(
        ("signed16", "signedint16", "signedshort", "16位有符号", "有符号16位", "有符号整型", "整型"), _T.INT16
    ),
    **dict.fromkeys(("uint16", "u16", "uint", "word", "ushort", "unsigned", "unsignedshort", "无符号"), _T.UINT16),
    **dict.fromkeys(("unsigned16", "unsignedint16", "16位无符号", "无符号16位", "无符号整型", "16bit"), _T.UINT16),
    **dict.fromkeys(("int32", "i32", "s32", "dint", "long", "signed32", "signedint32", "signedlong"), _T.INT32),
    **dict.fromkeys(("32位有符号", "有符号32位", "长整型", "有符号长整型"), _T.INT32),
    **dict.fromkeys(("uint32", "u32", "udint", "dword", "ulong", "unsigned32", "unsignedint32"), _T.UINT32),
    **dict.fromkeys(("unsignedlong", "32位无符号", "无符号32位", "无符号长整型", "32bit"), _T.UINT32),
    **dict.fromkeys(("int64", "i64", "s64", "lint", "signed64", "有符号64位", "64位有符号"), _T.INT64),
    **dict.fromkeys(("uint64", "u64", "ulint", "qword", "unsigned64", "无符号64位", "64位无符号"), _T.UINT64),
    **dict.fromkeys(("float", "float32", "f32", "real", "single", "ieee754", "浮点", "浮点数", "浮点型"), _T.FLOAT32),
    **dict.fromkeys(("单精度", "单精度浮点", "单精度浮点数", "32位浮点", "32位浮点数", "flt"), _T.FLOAT32),
    **dict.fromkeys(
        ("double", "float64", "f64", "lreal", "双精度", "双精度浮点", "双精度浮点数", "64位浮点"), _T.FLOAT64
    ),
    **dict.fromkeys(("string", "str", "char", "ascii", "text", "字符串", "字符"), _T.STRING),
}
FUNCTIONS: Mapping[int, Table] = {
    1: Table.COIL,
    2: Table.DISCRETE,
    3: Table.HOLDING,
    4: Table.INPUT,
    5: Table.COIL,
    6: Table.HOLDING,
    15: Table.COIL,
    16: Table.HOLDING,
}
TABLES: Mapping[str, Table] = {
    **dict.fromkeys(("coil", "coils", "0x", "do", "线圈", "输出线圈"), Table.COIL),
    **dict.fromkeys(("discrete", "discrete input", "discrete inputs", "input status", "1x", "di"), Table.DISCRETE),
    **dict.fromkeys(("离散输入", "离散量输入", "输入状态", "离散量"), Table.DISCRETE),
    **dict.fromkeys(("holding", "holding register", "holding registers", "4x", "hr", "ao"), Table.HOLDING),
    **dict.fromkeys(("保持寄存器", "保持", "输出寄存器"), Table.HOLDING),
    **dict.fromkeys(("input", "input register", "input registers", "3x", "ir", "ai", "输入寄存器"), Table.INPUT),
}
REFERENCE: Mapping[str, Table] = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
ORDERS: Mapping[str, WordOrder] = {
    **{order.value.lower(): order for order in WordOrder},
    **dict.fromkeys(("big endian", "big", "be", "大端", "msb first", "1234", "高字在前"), WordOrder.ABCD),
    **dict.fromkeys(
        ("word swap", "swapped", "swap", "3412", "低字在前", "字交换", "little endian swap"), WordOrder.CDAB
    ),
    **dict.fromkeys(("byte swap", "2143", "字节交换"), WordOrder.BADC),
    **dict.fromkeys(("little endian", "little", "le", "小端", "lsb first", "4321"), WordOrder.DCBA),
}
