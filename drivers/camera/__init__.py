"""Visible cameras: Motion JPEG over HTTP and RTSP, always the newest picture."""
