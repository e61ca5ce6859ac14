"""Radiometric cameras over HTTP: a picture of temperatures in every answer."""
