"""The MQTT client that the agent, the service and its drivers connect with."""

import asyncio
import socket
from typing import Any

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class Received(aiomqtt.Message):
    """A message, and whether the broker says that it has delivered it before (MQTT's DUP)."""

    redelivered = False


class MqttClient(aiomqtt.Client):
    """`aiomqtt.Client`, with what it lacks: a reset is heard at once, and messages can be acknowledged later.

    What is to be written to a socket that has been closed meanwhile is forgotten with it.

    When the far end drops the connection before it has answered CONNECT, the library by itself leaves that unheard and
    waits for its whole time-out, 10 s: each restart of a broker behind a proxy or a forwarded port would cost that.
    Entering raises MqttError then.

    With `acknowledge_later` a message of QoS 1 is acknowledged by `acknowledge` and not when it arrives. The broker
    delivers what is not acknowledged again on the next connection of a session that persists.
    """

    def acknowledge_later(self) -> None:
        """Leave acknowledging to `acknowledge`; before the client is entered."""
        self._client.manual_ack_set(on=True)

    def acknowledge(self, mid: int) -> bool:
        """Acknowledge the message of QoS 1 that came with this number on this connection; False when it is lost."""
        return self._client.ack(mid, 1) == paho.MQTT_ERR_SUCCESS

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ANN401, ARG002 - as the library declares it
        received = Received._from_paho_message(message)  # noqa: SLF001 - as the library itself does
        received.redelivered = bool(message.dup)
        try:
            self._queue.put_nowait(received)
        except asyncio.QueueFull:
            self._logger.warning("the queue of messages is full; one is dropped")

    def _on_socket_register_write(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401, ARG002 - as the library declares it
        sock: socket.socket,
    ) -> None:
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - whatever it is, this connection is over
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            # The library looks at the number of the socket now and registers it later. Meanwhile the socket may have
            # been closed, and its number may be that of another one, such as a serial line's.
            if sock.fileno() >= 0:
                self._loop.add_writer(sock, write)

        self._loop.call_soon_threadsafe(register)  # paho may call from the thread in which it connects

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401 - as the library declares it
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        waiting = self._connected
        if not waiting.done():
            error = aiomqtt.MqttCodeError(reason_code, "The connection was dropped before CONNECT was answered")

            def drop() -> None:
                if not waiting.done():
                    waiting.set_exception(error)
                    waiting.exception()  # whoever gave up waiting meanwhile does not look at it any more

            self._loop.call_soon_threadsafe(drop)  # paho may call from the thread in which it connects
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
