"""dlib's predictor of five landmarks."""
