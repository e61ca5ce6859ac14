"""dlib's published weights: reading its serialisation, and building models from it."""
