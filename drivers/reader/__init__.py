"""QR and card readers that speak by themselves over a serial line."""
