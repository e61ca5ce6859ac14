"""dlib's face detector."""
