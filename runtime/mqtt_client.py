"""The MQTT client that the agent, the service and its drivers connect with."""

from typing import Any

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class MqttClient(aiomqtt.Client):
    """`aiomqtt.Client`, which hears at once when the far end drops the connection before it has answered CONNECT.

    By itself the library leaves that unheard and waits for its whole time-out, 10 s: each restart of a broker behind a
    proxy or a forwarded port would cost that. Entering raises MqttError then.
    """

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
