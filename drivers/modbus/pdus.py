"""Requests as pymodbus has them, and whether an answer to a write repeats it."""

import struct
from collections.abc import Mapping

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteMultipleCoilsRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    MaskWriteRegisterResponse,
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from drivers.modbus.writing import CoilWord, Mask, Words, WriteRequest
from drivers.places.modbus import Table

_READS: Mapping[Table, type[ModbusPDU]] = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.INPUT: ReadInputRegistersRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
}
_ON, _OFF = 0xFF00, 0x0000


class SingleCoilPdu(ModbusPDU):
    """Function 5 and its echo with any word; pymodbus's own knows on and off only, and takes every word for "on"."""

    function_code = 5
    rtu_frame_size = 8

    def __init__(self, address: int = 0, word: int = 0, dev_id: int = 1) -> None:
        super().__init__(address=address, dev_id=dev_id)
        self.word = word

    def encode(self) -> bytes:
        """Give the body: address and word."""
        return struct.pack(">HH", self.address, self.word)

    def decode(self, data: bytes) -> None:
        """Take the body apart."""
        self.address, self.word = struct.unpack(">HH", data[:4])


def read_pdu(unit: int, table: Table, address: int, count: int) -> ModbusPDU:
    """Make the request for `count` addresses."""
    return _READS[table](address=address, count=count, dev_id=unit)


def exchange_size(table: Table, count: int) -> int:
    """Count the bytes that a read and its answer take on a serial line."""
    return 8 + 5 + ((count + 7) // 8 if table.is_bits else 2 * count)


def write_pdu(unit: int, write: WriteRequest) -> ModbusPDU:
    """Make the request of a write."""
    match write:
        case Mask(address=address, and_mask=and_mask, or_mask=or_mask):
            return MaskWriteRegisterRequest(address=address, and_mask=and_mask, or_mask=or_mask, dev_id=unit)
        case CoilWord(address=address, word=word):
            return SingleCoilPdu(address, word, unit)
        case Words(table=Table.COIL, address=address, values=values):
            if len(values) > 1 or write.several:
                return WriteMultipleCoilsRequest(address=address, bits=[bool(value) for value in values], dev_id=unit)
            return SingleCoilPdu(address, _ON if values[0] else _OFF, unit)
        case Words(address=address, values=values):
            several = len(values) > 1 or write.several
            make = WriteMultipleRegistersRequest if several else WriteSingleRegisterRequest
            return make(address=address, registers=list(values), dev_id=unit)


def echo_problem(write: WriteRequest, answer: ModbusPDU) -> str | None:
    """Say in what an answer of the right function does not repeat the write; None when it does."""
    asked, echoed = _said(write, answer)
    if answer.address == write.address and asked == echoed:
        return None
    return f"asked to write {asked} at {write.address}, echoed {echoed} at {answer.address}"


def _said(write: WriteRequest, answer: ModbusPDU) -> tuple[list[int], list[int]]:
    match write, answer:
        case Mask(and_mask=and_mask, or_mask=or_mask), MaskWriteRegisterResponse():
            return [and_mask, or_mask], [answer.and_mask, answer.or_mask]
        case CoilWord(word=word), SingleCoilPdu():
            return [word], [answer.word]
        case Words(values=values), SingleCoilPdu():
            return [int(values[0])], [int(bool(answer.word))]
        case Words(values=values), WriteSingleRegisterResponse():
            return [int(values[0])], [int(word) for word in answer.registers]
        case Words(values=values), _:
            return [len(values)], [int(answer.count)]
    raise TypeError("an answer of another function")  # the bus has compared the function codes
