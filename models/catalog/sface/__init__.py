"""SFace, a face recogniser of opencv-zoo."""
