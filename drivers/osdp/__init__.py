"""OSDP v2.2 (IEC 60839-11-5): card readers on RS-485, by secure channel and no other way."""
