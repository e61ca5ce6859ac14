"""Simulated cameras: rendered pictures, and real servers that show them (Motion JPEG, RTSP, radiometric HTTP)."""
