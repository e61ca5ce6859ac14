"""dlib's face recogniser."""
