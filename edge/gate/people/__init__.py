"""Who may pass, as the gate holds it: the roll, faces and their keys, consent, calibration, audit, sharing.

`people.py` is the way in: `open_people` gives `People`. `api.py` has the values and the errors, and is light to load.
"""
