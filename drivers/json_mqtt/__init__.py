"""Devices that publish JSON, plain text or bytes over MQTT; their profile says where everything lies."""
