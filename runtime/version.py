"""The version of Linli, once."""

VERSION = "0.1.0"
