"""People who are not there: how they look in a visible and in a thermal camera, and who stands where when.

`looks` is who somebody is, `head` and `paint` and `heat` make a head of it once, `take` shows it in a camera,
`attempts` are the ways in which people come (masked, with a fever, as a print), `stage` is the place where they stand.
No photograph is used. What is calibrated on these people says nothing of real ones.
"""
